//! The analysis from end to end.

use super::decode::{DecodeCounts, Decoded, Plan};
use super::event::{Detail, Event, Kind, NO_CPU, NO_PID, Sum};
use super::interval::Interval;
use super::sweep::{SweepCounts, sweep};
use super::totals::{Key, Lengths, ThreadSums, Totals, Which};
use crate::capture::Capture;
use crate::filter::Filter;
use crate::space::AddressSpace;
use crate::stack::{Merged, StackBuilder, StackCounts, Stacks, Unwinding};
use crate::survey::Survey;
use anyhow::Result;
use contend_perfdata::{At, WalkReport};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// How much longer than it lived a thread may seem to have been on and off the
/// CPU: samples of clocks stand for the time before them. A share, and ns.
const LIFETIME_SLACK: (f64, u64) = (0.02, 10_000_000);

/// What the user asked for.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    /// Which time counts.
    pub(crate) which: Which,
    /// Which intervals to take; those that a range of times cuts count with the
    /// part inside.
    pub(crate) filter: Filter<'a>,
}

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

/// What the analysis found.
#[derive(Debug)]
pub(crate) struct Analysis {
    pub(crate) survey: Survey,
    pub(crate) walk: WalkReport,
    /// The stacks that rows name.
    pub(super) stacks: Stacks,
    pub(super) stack_counts: StackCounts,
    /// In the order of (process, thread).
    pub(crate) threads: Vec<Thread>,
    pub(super) decoded: DecodeCounts,
    pub(crate) swept: SweepCounts,
    pub(crate) which: Which,
    /// Intervals that the filters left out.
    pub(crate) filtered: u64,
    /// Sums that were left out because switches of the same thread tell its
    /// intervals, or because a range of times was asked for.
    pub(crate) unused_sums: u64,
}

/// Finds out where threads waited. `unwinding` has the address space of the
/// survey.
///
/// # Errors
/// When the capture cannot be read.
pub(crate) fn analyze(
    capture: &Capture,
    (survey, walk): (Survey, WalkReport),
    unwinding: &Unwinding<'_>,
    options: &Options<'_>,
) -> Result<Analysis> {
    let space = unwinding.space();
    let plan = Plan::new(capture.header());
    let table = capture.data().events();
    let (parts, _) = capture.walk(
        || (Decoded::default(), StackBuilder::new(unwinding)),
        |(decoded, stacks), batch| decoded.batch(batch, table, &plan, stacks),
    )?;
    let mut stack_counts = StackCounts::default();
    let (mut trees, mut rest) = (Vec::new(), Vec::new());
    for (part, builder) in parts {
        let (stacks, own) = builder.finish();
        stack_counts.merge(&own);
        trees.push(stacks);
        rest.push(part);
    }
    let Merged { stacks, renamed } = Stacks::merge(trees);
    let mut decoded = Decoded::default();
    for (part, renamed) in rest.into_iter().zip(renamed) {
        decoded.merge(part, &renamed);
    }
    let Decoded {
        mut events,
        details,
        mut sums,
        comms,
        on_cpu,
        counts,
    } = decoded;
    if counts.sampled > 0 && counts.records == 0 {
        // Between two that were sampled there may have been any number.
        let is_sampled = |kind| matches!(kind, Kind::Out(_) | Kind::In(_));
        events.retain(|event| !is_sampled(event.kind));
    }
    sums.sort_unstable_by_key(|sum| (sum.pid, sum.tid, sum.pos));
    let span = survey.times().unwrap_or_default();
    let sweeper = Sweeper {
        details: &details,
        comms: &comms,
        on_cpu: &on_cpu,
        space,
        span,
        options,
    };
    let swept: Vec<(Vec<Thread>, u64)> = capture.pool().install(|| {
        events.par_sort_unstable_by_key(|event| (event.tid, event.time, event.pos, event.kind));
        let threads: Vec<&[Event]> = events.chunk_by(|a, b| a.tid == b.tid).collect();
        threads
            .par_iter()
            .map(|events| sweeper.thread(events))
            .collect()
    });
    drop(events);
    let mut threads = Vec::new();
    let (mut filtered, mut totals) = (0, SweepCounts::default());
    for (found, left_out) in swept {
        filtered += left_out;
        for thread in found {
            totals.merge(&thread.counts);
            threads.push(thread);
        }
    }
    let mut analysis = Analysis {
        survey,
        walk,
        threads,
        decoded: counts,
        swept: totals,
        which: options.which,
        filtered,
        unused_sums: 0,
        stacks,
        stack_counts,
    };
    analysis.add_sums(sums, options, space, &comms, span);
    analysis
        .threads
        .sort_by_key(|thread| (thread.pid, thread.tid));
    Ok(analysis)
}

impl Analysis {
    /// Whether the capture tells of any time off the CPU.
    pub(crate) fn is_empty(&self) -> bool {
        self.threads
            .iter()
            .all(|thread| thread.rows.is_empty() && thread.sums.is_empty())
    }

