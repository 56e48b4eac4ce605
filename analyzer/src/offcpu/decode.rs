//! Records of a chunk to compact events.

use super::event::{
    Detail, Event, INTERRUPT, Kind, NO_CPU, NO_PID, NO_STACK, Reason, StackId, Sum, Witness,
};
use super::payload::{self, NO_TIME, PerfOffCpu, Switch, SwitchPayload, WakePayload};
use crate::event_kind::{EventKind, OffCpuLayout, is_clock};
use crate::stack::StackBuilder;
use crate::survey::SAMPLE;
use contend_perfdata::{
    At, Attr, AttrFlags, Batch, Cursor, EventTable, Fields, Header, RawRecord, RecordHeader,
    Sample, SideBand, TrailerLayout, Words, record_kind,
};
use rustc_hash::FxHashMap;

/// `PERF_RECORD_MISC_SWITCH_OUT` and `PERF_RECORD_MISC_SWITCH_OUT_PREEMPT`.
const SWITCH_OUT: u16 = 1 << 13;
const SWITCH_OUT_PREEMPT: u16 = 1 << 14;

/// The kernel tells preemption in SWITCH records from this version on.
const TELLS_PREEMPTION: (u32, u32) = (4, 17);

/// How the samples of an event are read.
#[derive(Clone, Debug)]
pub(super) enum Reader {
    /// With whether every switch was recorded, not one of many.
    Switch(Option<SwitchPayload>, bool),
    Waking(Option<WakePayload>),
    Wakeup(Option<WakePayload>),
    WakeupNew(Option<WakePayload>),
    OffCpu(OffCpuLayout),
    Detail,
    /// Its period is time on the CPU.
    Clock,
    /// Its samples only show that a thread ran.
    Ran,
}

/// What all workers need to know of the capture.
#[derive(Debug)]
pub(super) struct Plan {
    readers: Vec<Reader>,
    /// The trailer of the records that tell of switches.
    trailer: TrailerLayout,
    /// Whether SWITCH records tell preemption.
    tells_preemption: bool,
    /// Whether stacks of running threads are all that there is.
    pub(super) wants_last_stack: bool,
}

impl Plan {
    /// Prepares for a capture.
    pub(super) fn new(header: &Header) -> Self {
        let features = &header.features;
        let kinds = EventKind::all(&header.attrs, features);
        let readers = header.attrs.iter().zip(&kinds).map(|(event, kind)| {
            let attr = &event.attr;
            match kind {
                EventKind::SchedSwitch => {
                    Reader::Switch(SwitchPayload::of(attr, features), is_complete(attr))
                }
                EventKind::SchedWaking => Reader::Waking(WakePayload::of(attr, features)),
                EventKind::SchedWakeup => Reader::Wakeup(WakePayload::of(attr, features)),
                EventKind::SchedWakeupNew => Reader::WakeupNew(WakePayload::of(attr, features)),
                EventKind::OffCpu(layout) => Reader::OffCpu(*layout),
                EventKind::OffCpuDetail => Reader::Detail,
                EventKind::Cpu if is_clock(attr) => Reader::Clock,
                _ => Reader::Ran,
            }
        });
        let has_stacks = header
            .attrs
            .iter()
            .zip(&kinds)
            .any(|(event, kind)| match kind {
                EventKind::SchedSwitch => is_complete(&event.attr),
                EventKind::OffCpu(_) => true,
                _ => false,
            });
        // Events may differ in their trailers; these records are written for the
        // one that asked for them.
        let asked = header
            .attrs
            .iter()
            .find(|event| event.attr.has_flags(AttrFlags::CONTEXT_SWITCH))
            .or(header.attrs.first());
        let fields = asked.map_or_else(Fields::default, |event| Fields::from(&event.attr));
        let release = features.os_release.as_deref().and_then(version);
        Self {
            readers: readers.collect(),
            trailer: TrailerLayout::new(fields),
            tells_preemption: release.is_none_or(|release| release >= TELLS_PREEMPTION),
            wants_last_stack: !has_stacks,
        }
    }
}

/// Whether every occurrence of a tracepoint was recorded, not one of many.
fn is_complete(attr: &Attr) -> bool {
    !attr.is_frequency() && attr.sample_period_or_freq <= 1
}

