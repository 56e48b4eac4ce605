//! What is kept of the samples of a shown line: its rows, and who touched which
//! of its bytes.

use super::idset::IdSet;
use crate::memory::{Counter, Counters, Delta};
use crate::stats::Weights;
use contend_perfdata::{At, MemorySample};
use rustc_hash::FxHashMap;

/// What rows of a line are told apart by, besides the offset in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coalesce {
    /// The instruction address.
    Iaddr,
    /// The process.
    Pid,
    /// The thread.
    Tid,
    /// The binary of the instruction.
    Dso,
}

/// One row: an offset in the line and the fields of the coalesce list. A field
/// that is not in the list is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RowKey {
    pub(super) offset: u32,
    pub(super) ip: u64,
    pub(super) pid: i32,
    pub(super) tid: i32,
    pub(super) dso: u32,
}

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
    /// The mean in the unit of the weights; absent when there is no sample.
    pub(super) fn value(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }
}

/// What the CPUs of one node did on a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NodePart {
    pub(super) lcl_hitm: u64,
    pub(super) rmt_hitm: u64,
    pub(super) peer: u64,
    pub(super) stores: u64,
}

/// What is summed up of the samples of a line or of a row of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    pub(super) counters: Counters,
    pub(super) means: [Mean; MEANS.len()],
    /// Latencies of the loads that have one.
    pub(super) latencies: Weights,
    pub(super) cpus: IdSet,
    /// Nodes of the physical addresses.
    pub(super) memory_nodes: IdSet,
}

impl Part {
    fn add(&mut self, sample: &MemorySample, delta: &Delta, nomap: bool, node: Option<u64>) {
        self.counters.add_delta(delta, 1);
        if nomap {
            self.counters.add(Counter::Nomap, 1);
        }
        if let Some(mean) = mean_of(delta) {
            let mean = &mut self.means[mean];
            mean.sum = mean.sum.saturating_add(sample.weight);
            mean.count += 1;
            // A weight of 0 means that the hardware gave none (AMD IBS has one
            // for loads that missed the L1 cache only).
            if sample.weight > 0 {
                self.latencies.add(sample.weight);
            }
        }
        if sample.cpu != MemorySample::NO_CPU {
            self.cpus.insert(u64::from(sample.cpu));
        }
        if let Some(node) = node {
            self.memory_nodes.insert(node);
        }
    }

    fn merge(&mut self, other: Self) {
        self.counters.merge(&other.counters);
        for (mean, more) in self.means.iter_mut().zip(&other.means) {
            mean.sum = mean.sum.saturating_add(more.sum);
            mean.count += more.count;
        }
        self.latencies.merge(other.latencies);
        self.cpus.merge(&other.cpus);
        self.memory_nodes.merge(&other.memory_nodes);
    }
}

/// One row of a line.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) part: Part,
    /// The first sample, and its process and thread.
    pub(super) first: Option<(At, i32, i32)>,
    /// Threads that took part, with their process.
    pub(super) threads: FxHashMap<i32, i32>,
    /// By the place of the node in the capture's list.
    pub(super) nodes: FxHashMap<u16, NodePart>,
}

/// What one thread did at one offset of a line: samples, and the events that
/// they stand for (the sums of their periods), since loads and stores are
/// sampled at different rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) loads: u64,
    pub(super) stores: u64,
    /// Loads that found the line modified elsewhere.
    pub(super) hitm: u64,
    /// Loads that were answered by another cache, HITM among them.
    pub(super) peer: u64,
    pub(super) store_events: u64,
    pub(super) hitm_events: u64,
    pub(super) peer_events: u64,
    /// Loads that were part of a locked read-modify-write.
    pub(super) locked_events: u64,
}

impl Use {
    fn add(&mut self, other: &Self) {
        self.loads += other.loads;
        self.stores += other.stores;
        self.hitm += other.hitm;
        self.peer += other.peer;
        let events = [
            (&mut self.store_events, other.store_events),
            (&mut self.hitm_events, other.hitm_events),
            (&mut self.peer_events, other.peer_events),
            (&mut self.locked_events, other.locked_events),
        ];
        for (sum, more) in events {
            *sum = sum.saturating_add(more);
        }
    }
}

