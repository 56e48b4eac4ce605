//! What records say of a thread, in few bytes: the sweep sorts these, not
//! records.

pub(super) use crate::stack::StackId;

/// What has no stack.
pub(super) const NO_STACK: StackId = StackId::EMPTY;

/// Who saw a switch. The same switch may be in a capture more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Witness {
    /// A sample of `sched:sched_switch`.
    Tracepoint = 1,
    /// A SWITCH or SWITCH_CPU_WIDE record.
    Record = 2,
}

/// What happened to a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// It began, or its number went to another thread.
    Begin,
    /// It is about to end.
    End,
    /// It left the CPU, for the reason that its state tells.
    Out(Witness),
    /// It came onto the CPU.
    In(Witness),
    /// It ran: something was sampled in it.
    Ran,
    /// Thread [`Event::other`] makes it runnable.
    Waking,
    /// It became runnable.
    Wakeup,
    /// It became runnable for the first time.
    WakeupNew,
    /// It was off the CPU up to now: [`Event::other`] is the place in the
    /// details.
    Span,
    /// The same, with what is known besides; the interval itself is told
    /// elsewhere.
    Detail,
}

/// Why a thread left the CPU: the letter of its state as the kernel prints it,
/// and whether it would have run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Reason {
    /// `S`, `D` and so on, `R` when it could have run on; 0 when it is not
    /// known.
    pub(super) letter: u8,
    /// Whether it is known to have waited for something.
    pub(super) is_blocked: bool,
}

impl Reason {
    /// Nothing is known.
    pub(super) const UNKNOWN: Self = Self {
        letter: 0,
        is_blocked: false,
    };
    /// It would have run on.
    pub(super) const PREEMPTED: Self = Self {
        letter: b'R',
        is_blocked: false,
    };
    /// It waited, it is not known how.
    pub(super) const BLOCKED: Self = Self {
        letter: 0,
        is_blocked: true,
    };

    /// The reason behind a letter of the kernel's.
    pub(super) fn of_letter(letter: u8) -> Self {
        Self {
            letter,
            is_blocked: letter != b'R',
        }
    }

    /// Whether the thread has ended (`X`, `Z`, and `x` of old kernels).
    pub(super) fn is_end(self) -> bool {
        matches!(self.letter, b'X' | b'Z' | b'x')
    }

    /// What two witnesses know together.
    pub(super) fn or(self, other: Self) -> Self {
        if self.letter != 0 || !self.is_blocked && other.letter == 0 && !other.is_blocked {
            self
        } else if other.letter != 0 || !self.is_blocked {
            other
        } else {
            self
        }
    }
}

/// A compact event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// In ns of the recording clock.
    pub(super) time: u64,
    /// The place of its record.
    pub(super) pos: u64,
    /// The thread.
    pub(super) tid: i32,
    /// Its process; -1 when the record does not tell.
    pub(super) pid: i32,
    /// Its stack, or its waker's for [`Kind::Waking`].
    pub(super) stack: StackId,
    /// Depends on the kind.
    pub(super) other: u32,
    /// The CPU; `u32::MAX` when the record does not tell.
    pub(super) cpu: u32,
    pub(super) kind: Kind,
    pub(super) reason: Reason,
}

/// The CPU of a record that does not tell.
pub(super) const NO_CPU: u32 = u32::MAX;

/// The process of a record that does not tell.
pub(super) const NO_PID: i32 = -1;

/// The waker of a thread that an interrupt woke, in [`Event::other`]: threads
/// have numbers below.
pub(super) const INTERRUPT: u32 = u32::MAX;

/// What collectors in the kernel tell of an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Detail {
    /// When it began, in ns of the recording clock.
    pub(super) start: u64,
    /// The futex word that the thread waited for (AVMA); 0 for none.
    pub(super) word: u64,
    /// The system call that it was in; -1 for none, absent when not told.
    pub(super) syscall: Option<i32>,
    /// Who made it runnable, and when; absent when not told.
    pub(super) waker: Option<(u32, u64)>,
    /// Whether the interval has not ended: its end is that of the recording.
    pub(super) is_open: bool,
}

/// Time off the CPU of which only the sum is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) pid: i32,
    pub(super) tid: i32,
    pub(super) ns: u64,
    pub(super) stack: StackId,
    /// The place of its record.
    pub(super) pos: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_small() {
        // Two for each switch: what a capture of a million takes in memory.
        assert!(size_of::<Event>() <= 40);
    }

    #[test]
    fn two_witnesses_know_more_than_one() {
        let sleeping = Reason::of_letter(b'S');
        assert_eq!(Reason::BLOCKED.or(sleeping), sleeping);
        assert_eq!(sleeping.or(Reason::BLOCKED), sleeping);
        assert_eq!(Reason::UNKNOWN.or(Reason::PREEMPTED), Reason::PREEMPTED);
        assert_eq!(Reason::UNKNOWN.or(Reason::BLOCKED), Reason::BLOCKED);
        assert_eq!(Reason::BLOCKED.or(Reason::UNKNOWN), Reason::BLOCKED);
    }
}
