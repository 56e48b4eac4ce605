//! How many records there are of each kind.

use super::SAMPLE;
use std::collections::BTreeMap;

/// Record kinds that have a counter of their own in an array.
const COMMON_KINDS: usize = 96;

/// How many other kinds are told apart: the smallest numbers, so that it does not
/// matter who met which first.
const OTHER_KINDS: usize = 1024;

/// Records by the number of their kind.
#[derive(Debug)]
pub(super) struct KindCounts {
    common: [u64; COMMON_KINDS],
    other: BTreeMap<u32, u64>,
    /// Records of kinds beyond those that are told apart.
    rest: u64,
}

impl Default for KindCounts {
    fn default() -> Self {
        Self {
            common: [0; COMMON_KINDS],
            other: BTreeMap::new(),
            rest: 0,
        }
    }
}

impl KindCounts {
    /// Counts a record.
    pub(super) fn add(&mut self, kind: u32) {
        match self.common.get_mut(kind as usize) {
            Some(count) => *count += 1,
            None => self.add_other(kind, 1),
        }
    }

    /// Counts records of an uncommon kind. Writers use a few numbers; hostile
    /// files may use billions, of which only the smallest are told apart. One of
    /// those is among the smallest of any part of the capture too, so that no
    /// part has dropped it.
    fn add_other(&mut self, kind: u32, count: u64) {
        *self.other.entry(kind).or_default() += count;
        if self.other.len() > OTHER_KINDS
            && let Some((_, evicted)) = self.other.pop_last()
        {
            self.rest += evicted;
        }
    }

    /// Adds what another thread has counted.
    pub(super) fn merge(&mut self, other: Self) {
        for (count, more) in self.common.iter_mut().zip(other.common) {
            *count += more;
        }
        for (kind, more) in other.other {
            self.add_other(kind, more);
        }
        self.rest += other.rest;
    }

    /// All of them, and `samples`, which are not counted here; those of kinds that are
    /// not told apart under `u32::MAX`.
    pub(super) fn all(&self, samples: u64) -> BTreeMap<u32, u64> {
        let mut common = self.common;
        common[SAMPLE as usize] = samples;
        let common = (0..).zip(common).filter(|&(_, count)| count > 0);
        let mut kinds: BTreeMap<u32, u64> = common
            .chain(self.other.iter().map(|(&kind, &count)| (kind, count)))
            .collect();
        if self.rest > 0 {
            *kinds.entry(u32::MAX).or_default() += self.rest;
        }
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{record, shared_by};
    use super::*;

    #[test]
    fn which_kinds_are_told_apart_does_not_depend_on_who_met_them() {
        // Large numbers first, each twice.
        let kinds = (0..3000u32).map(|index| 70_000 - index % 1500);
        let records: Vec<_> = kinds.map(|kind| record(kind, 0, &[])).collect();
        let alone = shared_by(1, &records).kinds();
        assert_eq!(alone.len(), OTHER_KINDS + 1);
        assert_eq!(alone.first_key_value(), Some((&68_501, &2)));
        assert_eq!(alone[&u32::MAX], 2 * (1500 - OTHER_KINDS as u64));
        for workers in [2, 7] {
            assert_eq!(shared_by(workers, &records).kinds(), alone, "{workers}");
        }
    }
}
