//! Who makes a thread runnable, and when.

use super::{Now, Open, Sweep};
use crate::offcpu::event::{Event, INTERRUPT, Kind, NO_STACK, Reason};
use crate::offcpu::interval::{Interval, Wake, Waker};

impl<F: FnMut(&Interval)> Sweep<'_, F> {
    /// Wakings tell who did it and come first; wakeups may come from the CPU on
    /// which the thread will run.
    pub(super) fn wake(&mut self, event: &Event) {
        if event.stack != NO_STACK {
            self.woken = Some((event.time, event.stack));
        }
        let Now::Off(open) = &mut self.now else {
            return;
        };
        let reason = open.interval.reason;
        if !reason.is_blocked && reason != Reason::UNKNOWN {
            return;
        }
        let is_waking = event.kind == Kind::Waking;
        let waker = is_waking.then(|| waker(event.other));
        match &mut open.interval.wake {
            Some(wake) if wake.waker.is_none() && is_waking => {
                wake.waker = waker;
                wake.stack = event.stack;
                wake.time = wake.time.min(event.time);
            }
            Some(_) => {}
            none => {
                *none = Some(Wake {
                    time: event.time,
                    waker,
                    stack: if is_waking { event.stack } else { NO_STACK },
                });
            }
        }
    }

    pub(super) fn first_wake(&mut self, event: &Event) {
        if matches!(self.now, Now::Off(_) | Now::On) {
            return;
        }
        self.now = Now::Off(Open {
            interval: Interval {
                pid: event.pid,
                tid: event.tid,
                start: event.time,
                end: event.time,
                is_bound: false,
                reason: Reason::UNKNOWN,
                is_first: true,
                stack: NO_STACK,
                is_old_stack: false,
                cpu: event.cpu,
                wake: Some(Wake {
                    time: event.time,
                    waker: Some(waker(event.other)),
                    stack: event.stack,
                }),
                word: 0,
                syscall: None,
            },
            witnesses: 0,
            ran: None,
        });
    }
}

pub(super) fn waker(other: u32) -> Waker {
    match other {
        INTERRUPT => Waker::Interrupt,
        tid => Waker::Thread(tid.cast_signed()),
    }
}
