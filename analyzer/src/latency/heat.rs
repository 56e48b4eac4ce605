//! Latencies over time, as coarse as a picture shows them.

use std::collections::BTreeMap;

/// `log2` of how many rows a power of two has.
pub(crate) const STEP_BITS: u32 = 2;

/// Columns of a picture.
const COLUMNS: u64 = 100;

/// How many accesses there were of each latency in each span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeatMap {
    /// Begin of the first column, in ns of the recording clock.
    pub(crate) first_ns: u64,
    /// How long a column is, in ns.
    pub(crate) column_ns: u64,
    /// By column and row. A row holds the values with one result of [`row_of`].
    pub(crate) cells: BTreeMap<(u16, u16), u64>,
}

impl HeatMap {
    /// Of accesses between two moments, both included.
    pub(crate) fn new(first_ns: u64, last_ns: u64) -> Self {
        let span = last_ns.saturating_sub(first_ns);
        Self {
            first_ns,
            column_ns: span / COLUMNS + 1,
            cells: BTreeMap::new(),
        }
    }

    /// How many columns there can be.
    pub(crate) fn columns(&self) -> u64 {
        COLUMNS
    }

    /// The cell of an access; absent for times outside.
    #[inline]
    pub(super) fn cell(&self, time: u64, latency: u64) -> Option<(u16, u16)> {
        let column = time.checked_sub(self.first_ns)? / self.column_ns;
        (column < COLUMNS).then(|| (column as u16, row_of(latency)))
    }
}

/// The row of a latency: log-linear, with 4 rows for each power of two.
#[inline]
pub(crate) fn row_of(latency: u64) -> u16 {
    if latency < 2 << STEP_BITS {
        return latency as u16;
    }
    let shift = latency.ilog2() - STEP_BITS;
    ((shift << STEP_BITS) as u64 + (latency >> shift)) as u16
}

/// The counts of one worker: dense, for speed.
pub(super) struct HeatCounts {
    counts: Vec<u64>,
}

/// Rows of 64-bit values.
const ROWS: usize = (64 - STEP_BITS as usize + 1) << STEP_BITS;

impl HeatCounts {
    pub(super) fn new() -> Self {
        Self {
            counts: vec![0; COLUMNS as usize * ROWS],
        }
    }

    #[inline]
    pub(super) fn add(&mut self, (column, row): (u16, u16)) {
        self.counts[usize::from(column) * ROWS + usize::from(row)] += 1;
    }

    /// Adds the counts to a map.
    pub(super) fn add_to(&self, map: &mut HeatMap) {
        for (index, &count) in self.counts.iter().enumerate() {
            if count > 0 {
                let cell = ((index / ROWS) as u16, (index % ROWS) as u16);
                *map.cells.entry(cell).or_default() += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ascend_and_there_are_no_more_than_said() {
        assert_eq!(usize::from(row_of(u64::MAX)), ROWS - 1);
        let values = (0..4096).chain((12..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit]));
        let rows: Vec<u16> = values.map(row_of).collect();
        assert!(rows.is_sorted());
        assert_eq!(row_of(31), row_of(30));
        assert_ne!(row_of(31), row_of(32));
    }

    #[test]
    fn all_moments_of_the_span_have_a_column() {
        for (first, last) in [(0, 0), (5, 6), (1_000, 1_000_000), (0, u64::MAX)] {
            let map = HeatMap::new(first, last);
            assert_eq!(map.cell(first, 1), Some((0, 1)));
            assert!(map.cell(last, 1).is_some());
        }
        assert_eq!(HeatMap::new(5, 6).cell(4, 1), None);
    }
}