    /// What to do for a capture that tells of no time of the chosen kind.
    pub(crate) fn what_to_record(&self) -> &'static str {
        let counts = &self.decoded;
        if counts.sampled > 0 && counts.records == 0 {
            "only some of its switches were sampled (-F, or -c above 1); record all with \
             `perf record --buildid-all -c 1 -e sched:sched_switch --switch-events -a -g`"
        } else if self.which == Which::Runnable && counts.wakes == 0 {
            "who wakes whom was not recorded; record with \
             `perf record --buildid-all -e sched:sched_switch,sched:sched_waking --switch-events \
             -a -g`"
        } else {
            "record longer, with `perf record --buildid-all -e sched:sched_switch --switch-events -a \
             -g`"
        }
    }

    /// Sums stand for intervals of threads that are not told otherwise.
    fn add_sums(
        &mut self,
        sums: Vec<Sum>,
        options: &Options<'_>,
        space: &AddressSpace,
        comms: &FxHashMap<i32, (At, Box<[u8]>)>,
        (first, last): (u64, u64),
    ) {
        let has_switches = self.decoded.tracepoints > 0 || self.decoded.records > 0;
        let filter = &options.filter;
        let counts = matches!(options.which, Which::All | Which::Blocked);
        if has_switches || filter.time.is_some() || !filter.cpus.is_empty() || !counts {
            self.unused_sums = sums.len() as u64;
            return;
        }
        let end = At {
            time: u64::MAX,
            pos: u64::MAX,
        };
        let threads = (0..).zip(&self.threads);
        let mut known: FxHashMap<(i32, i32), usize> = threads
            .map(|(at, thread)| ((thread.pid, thread.tid), at))
            .collect();
        for group in sums.chunk_by(|a, b| (a.pid, a.tid) == (b.pid, b.tid)) {
            let Sum { pid, tid, .. } = group[0];
            let comm = name(space, comms, tid, end);
            if !wants(&filter.pids, pid)
                || !wants(&filter.tids, tid)
                || !wants_comm(filter, comm.as_deref())
            {
                self.filtered += group.len() as u64;
                continue;
            }
            let at = *known.entry((pid, tid)).or_insert_with(|| {
                self.threads.push(Thread {
                    pid,
                    tid,
                    comm,
                    rows: Vec::new(),
                    lengths: Lengths::default(),
                    sums: Vec::new(),
                    counts: SweepCounts::default(),
                    excess: None,
                });
                self.threads.len() - 1
            });
            let thread = &mut self.threads[at];
            thread.sums.extend(group);
            let rows = thread.rows.iter().map(|(_, totals)| totals.ns);
            let off = rows.chain(thread.sums.iter().map(|sum| sum.ns));
            let off = off.fold(0, u64::saturating_add);
            thread.excess = thread
                .excess
                .or_else(|| excess(off, 0, last.saturating_sub(first)));
        }
    }
}

fn wants<T: PartialEq>(list: &[T], value: T) -> bool {
    list.is_empty() || list.contains(&value)
}

fn wants_comm(filter: &Filter<'_>, comm: Option<&str>) -> bool {
    filter
        .comms
        .as_ref()
        .is_none_or(|(names, _)| names.iter().any(|name| Some(name.as_str()) == comm))
}

/// The name of a thread at a moment, or else the one that its switches give it.
fn name(
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

fn excess(off: u64, on: u64, lifetime: u64) -> Option<Excess> {
    let (share, ns) = LIFETIME_SLACK;
    let most = lifetime as f64 * (1.0 + share) + ns as f64;
    let is_more = off.saturating_add(on) as f64 > most;
    is_more.then_some(Excess { off, on, lifetime })
}

/// What the sweeps of all threads share.
struct Sweeper<'a> {
    details: &'a [Detail],
    comms: &'a FxHashMap<i32, (At, Box<[u8]>)>,
    on_cpu: &'a FxHashMap<i32, u64>,
    space: &'a AddressSpace,
    /// First and last time of the capture.
    span: (u64, u64),
    options: &'a Options<'a>,
}

impl Sweeper<'_> {
    /// The threads that had a number, one after the other, and how many of their
    /// intervals the filters left out.
    fn thread(&self, events: &[Event]) -> (Vec<Thread>, u64) {
        let tid = events[0].tid;
        let mut known_pid = events
            .iter()
            .map(|event| event.pid)
            .find(|&pid| pid != NO_PID)
            .unwrap_or(NO_PID);
        // By process: the same number may be used again.
        let mut found: BTreeMap<i32, ThreadSums> = BTreeMap::new();
        let (mut filtered, mut off) = (0, 0u64);
        let counts = sweep(events, self.details, |interval| {
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
        wants(&filter.pids, pid)
            && wants(&filter.tids, tid)
            && (filter.comms.is_none() || wants_comm(filter, comm().as_deref()))
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
        if !filter.cpus.is_empty()
            && (interval.cpu == NO_CPU || !filter.cpus.contains(&interval.cpu))
        {
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
