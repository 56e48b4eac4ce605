//! How a capture was recorded: events, clock, compression, AUX data.

use super::attr::Attr;
use super::bits::feature;
use super::note::Note;
use super::text::string;
use crate::Cursor;

/// An attribute with the name and the ids of its event (feature EVENT_DESC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDesc {
    /// The attribute.
    pub attr: Attr,
    /// The event as it was asked for on the command line.
    pub name: String,
    /// Its ids, one a CPU or thread.
    pub ids: Vec<u64>,
}

/// Where an AUXTRACE record is (feature AUXTRACE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuxtraceEntry {
    /// Where its header begins, in bytes from the start of the file.
    pub file_offset: u64,
    /// How long header and payload are, in bytes.
    pub size: u64,
}

/// The times of the first and last sample (feature SAMPLE_TIME), in ns of the
/// clock of the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleTime {
    /// The first, in ns.
    pub first: u64,
    /// The last, in ns.
    pub last: u64,
}

/// One moment on two clocks (feature CLOCK_DATA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockData {
    /// The clock of the samples, as `clock_gettime` numbers it.
    pub clockid: u32,
    /// The moment in ns since 1970, UTC.
    pub wall_clock_ns: u64,
    /// The same moment in ns of the clock of the samples.
    pub clockid_time_ns: u64,
}

/// How records are compressed (feature COMPRESSED).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compressed {
    /// 1.
    pub version: u32,
    /// 1 for zstd.
    pub kind: u32,
    /// The level of compression.
    pub level: u32,
    /// How much was won, rounded to a whole number.
    pub ratio: u32,
    /// The most that one record may inflate to, in bytes.
    pub mmap_len: u32,
}

/// The architecture as in an ELF header (feature E_MACHINE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// `e_machine`: 62 for x86_64, 183 for aarch64.
    pub e_machine: u32,
    /// `e_flags`; 0 where the file does not say.
    pub e_flags: u32,
}

/// tools/perf/util/header.c, read_event_desc: attributes of one size, each
/// followed by the number of ids, the name and the ids.
pub(super) fn read_event_desc(
    cursor: &mut Cursor<'_>,
    into: &mut Vec<EventDesc>,
) -> Option<Result<(), Note>> {
    let count = cursor.u32()?;
    let room = cursor.u32()?;
    for index in 0..count as usize {
        let bytes = cursor.bytes(usize::try_from(room).ok()?)?;
        let Some(attr) = Attr::parse(&mut Cursor::new(bytes, cursor.endian())) else {
            return Some(Err(Note::AttrUnreadable { index }));
        };
        let ids = usize::try_from(cursor.u32()?).ok()?;
        let name = string(cursor)?;
        let ids = cursor.bytes(ids.checked_mul(8)?)?;
        let mut ids = Cursor::new(ids, cursor.endian());
        let ids = std::iter::from_fn(|| ids.u64()).collect();
        into.push(EventDesc { attr, name, ids });
    }
    Some(Ok(()))
}

/// A u64 count, then offset and size of each (tools/perf/util/auxtrace.c,
/// auxtrace_index__process). simpleperf leaves the count out, which shows in
/// the length.
pub(super) fn read_auxtrace(cursor: &mut Cursor<'_>, into: &mut Vec<AuxtraceEntry>) -> Option<()> {
    let count = match cursor.remaining() % 16 {
        0 => cursor.remaining() as u64 / 16,
        _ => cursor.u64()?,
    };
    for _ in 0..count {
        into.push(AuxtraceEntry {
            file_offset: cursor.u64()?,
            size: cursor.u64()?,
        });
    }
    Some(())
}

impl SampleTime {
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self {
            first: cursor.u64()?,
            last: cursor.u64()?,
        })
    }
}

impl ClockData {
    /// tools/perf/util/header.c, process_clock_data.
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Option<Result<Self, Note>> {
        let version = cursor.u32()?;
        if version != 1 {
            return Some(Err(Note::FeatureVersion {
                bit: feature::CLOCK_DATA,
                version: version.into(),
            }));
        }
        Some(Ok(Self {
            clockid: cursor.u32()?,
            wall_clock_ns: cursor.u64()?,
            clockid_time_ns: cursor.u64()?,
        }))
    }
}

impl Compressed {
    /// tools/perf/util/header.c, process_compressed.
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self {
            version: cursor.u32()?,
            kind: cursor.u32()?,
            level: cursor.u32()?,
            ratio: cursor.u32()?,
            mmap_len: cursor.u32()?,
        })
    }
}

impl Machine {
    /// tools/perf/util/header.c, process_e_machine.
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self {
            e_machine: cursor.u32()?,
            e_flags: cursor.u32().unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::attr::tests::bytes as attr_bytes;
    use super::*;
    use crate::Endianness::{BigEndian, LittleEndian};

    #[test]
    fn event_desc_with_ids_and_name() {
        for endian in [LittleEndian, BigEndian] {
            let u32_of = |value: u32| match endian {
                LittleEndian => value.to_le_bytes(),
                BigEndian => value.to_be_bytes(),
            };
            let bytes = [
                &u32_of(1)[..],
                &u32_of(72),
                &attr_bytes(0, 72, 1, endian),
                &u32_of(1),
                &u32_of(4),
                b"ins\0",
                &u32_of(0),
                &u32_of(0),
            ]
            .concat();
            let mut found = Vec::new();
            let result = read_event_desc(&mut Cursor::new(&bytes, endian), &mut found);
            assert_eq!(result, Some(Ok(())));
            let desc = &found[0];
            assert_eq!(
                (desc.name.as_str(), desc.ids.as_slice()),
                ("ins", &[0_u64][..])
            );
            assert_eq!(desc.attr.config, 1);
            for cut in 0..bytes.len() {
                let mut cursor = Cursor::new(&bytes[..cut], endian);
                assert_eq!(read_event_desc(&mut cursor, &mut Vec::new()), None);
            }
        }
    }

    #[test]
    fn auxtrace_of_perf_and_of_simpleperf() {
        let values = [2_u64, 100, 48, 200, 56];
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        for bytes in [&bytes[..], &bytes[8..]] {
            let mut found = Vec::new();
            let mut cursor = Cursor::new(bytes, LittleEndian);
            assert_eq!(read_auxtrace(&mut cursor, &mut found), Some(()));
            assert_eq!((found[0].file_offset, found[1].size), (100, 56));
        }
    }

    #[test]
    fn clock_data_of_another_version() {
        let mut cursor = Cursor::new(b"\x02\0\0\0", LittleEndian);
        let bit = feature::CLOCK_DATA;
        assert_eq!(
            ClockData::parse(&mut cursor),
            Some(Err(Note::FeatureVersion { bit, version: 2 }))
        );
    }
}
