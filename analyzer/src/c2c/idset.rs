//! A set of small numbers: CPUs or nodes.

/// CPU and node numbers from here on are not kept: Linux has at most 8192 CPUs,
/// and a damaged number must not allocate a gigabyte.
const LARGEST: u64 = 1 << 16;

/// A set of numbers below 65,536.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IdSet {
    words: Vec<u64>,
}

impl IdSet {
    pub(super) fn insert(&mut self, id: u64) {
        if id >= LARGEST {
            return;
        }
        let word = (id / 64) as usize;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (id % 64);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    pub(super) fn len(&self) -> usize {
        let counts = self.words.iter().map(|word| word.count_ones() as usize);
        counts.sum()
    }

    /// The numbers in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let words = self.words.iter().enumerate();
        words.flat_map(|(index, &word)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 != 0)
                .map(move |bit| index as u32 * 64 + bit)
        })
    }
}
