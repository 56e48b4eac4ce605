//! An exact distribution of latencies, kept as value and count.

/// Unsorted values that are gathered before they are merged into the runs: at
/// least this many, and more where there are many runs to go through.
const PENDING: usize = 256;

/// A multiset of latencies. Latencies repeat, so the runs are far fewer than
/// the samples; percentiles are exact.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weights {
    /// Distinct values in ascending order, each with its count.
    runs: Vec<(u64, u64)>,
    pending: Vec<u64>,
}

impl Weights {
    /// Adds one value.
    #[inline]
    pub(crate) fn add(&mut self, value: u64) {
        self.pending.push(value);
        if self.pending.len() >= PENDING.max(4 * self.runs.len()) {
            self.settle();
        }
    }

    /// Adds all values of another distribution.
    pub(crate) fn merge(&mut self, other: &Self) {
        other.pending.iter().for_each(|&value| self.add(value));
        self.join(&other.runs);
    }

    /// How many values there are.
    pub(crate) fn count(&self) -> u64 {
        let settled: u64 = self.runs.iter().map(|(_, count)| count).sum();
        settled + self.pending.len() as u64
    }

    /// The value at or below which at least `percent` of all values are (the
    /// nearest-rank percentile); absent when there is none.
    pub(crate) fn percentile(&mut self, percent: f64) -> Option<u64> {
        self.settle();
        let total = self.count();
        let rank = (percent / 100.0 * total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        self.runs
            .iter()
            .find(|(_, count)| {
                seen += count;
                seen >= rank
            })
            .map(|&(value, _)| value)
    }

    /// The largest value; absent when there is none.
    pub(crate) fn max(&mut self) -> Option<u64> {
        self.settle();
        self.runs.last().map(|&(value, _)| value)
    }

    /// Sorts in what was added. Changes nothing in what is told, and makes the next
    /// merge faster.
    pub(crate) fn settle(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        self.pending.sort_unstable();
        let pending = std::mem::take(&mut self.pending);
        let runs: Vec<(u64, u64)> = pending
            .chunk_by(|a, b| a == b)
            .map(|run| (run[0], run.len() as u64))
            .collect();
        self.join(&runs);
        self.pending = pending;
        self.pending.clear();
    }

    /// Merges ascending runs into the ascending runs that are there.
    fn join(&mut self, more: &[(u64, u64)]) {
        if more.is_empty() {
            return;
        }
        let mut joined = Vec::with_capacity(self.runs.len() + more.len());
        let mut left = self.runs.iter().copied().peekable();
        let mut right = more.iter().copied().peekable();
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) if a.0 <= b.0 => left.next(),
                (Some(_), None) => left.next(),
                (_, Some(_)) => right.next(),
                (None, None) => break,
            };
            let Some((value, count)) = next else { break };
            match joined.last_mut() {
                Some((last, total)) if *last == value => *total += count,
                _ => joined.push((value, count)),
            }
        }
        self.runs = joined;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn percentiles_equal_a_sort(
            values in prop::collection::vec(0u64..300, 1..2000),
            split in 0usize..2000,
            percent in 0.0f64..=100.0,
        ) {
            let split = split.min(values.len());
            let mut left = Weights::default();
            let mut right = Weights::default();
            values[..split].iter().for_each(|&value| left.add(value));
            values[split..].iter().for_each(|&value| right.add(value));
            left.merge(&right);
            let mut sorted = values;
            sorted.sort_unstable();
            let rank = (percent / 100.0 * sorted.len() as f64).ceil().max(1.0) as usize;
            prop_assert_eq!(left.percentile(percent), Some(sorted[rank - 1]));
            prop_assert_eq!(left.max(), sorted.last().copied());
            prop_assert_eq!(left.count(), sorted.len() as u64);
        }
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Weights::default().percentile(50.0), None);
        assert_eq!(Weights::default().max(), None);
    }
}