/// Major and minor of a kernel release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// What one worker, or all of them, have read.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) events: Vec<Event>,
    pub(super) details: Vec<Detail>,
    pub(super) sums: Vec<Sum>,
    /// Names that switches give to threads, the first of each.
    pub(super) comms: FxHashMap<i32, (At, Box<[u8]>)>,
    /// Time on the CPU that samples of clocks show, in ns by thread.
    pub(super) on_cpu: FxHashMap<i32, u64>,
    pub(super) counts: DecodeCounts,
}

/// What was seen and what could not be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DecodeCounts {
    /// Switches that tracepoints tell.
    pub(super) tracepoints: u64,
    /// How many of these are of an event of which only some were recorded.
    pub(super) sampled: u64,
    /// Switches that records tell.
    pub(super) records: u64,
    /// Intervals that collectors in the kernel tell.
    pub(super) spans: u64,
    /// Wakings and wakeups.
    pub(super) wakes: u64,
    /// Switches from a thread to the idle one, and back from it.
    pub(super) to_idle: u64,
    pub(super) from_idle: u64,
    /// Samples of known events without a time.
    pub(super) without_time: u64,
    /// Payloads that do not have what their format says.
    pub(super) bad_payload: u64,
    /// Samples of the scheduler's tracepoints whose payload cannot be read for
    /// want of a format or of the raw field.
    pub(super) without_payload: u64,
    /// SWITCH records without thread or time.
    pub(super) bad_switch: u64,
}

impl DecodeCounts {
    fn merge(&mut self, other: &Self) {
        self.tracepoints += other.tracepoints;
        self.sampled += other.sampled;
        self.records += other.records;
        self.spans += other.spans;
        self.wakes += other.wakes;
        self.to_idle += other.to_idle;
        self.from_idle += other.from_idle;
        self.without_time += other.without_time;
        self.bad_payload += other.bad_payload;
        self.without_payload += other.without_payload;
        self.bad_switch += other.bad_switch;
    }
}

impl Decoded {
    /// Adds what another worker has read, whose stacks are now called as
    /// `renamed` says.
    pub(super) fn merge(&mut self, mut other: Self, renamed: &[StackId]) {
        let base = self.details.len() as u32;
        for event in &mut other.events {
            event.stack = renamed[event.stack.index()];
            if matches!(event.kind, Kind::Span | Kind::Detail) {
                event.other += base;
            }
        }
        for sum in &mut other.sums {
            sum.stack = renamed[sum.stack.index()];
        }
        if self.events.is_empty() {
            // The usual large first part need not be copied.
            self.events = other.events;
        } else {
            self.events.append(&mut other.events);
        }
        self.details.extend(other.details);
        self.sums.extend(other.sums);
        for (tid, (at, comm)) in other.comms {
            note_comm(&mut self.comms, tid, at, &comm);
        }
        for (tid, ns) in other.on_cpu {
            let sum = self.on_cpu.entry(tid).or_default();
            *sum = sum.saturating_add(ns);
        }
        self.counts.merge(&other.counts);
    }

    /// Reads the records of a batch.
    pub(super) fn batch(
        &mut self,
        batch: &Batch,
        events: &EventTable,
        plan: &Plan,
        stacks: &mut StackBuilder<'_>,
    ) {
        for record in batch.records() {
            match record.kind {
                SAMPLE => self.sample(&record, events, plan, stacks),
                record_kind::SWITCH | record_kind::SWITCH_CPU_WIDE => {
                    self.switch_record(&record, events, plan);
                }
                record_kind::FORK | record_kind::EXIT => self.life(&record, events),
                _ => {}
            }
        }
    }

    fn sample(
        &mut self,
        record: &RawRecord<'_>,
        events: &EventTable,
        plan: &Plan,
        stacks: &mut StackBuilder<'_>,
    ) {
        let event = events.event_of(record.body);
        let Some((reader, layout)) =
            event.and_then(|event| Some((plan.readers.get(event)?, events.layout(event)?)))
        else {
            return;
        };
        // What cannot be read is counted by the survey.
        let Ok(sample) = layout.decode(record.body) else {
            return;
        };
        let Some(time) = sample.time else {
            self.counts.without_time += 1;
            return;
        };
        let mut reading = Reading {
            into: self,
            stacks,
            at: At {
                time,
                pos: record.pos,
            },
            cpu: sample.cpu.unwrap_or(NO_CPU),
            plan,
            record,
            events,
            sample,
        };
        reading.read(reader);
    }

