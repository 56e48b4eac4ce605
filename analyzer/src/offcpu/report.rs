//! Sums to the result that every renderer takes.

use super::analysis::Analysis;
use super::collected::Counters;
use super::interval::State;
use super::named::NamedTree;
use super::thread::Thread;
use super::totals::{Lengths, Totals, Which};
use super::views::{Comms, Rows};
use crate::capture::Capture;
use crate::result::{
    ByState, CaptureFacts, Idle, LengthBucket, OffCpu, Quality, Sums, ThreadRow, UpperBounds,
};
use crate::stack::Unwinding;
use crate::symbols::Locator;
use anyhow::Result;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

impl Which {
    /// The name of the option.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Preempted => "preempted",
            Self::Runnable => "runnable",
            Self::All => "all",
        }
    }
}

/// Makes the result. Waits for work can be left out.
///
/// # Errors
/// When a file or folder that the user named cannot be used.
pub(crate) fn report(
    capture: &Capture,
    analysis: &Analysis,
    unwinding: &Unwinding<'_>,
    locator: &Locator,
    hide_idle: bool,
) -> Result<OffCpu> {
    let space = unwinding.space();
    let mut quality = Quality::new(capture, &analysis.survey, &analysis.walk);
    notes(analysis, &mut quality);
    for (reason, count) in space.notes() {
        quality.skip(reason, *count);
    }
    analysis.stack_counts.note(&mut quality);
    let tree = NamedTree::new(capture, unwinding, &analysis.stacks, locator)?;
    let comms = Comms::new(analysis, space);
    let mut rows = Rows::new(analysis, &tree);
    let mut idle = Totals::default();
    let mut partly: BTreeSet<(i32, i32)> = BTreeSet::new();
    rows.rows.retain(|row| {
        if row.idle.is_some() {
            idle.merge(&row.chosen);
            if row.chosen.intervals > 0 {
                partly.insert((row.thread.pid, row.thread.tid));
            }
        }
        row.idle.is_none() || !hide_idle
    });
    if !hide_idle {
        partly.clear();
    }
    let mut all = Sum::default();
    let mut by_thread: BTreeMap<(i32, i32), Sum> = BTreeMap::new();
    for row in &rows.rows {
        let thread = (row.thread.pid, row.thread.tid);
        let sum = by_thread.entry(thread).or_default();
        sum.add(row.key.state, analysis.which, &row.chosen);
    }
    let mut threads = Vec::new();
    for thread in &analysis.threads {
        let id = (thread.pid, thread.tid);
        let sum = by_thread.get(&id).copied().unwrap_or_default();
        all.merge(&sum);
        threads.push(thread_row(thread, &sum, partly.contains(&id)));
    }
    threads.retain(|row| row.intervals > 0 || row.open > 0 || row.sums.is_some());
    threads.sort_by_key(|row| Reverse(row.total_ns));
    let (locks_by, locks) = rows.locks(capture, space, &comms, &tree, locator)?;
    let wakers = rows.wakers(&comms, &tree);
    if wakers.is_empty() && !rows.rows.is_empty() {
        quality.warnings.push(NO_WAKERS.to_owned());
    }
    let result = OffCpu {
        schema: "contend.offcpu/1",
        capture: CaptureFacts::new(capture, &analysis.survey),
        source: source(analysis),
        state: analysis.which.name(),
        intervals: all.totals.intervals,
        total_ns: all.totals.ns,
        by_state: all.by_state,
        open: threads.iter().map(|thread| thread.open).sum(),
        upper_bounds: all.upper_bounds(),
        sums: all.sums(),
        idle: (idle.intervals > 0 || idle.sums > 0).then_some(Idle {
            intervals: idle.intervals,
            sums: idle.sums,
            total_ns: idle.ns,
            hidden: hide_idle,
        }),
        states: rows.states(),
        threads,
        locks_by,
        locks,
        syscalls: rows.syscalls(&tree),
        wakers,
        stacks: rows.stacks(&tree),
        quality,
    };
    Ok(with_names(result, tree, locator, unwinding))
}

