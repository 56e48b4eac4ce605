//! What is counted while operations are decoded.

use super::op::{Attribution, SpeOp};
use contend_perfdata::{OpClass, Operation, SpeStats};
use std::collections::BTreeMap;

/// Kinds of attribution.
const ATTRIBUTIONS: usize = Attribution::Unknown as usize + 1;

/// Records of one CPU, or of all whose CPU is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuSums {
    /// Whole records.
    pub(crate) records: u64,
    /// Time of the first and of the last one, in ns; absent without times.
    pub(crate) times: Option<(u64, u64)>,
}

/// Counts of operations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpeSums {
    /// What the bytes were made of.
    pub(crate) stats: SpeStats,
    /// Records by how it is known whose they are.
    by: [u64; ATTRIBUTIONS],
    /// Records by operation: class and payload of the packet.
    operations: BTreeMap<(OpClass, bool), u64>,
    /// Records with atomic, exclusive, acquire or release semantics.
    pub(crate) atomic: u64,
    pub(crate) exclusive: u64,
    pub(crate) acquire_release: u64,
    /// Records without a time, or with one that cannot be.
    pub(crate) timeless: u64,
    /// Records of these with one that cannot be.
    pub(crate) odd_times: u64,
    /// Records whose thread is known and whose process is not.
    pub(crate) without_process: u64,
    /// Records whose own word for their thread was held against switches.
    pub(crate) compared: u64,
    /// Records of these of which switches tell another thread.
    pub(crate) contradicted: u64,
    /// By CPU.
    pub(crate) cpus: BTreeMap<u32, CpuSums>,
    /// Loads without a data-source packet.
    pub(crate) no_source: u64,
    /// Loads whose number no table of their core has.
    pub(crate) unknown_source: u64,
}

impl SpeSums {
    /// Records by how it is known whose they are.
    pub(crate) fn attributed(&self, by: Attribution) -> u64 {
        self.by[by as usize]
    }

    /// Records by operation; whether they are stores is told of memory operations.
    pub(crate) fn operations(&self) -> impl Iterator<Item = ((OpClass, bool), u64)> {
        self.operations.iter().map(|(&key, &count)| (key, count))
    }

    /// Counts so many records of an operation.
    pub(super) fn count(&mut self, operation: Operation, count: u64) {
        let key = (operation.op_class(), operation.is_store());
        *self.operations.entry(key).or_default() += count;
        self.atomic += if operation.is_atomic() { count } else { 0 };
        self.exclusive += if operation.is_exclusive() { count } else { 0 };
        let is_ordered = operation.is_acquire_release();
        self.acquire_release += if is_ordered { count } else { 0 };
    }

    /// Time of the first and of the last record, in ns.
    pub(crate) fn times(&self) -> Option<(u64, u64)> {
        let times = self.cpus.values().filter_map(|cpu| cpu.times);
        times.reduce(join)
    }

    /// Adds what another thread has counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.stats.merge(&other.stats);
        for (count, more) in self.by.iter_mut().zip(other.by) {
            *count += more;
        }
        for (key, more) in &other.operations {
            *self.operations.entry(*key).or_default() += more;
        }
        self.atomic += other.atomic;
        self.exclusive += other.exclusive;
        self.acquire_release += other.acquire_release;
        self.timeless += other.timeless;
        self.odd_times += other.odd_times;
        self.without_process += other.without_process;
        self.compared += other.compared;
        self.contradicted += other.contradicted;
        self.no_source += other.no_source;
        self.unknown_source += other.unknown_source;
        for (cpu, more) in &other.cpus {
            self.cpus.entry(*cpu).or_default().merge(more);
        }
    }
}

impl CpuSums {
    fn merge(&mut self, other: &Self) {
        self.records += other.records;
        self.times = match (self.times, other.times) {
            (Some(a), Some(b)) => Some(join(a, b)),
            (a, b) => a.or(b),
        };
    }
}

fn join(a: (u64, u64), b: (u64, u64)) -> (u64, u64) {
    (a.0.min(b.0), a.1.max(b.1))
}

/// The counts of one chunk, which are added to the sums at its end: counting by
/// keys for every record would take longer than decoding it. What its operation and
/// data source tell is counted by [`super::sources::Sources`].
pub(super) struct ChunkSums {
    by: [u64; ATTRIBUTIONS],
    timeless: u64,
    without_process: u64,
    first: u64,
    last: u64,
}

impl ChunkSums {
    pub(super) fn new() -> Self {
        Self {
            by: [0; ATTRIBUTIONS],
            timeless: 0,
            without_process: 0,
            first: u64::MAX,
            last: 0,
        }
    }

    /// Counts an operation.
    #[inline(always)]
    pub(super) fn add(&mut self, op: &SpeOp<'_>) {
        self.by[op.by as usize] += 1;
        self.without_process += u64::from(op.pid < 0 && op.tid >= 0);
        match op.time {
            Some(time) => {
                self.first = self.first.min(time);
                self.last = self.last.max(time);
            }
            None => self.timeless += 1,
        }
    }

    /// Adds them to the sums of a thread.
    pub(super) fn finish(self, cpu: u32, stats: &SpeStats, sums: &mut SpeSums) {
        sums.stats.merge(stats);
        for (count, more) in sums.by.iter_mut().zip(self.by) {
            *count += more;
        }
        sums.timeless += self.timeless;
        sums.without_process += self.without_process;
        let times = (self.first <= self.last).then_some((self.first, self.last));
        let records = stats.records;
        sums.cpus
            .entry(cpu)
            .or_default()
            .merge(&CpuSums { records, times });
    }
}
