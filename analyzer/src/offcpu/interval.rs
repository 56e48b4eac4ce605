//! Time that a thread was off the CPU: the one form to which all sources come.

use super::event::{Reason, StackId};

/// Why a thread was off the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum State {
    /// It waited for something: the kernel's letter (`S`, `D`, ...), 0 when that
    /// is not told.
    Blocked(u8),
    /// It would have run on, but another thread had the CPU.
    Preempted,
    /// It had just begun and waited for a CPU.
    Started,
    /// The capture does not tell.
    Unknown,
}

impl State {
    pub(super) fn of(reason: Reason) -> Self {
        match reason {
            Reason {
                is_blocked: true,
                letter,
            } => Self::Blocked(letter),
            Reason { letter: b'R', .. } => Self::Preempted,
            _ => Self::Unknown,
        }
    }

    /// The name in documents.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Blocked(_) => "blocked",
            Self::Preempted => "preempted",
            Self::Started => "runnable",
            Self::Unknown => "unknown",
        }
    }
}

/// Who made a thread runnable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Waker {
    /// A thread.
    Thread(i32),
    /// An interrupt: a timer, a device.
    Interrupt,
}

/// How a thread became runnable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wake {
    /// When, in ns of the recording clock.
    pub(super) time: u64,
    /// By whom; absent when the source does not tell.
    pub(super) waker: Option<Waker>,
    /// The waker's stack then.
    pub(super) stack: StackId,
}

/// Time that a thread was off the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    /// The process; -1 when no record of the interval tells.
    pub(super) pid: i32,
    pub(super) tid: i32,
    /// In ns of the recording clock.
    pub(super) start: u64,
    pub(super) end: u64,
    /// Whether it ended at `end` at the latest, and perhaps before.
    pub(super) is_bound: bool,
    pub(super) reason: Reason,
    /// Whether the thread had just begun.
    pub(super) is_first: bool,
    /// The stack with which it left the CPU.
    pub(super) stack: StackId,
    /// Whether that is only the last stack known.
    pub(super) is_old_stack: bool,
    /// The CPU that it left.
    pub(super) cpu: u32,
    pub(super) wake: Option<Wake>,
    /// The futex word that it waited for (AVMA); 0 for none.
    pub(super) word: u64,
    /// The system call that it was in, -1 for none; absent when not told.
    pub(super) syscall: Option<i32>,
}

impl Interval {
    pub(super) fn state(&self) -> State {
        if self.is_first {
            State::Started
        } else {
            State::of(self.reason)
        }
    }

    /// How long it was off the CPU, in ns.
    pub(super) fn ns(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// How long it was runnable and waited for a CPU, in ns: behind the waking
    /// of one that had slept. What was preempted is not in it.
    pub(super) fn runnable_ns(&self) -> u64 {
        match (self.state(), self.wake) {
            (State::Started, _) => self.ns(),
            (State::Blocked(_), Some(wake)) => self.end.saturating_sub(wake.time.max(self.start)),
            _ => 0,
        }
    }

    /// The part of it in a range of times; absent when there is none.
    pub(super) fn clipped(mut self, from: u64, to: u64) -> Option<Self> {
        if self.end < from || self.start > to {
            return None;
        }
        self.start = self.start.max(from);
        self.end = self.end.min(to);
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offcpu::event::{NO_CPU, NO_STACK};

    fn interval(reason: Reason, woken: Option<u64>) -> Interval {
        Interval {
            pid: 1,
            tid: 1,
            start: 100,
            end: 200,
            is_bound: false,
            reason,
            is_first: false,
            stack: NO_STACK,
            is_old_stack: false,
            cpu: NO_CPU,
            wake: woken.map(|time| Wake {
                time,
                waker: None,
                stack: NO_STACK,
            }),
            word: 0,
            syscall: None,
        }
    }

    #[test]
    fn the_wait_for_a_cpu_begins_with_the_waking() {
        let sleeping = Reason::of_letter(b'S');
        assert_eq!(interval(sleeping, None).runnable_ns(), 0);
        assert_eq!(interval(sleeping, Some(180)).runnable_ns(), 20);
        assert_eq!(interval(sleeping, Some(250)).runnable_ns(), 0);
        assert_eq!(interval(Reason::PREEMPTED, Some(180)).runnable_ns(), 0);
    }

    #[test]
    fn clipping_keeps_the_part_in_the_range() {
        let whole = interval(Reason::PREEMPTED, None);
        let part = whole.clipped(150, 500).unwrap();
        assert_eq!((part.start, part.end), (150, 200));
        assert_eq!(whole.clipped(0, 99), None);
        assert_eq!(whole.clipped(201, 900), None);
    }
}
