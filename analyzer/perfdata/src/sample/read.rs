//! The READ field: counter values beside a sample, alone or as a group.
//!
//! Layout: `struct read_format` in `include/uapi/linux/perf_event.h`.

use crate::bytes::Cursor;

const TOTAL_TIME_ENABLED: u64 = 1 << 0;
const TOTAL_TIME_RUNNING: u64 = 1 << 1;
const ID: u64 = 1 << 2;
const GROUP: u64 = 1 << 3;
const LOST: u64 = 1 << 4;

/// The value of one counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadValue {
    /// The counter's value, in units of its event.
    pub value: u64,
    /// The event id; absent without PERF_FORMAT_ID.
    pub id: Option<u64>,
    /// How many samples the event has lost; absent without PERF_FORMAT_LOST.
    pub lost: Option<u64>,
}

/// A READ field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadValues {
    /// How long the event (or its group) was enabled, in ns; absent when not
    /// asked for.
    pub time_enabled: Option<u64>,
    /// How long it was counting, in ns; absent when not asked for.
    pub time_running: Option<u64>,
    /// One value without PERF_FORMAT_GROUP, otherwise one for each event of the
    /// group.
    pub values: Vec<ReadValue>,
}

impl ReadValues {
    /// Reads the field at `cursor`; nothing when it does not fit.
    pub(crate) fn parse(cursor: &mut Cursor<'_>, read_format: u64) -> Option<Self> {
        let has = |bit: u64| read_format & bit != 0;
        let mut read = Self::default();
        let optional = |cursor: &mut Cursor<'_>, bit: u64| {
            if has(bit) {
                cursor.u64().map(Some)
            } else {
                Some(None)
            }
        };
        if has(GROUP) {
            let count = cursor.u64()?;
            read.time_enabled = optional(cursor, TOTAL_TIME_ENABLED)?;
            read.time_running = optional(cursor, TOTAL_TIME_RUNNING)?;
            let size = 8 * (1 + u64::from(has(ID)) + u64::from(has(LOST)));
            if count > cursor.remaining() as u64 / size {
                return None;
            }
            for _ in 0..count {
                read.values.push(ReadValue {
                    value: cursor.u64()?,
                    id: optional(cursor, ID)?,
                    lost: optional(cursor, LOST)?,
                });
            }
        } else {
            let value = cursor.u64()?;
            read.time_enabled = optional(cursor, TOTAL_TIME_ENABLED)?;
            read.time_running = optional(cursor, TOTAL_TIME_RUNNING)?;
            read.values.push(ReadValue {
                value,
                id: optional(cursor, ID)?,
                lost: optional(cursor, LOST)?,
            });
        }
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use linux_perf_event_reader::Endianness;

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn a_single_value_has_its_times_behind_it() {
        let bytes = words(&[5, 100, 90, 77, 3]);
        let mut cursor = Cursor::new(&bytes, Endianness::LittleEndian);
        let all = TOTAL_TIME_ENABLED | TOTAL_TIME_RUNNING | ID | LOST;
        let read = ReadValues::parse(&mut cursor, all).unwrap();
        assert_eq!(read.time_enabled, Some(100));
        assert_eq!(read.time_running, Some(90));
        let only = ReadValue {
            value: 5,
            id: Some(77),
            lost: Some(3),
        };
        assert_eq!(read.values, [only]);
        assert_eq!(cursor.remaining(), 0);
    }

    #[test]
    fn a_group_has_its_times_before_the_values() {
        let bytes = words(&[2, 100, 5, 77, 6, 78]);
        let mut cursor = Cursor::new(&bytes, Endianness::LittleEndian);
        let read = ReadValues::parse(&mut cursor, GROUP | ID | TOTAL_TIME_ENABLED).unwrap();
        assert_eq!(read.time_enabled, Some(100));
        assert_eq!(read.values.len(), 2);
        assert_eq!(read.values[1].id, Some(78));
        assert_eq!(read.values[1].lost, None);
    }

    #[test]
    fn a_group_larger_than_the_record_is_refused() {
        let bytes = words(&[u64::MAX, 1, 2]);
        let mut cursor = Cursor::new(&bytes, Endianness::LittleEndian);
        assert_eq!(ReadValues::parse(&mut cursor, GROUP | ID), None);
    }
}
