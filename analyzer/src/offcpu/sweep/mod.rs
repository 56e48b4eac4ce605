//! The events of one thread, in the order of time, to its intervals.
//!
//! ```text
//! Out ──────────── Waking ───────── In     blocked, then waiting for a CPU
//! Out ─────────────────── Out              an In is missing: at most this long
//! Out ──────── Ran ────── Out              no longer than to where it ran
//! Out ───── lost ───── In                  at most this long: it may have run
//! Out ───────────────────────── end        open: counted, not guessed
//! ```
//! One switch may have two witnesses; the second adds what it knows. Collectors
//! in the kernel tell whole intervals; they add to one that is there or are one.

#[cfg(test)]
mod tests;
mod told;
mod wakes;

use super::event::{Detail, Event, Kind, NO_PID, NO_STACK, Reason, StackId, Witness};
use super::interval::Interval;
use super::losses::Losses;
use told::{join, overlap};

/// A thread that is sampled so shortly after it left was still leaving: the
/// switch is told before it is done, and hardware counters interrupt it. In ns.
const LEAVING: u64 = 10_000;

/// What was found besides intervals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SweepCounts {
    /// Intervals without an end.
    pub(crate) open: u64,
    /// Intervals whose end is only known not to be later.
    pub(crate) bounded: u64,
    /// Intervals in which records were lost, so that the thread may have run.
    pub(crate) over_losses: u64,
    /// Intervals that collectors tell and that overlap another of the thread.
    pub(crate) overlapping: u64,
    /// Intervals that two sources told.
    pub(crate) twice: u64,
    /// Threads that came onto the CPU where they already were. Not of threads that
    /// are never seen to leave: captures of single tasks see others only come.
    pub(crate) odd_ins: u64,
}

impl SweepCounts {
    /// Adds what was found of another thread.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.open += other.open;
        self.bounded += other.bounded;
        self.over_losses += other.over_losses;
        self.overlapping += other.overlapping;
        self.twice += other.twice;
        self.odd_ins += other.odd_ins;
    }
}

/// Where a thread is.
#[derive(Clone, Copy, Debug)]
enum Now {
    /// Not known yet, or not any more.
    Unknown,
    On,
    Off(Open),
    /// Its end was told: it does not come back.
    Ended,
}

/// An interval that has not ended.
#[derive(Clone, Copy, Debug)]
struct Open {
    interval: Interval,
    /// Bits of [`Witness`].
    witnesses: u8,
    /// When it was first seen to run.
    ran: Option<u64>,
}

/// Finds the intervals of one thread.
pub(super) struct Sweep<'a, F> {
    details: &'a [Detail],
    losses: &'a Losses,
    sink: F,
    now: Now,
    /// The last interval, which another source may still add to.
    last: Option<Last>,
    /// Details whose interval comes at the same time, but later.
    waiting: Option<(u64, u32, Reason)>,
    /// When the thread was last woken, with which stack of the waker's.
    woken: Option<(u64, StackId)>,
    /// The end of what has been given away.
    given: u64,
    /// The last stack that was seen.
    stack: StackId,
    /// Whether the thread was ever seen to leave.
    has_left: bool,
    counts: SweepCounts,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    interval: Interval,
    /// Whether records were lost while it lasted.
    is_over_loss: bool,
    /// Whether it came from switches.
    is_swept: bool,
    /// Whether a collector told of it.
    is_told: bool,
}

/// Gives each interval of a thread to `sink`, in the order of time.
pub(super) fn sweep(
    events: &[Event],
    details: &[Detail],
    losses: &Losses,
    sink: impl FnMut(&Interval),
) -> SweepCounts {
    let mut sweep = Sweep {
        details,
        losses,
        sink,
        now: Now::Unknown,
        last: None,
        waiting: None,
        woken: None,
        given: 0,
        stack: NO_STACK,
        has_left: false,
        counts: SweepCounts::default(),
    };
    for group in events.chunk_by(|a, b| a.time == b.time) {
        sweep.moment(group);
    }
    sweep.finish()
}

