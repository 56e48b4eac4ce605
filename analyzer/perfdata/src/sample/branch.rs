//! The BRANCH_STACK field: the last branches taken before a sample.
//!
//! Layout: `struct perf_branch_stack` and `struct perf_branch_entry` in
//! `include/uapi/linux/perf_event.h`.

use crate::bytes::Cursor;

const HW_INDEX: u64 = 1 << 17;
const COUNTERS: u64 = 1 << 19;
const ENTRY_SIZE: usize = 24;

/// One branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BranchEntry {
    /// The address of the branch instruction (AVMA).
    pub from: u64,
    /// The address it went to (AVMA).
    pub to: u64,
    /// The flag word: mispredicted, predicted, in transaction, abort, cycles
    /// (16 bits), type and more, as a bit field in the file's byte order.
    pub flags: u64,
}

/// The branches of one sample, the most recent one first.
#[derive(Clone, Copy, Debug)]
pub struct BranchStack<'a> {
    /// The hardware's index of the most recent entry; absent when not asked
    /// for. All ones when the kernel does not know it.
    pub hw_index: Option<u64>,
    entries: Cursor<'a>,
    counters: Option<Cursor<'a>>,
}

impl<'a> BranchStack<'a> {
    /// Reads the field at `cursor`; nothing when it does not fit.
    pub(crate) fn parse(cursor: &mut Cursor<'a>, branch_sample_type: u64) -> Option<Self> {
        let count = usize::try_from(cursor.u64()?).ok()?;
        let hw_index = if branch_sample_type & HW_INDEX != 0 {
            Some(cursor.u64()?)
        } else {
            None
        };
        let entries = cursor.bytes(count.checked_mul(ENTRY_SIZE)?)?;
        let counters = if branch_sample_type & COUNTERS != 0 {
            Some(cursor.bytes(count.checked_mul(8)?)?)
        } else {
            None
        };
        Some(Self {
            hw_index,
            entries: Cursor::new(entries, cursor.endian()),
            counters: counters.map(|bytes| Cursor::new(bytes, cursor.endian())),
        })
    }

    /// How many branches there are.
    pub fn len(&self) -> usize {
        self.entries.remaining() / ENTRY_SIZE
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The branches, the most recent one first.
    pub fn iter(&self) -> impl Iterator<Item = BranchEntry> + use<'a> {
        let mut cursor = self.entries;
        std::iter::from_fn(move || {
            Some(BranchEntry {
                from: cursor.u64()?,
                to: cursor.u64()?,
                flags: cursor.u64()?,
            })
        })
    }

    /// The event counters logged with each branch, in the order of the
    /// branches; empty when not asked for.
    pub fn counters(&self) -> impl Iterator<Item = u64> + use<'a> {
        let mut cursor = self.counters;
        std::iter::from_fn(move || cursor.as_mut()?.u64())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use linux_perf_event_reader::Endianness;

    #[test]
    fn the_hardware_index_and_the_counters_are_optional() {
        let words: [u64; 10] = [2, 9, 1, 2, 3, 4, 5, 6, 70, 71];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut cursor = Cursor::new(&bytes, Endianness::LittleEndian);
        let stack = BranchStack::parse(&mut cursor, HW_INDEX | COUNTERS).unwrap();
        assert_eq!(stack.hw_index, Some(9));
        assert_eq!(stack.len(), 2);
        let second = BranchEntry {
            from: 4,
            to: 5,
            flags: 6,
        };
        assert_eq!(stack.iter().nth(1), Some(second));
        assert_eq!(stack.counters().collect::<Vec<_>>(), [70, 71]);
        assert_eq!(cursor.remaining(), 0);
    }

    #[test]
    fn a_count_larger_than_the_record_is_refused() {
        let bytes = u64::MAX.to_le_bytes();
        let mut cursor = Cursor::new(&bytes, Endianness::LittleEndian);
        assert!(BranchStack::parse(&mut cursor, 0).is_none());
    }
}
