//! Sums over intervals.

use super::event::StackId;
use super::interval::{Interval, State, Waker};
use foldhash::HashMap;

/// Which time counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Which {
    /// What threads waited for something.
    Blocked,
    /// What others took from threads that would have run on.
    Preempted,
    /// What threads that could run waited for a CPU after they were woken.
    Runnable,
    /// All time off the CPU.
    #[default]
    All,
}

/// What intervals are told apart by: every view sums over some of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) stack: StackId,
    pub(super) is_old_stack: bool,
    pub(super) state: State,
    pub(super) word: u64,
    pub(super) syscall: Option<i32>,
    pub(super) waker: Option<Waker>,
    pub(super) waker_stack: StackId,
}

impl Key {
    fn of(interval: &Interval) -> Self {
        let wake = interval.wake;
        Self {
            stack: interval.stack,
            is_old_stack: interval.is_old_stack,
            state: interval.state(),
            word: interval.word,
            syscall: interval.syscall,
            waker: wake.and_then(|wake| wake.waker),
            waker_stack: wake.map_or(StackId::EMPTY, |wake| wake.stack),
        }
    }

    /// Of a sum that a collector kept: it knows no more than the stack, and that
    /// the thread waited.
    pub(super) fn of_sum(stack: StackId) -> Self {
        Self {
            stack,
            is_old_stack: false,
            state: State::Blocked(0),
            word: 0,
            syscall: None,
            waker: None,
            waker_stack: StackId::EMPTY,
        }
    }
}

/// Sums over intervals, times in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// How many there are.
    pub(crate) intervals: u64,
    /// How long they are.
    pub(crate) ns: u64,
    /// How long the longest is.
    pub(crate) max_ns: u64,
    /// How much of it the threads could run, having been woken.
    pub(crate) runnable_ns: u64,
    /// The longest time before that part.
    pub(crate) max_blocked_ns: u64,
    /// How many have such a part, and the longest of these.
    pub(crate) delayed: u64,
    pub(crate) max_runnable_ns: u64,
    /// How many are only known not to be longer, and their part of `ns`.
    pub(crate) bounded: u64,
    pub(crate) bounded_ns: u64,
    /// How many sums of intervals whose number and lengths nobody kept are in
    /// `ns`, and their part of it.
    pub(crate) sums: u64,
    pub(crate) sums_ns: u64,
}

impl Totals {
    /// A sum that a collector kept.
    pub(super) fn of_sum(ns: u64) -> Self {
        Self {
            ns,
            sums: 1,
            sums_ns: ns,
            ..Self::default()
        }
    }

    fn add(&mut self, interval: &Interval) {
        let (ns, runnable) = (interval.ns(), interval.runnable_ns());
        self.intervals += 1;
        self.ns = self.ns.saturating_add(ns);
        self.max_ns = self.max_ns.max(ns);
        self.runnable_ns = self.runnable_ns.saturating_add(runnable);
        self.delayed += u64::from(runnable > 0);
        self.max_runnable_ns = self.max_runnable_ns.max(runnable);
        self.max_blocked_ns = self.max_blocked_ns.max(ns.saturating_sub(runnable));
        if interval.is_bound {
            self.bounded += 1;
            self.bounded_ns = self.bounded_ns.saturating_add(ns);
        }
    }

    /// Adds other intervals.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.intervals += other.intervals;
        self.ns = self.ns.saturating_add(other.ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        self.runnable_ns = self.runnable_ns.saturating_add(other.runnable_ns);
        self.delayed += other.delayed;
        self.max_runnable_ns = self.max_runnable_ns.max(other.max_runnable_ns);
        self.max_blocked_ns = self.max_blocked_ns.max(other.max_blocked_ns);
        self.bounded += other.bounded;
        self.bounded_ns = self.bounded_ns.saturating_add(other.bounded_ns);
        self.sums += other.sums;
        self.sums_ns = self.sums_ns.saturating_add(other.sums_ns);
    }

