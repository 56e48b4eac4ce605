//! All that is known of an SPE recording, and its operations.

use super::core::Core;
use super::cpus::{Cpus, SwitchSeen, Turns};
use super::loss::{AuxSeen, Buffer, Buffers, Owner};
use super::op::{Attribution, SpeOp};
use super::source;
use super::sums::{ChunkSums, SpeSums};
use super::tasks::Tasks;
use crate::capture::Capture;
use anyhow::{Context, Result};
use contend_perfdata::{
    At, AttrFlags, AuxChunk, AuxInfo, AuxRecord, Batch, CpuMode, DataSrc, MemorySample, Midr,
    Operation, RecordHeader, SideBand, Source, SpeDecoder, SpeMetadata, SpeRecord, Switch,
    TimeConv, record_kind,
};
use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More switches than this are not kept, and then none is used: half a gigabyte of
/// them.
const MOST_SWITCHES: usize = 1 << 24;

/// Addresses from here on are the kernel's, its modules' among them. perf takes
/// the lowest address of the kernel's text, which modules may be below of.
const KERNEL: u64 = 1 << 63;

/// An SPE recording.
#[derive(Debug)]
pub(crate) struct SpeTrace {
    pub(super) metadata: Option<SpeMetadata>,
    conv: Option<TimeConv>,
    pub(super) cores: Vec<Core>,
    /// The core of each CPU that the metadata name, as a place in `cores`.
    pub(super) cpu_cores: BTreeMap<u32, usize>,
    /// The core of all others.
    other_core: usize,
    cpus: Cpus,
    tasks: Tasks,
    pub(super) buffers: Buffers,
    chunks: Vec<AuxChunk>,
    pub(super) dropped_chunks: u64,
    pub(super) has_too_many_switches: bool,
    /// The last time of a record, in ns.
    last_time: u64,
    /// What times operations can have, in ns, from the first to the last: any where
    /// nothing tells.
    span: (u64, u64),
}

/// Times of operations that are further than this, in ns, from those of all records
/// are damage. The kernel tells of a buffer when the first operations of it are long
/// past, but before that it tells that tracing starts and who runs.
const SLACK: u64 = 1_000_000_000;

/// What the records of a capture say.
#[derive(Default)]
struct Gathered {
    switches: Vec<SwitchSeen>,
    dropped_switches: bool,
    seen: Vec<AuxSeen>,
    tasks: Vec<(i32, At, i32)>,
    /// The first time of a record and the last one.
    times: Option<(u64, u64)>,
}

impl SpeTrace {
    /// Gathers what the records of a capture say; nothing where it has no SPE data.
    ///
    /// # Errors
    /// When the capture cannot be read.
    pub(crate) fn gather(capture: &Capture) -> Result<Option<Self>> {
        let aux = capture.data().aux();
        let Some(AuxInfo::Spe(metadata)) = &aux.info else {
            return Ok(None);
        };
        let tables = &capture.spe_tables()?;
        let (parts, _) = capture.walk(Gathered::default, |gathered, batch| {
            gathered.batch(batch, capture);
        })?;
        let mut all = Gathered::default();
        for part in parts {
            all.merge(part);
        }
        if all.dropped_switches {
            all.switches = Vec::new();
        }
        let cpuid = capture.header().features.cpuid.as_deref();
        let cpuid = cpuid.and_then(Midr::parse);
        let mut cores: Vec<Core> = Vec::new();
        let mut place = |core: Core| {
            let known = cores.iter().position(|known| *known == core);
            known.unwrap_or_else(|| {
                cores.push(core);
                cores.len() - 1
            })
        };
        let listed = metadata.iter().flat_map(|metadata| &metadata.cpus);
        let cpu_cores: BTreeMap<u32, usize> = listed
            .filter_map(|cpu| {
                let number = u32::try_from(cpu.cpu).ok()?;
                Some((number, place(Core::new(tables, cpu.midr, Some(cpu)))))
            })
            .collect();
        // Where no CPU is told, that of the header counts for all, or that of all
        // CPUs if they are the same (perf, `arm_spe__get_midr`).
        let mut same = cpu_cores.values();
        let other_core = match same.next() {
            Some(&first) if same.all(|&other| other == first) => first,
            Some(_) => place(Core::new(tables, None, None)),
            None => place(Core::new(tables, cpuid, None)),
        };
        let chunks = without_overlap(&aux.chunks);
        // With a clock of the user's choice, records and operations have different ones.
        let attrs = &capture.header().attrs;
        let has_own_clock = attrs
            .iter()
            .any(|event| event.attr.has_flags(AttrFlags::USE_CLOCKID));
        let span = all.times.filter(|_| !has_own_clock);
        let span = span.map_or((0, u64::MAX), |(first, last)| {
            (first.saturating_sub(SLACK), last.saturating_add(SLACK))
        });
        Ok(Some(Self {
            metadata: metadata.clone(),
            conv: aux.time_conv,
            cores,
            cpu_cores,
            other_core,
            cpus: Cpus::new(all.switches),
            tasks: Tasks::new(all.tasks),
            buffers: Buffers::new(&chunks, all.seen),
            chunks,
            dropped_chunks: aux.dropped_chunks,
            has_too_many_switches: all.dropped_switches,
            last_time: all.times.map_or(0, |(_, last)| last),
            span,
        }))
    }

