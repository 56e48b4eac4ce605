//! The sample-id trailer of records that are not samples.
//!
//! With `sample_id_all` the kernel ends such records with the fields that tell
//! who, when and where (`perf_event__output_id_sample` in
//! `kernel/events/core.c`), in another order than in samples: TID, TIME, ID,
//! STREAM_ID, CPU, IDENTIFIER.

use super::layout::Fields;
use crate::bytes::Cursor;
use linux_perf_event_reader::{Endianness, SampleFormat};

/// What a trailer may have, a word each.
const PARTS: [SampleFormat; 6] = [
    SampleFormat::TID,
    SampleFormat::TIME,
    SampleFormat::ID,
    SampleFormat::STREAM_ID,
    SampleFormat::CPU,
    SampleFormat::IDENTIFIER,
];

/// The fields of a trailer; each is absent when the attribute did not ask for
/// it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SampleId {
    /// Process and thread on whose behalf the record was written.
    pub pid_tid: Option<(i32, i32)>,
    /// When, in ns of the recording clock.
    pub time: Option<u64>,
    /// The event id.
    pub id: Option<u64>,
    /// The CPU.
    pub cpu: Option<u32>,
}

/// Where the fields of a trailer stand.
#[derive(Clone, Copy, Debug)]
pub struct TrailerLayout {
    fields: Fields,
    size: usize,
}

impl TrailerLayout {
    /// The trailer of records that belong to an attribute with `fields`.
    pub fn new(fields: Fields) -> Self {
        let count = PARTS.iter().filter(|&&part| fields.has(part)).count();
        let size = if fields.sample_id_all { 8 * count } else { 0 };
        Self { fields, size }
    }

    /// How many bytes the trailer takes at the end of a record.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether both have the same fields.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let same = |&part: &SampleFormat| self.fields.has(part) == other.fields.has(part);
        self.size == other.size && (self.size == 0 || PARTS.iter().all(same))
    }

    /// How many words in front of the end the event's id is, that of the last word being
    /// 1; absent when the trailer has none.
    pub(crate) fn id_from_end(&self) -> Option<usize> {
        let has = |field| usize::from(self.fields.has(field));
        match (
            self.size,
            has(SampleFormat::IDENTIFIER),
            has(SampleFormat::ID),
        ) {
            (0, ..) | (_, 0, 0) => None,
            (_, 1, _) => Some(1),
            _ => Some(1 + has(SampleFormat::CPU) + has(SampleFormat::STREAM_ID)),
        }
    }

    /// Reads the trailer of a record whose bytes behind the header are `body`;
    /// all fields are absent when there is none or the record is too short.
    pub fn parse(&self, body: &[u8], endian: Endianness) -> SampleId {
        let mut id = SampleId::default();
        if self.size == 0 || body.len() < self.size {
            return id;
        }
        let mut cursor = Cursor::new(&body[body.len() - self.size..], endian);
        let has = |field| self.fields.has(field);
        if has(SampleFormat::TID) {
            id.pid_tid = cursor.i32().zip(cursor.i32());
        }
        if has(SampleFormat::TIME) {
            id.time = cursor.u64();
        }
        if has(SampleFormat::ID) {
            id.id = cursor.u64();
        }
        if has(SampleFormat::STREAM_ID) {
            cursor.u64();
        }
        if has(SampleFormat::CPU) {
            id.cpu = cursor.u32();
            cursor.u32();
        }
        if has(SampleFormat::IDENTIFIER) {
            id.id = cursor.u64();
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trailer_is_counted_from_the_end() {
        let fields = Fields {
            sample_type: (SampleFormat::TID
                | SampleFormat::TIME
                | SampleFormat::CPU
                | SampleFormat::IDENTIFIER)
                .bits(),
            sample_id_all: true,
            ..Fields::default()
        };
        let layout = TrailerLayout::new(fields);
        assert_eq!(layout.size(), 32);
        let mut body = b"some comm\0\0\0\0\0\0\0".to_vec();
        body.extend(7i32.to_le_bytes());
        body.extend(8i32.to_le_bytes());
        body.extend(99u64.to_le_bytes());
        body.extend(3u32.to_le_bytes());
        body.extend(0u32.to_le_bytes());
        body.extend(42u64.to_le_bytes());
        let id = layout.parse(&body, Endianness::LittleEndian);
        assert_eq!(id.pid_tid, Some((7, 8)));
        assert_eq!((id.time, id.cpu, id.id), (Some(99), Some(3), Some(42)));
        let short = layout.parse(&body[..8], Endianness::LittleEndian);
        assert_eq!(short, SampleId::default());
    }
}
