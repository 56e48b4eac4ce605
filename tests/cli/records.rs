//! A walk over the headers of records, and nothing else: what a reader that loses
//! none must have seen.

use std::collections::BTreeMap;

/// Types that are common, and their names in the document of `info`.
pub(crate) const NAMES: [(u32, &str); 10] = [
    (1, "MMAP"),
    (2, "LOST"),
    (3, "COMM"),
    (4, "EXIT"),
    (5, "THROTTLE"),
    (7, "FORK"),
    (9, "SAMPLE"),
    (10, "MMAP2"),
    (14, "SWITCH"),
    (68, "FINISHED_ROUND"),
];

/// Data behind the record, whose size is in its first word.
const AUXTRACE: u32 = 71;

/// The same, in the first four bytes, if the record has no more than these: that
/// of simpleperf has the data inside. (The index of the captures takes it for
/// perf's, and so misses 41 COMM and 3 MMAP records of one capture.)
const TRACING_DATA: u32 = 66;

/// Records that hold records, which are not walked here.
const COMPRESSED: [u32; 2] = [81, 83];

pub(crate) struct Records {
    /// How many there are of each type.
    pub(crate) kinds: BTreeMap<u32, u64>,
    /// Bytes of the data section behind the last whole one, or missing of the data
    /// behind it.
    pub(crate) left: u64,
}

/// Walks over a little-endian file; nothing for other forms of captures, for
/// compressed ones, and for those that have no data section in them.
pub(crate) fn walk(bytes: &[u8]) -> Option<Records> {
    let number = |at: usize, size: usize| -> Option<u64> {
        let mut value = [0; 8];
        value[..size].copy_from_slice(bytes.get(at..at.checked_add(size)?)?);
        Some(u64::from_le_bytes(value))
    };
    if bytes.get(..8)? != b"PERFILE2" || number(8, 8)? != 104 {
        return None;
    }
    let start = usize::try_from(number(40, 8)?).ok()?;
    let declared = usize::try_from(number(48, 8)?).ok()?;
    let end = match declared {
        // The recorder was killed: up to the end of the file.
        0 => bytes.len(),
        size => start.checked_add(size)?,
    };
    if start < 104 || start > bytes.len() {
        return None;
    }
    let mut kinds = BTreeMap::new();
    let mut at = start;
    while let (Some(kind), Some(size)) = (number(at, 4), number(at + 6, 2)) {
        let kind = u32::try_from(kind).ok()?;
        let payload = match kind {
            AUXTRACE => number(at + 8, 8)?,
            TRACING_DATA if size <= 16 => number(at + 8, 4)?.next_multiple_of(8),
            _ => 0,
        };
        let size = usize::try_from(size).ok()?;
        if size < 8 || at + size > end.min(bytes.len()) {
            break;
        }
        if COMPRESSED.contains(&kind) {
            return None;
        }
        *kinds.entry(kind).or_default() += 1;
        at = at
            .checked_add(size)?
            .checked_add(usize::try_from(payload).ok()?)?;
        if at > bytes.len() {
            at = bytes.len();
            break;
        }
    }
    Some(Records {
        kinds,
        left: (end - at) as u64,
    })
}