    /// The core of a CPU.
    pub(super) fn core(&self, cpu: u32) -> &Core {
        let place = self.cpu_cores.get(&cpu).copied();
        &self.cores[place.unwrap_or(self.other_core)]
    }

    /// Whether the capture tells how counts of the timer become times.
    pub(super) fn has_conversion(&self) -> bool {
        self.conv.is_some()
    }

    /// The kinds of cores of the capture.
    pub(crate) fn cores(&self) -> impl Iterator<Item = &Core> {
        self.cores.iter()
    }

    /// Calls `each` with every operation of the capture. Every thread makes one
    /// state with `start` and gives it back; which operations went into which is
    /// not determined.
    ///
    /// # Errors
    /// When the capture cannot be read.
    pub(crate) fn each<S: Send>(
        &self,
        capture: &Capture,
        start: impl Fn() -> S + Sync,
        each: impl Fn(&mut S, &SpeOp<'_>) + Sync,
    ) -> Result<(Vec<S>, SpeSums)> {
        self.chunks(
            capture,
            |_| true,
            start,
            |state, ops| ops.each(|op| each(state, op)),
        )
    }

    /// Calls `each` with every chunk whose place is `wanted`.
    ///
    /// # Errors
    /// When the capture cannot be read.
    pub(crate) fn chunks<S: Send>(
        &self,
        capture: &Capture,
        wanted: impl Fn(u64) -> bool + Sync,
        start: impl Fn() -> S + Sync,
        each: impl Fn(&mut S, &mut Ops<'_>) + Sync,
    ) -> Result<(Vec<S>, SpeSums)> {
        let next = AtomicUsize::new(0);
        let error = Mutex::new(None);
        let data = capture.data();
        let parts = capture.pool().broadcast(|_| {
            let mut state = start();
            let mut sums = SpeSums::default();
            let mut decoder = SpeDecoder::default();
            let mut sources = Sources::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(chunk) = self.chunks.get(index) else {
                    break;
                };
                if !wanted(chunk.pos) || lock(&error).is_some() {
                    continue;
                }
                let Some(source) = data.source_of(chunk) else {
                    continue;
                };
                let mut ops = Ops {
                    trace: self,
                    chunk,
                    source,
                    decoder: &mut decoder,
                    sources: &mut sources,
                    sums: &mut sums,
                    outcome: Ok(()),
                };
                each(&mut state, &mut ops);
                if let Err(cause) = ops.outcome {
                    lock(&error).get_or_insert(cause);
                }
            }
            (state, sums)
        });
        if let Some(error) = error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error).with_context(|| format!("cannot read {}", capture.path().display()));
        }
        let mut sums = SpeSums::default();
        let states = parts.into_iter().map(|(state, part)| {
            sums.merge(&part);
            state
        });
        let states = states.collect();
        Ok((states, sums))
    }
}

