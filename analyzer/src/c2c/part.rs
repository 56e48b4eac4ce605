//! What is summed up of the samples of a row or of a whole line.

use super::idset::IdSet;
use super::kinds::Kind;
use super::tally::Tally;
use crate::memory::{COUNTERS, Counter, Counters, Delta};
use crate::stats::Weights;
use contend_perfdata::MemorySample;

/// The means that perf prints for a row, in the order in which it asks; a
/// sample goes into the first whose counter it has (`compute_stats` in
/// `tools/perf/builtin-c2c.c`).
pub(super) const MEANS: [Counter; 5] = [
    Counter::RmtHitm,
    Counter::LclHitm,
    Counter::RmtPeer,
    Counter::LclPeer,
    Counter::Load,
];

/// The mean that a sample goes into; stores go into none.
pub(super) fn mean_of(delta: &Delta) -> Option<usize> {
    MEANS.iter().position(|&counter| delta.get(counter) > 0)
}

/// A sum of latencies, for a mean.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    sum: u64,
    count: u64,
}

impl Mean {
    fn add(&mut self, sum: u64, count: u64) {
        // A plain WEIGHT is 64 bits wide in damaged or hostile files.
        self.sum = self.sum.saturating_add(sum);
        self.count += count;
    }

    /// The mean in the unit of the weights; absent when there is no sample.
    pub(super) fn value(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }
}

/// Sums over samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    tally: Tally<COUNTERS>,
    nomap: u64,
    pub(super) means: [Mean; MEANS.len()],
    /// Latencies of the loads that have one.
    pub(super) latencies: Weights,
    pub(super) cpus: IdSet,
    /// Nodes of the physical addresses.
    pub(super) memory_nodes: IdSet,
}

impl Part {
    #[inline]
    pub(super) fn add(
        &mut self,
        sample: &MemorySample,
        kind: &Kind,
        nomap: bool,
        memory_node: Option<u64>,
    ) {
        self.tally.add(kind.delta.bytes());
        self.nomap += u64::from(nomap);
        if let Some(mean) = kind.mean {
            self.means[mean].add(sample.weight, 1);
            // A weight of 0 means that the hardware gave none (AMD IBS has one
            // for loads that missed the L1 cache only).
            if sample.weight > 0 {
                self.latencies.add(sample.weight);
            }
        }
        if sample.cpu != MemorySample::NO_CPU {
            self.cpus.insert(u64::from(sample.cpu));
        }
        if let Some(node) = memory_node {
            self.memory_nodes.insert(node);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.nomap += other.nomap;
        for (mean, more) in self.means.iter_mut().zip(&other.means) {
            mean.add(more.sum, more.count);
        }
        self.latencies.merge(&other.latencies);
        self.cpus.merge(&other.cpus);
        self.memory_nodes.merge(&other.memory_nodes);
    }

    /// Settles what `nomap` counts, when samples were added as if none of them
    /// had mappings.
    pub(super) fn all_mapped(&mut self) {
        self.nomap = 0;
    }

    /// perf's counters of the samples.
    pub(super) fn counters(&self) -> Counters {
        let mut counters = Counters::from(self.tally.total());
        counters.add(Counter::Nomap, self.nomap);
        counters
    }
}
