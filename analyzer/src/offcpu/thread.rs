//! One thread's intervals, those that were asked for, and whether they can be.

use super::analysis::Options;
use super::event::{Detail, Event, Kind, NO_CPU, NO_PID, Sum};
use super::interval::Interval;
use super::losses::Losses;
use super::sweep::{SweepCounts, sweep};
use super::totals::{Key, Lengths, ThreadSums, Totals};
use crate::space::AddressSpace;
use contend_perfdata::At;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// How much longer than it lived a thread may seem to have been on and off the
/// CPU: samples of clocks stand for the time before them. A share, and ns.
const LIFETIME_SLACK: (f64, u64) = (0.02, 10_000_000);

/// A thread and where it waited.
#[derive(Debug)]
pub(crate) struct Thread {
    /// Its process; -1 when the capture does not tell.
    pub(crate) pid: i32,
    pub(crate) tid: i32,
    /// Absent when the capture never names it.
    pub(crate) comm: Option<String>,
    pub(super) rows: Vec<(Key, Totals)>,
    pub(crate) lengths: Lengths,
    /// Time off the CPU of which only the sum is known.
    pub(super) sums: Vec<Sum>,
    pub(crate) counts: SweepCounts,
    /// What did not add up.
    pub(crate) excess: Option<Excess>,
}

/// A thread that was on and off the CPU for longer than it lived, in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Excess {
    pub(crate) off: u64,
    pub(crate) on: u64,
    pub(crate) lifetime: u64,
}

/// The name of a thread at a moment, or else the one that its switches give it.
pub(super) fn name(
    space: &AddressSpace,
    comms: &FxHashMap<i32, (At, Box<[u8]>)>,
    tid: i32,
    at: At,
) -> Option<String> {
    let told = space.comm(tid, at).map(str::to_owned);
    told.or_else(|| {
        let (_, comm) = comms.get(&tid)?;
        Some(String::from_utf8_lossy(comm).into_owned())
    })
}

pub(super) fn excess(off: u64, on: u64, lifetime: u64) -> Option<Excess> {
    let (share, ns) = LIFETIME_SLACK;
    let most = lifetime as f64 * (1.0 + share) + ns as f64;
    let is_more = off.saturating_add(on) as f64 > most;
    is_more.then_some(Excess { off, on, lifetime })
}

/// What the sweeps of all threads share.
pub(super) struct Sweeper<'a> {
    pub(super) losses: &'a Losses,
    pub(super) details: &'a [Detail],
    pub(super) comms: &'a FxHashMap<i32, (At, Box<[u8]>)>,
    pub(super) on_cpu: &'a FxHashMap<i32, u64>,
    pub(super) space: &'a AddressSpace,
    /// First and last time of the capture.
    pub(super) span: (u64, u64),
    pub(super) options: &'a Options<'a>,
}

impl Sweeper<'_> {
    /// The threads that had a number, one after the other, and how many of their
    /// intervals the filters left out.
    pub(super) fn thread(&self, events: &[Event]) -> (Vec<Thread>, u64) {
        let tid = events[0].tid;
        let mut known_pid = events
            .iter()
            .map(|event| event.pid)
            .find(|&pid| pid != NO_PID)
            .unwrap_or(NO_PID);
        // By process: the same number may be used again.
        let mut found: BTreeMap<i32, ThreadSums> = BTreeMap::new();
        let (mut filtered, mut off) = (0, 0u64);
        let counts = sweep(events, self.details, self.losses, |interval| {
            off = off.saturating_add(interval.ns());
            if interval.pid != NO_PID {
                known_pid = interval.pid;
            }
            let Some(interval) = self.accept(interval, known_pid) else {
                filtered += 1;
                return;
            };
            let sums = found.entry(known_pid).or_default();
            sums.add(&interval, self.options.which);
        });
        let on = self.on_cpu.get(&tid).copied().unwrap_or(0);
        let excess = excess(off, on, self.lifetime(events));
        if found.is_empty() && self.accepts_thread(known_pid, tid, events[0].time) {
            // What is open, or does not add up, is told all the same.
            found.insert(known_pid, ThreadSums::default());
        }
        let last = At {
            time: events.last().map_or(0, |event| event.time),
            pos: u64::MAX,
        };
        let mut counts = Some(counts);
        let mut excess = excess;
        let threads = found.into_iter().map(|(pid, mut sums)| Thread {
            pid,
            tid,
            comm: name(self.space, self.comms, tid, last),
            lengths: Lengths::new(std::mem::take(&mut sums.lengths)),
            rows: sums.into_rows(),
            sums: Vec::new(),
            counts: counts.take().unwrap_or_default(),
            excess: excess.take(),
        });
        (threads.collect(), filtered)
    }

    /// From the moment when it began, or the capture did, to its end.
    fn lifetime(&self, events: &[Event]) -> u64 {
        let (first, last) = self.span;
        let times = || events.iter().map(|event| event.time);
        // A number that is used again begins more than once.
        let begins: Vec<u64> = events
            .iter()
            .filter(|event| event.kind == Kind::Begin)
            .map(|event| event.time)
            .collect();
        let begin = match begins[..] {
            [begin] if times().next() == Some(begin) => begin,
            _ => first,
        };
        let end = match events.last() {
            Some(event) if event.kind == Kind::End => event.time,
            _ => last,
        };
        end.max(times().next_back().unwrap_or(0))
            .saturating_sub(begin.min(times().next().unwrap_or(u64::MAX)))
    }

    fn accepts_thread(&self, pid: i32, tid: i32, time: u64) -> bool {
        let filter = &self.options.filter;
        let comm = || {
            let at = At {
                time,
                pos: u64::MAX,
            };
            name(self.space, self.comms, tid, at)
        };
        filter.wants_ids((pid, tid))
            && (filter.comms.is_none() || filter.wants_comm(comm().as_deref()))
    }

    /// The part of an interval that was asked for.
    fn accept(&self, interval: &Interval, pid: i32) -> Option<Interval> {
        let filter = &self.options.filter;
        if filter.is_empty() {
            return Some(*interval);
        }
        if !self.accepts_thread(pid, interval.tid, interval.end) {
            return None;
        }
        if !filter.wants_cpu((interval.cpu != NO_CPU).then_some(interval.cpu)) {
            return None;
        }
        match &filter.time {
            Some(range) => interval.clipped(*range.start(), *range.end()),
            None => Some(*interval),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_time_than_a_thread_lived_is_told() {
        let second = 1_000_000_000;
        assert_eq!(excess(second, 0, second), None);
        // Samples of clocks stand for the time before them.
        assert_eq!(excess(second / 2, second / 2 + 5_000_000, second), None);
        let too_much = Excess {
            off: second,
            on: second,
            lifetime: second,
        };
        assert_eq!(excess(second, second, second), Some(too_much));
        assert!(excess(u64::MAX, u64::MAX, second).is_some());
    }
}