/// The operations of one chunk.
pub(crate) struct Ops<'a> {
    trace: &'a SpeTrace,
    chunk: &'a AuxChunk,
    source: &'a dyn Source,
    decoder: &'a mut SpeDecoder,
    sources: &'a mut Sources,
    sums: &'a mut SpeSums,
    outcome: io::Result<()>,
}

impl Ops<'_> {
    /// The place of the chunk: behind those of all records, and unique.
    pub(crate) fn pos(&self) -> u64 {
        self.chunk.pos
    }

    /// Calls `each` with the operations in their order. To be called once.
    pub(crate) fn each(&mut self, mut each: impl FnMut(&SpeOp<'_>)) {
        let mut view = View::new(self.trace, self.chunk);
        let mut sums = ChunkSums::new();
        let sources = &mut *self.sources;
        let stats = self.decoder.chunk(self.chunk, self.source, |decoded| {
            let (op, is_known) = view.op(decoded.record, decoded.offset, sources);
            sums.add(&op, is_known);
            each(&op);
        });
        match stats {
            Ok(stats) => {
                self.sums.odd_times += view.odd_times;
                sums.finish(view.sums_cpu(), &stats, self.sums);
            }
            Err(error) => self.outcome = Err(error),
        }
    }
}

/// How the operations of one chunk are seen.
struct View<'a> {
    trace: &'a SpeTrace,
    chunk: &'a AuxChunk,
    buffer: Option<&'a Buffer>,
    turns: Turns<'a>,
    core: &'a Core,
    core_number: usize,
    /// The CPU of the buffer.
    cpu: Option<u32>,
    /// The last thread that a context packet told, with its process: threads stay.
    last: (i32, std::ops::Range<u64>, i32),
    /// The place in the list of the kernel's records.
    seen: usize,
    /// Records with a time that is not of the recording.
    odd_times: u64,
}

impl<'a> View<'a> {
    fn new(trace: &'a SpeTrace, chunk: &'a AuxChunk) -> Self {
        let owner = Owner::of(chunk);
        let cpu = match owner {
            Owner::Cpu(cpu) => Some(cpu),
            Owner::Thread(_) => None,
        };
        let number = cpu.and_then(|cpu| trace.cpu_cores.get(&cpu)).copied();
        let number = number.unwrap_or(trace.other_core);
        Self {
            trace,
            chunk,
            buffer: trace.buffers.all.get(&owner),
            turns: trace.cpus.of(cpu.unwrap_or(u32::MAX)),
            core: &trace.cores[number],
            core_number: number,
            cpu,
            last: (-1, 0..0, -1),
            seen: 0,
            odd_times: 0,
        }
    }

    fn sums_cpu(&self) -> u32 {
        self.cpu.unwrap_or(MemorySample::NO_CPU)
    }