impl<F: FnMut(&Interval)> Sweep<'_, F> {
    /// Events of one moment. Two CPUs may tell a switch out and one in at the
    /// same ns, in any order in the file: only one order goes with where the
    /// thread was.
    fn moment(&mut self, events: &[Event]) {
        let [_, _, ..] = events else {
            events.iter().for_each(|event| self.event(event));
            return;
        };
        let is_off = matches!(self.now, Now::Off(_));
        let comes_first = |event: &Event| match event.kind {
            Kind::In(_) => is_off,
            Kind::Out(_) => matches!(self.now, Now::On),
            _ => false,
        };
        let (first, rest): (Vec<&Event>, Vec<&Event>) =
            events.iter().partition(|&event| comes_first(event));
        first
            .into_iter()
            .chain(rest)
            .for_each(|event| self.event(event));
    }

    fn event(&mut self, event: &Event) {
        match event.kind {
            Kind::Begin => {
                self.drop_open();
                self.stack = NO_STACK;
                self.now = Now::Unknown;
            }
            Kind::End => self.end(event),
            Kind::Out(witness) => self.out(event, witness),
            Kind::In(witness) => self.enter(event, witness),
            Kind::Ran => self.ran(event),
            Kind::Waking | Kind::Wakeup => self.wake(event),
            Kind::WakeupNew => self.first_wake(event),
            Kind::Span => self.span(event),
            Kind::Detail => self.detail(event),
        }
    }

    fn out(&mut self, event: &Event, witness: Witness) {
        self.has_left = true;
        match &mut self.now {
            Now::Ended => return,
            Now::Off(open) if open.witnesses & witness as u8 == 0 && !open.interval.is_first => {
                // The same switch, seen by another.
                open.witnesses |= witness as u8;
                let interval = &mut open.interval;
                interval.reason = interval.reason.or(event.reason);
                if event.stack != NO_STACK && (interval.stack == NO_STACK || interval.is_old_stack)
                {
                    interval.stack = event.stack;
                    interval.is_old_stack = false;
                }
                if interval.pid == NO_PID {
                    interval.pid = event.pid;
                }
                self.note_stack(event.stack);
                return;
            }
            Now::Off(open) => {
                let open = *open;
                self.close(open, open.ran.unwrap_or(event.time), true);
            }
            Now::Unknown | Now::On => {}
        }
        if event.reason.is_end() {
            self.now = Now::Ended;
            return;
        }
        let is_old_stack = event.stack == NO_STACK && self.stack != NO_STACK;
        let stack = if is_old_stack {
            self.stack
        } else {
            event.stack
        };
        self.note_stack(event.stack);
        self.now = Now::Off(Open {
            interval: Interval {
                pid: event.pid,
                tid: event.tid,
                start: event.time,
                end: event.time,
                is_bound: false,
                reason: event.reason,
                is_first: false,
                stack,
                is_old_stack,
                cpu: event.cpu,
                wake: None,
                word: 0,
                syscall: None,
            },
            witnesses: witness as u8,
            ran: None,
        });
    }

    fn enter(&mut self, event: &Event, witness: Witness) {
        match self.now {
            Now::Off(mut open) => {
                if open.interval.pid == NO_PID {
                    open.interval.pid = event.pid;
                }
                self.close(open, event.time, false);
            }
            // The other witness of the same switch comes second.
            Now::On => {
                let is_again = self.last.is_none_or(|last| last.interval.end != event.time);
                self.counts.odd_ins += u64::from(is_again && witness == Witness::Tracepoint);
            }
            Now::Unknown | Now::Ended => {}
        }
        self.now = Now::On;
    }

    fn ran(&mut self, event: &Event) {
        self.note_stack(event.stack);
        match &mut self.now {
            Now::Off(open) => {
                let is_gone = event.time >= open.interval.start.saturating_add(LEAVING);
                if is_gone && open.ran.is_none() {
                    open.ran = Some(event.time);
                }
            }
            Now::Unknown => self.now = Now::On,
            Now::On | Now::Ended => {}
        }
    }

    fn note_stack(&mut self, stack: StackId) {
        if stack != NO_STACK {
            self.stack = stack;
        }
    }

    /// A thread ends itself, so it had come back; its last switch has no other
    /// side.
    fn end(&mut self, event: &Event) {
        if let Now::Off(open) = self.now {
            self.close(open, open.ran.unwrap_or(event.time), true);
        }
        self.now = Now::Ended;
    }

    fn drop_open(&mut self) {
        if let Now::Off(open) = self.now {
            match open.ran {
                Some(ran) => self.close(open, ran, true),
                None => self.counts.open += 1,
            }
        }
    }

    fn close(&mut self, open: Open, end: u64, is_bound: bool) {
        let mut interval = open.interval;
        interval.end = end.max(interval.start);
        interval.is_bound = is_bound;
        let mut is_told = false;
        // A collector may have told of it before the switch back was.
        if let Some(last) = self.last.filter(|last| !last.is_swept)
            && overlap(&last.interval, &interval)
        {
            join(&mut interval, &last.interval);
            self.last = None;
            self.counts.twice += 1;
            is_told = true;
        }
        self.give();
        // A collector tells of an interval in one record.
        let is_over_loss = !is_told && self.losses.between(interval.start, interval.end);
        interval.is_bound |= is_over_loss;
        self.last = Some(Last {
            interval,
            is_over_loss,
            is_swept: true,
            is_told,
        });
        self.now = Now::Unknown;
    }

    fn give(&mut self) {
        if let Some(last) = self.last.take() {
            self.given = self.given.max(last.interval.end);
            if last.interval.is_bound {
                let counts = &mut self.counts;
                let count = match last.is_over_loss {
                    true => &mut counts.over_losses,
                    false => &mut counts.bounded,
                };
                *count += 1;
            }
            (self.sink)(&last.interval);
        }
    }

    fn finish(mut self) -> SweepCounts {
        self.drop_open();
        self.give();
        if !self.has_left {
            self.counts.odd_ins = 0;
        }
        self.counts
    }
}
