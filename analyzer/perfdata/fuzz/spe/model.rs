//! The decoder a second time, as simply as the manual puts it and for whole records
//! only. It shares no code with the program.

use contend_perfdata::{SpeRecord, spe_address as address};

/// What a record says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    operation: Option<(u8, u8)>,
    events: Option<u64>,
    source: Option<u16>,
    contexts: [Option<u32>; 2],
    addresses: [Option<u64>; 5],
    counters: [Option<u16>; 3],
    timestamp: Option<u64>,
}

/// A record longer than this, padding inside it included, is none.
const LONGEST: usize = 4096;

/// Where the record that begins at `start` ends.
pub(crate) fn end(bytes: &[u8], start: usize, area: u64) -> Option<usize> {
    read(bytes, start, area).map(|(_, end)| end)
}

/// Puts a value where none was.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// The record that begins at `start` and where it ends; nothing where none does, or
/// one that lacks what every record has.
fn read(bytes: &[u8], start: usize, area: u64) -> Option<(Told, usize)> {
    let mut record = Told::default();
    let mut at = start;
    loop {
        if at - start >= LONGEST {
            return None;
        }
        let first = *bytes.get(at)?;
        if first == 0 {
            at += 1;
            continue;
        }
        let is_extended = first & 0xfc == 0x20;
        if is_extended && *bytes.get(at + 1)? == 0 {
            // Up to the next multiple of 2 to 16 bytes.
            let step = 2u64 << (first & 3);
            let next = (area.wrapping_add(at as u64) / step + 1).wrapping_mul(step);
            at += next.wrapping_sub(area.wrapping_add(at as u64)) as usize;
            bytes.get(at - 1)?;
            continue;
        }
        at += usize::from(is_extended);
        let header = *bytes.get(at)?;
        at += 1;
        if header == 0x01 && !is_extended {
            break;
        }
        let length = 1 << (header >> 4 & 3);
        let payload = bytes.get(at..at + length)?;
        at += length;
        let mut word = [0; 8];
        word[..length].copy_from_slice(payload);
        let value = u64::from_le_bytes(word);
        let number = header & 7 | if is_extended { (first & 3) << 3 } else { 0 };
        let number = usize::from(number);
        match header {
            _ if header & 0xf8 == 0xb0 => {
                if let Some(place) = record.addresses.get_mut(number) {
                    once(place, value)?;
                }
            }
            _ if header & 0xf8 == 0x98 => {
                if let Some(place) = record.counters.get_mut(number) {
                    once(place, value as u16)?;
                }
            }
            _ if is_extended => return None,
            0x71 => {
                record.timestamp = Some(value);
                break;
            }
            0x42 | 0x52 | 0x62 | 0x72 => once(&mut record.events, value)?,
            0x43 | 0x53 | 0x63 | 0x73 => once(&mut record.source, value as u16)?,
            0x64..=0x67 => once(&mut record.contexts[number % 2], value as u32)?,
            0x48..=0x4a => once(&mut record.operation, (header & 3, value as u8))?,
            _ => return None,
        }
    }
    let has_all = record.operation.is_some() && record.addresses[0].is_some();
    has_all.then_some((record, at))
}

/// The same of a record of the program.
fn said(record: &SpeRecord, model: &Told) -> Told {
    let operation = record.operation();
    let address = |index| record.raw_address(index);
    // Of two contexts one is told.
    let context = match model.contexts {
        [first, Some(_)] => [first, record.context()],
        _ => [record.context(), None],
    };
    Told {
        operation: Some((operation.class, operation.payload)),
        // No events and no packet of them are the same to the program.
        events: model.events.map(|_| record.events()),
        source: record.source(),
        contexts: context,
        addresses: [
            address(address::PC),
            address(address::TARGET),
            address(address::DATA),
            address(address::PHYSICAL),
            address(address::PREVIOUS_TARGET),
        ],
        counters: [
            record.total_latency(),
            record.issue_latency(),
            record.translation_latency(),
        ],
        timestamp: record.timestamp(),
    }
}

/// Compares what was delivered with what stands there, and looks for what was not
/// delivered although nothing was wrong.
pub(crate) fn compare(bytes: &[u8], area: u64, records: &[(u64, SpeRecord)]) {
    for (offset, record) in records {
        let model = read(bytes, *offset as usize, area);
        let (model, _) = model.unwrap_or_else(|| panic!("no record stands at {offset}"));
        assert_eq!(said(record, &model), model, "at {offset}");
        assert!(
            model.events.is_some() || record.events() == 0,
            "at {offset}"
        );
    }
    for (number, offset) in good(bytes, area).enumerate() {
        let delivered = records.get(number).map(|(offset, _)| *offset as usize);
        assert_eq!(delivered, Some(offset), "record {number}");
    }
}

/// Where the records stand in front of all that may be taken for damage: a record is
/// not whole, or those before it, eight or more, began at multiples of 16 bytes or
/// more and the next one does not.
fn good(bytes: &[u8], area: u64) -> impl Iterator<Item = usize> {
    let (mut at, mut seen, mut align) = (0, 0, 64);
    std::iter::from_fn(move || {
        at += zeros(bytes, at);
        let (_, end) = read(bytes, at, area)?;
        let next = end + zeros(bytes, end);
        let is_aligned = area.wrapping_add(next as u64).is_multiple_of(align);
        if seen >= 8 && align >= 16 && next < bytes.len() && !is_aligned {
            return None;
        }
        while !area.wrapping_add(at as u64).is_multiple_of(align) {
            align /= 2;
        }
        seen += 1;
        Some(std::mem::replace(&mut at, end))
    })
}

fn zeros(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or(&[]);
    rest.iter().take_while(|&&byte| byte == 0).count()
}