    /// The kernel's record about the data at an offset of the chunk.
    fn announced(&mut self, offset: u64) -> Option<&'a AuxSeen> {
        let seen = &self.buffer?.seen;
        let place = self.chunk.aux_offset.saturating_add(offset);
        let holds = |seen: &AuxSeen| {
            (seen.record.offset..seen.record.offset.saturating_add(seen.record.size))
                .contains(&place)
        };
        if !seen.get(self.seen).is_some_and(holds) {
            let behind = seen.partition_point(|seen| seen.record.offset <= place);
            self.seen = behind.checked_sub(1)?;
        }
        seen.get(self.seen).filter(|seen| holds(seen))
    }

    #[inline(always)]
    fn op(&mut self, record: &SpeRecord, offset: u64, sources: &mut Sources) -> (SpeOp<'a>, bool) {
        let trace = self.trace;
        let time = record
            .timestamp()
            .zip(trace.conv.as_ref())
            .map(|(count, conv)| conv.time(count));
        let (first, last) = trace.span;
        let can_be = time.filter(|time| (first..=last).contains(time));
        self.odd_times += u64::from(time.is_some() && can_be.is_none());
        let time = can_be;
        let pos = self.chunk.pos.wrapping_add(offset);
        let mut cpu = self.cpu;
        let at = match (time, cpu) {
            (Some(time), Some(_)) => At { time, pos },
            _ => {
                let seen = self.announced(offset);
                cpu = cpu.or(seen.and_then(|seen| seen.cpu));
                let told = seen.map(|seen| seen.time).filter(|&time| time > 0);
                let time = time.or(told).unwrap_or(trace.last_time);
                At { time, pos }
            }
        };
        let (pid, tid, by) = self.thread(record, time, at);
        let operation = record.operation();
        let (code, events) = (record.source(), record.events());
        let Told {
            perf_src,
            told,
            is_known,
        } = sources.of(self.core, self.core_number, operation, code, events);
        let ip = record.pc().unwrap_or(0);
        let op = SpeOp {
            at,
            time,
            cpu: cpu.unwrap_or(MemorySample::NO_CPU),
            pid,
            tid,
            by,
            mode: if ip >= KERNEL {
                CpuMode::Kernel
            } else {
                CpuMode::User
            },
            ip,
            addr: record.data_address().unwrap_or(0),
            phys_addr: record.physical_address().unwrap_or(0),
            operation,
            events,
            code,
            core: self.core,
            total: record.total_latency(),
            issue: record.issue_latency(),
            translation: record.translation_latency(),
            perf_src,
            told,
        };
        (op, is_known)
    }

    /// Whose operation it was: the record's own word first, then the switches of
    /// the CPU, then the owner of the buffer.
    #[inline(always)]
    fn thread(&mut self, record: &SpeRecord, time: Option<u64>, at: At) -> (i32, i32, Attribution) {
        let Some(context) = record.context() else {
            return self.thread_of_cpu(time, at);
        };
        let tid = context.cast_signed();
        let (known, span, pid) = &self.last;
        if *known == tid && span.contains(&at.time) {
            return (*pid, tid, Attribution::Context);
        }
        let (pid, span) = if tid == 0 {
            (0, 0..u64::MAX)
        } else {
            self.trace.tasks.process_span(tid, at)
        };
        self.last = (tid, span, pid);
        (pid, tid, Attribution::Context)
    }

    #[inline(never)]
    fn thread_of_cpu(&mut self, time: Option<u64>, at: At) -> (i32, i32, Attribution) {
        if let Some((pid, tid)) = time.and_then(|time| self.turns.at(time)) {
            return (pid, tid, Attribution::Switch);
        }
        if self.cpu.is_none() && self.chunk.tid >= 0 {
            let tid = self.chunk.tid;
            return (self.trace.tasks.process(tid, at), tid, Attribution::Buffer);
        }
        (-1, -1, Attribution::Unknown)
    }
}

/// Slots of the cache of data sources.
const SLOTS: usize = 1024;

/// What a data source depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct SourceKey {
    core: u32,
    operation: Operation,
    /// One more than the number, or 0 without.
    code: u32,
    events: u64,
}

/// What a key means.
#[derive(Clone, Copy)]
struct Told {
    perf_src: DataSrc,
    told: DataSrc,
    /// Whether the table of the core has the number, or there is no table.
    is_known: bool,
}

/// The data sources that a thread has met: there are few kinds of them.
struct Sources {
    slots: Vec<Option<(SourceKey, Told)>>,
}

impl Sources {
    fn new() -> Self {
        Self {
            slots: vec![None; SLOTS],
        }
    }

