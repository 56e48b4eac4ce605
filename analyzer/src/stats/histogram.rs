//! A distribution of latencies in little memory: log-linear buckets, as those of
//! `HdrHistogram`, kept only where values fell.
//!
//! The crate of that name takes 13 KiB and more for each histogram, whatever is in
//! it, and a result has a thousand of them in each worker: lines and threads with a
//! handful of samples each. Here a histogram takes 256 bytes for each part of the
//! scale that it has values in, so that its memory never exceeds 256 bytes a sample.

/// Values below this are told apart; above it each power of two has half as many
/// buckets.
const EXACT: u64 = 256;

/// Buckets of each power of two: a bucket is at most 1/128 of its values wide.
const STEPS: u64 = EXACT / 2;

/// `log2` of [`STEPS`].
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// Buckets that are counted together in one piece of memory.
const PAGE: usize = 32;

/// Pieces of the whole scale of 64-bit values.
const PAGES: usize = (EXACT as usize + (64 - STEP_BITS as usize - 1) * STEPS as usize) / PAGE;

/// How far a percentile may be above the value that it stands for, as a share of it.
pub(crate) const PRECISION: f64 = 1.0 / STEPS as f64;

/// A distribution.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    /// By page: its place in `pages` from 1 up, 0 where nothing fell on it.
    directory: [u8; PAGES],
    pages: Vec<[u64; PAGE]>,
}

/// Values of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// The least value that it takes.
    pub(crate) low: u64,
    /// The largest value that it takes.
    pub(crate) high: u64,
    /// How many values it has.
    pub(crate) count: u64,
}

// Places of pages are bytes.
const _: () = assert!(PAGES < 256);

impl Default for Histogram {
    fn default() -> Self {
        Self {
            directory: [0; PAGES],
            pages: Vec::new(),
        }
    }
}

/// The bucket of a value.
#[inline]
fn bucket_of(value: u64) -> usize {
    if value < EXACT {
        return value as usize;
    }
    let shift = value.ilog2() - STEP_BITS;
    (u64::from(shift) * STEPS + (value >> shift)) as usize
}

/// The least and the largest value of a bucket.
fn bounds_of(bucket: usize) -> (u64, u64) {
    let bucket = bucket as u64;
    if bucket < EXACT {
        return (bucket, bucket);
    }
    let shift = bucket / STEPS - 1;
    let low = (bucket - shift * STEPS) << shift;
    (low, low + ((1 << shift) - 1))
}

/// The nearest rank of a percentile among so many values, from 1. Percentages are
/// taken in whole thousandths: 99.9 % of 1,000 values is the 999th, and as a product of
/// floating-point numbers a little more, which rounds up to the largest.
fn nearest_rank(percent: f64, total: u64) -> u64 {
    let thousandths = (percent * 1000.0).round() as u128;
    let rank = (thousandths * u128::from(total)).div_ceil(100_000);
    rank.max(1) as u64
}

impl Histogram {
    /// Adds one value.
    #[inline]
    pub(crate) fn add(&mut self, value: u64) {
        *self.cell(bucket_of(value)) += 1;
    }

    /// Adds all values of another distribution.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (bucket, count) in other.cells() {
            *self.cell(bucket) += count;
        }
    }

    #[inline]
    fn cell(&mut self, bucket: usize) -> &mut u64 {
        let place = match self.directory[bucket / PAGE] {
            0 => self.new_page(bucket / PAGE),
            place => place,
        };
        &mut self.pages[usize::from(place) - 1][bucket % PAGE]
    }

    #[cold]
    fn new_page(&mut self, page: usize) -> u8 {
        self.pages.push([0; PAGE]);
        let place = self.pages.len() as u8;
        self.directory[page] = place;
        place
    }

    /// The buckets that have values, ascending, with their counts.
    fn cells(&self) -> impl Iterator<Item = (usize, u64)> {
        let pages = self.directory.iter().enumerate();
        let pages = pages.filter(|(_, place)| **place > 0);
        pages.flat_map(|(page, &place)| {
            let counts = self.pages[usize::from(place) - 1].iter().enumerate();
            let counts = counts.filter(|(_, count)| **count > 0);
            counts.map(move |(index, &count)| (page * PAGE + index, count))
        })
    }

    /// The buckets that have values, ascending.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = Bucket> {
        self.cells().map(|(bucket, count)| {
            let (low, high) = bounds_of(bucket);
            Bucket { low, high, count }
        })
    }

    /// How many values there are.
    pub(crate) fn count(&self) -> u64 {
        self.cells().map(|(_, count)| count).sum()
    }

    /// The largest value of the bucket of the nearest-rank percentile, which is at
    /// least the exact one and above it by no more than [`PRECISION`]; absent when
    /// there is no value.
    pub(crate) fn percentile(&self, percent: f64) -> Option<u64> {
        let rank = nearest_rank(percent, self.count());
        let mut seen = 0;
        self.buckets()
            .find(|bucket| {
                seen += bucket.count;
                seen >= rank
            })
            .map(|bucket| bucket.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_cover_all_values_without_gap_and_are_narrow() {
        let last = bucket_of(u64::MAX);
        assert_eq!(last + 1, PAGES * PAGE);
        let mut next = 0;
        for bucket in 0..=last {
            let (low, high) = bounds_of(bucket);
            assert_eq!(low, next, "{bucket}");
            assert_eq!((bucket_of(low), bucket_of(high)), (bucket, bucket));
            assert!((high - low) as f64 <= low as f64 * PRECISION);
            next = high.wrapping_add(1);
        }
        assert_eq!(next, 0, "the last bucket ends with the largest value");
    }

    proptest! {
        #[test]
        fn percentiles_are_a_sort_within_the_precision(
            values in prop::collection::vec(
                prop_oneof![0u64..300, 0u64..100_000, any::<u64>()], 1..500),
            split in 0usize..500,
            thousandths in 0usize..=100_000,
        ) {
            let split = split.min(values.len());
            let [mut left, mut right] = [&values[..split], &values[split..]].map(|part| {
                let mut own = Histogram::default();
                part.iter().for_each(|&value| own.add(value));
                own
            });
            left.merge(&right);
            right.merge(&Histogram::default());
            let mut sorted = values;
            sorted.sort_unstable();
            let rank = (thousandths * sorted.len()).div_ceil(100_000).max(1);
            let exact = sorted[rank - 1];
            let found = left.percentile(thousandths as f64 / 1000.0).unwrap();
            prop_assert!(found >= exact);
            prop_assert!((found - exact) as f64 <= exact as f64 * PRECISION);
            prop_assert!(exact >= EXACT || found == exact);
            prop_assert_eq!(left.count(), sorted.len() as u64);
            prop_assert_eq!(
                left.buckets().map(|bucket| bucket.count).sum::<u64>(),
                sorted.len() as u64
            );
        }
    }

    #[test]
    fn ranks_are_exact_where_products_of_floating_point_numbers_are_not() {
        for total in 1..=200_000u64 {
            for (percent, per_mille) in [(50.0, 500), (90.0, 900), (99.0, 990), (99.9, 999)] {
                let exact = (per_mille * total).div_ceil(1000);
                assert_eq!(
                    nearest_rank(percent, total),
                    exact,
                    "{percent} % of {total}"
                );
            }
        }
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Histogram::default().percentile(50.0), None);
    }

    #[test]
    fn memory_follows_the_values() {
        let mut one = Histogram::default();
        (0..1000).for_each(|_| one.add(400));
        assert_eq!(one.pages.len(), 1);
    }
}