    fn switch_record(&mut self, record: &RawRecord<'_>, events: &EventTable, plan: &Plan) {
        let id = plan.trailer.parse(record.body, events.endian());
        let (Some((pid, tid)), Some(time)) = (id.pid_tid, id.time) else {
            self.counts.bad_switch += 1;
            return;
        };
        let is_out = record.misc & SWITCH_OUT != 0;
        let reason = if record.misc & SWITCH_OUT_PREEMPT != 0 {
            Reason::PREEMPTED
        } else if plan.tells_preemption {
            Reason::BLOCKED
        } else {
            Reason::UNKNOWN
        };
        self.counts.records += 1;
        self.push(Event {
            time,
            pos: record.pos,
            tid,
            pid,
            stack: NO_STACK,
            other: 0,
            cpu: id.cpu.unwrap_or(NO_CPU),
            kind: if is_out {
                Kind::Out(Witness::Record)
            } else {
                Kind::In(Witness::Record)
            },
            reason: if is_out { reason } else { Reason::UNKNOWN },
        });
    }

    /// Begin and end of threads.
    fn life(&mut self, record: &RawRecord<'_>, events: &EventTable) {
        let header = RecordHeader {
            kind: record.kind,
            misc: record.misc,
        };
        let (pid, tid, kind) = match SideBand::parse(header, record.body, events.endian()) {
            Ok(Some(SideBand::Fork { pid, tid, .. })) => (pid, tid, Kind::Begin),
            Ok(Some(SideBand::Exit { pid, tid })) => (pid, tid, Kind::End),
            _ => return,
        };
        // Both have their time behind four numbers (`perf_event_task_output`).
        let mut cursor = Cursor::new(record.body, events.endian());
        let Some(time) = cursor.skip(16).and_then(|()| cursor.u64()) else {
            return;
        };
        // Threads that were there before the recording began have no time.
        if time == 0 {
            return;
        }
        self.push(Event {
            time,
            pos: record.pos,
            tid,
            pid,
            stack: NO_STACK,
            other: 0,
            cpu: NO_CPU,
            kind,
            reason: Reason::UNKNOWN,
        });
    }

    /// Thread 0 is idle, and negative ones have ended.
    fn push(&mut self, event: Event) {
        if event.tid > 0 {
            self.events.push(event);
        }
    }
}

fn note_comm(comms: &mut FxHashMap<i32, (At, Box<[u8]>)>, tid: i32, at: At, comm: &[u8]) {
    use std::collections::hash_map::Entry;
    let comm = comm.split(|&byte| byte == 0).next().unwrap_or_default();
    if tid <= 0 || comm.is_empty() {
        return;
    }
    match comms.entry(tid) {
        Entry::Vacant(vacant) => {
            vacant.insert((at, comm.into()));
        }
        Entry::Occupied(mut known) => {
            if at < known.get().0 {
                known.insert((at, comm.into()));
            }
        }
    }
}

/// One sample being read.
struct Reading<'a, 'b, 'c> {
    into: &'b mut Decoded,
    stacks: &'b mut StackBuilder<'c>,
    sample: Sample<'a>,
    at: At,
    cpu: u32,
    record: &'b RawRecord<'a>,
    events: &'b EventTable,
    plan: &'b Plan,
}

impl Reading<'_, '_, '_> {
    fn read(&mut self, reader: &Reader) {
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
        let known = payload::collector_detail(raw, self.events.endian());
        let Some((detail, reason)) = known else {
            self.into.counts.bad_payload += 1;
            return;
        };
        let ids = self.ids();
        if ids.1 <= 0 {
            return;
        }
        let place = self.into.details.len() as u32;
        self.into.details.push(detail);
        self.push_with(Kind::Detail, ids, NO_STACK, reason, place);
    }
}