/// Says what names were missing.
fn with_names(
    mut result: OffCpu,
    tree: NamedTree<'_>,
    locator: &Locator,
    unwinding: &Unwinding<'_>,
) -> OffCpu {
    let quality = &mut result.quality;
    quality.missing_binaries = tree.names.missing;
    quality
        .missing_binaries
        .extend(unwinding.missing().cloned());
    // What is needed for names and for unwinding is missing once.
    quality.missing_binaries.sort();
    quality.missing_binaries.dedup();
    let remarks = unwinding.remarks().map(str::to_owned);
    quality.warnings.extend(remarks);
    quality.warnings.extend(tree.names.warnings);
    quality.warnings.extend(locator.remarks());
    let last_known = result.stacks.iter().filter(|stack| stack.last_known);
    let intervals: u64 = last_known.map(|stack| stack.intervals).sum();
    if intervals > 0 {
        quality.warnings.push(format!(
            "{} with no stack of their own, but the one of the last sample of their thread: it \
             shows where the thread had been, not where it waits; record sched:sched_switch with -g",
            many(intervals, "interval")
        ));
    }
    result
}

/// What the intervals were found by.
fn source(analysis: &Analysis) -> String {
    let counts = &analysis.decoded;
    let sources = [
        ("sched_switch", counts.tracepoints > 0),
        ("switch_records", counts.records > 0),
        (
            "offcpu_time",
            counts.spans > 0
                || analysis
                    .threads
                    .iter()
                    .any(|thread| !thread.sums.is_empty()),
        ),
        ("wakeups", counts.wakes > 0),
    ];
    let sources = sources.iter().filter(|(_, has)| *has);
    sources.map(|(name, _)| *name).collect::<Vec<_>>().join("+")
}

/// Sums over everything of one kind of time.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    totals: Totals,
    by_state: ByState,
}

impl Sum {
    fn add(&mut self, state: State, which: Which, totals: &Totals) {
        let by_state = &mut self.by_state;
        let runnable = match which {
            Which::Runnable => totals.ns,
            _ => totals.runnable_ns,
        };
        let rest = totals.ns.saturating_sub(runnable);
        let part = match state {
            State::Blocked(_) => &mut by_state.blocked,
            State::Preempted => &mut by_state.preempted,
            State::Started => &mut by_state.runnable,
            State::Unknown => &mut by_state.unknown,
        };
        *part = part.saturating_add(rest);
        by_state.runnable = by_state.runnable.saturating_add(runnable);
        self.totals.merge(totals);
    }

    fn merge(&mut self, other: &Self) {
        self.totals.merge(&other.totals);
        let own = &mut self.by_state;
        for (part, more) in [
            (&mut own.blocked, other.by_state.blocked),
            (&mut own.preempted, other.by_state.preempted),
            (&mut own.runnable, other.by_state.runnable),
            (&mut own.unknown, other.by_state.unknown),
        ] {
            *part = part.saturating_add(more);
        }
    }

    fn upper_bounds(&self) -> Option<UpperBounds> {
        (self.totals.bounded > 0).then_some(UpperBounds {
            intervals: self.totals.bounded,
            total_ns: self.totals.bounded_ns,
        })
    }

    fn sums(&self) -> Option<Sums> {
        (self.totals.sums > 0).then_some(Sums {
            samples: self.totals.sums,
            total_ns: self.totals.sums_ns,
        })
    }
}

/// `is_partly` when some of its intervals were left out, so that what is known of
/// all of their lengths does not hold.
fn thread_row(thread: &Thread, sum: &Sum, is_partly: bool) -> ThreadRow {
    let no_lengths = Lengths::default();
    let lengths = match is_partly {
        true => &no_lengths,
        false => &thread.lengths,
    };
    let buckets = (0..)
        .zip(&lengths.by_power)
        .filter(|&(_, &count)| count > 0);
    ThreadRow {
        pid: (thread.pid >= 0).then_some(thread.pid),
        tid: thread.tid,
        comm: thread.comm.clone(),
        intervals: sum.totals.intervals,
        total_ns: sum.totals.ns,
        max_ns: (sum.totals.intervals > 0).then_some(sum.totals.max_ns),
        p50_ns: lengths.p50_ns,
        p99_ns: lengths.p99_ns,
        by_state: sum.by_state,
        open: thread.counts.open,
        upper_bounds: sum.upper_bounds(),
        sums: sum.sums(),
        histogram: buckets
            .map(|(power, &count)| LengthBucket {
                low_ns: if power == 0 { 0 } else { 1 << power },
                count,
            })
            .collect(),
    }
}

/// A number of things, whose name takes an `s` where they are several.
fn many(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}