    /// The same for time of one kind only, of intervals that are all in `state`.
    /// Absent when none of it is of that kind.
    pub(super) fn of(&self, which: Which, state: State) -> Option<Self> {
        let chosen = match (which, state) {
            (Which::All, _)
            | (Which::Preempted, State::Preempted)
            | (Which::Runnable, State::Started) => return Some(*self),
            (Which::Blocked, State::Blocked(_)) => {
                let ns = self.ns.saturating_sub(self.runnable_ns);
                Self {
                    ns,
                    max_ns: self.max_blocked_ns,
                    bounded_ns: self.bounded_ns.min(ns),
                    runnable_ns: 0,
                    delayed: 0,
                    max_runnable_ns: 0,
                    ..*self
                }
            }
            (Which::Runnable, State::Blocked(_)) if self.delayed > 0 => Self {
                intervals: self.delayed,
                ns: self.runnable_ns,
                max_ns: self.max_runnable_ns,
                bounded: self.bounded.min(self.delayed),
                bounded_ns: self.bounded_ns.min(self.runnable_ns),
                ..*self
            },
            _ => return None,
        };
        Some(chosen)
    }
}

/// The length of an interval as far as it is time of one kind; absent when none
/// of it is.
pub(super) fn length(interval: &Interval, which: Which) -> Option<u64> {
    let runnable = interval.runnable_ns();
    match (which, interval.state()) {
        (Which::All, _)
        | (Which::Preempted, State::Preempted)
        | (Which::Runnable, State::Started) => Some(interval.ns()),
        (Which::Blocked, State::Blocked(_)) => Some(interval.ns() - runnable),
        (Which::Runnable, State::Blocked(_)) if runnable > 0 => Some(runnable),
        _ => None,
    }
}

/// The intervals of one thread, summed.
#[derive(Debug, Default)]
pub(super) struct ThreadSums {
    pub(super) rows: HashMap<Key, Totals>,
    /// How long each interval is, as far as it counts, in ns.
    pub(super) lengths: Vec<u64>,
}

impl ThreadSums {
    pub(super) fn add(&mut self, interval: &Interval, which: Which) {
        let Some(length) = length(interval, which) else {
            return;
        };
        self.rows
            .entry(Key::of(interval))
            .or_default()
            .add(interval);
        self.lengths.push(length);
    }

    /// The rows in an order that depends on nothing but them.
    pub(super) fn into_rows(self) -> Vec<(Key, Totals)> {
        let mut rows: Vec<_> = self.rows.into_iter().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows
    }
}

/// How a thread's intervals are distributed over lengths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lengths {
    pub(crate) p50_ns: Option<u64>,
    pub(crate) p99_ns: Option<u64>,
    pub(crate) max_ns: Option<u64>,
    /// Intervals from `2^i` ns up to twice that, those of 0 and 1 ns in the
    /// first.
    pub(crate) by_power: Vec<u64>,
}

impl Lengths {
    /// Of lengths in any order.
    pub(super) fn new(mut lengths: Vec<u64>) -> Self {
        lengths.sort_unstable();
        // Nearest rank.
        let percentile = |percent: usize| {
            let rank = (lengths.len() * percent).div_ceil(100);
            lengths.get(rank.checked_sub(1)?).copied()
        };
        let mut by_power = Vec::new();
        for length in &lengths {
            let power = length.checked_ilog2().unwrap_or(0) as usize;
            if by_power.len() <= power {
                by_power.resize(power + 1, 0);
            }
            by_power[power] += 1;
        }
        Self {
            p50_ns: percentile(50),
            p99_ns: percentile(99),
            max_ns: lengths.last().copied(),
            by_power,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let lengths = Lengths::new((1..=200).rev().collect());
        assert_eq!(lengths.p50_ns, Some(100));
        assert_eq!(lengths.p99_ns, Some(198));
        assert_eq!(lengths.max_ns, Some(200));
        assert_eq!(lengths.by_power, [1, 2, 4, 8, 16, 32, 64, 73]);
        assert_eq!(Lengths::new(Vec::new()), Lengths::default());
        assert_eq!(Lengths::new(vec![0, 7]).by_power, [1, 0, 1]);
    }

    #[test]
    fn parts_of_blocked_time_add_up() {
        let totals = Totals {
            intervals: 3,
            ns: 1000,
            max_ns: 500,
            runnable_ns: 120,
            delayed: 2,
            max_runnable_ns: 80,
            max_blocked_ns: 450,
            ..Totals::default()
        };
        let state = State::Blocked(b'S');
        let part = |which| totals.of(which, state);
        let blocked = part(Which::Blocked).unwrap();
        let runnable = part(Which::Runnable).unwrap();
        assert_eq!(blocked.ns + runnable.ns, totals.ns);
        assert_eq!((runnable.intervals, runnable.max_ns), (2, 80));
        assert_eq!((blocked.intervals, blocked.max_ns), (3, 450));
        assert_eq!(part(Which::Preempted), None);
        assert_eq!(totals.of(Which::Blocked, State::Preempted), None);
    }
}
