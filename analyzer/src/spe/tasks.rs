//! Which process a thread belongs to.

use super::cpus::Cpus;
use contend_perfdata::{At, SideBand};
use rustc_hash::FxHashMap;
use std::ops::Range;

/// Processes of threads over time.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    /// By thread, in the order of time.
    processes: FxHashMap<i32, Vec<(At, i32)>>,
}

impl Tasks {
    /// From what records said, in any order: thread, moment, process. Of threads that
    /// none of them names, switches tell the process: the records of their beginning may
    /// be lost.
    pub(super) fn new(told: Vec<(i32, At, i32)>, switches: &Cpus) -> Self {
        let mut tasks = Self::default();
        tasks.add(told);
        let mut more: FxHashMap<(i32, i32), At> = FxHashMap::default();
        for (tid, at, pid) in switches.turns() {
            if !tasks.processes.contains_key(&tid) {
                let first = more.entry((tid, pid)).or_insert(at);
                *first = at.min(*first);
            }
        }
        let more = more.into_iter();
        tasks.add(more.map(|((tid, pid), at)| (tid, at, pid)).collect());
        tasks
    }

    fn add(&mut self, mut told: Vec<(i32, At, i32)>) {
        told.sort_unstable();
        for (tid, at, pid) in told {
            let history = self.processes.entry(tid).or_default();
            // Threads stay in their process: mostly it is told again and again.
            if history.last().is_none_or(|&(_, known)| known != pid) {
                history.push((at, pid));
            }
        }
    }

    /// What a record of the side band says of a thread.
    pub(super) fn told(event: &SideBand) -> Option<(i32, i32)> {
        match event {
            SideBand::Comm { pid, tid, .. } | SideBand::Fork { pid, tid, .. } => Some((*tid, *pid)),
            SideBand::Mmap(mmap) => Some((mmap.tid, mmap.pid)),
            _ => None,
        }
    }

    /// The process of a thread at a moment; -1 when nothing is known. Before the
    /// first word about it that one counts: recorders tell late of what was there.
    pub(super) fn process(&self, tid: i32, at: At) -> i32 {
        self.process_span(tid, at).0
    }

    /// The same, and a span of time in which it is so too.
    pub(super) fn process_span(&self, tid: i32, at: At) -> (i32, Range<u64>) {
        let Some(history) = self.processes.get(&tid) else {
            return (-1, 0..u64::MAX);
        };
        let after = history.partition_point(|&(from, _)| from <= at);
        let Some(&(from, pid)) = history.get(after.saturating_sub(1)) else {
            return (-1, 0..u64::MAX);
        };
        // At the moments themselves the place in the capture decides.
        let start = if after == 0 {
            0
        } else {
            from.time.saturating_add(1)
        };
        let end = history
            .get(after.max(1))
            .map_or(u64::MAX, |(next, _)| next.time);
        (pid, start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_go_to_another_process() {
        let at = |time| At { time, pos: time };
        let told = vec![(7, at(50), 5), (7, at(10), 3), (7, at(20), 3)];
        let tasks = Tasks::new(told, &Cpus::default());
        let of = |time| tasks.process(7, at(time));
        assert_eq!([of(0), of(10), of(49), of(50), of(99)], [3, 3, 3, 5, 5]);
        assert_eq!(tasks.process(8, at(10)), -1);
        for time in 0..100 {
            let (pid, span) = tasks.process_span(7, at(time));
            let near = span.start..span.end.min(200);
            assert!(near.clone().all(|time| of(time) == pid), "{near:?}");
        }
    }
}
