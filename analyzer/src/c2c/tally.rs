//! Counters that are small while they are cold.

/// How many samples the small counters hold: one sample adds at most 2 to each.
const SPILL_AT: u8 = 127;

/// Adds to small counters, eight at a time: none of them gets so large that it
/// would carry into the next.
#[inline]
pub(super) fn add_bytes<const N: usize>(counts: &mut [u8; N], more: &[u8; N]) {
    let (words, rest) = counts.as_chunks_mut();
    let (more_words, more_rest) = more.as_chunks();
    for (word, more) in words.iter_mut().zip(more_words) {
        let sum = u64::from_ne_bytes(*word).wrapping_add(u64::from_ne_bytes(*more));
        *word = sum.to_ne_bytes();
    }
    for (count, more) in rest.iter_mut().zip(more_rest) {
        *count = count.wrapping_add(*more);
    }
}

/// `N` counters of which the first counts samples: a byte each at first, so that
/// those of a line fit into its cache line and adding to all of them is one or
/// two instructions, and sums behind a pointer once the bytes are full.
#[derive(Clone, Debug)]
pub(super) struct Tally<const N: usize> {
    recent: [u8; N],
    spilled: Option<Box<[u64; N]>>,
}

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self {
            recent: [0; N],
            spilled: None,
        }
    }
}

impl<const N: usize> Tally<N> {
    /// Adds what one sample adds: 1 to the first counter, 2 at most to any.
    #[inline]
    pub(super) fn add(&mut self, delta: &[u8; N]) {
        add_bytes(&mut self.recent, delta);
        if self.recent[0] >= SPILL_AT {
            self.keep(self.total());
        }
    }

    /// Adds another tally.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.spilled.is_none() && self.recent[0] + other.recent[0] < SPILL_AT {
            add_bytes(&mut self.recent, &other.recent);
            return;
        }
        let mut total = self.total();
        for (sum, more) in total.iter_mut().zip(other.total()) {
            *sum += more;
        }
        self.keep(total);
    }

    #[cold]
    fn keep(&mut self, total: [u64; N]) {
        self.recent = [0; N];
        match &mut self.spilled {
            Some(spilled) => **spilled = total,
            None => self.spilled = Some(Box::new(total)),
        }
    }

    /// The sums of all that was added.
    pub(super) fn total(&self) -> [u64; N] {
        let mut total = self.spilled.as_deref().copied().unwrap_or([0; N]);
        for (sum, &more) in total.iter_mut().zip(&self.recent) {
            *sum += u64::from(more);
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hot_line_loses_nothing() {
        for samples in [0, 1, 126, 127, 128, 1000, 100_000] {
            let mut tally = Tally::default();
            (0..samples).for_each(|_| tally.add(&[1, 2, 0]));
            assert_eq!(tally.total(), [samples, 2 * samples, 0]);
            let mut twice = tally.clone();
            twice.merge(&tally);
            assert_eq!(twice.total(), [2 * samples, 4 * samples, 0]);
        }
    }
}