/// A thread at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct UseKey {
    pub(super) offset: u32,
    pub(super) pid: i32,
    pub(super) tid: i32,
}

/// A line with its rows.
#[derive(Clone, Debug, Default)]
pub(super) struct LineDetail {
    pub(super) part: Part,
    pub(super) rows: FxHashMap<RowKey, Row>,
    pub(super) uses: FxHashMap<UseKey, Use>,
}

/// One sample of a shown line and what was found out about it.
pub(super) struct Filed<'a> {
    pub(super) sample: &'a MemorySample,
    pub(super) at: At,
    pub(super) delta: &'a Delta,
    pub(super) is_hitm: bool,
    pub(super) is_peer: bool,
    pub(super) nomap: bool,
    pub(super) memory_node: Option<u64>,
    pub(super) cpu_node: Option<u16>,
}

impl LineDetail {
    /// Files a sample under its row.
    pub(super) fn add(&mut self, key: RowKey, filed: &Filed<'_>) {
        let Filed {
            sample,
            delta,
            nomap,
            memory_node,
            ..
        } = *filed;
        self.part.add(sample, delta, nomap, memory_node);
        let row = self.rows.entry(key).or_default();
        row.part.add(sample, delta, nomap, memory_node);
        let first = (filed.at, sample.pid, sample.tid);
        row.first = Some(row.first.map_or(first, |known| known.min(first)));
        let process = row.threads.entry(sample.tid).or_insert(sample.pid);
        *process = sample.pid.min(*process);
        if let Some(node) = filed.cpu_node {
            row.nodes.entry(node).or_default().add(delta);
        }
        let (load, store) = (delta.get(Counter::Load), delta.get(Counter::Store));
        if load + store > 0 {
            let key = UseKey {
                offset: key.offset,
                pid: sample.pid,
                tid: sample.tid,
            };
            let events = |wanted: bool| if wanted { sample.period } else { 0 };
            let (load, store) = (load > 0, store > 0);
            self.uses.entry(key).or_default().add(&Use {
                loads: u64::from(load),
                stores: u64::from(store),
                hitm: u64::from(filed.is_hitm),
                peer: u64::from(filed.is_peer),
                store_events: events(store),
                hitm_events: events(filed.is_hitm),
                peer_events: events(filed.is_peer),
                locked_events: events(load && delta.get(Counter::Locks) > 0),
            });
        }
    }

    /// Adds what another thread has filed.
    pub(super) fn merge(&mut self, other: Self) {
        self.part.merge(other.part);
        for (key, more) in other.rows {
            self.rows.entry(key).or_default().merge(more);
        }
        for (key, more) in other.uses {
            self.uses.entry(key).or_default().add(&more);
        }
    }
}

impl Row {
    fn merge(&mut self, other: Self) {
        self.part.merge(other.part);
        self.first = match (self.first, other.first) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        // A thread id that two processes used keeps the smaller process id, so
        // that the order of merging does not show.
        for (tid, pid) in other.threads {
            let known = self.threads.entry(tid).or_insert(pid);
            *known = pid.min(*known);
        }
        for (node, more) in other.nodes {
            let part = self.nodes.entry(node).or_default();
            part.lcl_hitm += more.lcl_hitm;
            part.rmt_hitm += more.rmt_hitm;
            part.peer += more.peer;
            part.stores += more.stores;
        }
    }
}

impl NodePart {
    fn add(&mut self, delta: &Delta) {
        self.lcl_hitm += u64::from(delta.get(Counter::LclHitm));
        self.rmt_hitm += u64::from(delta.get(Counter::RmtHitm));
        self.peer += u64::from(delta.get(Counter::TotPeer));
        self.stores += u64::from(delta.get(Counter::Store));
    }
}