/// What the reader of the numbers must know.
fn notes(analysis: &Analysis, quality: &mut Quality) {
    let counts = &analysis.decoded;
    quality.skip(FILTERED_INTERVALS, analysis.filtered);
    for (reason, count) in [
        ("samples of switches without a time", counts.without_time),
        ("tracepoint payloads that are too short", counts.bad_payload),
        (
            "scheduler events whose payload has no format in the capture",
            counts.without_payload,
        ),
        ("SWITCH records without thread or time", counts.bad_switch),
        (
            "sums of time off the CPU that intervals tell too, or that have no time to filter by",
            analysis.unused_sums,
        ),
    ] {
        quality.skip(reason, count);
    }
    let swept = &analysis.swept;
    let collected = analysis.collected.iter();
    let remarks = collected.flat_map(Counters::remarks);
    quality.warnings.extend(remarks);
    let mut warn = |text: String| quality.warnings.push(text);
    if swept.open > 0 {
        warn(format!(
            "{} without an end in the capture, in no total",
            many(swept.open, "interval")
        ));
    }
    if swept.bounded > 0 {
        warn(format!(
            "the end of {} was not recorded: what counts goes up to where the thread was next \
             seen, and may be too long; record with --switch-events",
            many(swept.bounded, "interval")
        ));
    }
    if swept.over_losses > 0 {
        warn(format!(
            "{} lasted while records were lost, in which their thread may have run: they count as \
             upper bounds, and others may be missing; record with larger buffers (-m 64M)",
            many(swept.over_losses, "interval")
        ));
    }
    if counts.undated_losses > 0 && swept.over_losses == 0 {
        warn(
            "records were lost, it is not told when: any interval may be longer than it was, and \
             others may be missing; record with larger buffers (-m 64M)"
                .to_owned(),
        );
    }
    // Some are always missing: the first and the last of each CPU.
    let missing = counts.to_idle.saturating_sub(counts.from_idle);
    if counts.records == 0 && missing > 16 && missing * 10 > counts.to_idle {
        warn(format!(
            "{} switches to the idle thread, but only {} back from it: the kernel did not record \
             the others; record with --switch-events",
            counts.to_idle, counts.from_idle
        ));
    }
    if let Some(text) = partly_seen(analysis) {
        warn(text);
    }
    if swept.overlapping > 0 {
        warn(format!(
            "{} intervals overlap another of the same thread, which cannot be: the totals of \
             these threads are too large",
            swept.overlapping
        ));
    }
    let excess: Vec<_> = analysis
        .threads
        .iter()
        .filter_map(|thread| Some((thread, thread.excess?)))
        .collect();
    if let Some((thread, excess)) = excess.first() {
        warn(format!(
            "{} threads were on and off the CPU for longer than they lived, which cannot be: \
             thread {} off {} ms and on {} ms of {} ms",
            excess_count(&analysis.threads),
            thread.tid,
            excess.off / 1_000_000,
            excess.on / 1_000_000,
            excess.lifetime / 1_000_000,
        ));
    }
}

/// Threads that come onto a CPU without having left it. Where not all switches are
/// recorded, that is those of whom only some are.
fn partly_seen(analysis: &Analysis) -> Option<String> {
    let odd = analysis.threads.iter().filter(|it| it.counts.odd_ins > 0);
    let mut odd: Vec<&Thread> = odd.collect();
    odd.sort_by_key(|thread| Reverse(thread.counts.odd_ins));
    let mut names: Vec<&str> = Vec::new();
    for name in odd.iter().filter_map(|thread| thread.comm.as_deref()) {
        if names.len() < MOST_NAMED && !names.contains(&name) {
            names.push(name);
        }
    }
    let named = match names.is_empty() {
        true => String::new(),
        false => format!(" ({})", names.join(", ")),
    };
    let why = match analysis.is_filtered_when_recorded {
        true => "the event's --filter takes only some of their switches",
        false => "some of their switches are missing: lost, or left out by a filter of the event",
    };
    (!odd.is_empty()).then(|| {
        format!(
            "{}{named} came onto a CPU {} without having left it: {why}, and their time is not \
             whole",
            many(odd.len() as u64, "thread"),
            many(analysis.swept.odd_ins, "time"),
        )
    })
}

fn excess_count(threads: &[Thread]) -> usize {
    threads
        .iter()
        .filter(|thread| thread.excess.is_some())
        .count()
}

/// Why `wakers` is empty.
const NO_WAKERS: &str = "who ended the waits was not recorded; record with \
                         -e sched:sched_switch,sched:sched_waking";

/// How many threads a warning names.
const MOST_NAMED: usize = 3;

/// The reason in `skipped` for intervals that were not asked for.
const FILTERED_INTERVALS: &str = "intervals that the filters left out";
