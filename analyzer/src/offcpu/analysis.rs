//! The analysis from end to end.

use super::collected::Counters;
use super::decode::{DecodeCounts, Decoded, Plan};
use super::event::{Event, Kind, Sum};
use super::losses::Losses;
use super::sweep::SweepCounts;
use super::thread::{Sweeper, Thread, excess, name};
use super::totals::{Lengths, Which};
use crate::capture::Capture;
use crate::filter::Filter;
use crate::space::AddressSpace;
use crate::stack::{Merged, StackBuilder, StackCounts, Stacks, Unwinding};
use crate::survey::Survey;
use anyhow::Result;
use contend_perfdata::{At, WalkReport};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

/// What the user asked for.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    /// Which time counts.
    pub(crate) which: Which,
    /// Which intervals to take; those that a range of times cuts count with the
    /// part inside.
    pub(crate) filter: Filter<'a>,
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
    /// What the bundled collector counted.
    pub(super) collected: Option<Counters>,
    pub(crate) swept: SweepCounts,
    pub(crate) which: Which,
    /// Whether perf was told to record only some of the switches.
    pub(super) is_filtered_when_recorded: bool,
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
        losses,
        collected,
        counts,
    } = decoded;
    if counts.sampled > 0 && counts.records == 0 {
        // Between two that were sampled there may have been any number.
        let is_sampled = |kind| matches!(kind, Kind::Out(_) | Kind::In(_));
        events.retain(|event| !is_sampled(event.kind));
    }
    let losses = Losses::new(losses, &events);
    sums.sort_unstable_by_key(|sum| (sum.pid, sum.tid, sum.pos));
    let span = survey.times().unwrap_or_default();
    let sweeper = Sweeper {
        losses: &losses,
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
        collected: collected.map(|(_, counters)| counters),
        swept: totals,
        which: options.which,
        is_filtered_when_recorded: is_filtered(&capture.header().features.cmdline),
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

/// Whether perf's command line has a filter for the events of tracepoints.
fn is_filtered(command: &[String]) -> bool {
    command
        .iter()
        .any(|word| word == "--filter" || word.starts_with("--filter="))
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
            if !filter.wants_ids((pid, tid)) || !filter.wants_comm(comm.as_deref()) {
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
