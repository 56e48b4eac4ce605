//! Intervals that collectors in the kernel tell as a whole.

use super::wakes::waker;
use super::{Last, Sweep};
use crate::offcpu::event::{Detail, Event, NO_PID, NO_STACK, Reason};
use crate::offcpu::interval::{Interval, Wake};

impl<F: FnMut(&Interval)> Sweep<'_, F> {
    /// A whole interval. It stays the last one until something else ends, so
    /// that switches can be seen to be the same.
    pub(super) fn span(&mut self, event: &Event) {
        let detail = self.details[event.other as usize];
        let mut told = Interval {
            pid: event.pid,
            tid: event.tid,
            start: detail.start,
            end: event.time,
            is_bound: false,
            reason: event.reason,
            is_first: false,
            stack: event.stack,
            is_old_stack: false,
            cpu: event.cpu,
            wake: wake_of(&detail),
            word: detail.word,
            syscall: detail.syscall,
        };
        if let Some((time, place, reason)) = self.waiting.take()
            && time == event.time
        {
            let detail = &self.details[place as usize];
            if detail.is_open {
                self.counts.open += 1;
                return;
            }
            add_detail(&mut told, detail, reason);
        }
        self.add_waker(&mut told);
        if let Some(last) = &mut self.last
            && last.is_swept
            && !last.is_told
            && overlap(&last.interval, &told)
        {
            join(&mut last.interval, &told);
            last.is_told = true;
            self.counts.twice += 1;
            return;
        }
        self.give();
        if told.start < self.given {
            self.counts.overlapping += 1;
        }
        self.last = Some(Last {
            interval: told,
            is_over_loss: false,
            is_swept: false,
            is_told: true,
        });
    }

    pub(super) fn detail(&mut self, event: &Event) {
        let detail = &self.details[event.other as usize];
        match &mut self.last {
            // It has not ended: what a collector told is only how long it was until then.
            Some(last) if last.is_told && last.interval.end == event.time && detail.is_open => {
                if !last.is_swept {
                    self.last = None;
                }
                self.counts.open += 1;
            }
            Some(last) if last.is_told && last.interval.end == event.time => {
                let mut interval = last.interval;
                add_detail(&mut interval, detail, event.reason);
                self.add_waker(&mut interval);
                if let Some(last) = &mut self.last {
                    last.interval = interval;
                }
            }
            _ => self.waiting = Some((event.time, event.other, event.reason)),
        }
    }

    /// Adds the stack of the waker, where it was told apart.
    fn add_waker(&self, interval: &mut Interval) {
        if let (Some(wake), Some((time, stack))) = (&mut interval.wake, self.woken)
            && wake.time == time
        {
            wake.stack = stack;
        }
    }
}

fn wake_of(detail: &Detail) -> Option<Wake> {
    detail.waker.map(|(tid, time)| Wake {
        time,
        waker: Some(waker(tid)),
        stack: NO_STACK,
    })
}

/// Whether two intervals of a thread are the same time: a thread cannot be off
/// the CPU twice at once.
pub(super) fn overlap(a: &Interval, b: &Interval) -> bool {
    a.start < b.end && b.start < a.end
}

/// Adds what another source knows of the same interval.
pub(super) fn join(interval: &mut Interval, other: &Interval) {
    interval.reason = interval.reason.or(other.reason);
    if interval.is_bound && !other.is_bound {
        interval.end = other.end;
        interval.is_bound = false;
    }
    if interval.stack == NO_STACK || interval.is_old_stack {
        interval.stack = other.stack;
        interval.is_old_stack = other.is_old_stack;
    }
    if interval.pid == NO_PID {
        interval.pid = other.pid;
    }
    if interval.word == 0 {
        interval.word = other.word;
    }
    interval.wake = interval.wake.or(other.wake);
    interval.syscall = interval.syscall.or(other.syscall);
}

fn add_detail(interval: &mut Interval, detail: &Detail, reason: Reason) {
    interval.reason = interval.reason.or(reason);
    interval.wake = interval.wake.or(wake_of(detail));
    interval.syscall = interval.syscall.or(detail.syscall);
    if interval.word == 0 {
        interval.word = detail.word;
    }
}