    /// As perf has it, and as it is told.
    #[inline]
    fn of(
        &mut self,
        core: &Core,
        number: usize,
        operation: Operation,
        code: Option<u16>,
        events: u64,
    ) -> Told {
        let key = SourceKey {
            core: number as u32,
            operation,
            code: code.map_or(0, |code| u32::from(code) + 1),
            events,
        };
        let mixed = events
            ^ u64::from(key.code) << 40
            ^ u64::from(operation.payload) << 32
            ^ u64::from(operation.class) << 30
            ^ u64::from(key.core) << 58;
        let slot = (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % SLOTS;
        if let Some((known, told)) = &self.slots[slot]
            && *known == key
        {
            return *told;
        }
        let told = Told {
            perf_src: source::as_perf(core, operation, code, events),
            told: source::as_told(core, operation, code, events),
            is_known: core.knows(code) != Some(false),
        };
        self.slots[slot] = Some((key, told));
        told
    }
}

impl Gathered {
    fn batch(&mut self, batch: &Batch, capture: &Capture) {
        let events = capture.data().events();
        let endian = events.endian();
        for record in batch.records() {
            let kind = record.kind;
            if kind == record_kind::SAMPLE || kind >= record_kind::USER_TYPE_START {
                continue;
            }
            let trailer = events.trailer_of(record.body).parse(record.body, endian);
            let time = trailer.time.filter(|&time| time != u64::MAX).unwrap_or(0);
            if time > 0 {
                self.times = join(self.times, Some((time, time)));
            }
            match kind {
                record_kind::AUX => {
                    if let Some(aux) = AuxRecord::parse(record.body, endian) {
                        self.seen.push(AuxSeen {
                            record: aux,
                            time,
                            cpu: trailer.cpu,
                            tid: trailer.pid_tid.map(|(_, tid)| tid),
                        });
                    }
                }
                record_kind::SWITCH | record_kind::SWITCH_CPU_WIDE => {
                    let switch = Switch::parse(kind, record.misc, record.body, endian);
                    let seen =
                        switch.and_then(|switch| SwitchSeen::new(switch, trailer, record.pos));
                    self.switches.extend(seen);
                    if self.switches.len() > MOST_SWITCHES {
                        self.dropped_switches = true;
                        self.switches.clear();
                    }
                }
                _ => {
                    let header = RecordHeader {
                        kind,
                        misc: record.misc,
                    };
                    let event = SideBand::parse(header, record.body, endian);
                    if let Ok(Some(event)) = event
                        && let Some((tid, pid)) = Tasks::told(&event)
                    {
                        let pos = record.pos;
                        self.tasks.push((tid, At { time, pos }, pid));
                    }
                }
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.switches.extend(other.switches);
        self.dropped_switches |= other.dropped_switches || self.switches.len() > MOST_SWITCHES;
        self.seen.extend(other.seen);
        self.tasks.extend(other.tasks);
        self.times = join(self.times, other.times);
    }
}

/// The span of both spans.
fn join(a: Option<(u64, u64)>, b: Option<(u64, u64)>) -> Option<(u64, u64)> {
    let both = a.into_iter().chain(b);
    both.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// The chunks without what an earlier chunk of the same buffer had already:
/// snapshots overlap.
fn without_overlap(chunks: &[AuxChunk]) -> Vec<AuxChunk> {
    let mut ends: BTreeMap<(usize, u32, Owner), u64> = BTreeMap::new();
    let trimmed = chunks.iter().map(|chunk| {
        let key = (chunk.segment, chunk.index, Owner::of(chunk));
        let end = ends.entry(key).or_insert(chunk.aux_offset);
        let known = end.saturating_sub(chunk.aux_offset).min(chunk.available);
        *end = (*end).max(chunk.aux_offset.saturating_add(chunk.size));
        AuxChunk {
            place: chunk.place + known,
            size: chunk.size - known,
            available: chunk.available - known,
            aux_offset: chunk.aux_offset.saturating_add(known),
            ..chunk.clone()
        }
    });
    trimmed.collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
