//! Parts of a file, and reading them with bounds.

use std::ops::Range;

use crate::{Cursor, Error, Source};

/// `struct perf_file_section`: where something is in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl Section {
    /// Bytes that offset and size take.
    pub(super) const SIZE: u64 = 16;

    /// The next section of a table; `None` at its end.
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self {
            offset: cursor.u64()?,
            size: cursor.u64()?,
        })
    }

    /// The part of the section that is in a file of this length.
    pub(super) fn within(self, length: u64) -> Range<u64> {
        let end = self.offset.saturating_add(self.size);
        self.offset.min(length)..end.min(length)
    }

    /// Whether all of the section is in a file of this length.
    pub(super) fn is_within(self, length: u64) -> bool {
        self.offset
            .checked_add(self.size)
            .is_some_and(|end| end <= length)
    }
}

/// Reads what is there of a range, at most `limit` bytes.
pub(super) fn bytes_at(
    source: &dyn Source,
    range: Range<u64>,
    limit: u64,
) -> Result<Vec<u8>, Error> {
    let length = range.end.saturating_sub(range.start).min(limit);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let offset = range.start;
    let filled = source
        .fill_at(offset, &mut bytes)
        .map_err(|source| Error::Io { offset, source })?;
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_cut_to_the_file() {
        let section = |offset, size| Section { offset, size };
        assert_eq!(section(10, 5).within(20), 10..15);
        assert_eq!(section(10, 5).within(12), 10..12);
        assert_eq!(section(10, 5).within(3), 3..3);
        assert_eq!(section(u64::MAX, u64::MAX).within(20), 20..20);
        assert!(section(10, 10).is_within(20) && !section(10, 11).is_within(20));
        assert!(!section(u64::MAX, 2).is_within(20));
    }

    #[test]
    fn no_more_than_there_is_is_read() {
        let source: &dyn Source = &vec![1, 2, 3, 4];
        let read = |range, limit| bytes_at(source, range, limit).unwrap();
        assert_eq!(read(1..3, 100), [2, 3]);
        assert_eq!(read(1..3, 1), [2]);
        assert_eq!(read(3..1000, 10), [4]);
        assert_eq!(read(9..20, 10), [0; 0]);
        #[allow(clippy::reversed_empty_ranges, reason = "damage may give one")]
        let backwards = 3..1;
        assert_eq!(read(backwards, 10), [0; 0]);
    }
}
