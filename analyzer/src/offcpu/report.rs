//! Sums to the result that every renderer takes.

use super::analysis::{Analysis, Thread};
use super::interval::State;
use super::totals::{Totals, Which};
use crate::capture::Capture;
use crate::result::{
    ByState, CaptureFacts, LengthBucket, OffCpu, Quality, StateRow, Sums, ThreadRow, UpperBounds,
};
use std::cmp::Reverse;
use std::collections::BTreeMap;

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

/// Makes the result.
pub(crate) fn report(capture: &Capture, analysis: &Analysis) -> OffCpu {
    let mut quality = Quality::new(capture, &analysis.survey, &analysis.walk);
    notes(analysis, &mut quality);
    let mut all = Sum::default();
    let mut states: BTreeMap<State, Totals> = BTreeMap::new();
    for thread in &analysis.threads {
        all.merge(&Sum::of(thread, analysis.which));
        for (key, totals) in &thread.rows {
            if let Some(totals) = totals.of(analysis.which, key.state) {
                states.entry(key.state).or_default().merge(&totals);
            }
        }
    }
    let mut states: Vec<StateRow> = states.iter().map(state_row).collect();
    states.sort_by_key(|row| Reverse(row.total_ns));
    let mut threads: Vec<ThreadRow> = analysis
        .threads
        .iter()
        .map(|thread| thread_row(thread, analysis.which))
        .filter(|row| row.intervals > 0 || row.open > 0 || row.sums.is_some())
        .collect();
    threads.sort_by_key(|row| Reverse(row.total_ns));
    OffCpu {
        schema: "contend.offcpu/1",
        capture: CaptureFacts::new(capture, &analysis.survey),
        quality,
        source: source(analysis),
        state: analysis.which.name(),
        intervals: all.totals.intervals,
        total_ns: all.total_ns(),
        by_state: all.by_state(),
        open: analysis
            .threads
            .iter()
            .map(|thread| thread.counts.open)
            .sum(),
        upper_bounds: all.upper_bounds(),
        sums: all.sums(),
        states,
        threads,
    }
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
    sums: u64,
    sums_ns: u64,
}

impl Sum {
    fn of(thread: &Thread, which: Which) -> Self {
        let mut sum = Self::default();
        for (key, totals) in &thread.rows {
            let Some(totals) = totals.of(which, key.state) else {
                continue;
            };
            sum.add(key.state, which, &totals);
        }
        sum.sums = thread.sums.len() as u64;
        sum.sums_ns = thread
            .sums
            .iter()
            .fold(0, |all, sum| all.saturating_add(sum.ns));
        sum.by_state.blocked += sum.sums_ns;
        sum
    }

    fn add(&mut self, state: State, which: Which, totals: &Totals) {
        let by_state = &mut self.by_state;
        let runnable = match which {
            Which::Runnable => totals.ns,
            _ => totals.runnable_ns,
        };
        let rest = totals.ns - runnable;
        by_state.runnable += runnable;
        match state {
            State::Blocked(_) => by_state.blocked += rest,
            State::Preempted => by_state.preempted += rest,
            State::Started => by_state.runnable += rest,
            State::Unknown => by_state.unknown += rest,
        }
        self.totals.merge(totals);
    }

    fn merge(&mut self, other: &Self) {
        self.totals.merge(&other.totals);
        self.by_state.blocked += other.by_state.blocked;
        self.by_state.preempted += other.by_state.preempted;
        self.by_state.runnable += other.by_state.runnable;
        self.by_state.unknown += other.by_state.unknown;
        self.sums += other.sums;
        self.sums_ns = self.sums_ns.saturating_add(other.sums_ns);
    }

    fn total_ns(&self) -> u64 {
        self.totals.ns.saturating_add(self.sums_ns)
    }

    fn by_state(&self) -> ByState {
        self.by_state
    }

    fn upper_bounds(&self) -> Option<UpperBounds> {
        (self.totals.bounded > 0).then_some(UpperBounds {
            intervals: self.totals.bounded,
            total_ns: self.totals.bounded_ns,
        })
    }

    fn sums(&self) -> Option<Sums> {
        (self.sums > 0).then_some(Sums {
            samples: self.sums,
            total_ns: self.sums_ns,
        })
    }
}

fn state_row((state, totals): (&State, &Totals)) -> StateRow {
    let letter = match state {
        State::Blocked(0) | State::Unknown | State::Started => None,
        State::Blocked(letter) => Some(char::from(*letter)),
        State::Preempted => Some('R'),
    };
    StateRow {
        state: state.name(),
        letter,
        intervals: totals.intervals,
        total_ns: totals.ns,
        max_ns: totals.max_ns,
    }
}

fn thread_row(thread: &Thread, which: Which) -> ThreadRow {
    let sum = Sum::of(thread, which);
    let lengths = &thread.lengths;
    let buckets = (0..)
        .zip(&lengths.by_power)
        .filter(|&(_, &count)| count > 0);
    ThreadRow {
        pid: (thread.pid >= 0).then_some(thread.pid),
        tid: thread.tid,
        comm: thread.comm.clone(),
        intervals: sum.totals.intervals,
        total_ns: sum.total_ns(),
        max_ns: lengths.max_ns,
        p50_ns: lengths.p50_ns,
        p99_ns: lengths.p99_ns,
        by_state: sum.by_state(),
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
    let mut warn = |text: String| quality.warnings.push(text);
    if swept.open > 0 {
        warn(format!(
            "{} intervals have no end in the capture and are in no total",
            swept.open
        ));
    }
    if swept.bounded > 0 {
        warn(format!(
            "the end of {} intervals was not recorded: they are counted up to where the thread was \
             next seen, and may be shorter; record with --switch-events",
            swept.bounded
        ));
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

fn excess_count(threads: &[Thread]) -> usize {
    threads
        .iter()
        .filter(|thread| thread.excess.is_some())
        .count()
}

/// The reason in `skipped` for intervals that were not asked for.
const FILTERED_INTERVALS: &str = "intervals that the filters left out";
