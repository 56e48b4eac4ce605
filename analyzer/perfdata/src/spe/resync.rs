//! Finding the next record behind bytes that are no packet.
//!
//! Hardware puts each record at a multiple of a power of two and pads the room
//! between; where that has been seen, the next record is at one of the next
//! multiples. Otherwise the end of a record is looked for. Either way a place
//! counts only if a whole record with what every record has stands there.

use super::packet::{KINDS, Kind};
use super::record::{Ended, SpeRecord, assemble};

/// How many bytes behind the damage are searched at once.
pub(super) const REACH: usize = 16 << 10;

/// How many padding bytes may stand between two records.
const MOST_PADDING: usize = 4096;

/// The alignment of records, learned from those that were read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stride {
    bytes: u64,
    seen: u32,
}

/// Hardware aligns to this or less (`PMBIDR_EL1.Align` goes up to 2 KiB, but no
/// core is known that pads so much).
const WIDEST: u64 = 64;

/// Below this an alignment is chance.
const NARROWEST: u64 = 16;

impl Stride {
    pub(super) fn new() -> Self {
        Self {
            bytes: WIDEST,
            seen: 0,
        }
    }

    /// Learns where a record began in the AUX area.
    #[inline]
    pub(super) fn learn(&mut self, place: u64) {
        if place & (self.bytes - 1) != 0 {
            self.bytes = 1 << place.trailing_zeros();
        }
        self.seen = self.seen.saturating_add(1);
    }

    /// Whether a record at this place is as all others were, of which there were
    /// enough.
    #[inline]
    pub(super) fn fits(&self, place: u64) -> bool {
        place & (self.bytes - 1) == 0 || self.seen < 8 || self.bytes < NARROWEST
    }
}

/// Where the record behind the damage begins, in `bytes`, whose first byte is at
/// `area`. The damaged record began at `start`, and `bad` is no packet of it.
/// Absent when none begins in reach.
pub(super) fn find(
    bytes: &[u8],
    start: usize,
    bad: usize,
    area: u64,
    stride: Stride,
) -> Option<usize> {
    let end = bytes.len().min(bad.saturating_add(REACH));
    if stride.bytes >= NARROWEST {
        let step = stride.bytes as usize;
        let first = step - (area.wrapping_add(start as u64) & (stride.bytes - 1)) as usize;
        let mut at = start + first;
        while at < end {
            // The records behind it are aligned as well; of long padding not all was
            // passed over.
            if let Some(next) = whole(bytes, at, area)
                && (bytes.get(next).is_none_or(|&byte| byte == 0)
                    || area.wrapping_add(next as u64) & (stride.bytes - 1) == 0)
            {
                return Some(at);
            }
            at += step;
        }
        if stride.seen >= 8 {
            return None;
        }
    }
    // Behind the last packet of a record: its time, or the end packet.
    let mut at = bad;
    while at < end {
        let behind = match bytes[at] {
            0x71 => at + 9,
            0x01 => at + 1,
            _ => {
                at += 1;
                continue;
            }
        };
        let next = behind + padding(bytes, behind.min(bytes.len()));
        if next < bytes.len() && whole(bytes, next, area).is_some() {
            return Some(next);
        }
        at += 1;
    }
    None
}

/// Where the padding behind the whole record at `at` ends; absent when there is
/// no such record.
pub(super) fn whole(bytes: &[u8], at: usize, area: u64) -> Option<usize> {
    if !can_begin(bytes, at) {
        return None;
    }
    let mut record = SpeRecord::default();
    match assemble(bytes, at, area, &mut record) {
        Ended::Whole(end) if record.is_whole() => Some(end + padding(bytes, end)),
        _ => None,
    }
}

/// Whether the first packet of a record can stand at `at`: what pads or ends one
/// cannot. Without this a search through padding would look at all of it again from
/// each of its places.
fn can_begin(bytes: &[u8], at: usize) -> bool {
    let Some(&header) = bytes.get(at) else {
        return false;
    };
    match KINDS[usize::from(header)] {
        Kind::Padding | Kind::End | Kind::Timestamp | Kind::Bad => false,
        Kind::Extended => bytes.get(at + 1).is_some_and(|&second| second != 0),
        _ => true,
    }
}

/// How many padding bytes stand at `from`.
#[inline]
pub(super) fn padding(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or(&[]);
    // Mostly a few of them.
    if let Some(word) = rest.first_chunk::<8>()
        && *word != [0; 8]
    {
        return (u64::from_le_bytes(*word).trailing_zeros() / 8) as usize;
    }
    let (words, tail) = rest[..rest.len().min(MOST_PADDING)].as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        if word != 0 {
            return 8 * place + (word.trailing_zeros() / 8) as usize;
        }
    }
    8 * words.len() + tail.iter().take_while(|&&byte| byte == 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_record_begins_with_padding_or_an_end() {
        let record = [0xb0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x49, 0, 0x98, 9, 0, 0x01];
        assert_eq!(whole(&record, 0, 0), Some(record.len()));
        for front in [
            &[0x00][..],
            &[0x20, 0x00],
            &[0x01],
            &[0x71, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            let padded = [front, &record].concat();
            assert_eq!(whole(&padded, 0, 0), None, "{front:x?}");
            assert!(whole(&padded, front.len(), 0).is_some(), "{front:x?}");
        }
        // An extended header with a counter of the implementer is no padding.
        let own = [&[0x21, 0x99, 2, 1][..], &record].concat();
        assert_eq!(whole(&own, 0, 0), Some(own.len()));
    }
}
