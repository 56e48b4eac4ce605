//! A set of small numbers: CPUs or nodes.

/// CPU and node numbers from here on are not kept: Linux has at most 8192 CPUs,
/// and a damaged number must not allocate a gigabyte.
const LARGEST: u64 = 1 << 16;

/// So many numbers are kept one by one.
const FEW: usize = 16;

/// A set of numbers below 65,536. Most rows are one thread's, so most sets have
/// a few members: those take two bytes each.
#[derive(Clone, Debug, Default)]
pub(super) struct IdSet {
    /// The one that came last: mostly it comes again. Arm SPE's samples come by CPU,
    /// and most sets have one member.
    last: Option<u16>,
    /// In ascending order, while there are few.
    few: Vec<u16>,
    /// A bit for each number, once there are more.
    words: Vec<u64>,
}

impl IdSet {
    #[inline]
    pub(super) fn insert(&mut self, id: u64) {
        if id < LARGEST {
            self.insert_small(id as u16);
        }
    }

    #[inline]
    fn insert_small(&mut self, id: u16) {
        if self.last != Some(id) {
            self.last = Some(id);
            self.insert_other(id);
        }
    }

    #[inline(never)]
    fn insert_other(&mut self, id: u16) {
        if !self.words.is_empty() {
            return self.set(id);
        }
        if let Err(place) = self.few.binary_search(&id) {
            if self.few.len() < FEW {
                self.few.insert(place, id);
                return;
            }
            for known in std::mem::take(&mut self.few) {
                self.set(known);
            }
            self.set(id);
        }
    }

    fn set(&mut self, id: u16) {
        let word = usize::from(id / 64);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (id % 64);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for id in other.iter() {
            self.insert(u64::from(id));
        }
    }

    pub(super) fn len(&self) -> usize {
        let counts = self.words.iter().map(|word| word.count_ones() as usize);
        self.few.len() + counts.sum::<usize>()
    }

    /// The numbers in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let words = self
            .words
            .iter()
            .enumerate()
            .filter(|(_, word)| **word != 0);
        let many = words.flat_map(|(index, &word)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 != 0)
                .map(move |bit| index as u32 * 64 + bit)
        });
        self.few.iter().map(|&id| u32::from(id)).chain(many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn holds_what_a_set_holds(
            left in prop::collection::vec(0u64..100, 0..60),
            right in prop::collection::vec(0u64..70_000, 0..60),
        ) {
            let mut ids = IdSet::default();
            left.iter().for_each(|&id| ids.insert(id));
            let mut others = IdSet::default();
            right.iter().for_each(|&id| others.insert(id));
            ids.merge(&others);
            let model: BTreeSet<u64> = left
                .into_iter()
                .chain(right)
                .filter(|&id| id < LARGEST)
                .collect();
            prop_assert_eq!(ids.len(), model.len());
            prop_assert!(ids.iter().map(u64::from).eq(model));
        }
    }

    #[test]
    fn one_large_number_takes_little() {
        let mut ids = IdSet::default();
        ids.insert(65_535);
        assert!(ids.words.is_empty());
    }
}
