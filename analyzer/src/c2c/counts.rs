//! The counters that the first pass keeps for every line.

use crate::memory::{Counter, Counters, Delta};

/// What decides which lines are shared and shown, and what perf sums over all
/// shared lines. The first one counts samples.
const COUNTERS: [Counter; 14] = [
    Counter::NrEntries,
    Counter::Load,
    Counter::LdFbhit,
    Counter::LdL1hit,
    Counter::LdL2hit,
    Counter::LdLlchit,
    Counter::LclHitm,
    Counter::RmtHitm,
    Counter::LclPeer,
    Counter::RmtPeer,
    Counter::Locks,
    Counter::Store,
    Counter::StL1hit,
    Counter::StNa,
];
const BLOCKED: usize = COUNTERS.len();
const LOOKED_UP: usize = BLOCKED + 1;
const COUNTS: usize = LOOKED_UP + 1;

/// What one sample adds to its line, or a few of them.
pub(super) type LineDelta = [u8; COUNTS];

pub(super) fn line_delta(delta: &Delta) -> LineDelta {
    let mut counts = [0; COUNTS];
    for (count, counter) in counts.iter_mut().zip(COUNTERS) {
        *count = delta.get(counter);
    }
    counts[BLOCKED] = delta.get(Counter::BlkData) + delta.get(Counter::BlkAddr);
    counts[LOOKED_UP] = u8::from(delta.can_be_nomap());
    counts
}

/// The sums of a line, or of several. It would take a capture of hundreds of
/// gigabytes on one line to fill them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LineCounts([u32; COUNTS]);

impl From<LineDelta> for LineCounts {
    fn from(delta: LineDelta) -> Self {
        Self(delta.map(u32::from))
    }
}

impl LineCounts {
    pub(super) fn add(&mut self, other: &Self) {
        for (total, more) in self.0.iter_mut().zip(other.0) {
            *total = total.saturating_add(more);
        }
    }

    /// Adds to a full set of counters, apart from what is no counter there.
    pub(super) fn add_to(&self, counters: &mut Counters) {
        for (&count, counter) in self.0.iter().zip(COUNTERS) {
            counters.add(counter, u64::from(count));
        }
        // Only ever shown as one sum.
        counters.add(Counter::BlkData, u64::from(self.0[BLOCKED]));
    }

    /// Counts of one kind only.
    #[cfg(test)]
    pub(super) fn of(counter: Counter, count: u32) -> Self {
        Self(std::array::from_fn(|place| {
            let is_it = COUNTERS.get(place) == Some(&counter);
            if is_it { count } else { 0 }
        }))
    }

    pub(super) fn get(&self, counter: Counter) -> u64 {
        let place = COUNTERS.iter().position(|&known| known == counter);
        place.map_or(0, |place| u64::from(self.0[place]))
    }

    /// How many samples perf would look up in the mappings.
    pub(super) fn looked_up(&self) -> u64 {
        u64::from(self.0[LOOKED_UP])
    }

    /// perf's test for a shared line: any HITM or peer snoop.
    pub(super) fn is_shared(&self) -> bool {
        use Counter::{LclHitm, LclPeer, RmtHitm, RmtPeer};
        [LclHitm, RmtHitm, LclPeer, RmtPeer]
            .iter()
            .any(|&counter| self.get(counter) > 0)
    }
}
