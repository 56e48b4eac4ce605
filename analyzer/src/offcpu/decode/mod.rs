//! Records of a chunk to compact events.

mod plan;
mod sample;

pub(super) use plan::Plan;

use super::collected::Counters;
use super::event::{Detail, Event, Kind, NO_CPU, NO_STACK, Reason, StackId, Sum, Witness};
use super::losses::{Counted, Loss, Told};
use crate::stack::StackBuilder;
use crate::survey::SAMPLE;
use contend_perfdata::{
    At, Batch, Cursor, EventTable, RawRecord, RecordHeader, SideBand, record_kind,
};
use rustc_hash::FxHashMap;
use sample::Reading;

/// `PERF_RECORD_MISC_SWITCH_OUT` and `PERF_RECORD_MISC_SWITCH_OUT_PREEMPT`.
const SWITCH_OUT: u16 = 1 << 13;
const SWITCH_OUT_PREEMPT: u16 = 1 << 14;

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
    /// What the bundled collector counted, the last that it wrote.
    pub(super) collected: Option<(At, Counters)>,
    /// When records were lost, and where.
    pub(super) losses: Told,
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
    /// Records of losses that do not tell when.
    pub(super) undated_losses: u64,
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
        self.undated_losses += other.undated_losses;
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
        if let Some(counted) = other.collected {
            self.note_counters(counted);
        }
        self.losses.merge(other.losses);
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
                record_kind::LOST => self.loss(&record, events),
                record_kind::LOST_SAMPLES => self.counted(&record, events, plan),
                record_kind::ID_INDEX => self.id_index(&record, events),
                record_kind::FINISHED_ROUND => self.losses.rounds.push(record.pos),
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
        let id = events
            .trailer_of(record.body)
            .parse(record.body, events.endian());
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

    /// Records that found no room.
    fn loss(&mut self, record: &RawRecord<'_>, events: &EventTable) {
        let mut cursor = Cursor::new(record.body, events.endian());
        let trailer = events
            .trailer_of(record.body)
            .parse(record.body, events.endian());
        let time = trailer.time.filter(|&time| time > 0);
        let (Some(id), Some(count), Some(time)) = (cursor.u64(), cursor.u64(), time) else {
            self.counts.undated_losses += 1;
            return;
        };
        self.losses.losses.push(Loss {
            time,
            pos: record.pos,
            cpu: trailer.cpu.unwrap_or(NO_CPU),
            id,
            count,
        });
    }

    /// The kernel's counters of the same, which `perf record` reads when it ends: these
    /// have no time. With a time the kernel tells of samples that the hardware dropped,
    /// and those tell no switches; nor is missing what a filter of samples left out.
    fn counted(&mut self, record: &RawRecord<'_>, events: &EventTable, plan: &Plan) {
        let trailer = events
            .trailer_of(record.body)
            .parse(record.body, events.endian());
        let is_filtered = record.misc & record_kind::MISC_LOST_SAMPLES_BPF != 0;
        let count = Cursor::new(record.body, events.endian()).u64();
        let (Some(count), Some(0), false) = (count, trailer.time, is_filtered) else {
            return;
        };
        let event = match trailer.id {
            Some(id) => events.event_with_id(id),
            None => Some(0),
        };
        self.losses.counted.push(Counted {
            id: trailer.id,
            count,
            has_switches: event.is_none_or(|event| plan.has_switches(event)),
        });
    }

    /// Which CPU's buffer has the records of which id
    /// (`struct perf_record_id_index` in `tools/lib/perf/include/perf/event.h`).
    fn id_index(&mut self, record: &RawRecord<'_>, events: &EventTable) {
        let mut cursor = Cursor::new(record.body, events.endian());
        let count = cursor.u64().unwrap_or(0);
        for _ in 0..count {
            let (Some(id), Some(_), Some(cpu), Some(_)) =
                (cursor.u64(), cursor.u64(), cursor.u64(), cursor.u64())
            else {
                return;
            };
            // All ones are no CPU.
            self.losses.place(id, record.pos, u32::try_from(cpu).ok());
        }
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

    fn note_counters(&mut self, counted: (At, Counters)) {
        if self.collected.is_none_or(|known| known.0 < counted.0) {
            self.collected = Some(counted);
        }
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
