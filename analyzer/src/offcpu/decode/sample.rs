//! One sample to the events that it tells.

use super::plan::{Plan, Reader};
use super::{Decoded, note_comm};
use crate::event_kind::OffCpuLayout;
use crate::offcpu::collected::{self, Collected};
use crate::offcpu::event::{
    Detail, Event, INTERRUPT, Kind, NO_PID, NO_STACK, Reason, StackId, Sum, Witness,
};
use crate::offcpu::payload::{self, NO_TIME, PerfOffCpu, Switch, SwitchPayload, WakePayload};
use crate::stack::StackBuilder;
use contend_perfdata::{At, EventTable, RawRecord, Sample, Words};

/// One sample being read.
pub(super) struct Reading<'a, 'b, 'c> {
    pub(super) into: &'b mut Decoded,
    pub(super) stacks: &'b mut StackBuilder<'c>,
    pub(super) sample: Sample<'a>,
    pub(super) at: At,
    pub(super) cpu: u32,
    pub(super) record: &'b RawRecord<'a>,
    pub(super) events: &'b EventTable,
    pub(super) plan: &'b Plan,
}

impl Reading<'_, '_, '_> {
    pub(super) fn read(&mut self, reader: &Reader) {
        match reader {
            Reader::Switch(payload, is_complete) => {
                self.into.counts.sampled += u64::from(!is_complete);
                self.switch(payload.as_ref());
            }
            Reader::Waking(payload) => self.wake(Kind::Waking, payload.as_ref()),
            Reader::Wakeup(payload) => self.wake(Kind::Wakeup, payload.as_ref()),
            Reader::WakeupNew(payload) => self.wake(Kind::WakeupNew, payload.as_ref()),
            Reader::OffCpu(OffCpuLayout::PerfRaw) => self.perf_raw(),
            Reader::OffCpu(layout) => self.span(*layout),
            Reader::Detail => self.detail(),
            Reader::Waker => self.waker(),
            Reader::Clock => {
                let (_, tid) = self.ids();
                if tid > 0 {
                    let sum = self.into.on_cpu.entry(tid).or_default();
                    *sum = sum.saturating_add(self.sample.period.unwrap_or(0));
                }
                self.ran();
            }
            Reader::Ran => self.ran(),
        }
    }

    fn ids(&self) -> (i32, i32) {
        self.sample.pid_tid.unwrap_or((NO_PID, 0))
    }

    fn stack(&mut self) -> StackId {
        self.stacks.stack(&self.sample, self.record.misc, self.at)
    }

    fn push(&mut self, kind: Kind, (pid, tid): (i32, i32), stack: StackId, reason: Reason) {
        self.push_with(kind, (pid, tid), stack, reason, 0);
    }

    fn push_with(
        &mut self,
        kind: Kind,
        (pid, tid): (i32, i32),
        stack: StackId,
        reason: Reason,
        other: u32,
    ) {
        self.into.push(Event {
            time: self.at.time,
            pos: self.at.pos,
            tid,
            pid,
            stack,
            other,
            cpu: self.cpu,
            kind,
            reason,
        });
    }

    /// A switch is the end of one thread's time and the beginning of
    /// another's.
    fn switch(&mut self, payload: Option<&SwitchPayload>) {
        let (pid, tid) = self.ids();
        self.into.counts.tracepoints += 1;
        let (Some(payload), Some(raw)) = (payload, self.sample.raw) else {
            // Who was sampled is the one that leaves.
            self.into.counts.without_payload += 1;
            let stack = self.stack();
            self.push(
                Kind::Out(Witness::Tracepoint),
                (pid, tid),
                stack,
                Reason::UNKNOWN,
            );
            return;
        };
        let Some(switch) = payload.read(raw) else {
            self.into.counts.bad_payload += 1;
            return;
        };
        let Switch {
            prev_tid, next_tid, ..
        } = switch;
        let counts = &mut self.into.counts;
        counts.to_idle += u64::from(prev_tid > 0 && next_tid == 0);
        counts.from_idle += u64::from(prev_tid == 0 && next_tid > 0);
        let (at, comms) = (self.at, &mut self.into.comms);
        note_comm(comms, prev_tid, at, switch.prev_comm);
        note_comm(comms, next_tid, at, switch.next_comm);
        // A recorder in a container numbers threads otherwise than the kernel.
        let pid = if tid == prev_tid { pid } else { NO_PID };
        if prev_tid > 0 {
            let stack = self.stack();
            let out = Kind::Out(Witness::Tracepoint);
            self.push(out, (pid, prev_tid), stack, switch.reason);
        }
        let enters = Kind::In(Witness::Tracepoint);
        self.push(enters, (NO_PID, next_tid), NO_STACK, Reason::UNKNOWN);
    }

    fn wake(&mut self, kind: Kind, payload: Option<&WakePayload>) {
        self.into.counts.wakes += 1;
        let (Some(payload), Some(raw)) = (payload, self.sample.raw) else {
            self.into.counts.without_payload += 1;
            return;
        };
        let Some((woken, by_interrupt)) = payload.read(raw) else {
            self.into.counts.bad_payload += 1;
            return;
        };
        let (_, tid) = self.ids();
        let stack = self.stack();
        let by_interrupt = by_interrupt || tid <= 0;
        let waker = if by_interrupt {
            INTERRUPT
        } else {
            tid.cast_unsigned()
        };
        self.push_with(kind, (NO_PID, woken), stack, Reason::UNKNOWN, waker);
        self.ran();
    }

    fn ran(&mut self) {
        let ids = self.ids();
        if ids.1 <= 0 {
            return;
        }
        let wants_stack = self.plan.wants_last_stack;
        let stack = if wants_stack { self.stack() } else { NO_STACK };
        self.push(Kind::Ran, ids, stack, Reason::UNKNOWN);
    }

    /// perf's own samples, all that counts in the raw field.
    fn perf_raw(&mut self) {
        let endian = self.events.endian();
        let raw = self.sample.raw.unwrap_or_default();
        let Some(found) = PerfOffCpu::read(raw, self.at.time, endian) else {
            self.into.counts.bad_payload += 1;
            return;
        };
        let ids = (found.pid, found.tid);
        self.sample.pid_tid = Some(ids);
        let stack = if found.is_chain_marked(endian) {
            self.sample.callchain = Some(Words::new(found.chain, endian));
            // Its own is of the thread that was switched out.
            self.sample.ip = None;
            self.stack()
        } else {
            NO_STACK
        };
        if found.is_sum {
            self.sum(ids, found.ns, stack);
            return;
        }
        let detail = Detail {
            start: self.at.time.saturating_sub(found.ns),
            ..Detail::default()
        };
        self.span_with(ids, detail, stack, Reason::BLOCKED);
    }

    fn sum(&mut self, (pid, tid): (i32, i32), ns: u64, stack: StackId) {
        if tid > 0 {
            self.into.sums.push(Sum {
                pid,
                tid,
                ns,
                stack,
                pos: self.record.pos,
            });
        }
    }

    /// Samples whose period is the time off the CPU, up to their own time.
    fn span(&mut self, layout: OffCpuLayout) {
        let ids = self.ids();
        let ns = self.sample.period.unwrap_or(0);
        let stack = self.stack();
        if self.at.time >= NO_TIME {
            self.sum(ids, ns, stack);
            return;
        }
        let raw = self.sample.raw.unwrap_or_default();
        let known = payload::collector_detail(raw, self.events.endian());
        let (mut detail, reason) = known.unwrap_or((
            Detail::default(),
            match layout {
                // It takes no others.
                OffCpuLayout::PerfChain | OffCpuLayout::PerfRaw => Reason::BLOCKED,
                OffCpuLayout::Collector => Reason::UNKNOWN,
            },
        ));
        detail.start = self.at.time.saturating_sub(ns);
        detail.word = self.sample.addr.unwrap_or(0);
        self.span_with(ids, detail, stack, reason);
    }

    fn span_with(&mut self, ids: (i32, i32), detail: Detail, stack: StackId, reason: Reason) {
        self.into.counts.spans += 1;
        if ids.1 <= 0 {
            return;
        }
        let place = self.into.details.len() as u32;
        self.into.details.push(detail);
        self.push_with(Kind::Span, ids, stack, reason, place);
    }

    fn detail(&mut self) {
        let raw = self.sample.raw.unwrap_or_default();
        match collected::read(raw, self.events.endian()) {
            Some(Collected::Interval(detail, reason)) => {
                let ids = self.ids();
                if ids.1 <= 0 {
                    return;
                }
                let place = self.into.details.len() as u32;
                self.into.details.push(detail);
                self.push_with(Kind::Detail, ids, NO_STACK, reason, place);
            }
            Some(Collected::Counters(counters)) => {
                let counted = (self.at, counters);
                self.into.note_counters(counted);
            }
            _ => self.into.counts.bad_payload += 1,
        }
    }

    /// The stack with which a thread woke another.
    fn waker(&mut self) {
        let raw = self.sample.raw.unwrap_or_default();
        let Some(Collected::Waker { woken, time }) = collected::read(raw, self.events.endian())
        else {
            self.into.counts.bad_payload += 1;
            return;
        };
        let (_, tid) = self.ids();
        let stack = self.stack();
        self.into.push(Event {
            time,
            pos: self.at.pos,
            tid: woken,
            pid: NO_PID,
            stack,
            other: if tid > 0 {
                tid.cast_unsigned()
            } else {
                INTERRUPT
            },
            cpu: self.cpu,
            kind: Kind::Waking,
            reason: Reason::UNKNOWN,
        });
    }
}
