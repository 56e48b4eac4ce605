//! The operations of a chunk: records with thread, time, CPU and data source.

use super::core::Core;
use super::cpus::Turns;
use super::loss::{AuxSeen, Buffer, Owner};
use super::op::{Attribution, SpeOp};
use super::sources::Sources;
use super::sums::{ChunkSums, SpeSums};
use super::trace::SpeTrace;
use contend_perfdata::{
    At, AuxChunk, AuxRecord, CpuMode, MemorySample, Source, SpeDecoder, SpeRecord,
};
use std::io;

/// Addresses from here on are the kernel's, its modules' among them. perf takes
/// the lowest address of the kernel's text, which modules may be below of.
const KERNEL: u64 = 1 << 63;

/// The operations of one chunk.
pub(crate) struct Ops<'a> {
    pub(super) trace: &'a SpeTrace,
    pub(super) chunk: &'a AuxChunk,
    pub(super) source: &'a dyn Source,
    pub(super) decoder: &'a mut SpeDecoder,
    pub(super) sources: &'a mut Sources,
    pub(super) sums: &'a mut SpeSums,
    pub(super) outcome: io::Result<()>,
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
            let op = view.op(decoded.record, decoded.offset, sources);
            sums.add(&op);
            each(&op);
        });
        match stats {
            Ok(stats) => {
                self.sums.odd_times += view.odd_times;
                self.sums.compared += view.compared;
                self.sums.contradicted += view.contradicted;
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
    /// Records that named their thread.
    named: u64,
    /// Records of these that were held against switches, and those of which switches
    /// tell another thread.
    compared: u64,
    contradicted: u64,
}

/// One in so many records that name their thread is held against switches: to do it
/// for all would take time and tell no more.
const COMPARED: u64 = 16;

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
            named: 0,
            compared: 0,
            contradicted: 0,
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
            let AuxRecord { offset, size, .. } = seen.record;
            // That of a snapshot says where the hardware is in the buffer.
            let is_place = !seen.record.flags.is_overwrite();
            is_place && (offset..offset.saturating_add(size)).contains(&place)
        };
        if !seen.get(self.seen).is_some_and(holds) {
            let behind = seen.partition_point(|seen| seen.record.offset <= place);
            self.seen = behind.checked_sub(1)?;
        }
        seen.get(self.seen).filter(|seen| holds(seen))
    }

    #[inline(always)]
    fn op(&mut self, record: &SpeRecord, offset: u64, sources: &mut Sources) -> SpeOp<'a> {
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
        let means = sources.of(self.core, self.core_number, operation, code, events);
        let (perf_src, told, source_hint) = (means.perf_src, means.told, means.hint);
        let (ip, addr, phys_addr) = record.addresses_or_zero();
        SpeOp {
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
            addr,
            phys_addr,
            operation,
            events,
            code,
            core: self.core,
            total: record.total_latency(),
            issue: record.issue_latency(),
            translation: record.translation_latency(),
            perf_src,
            told,
            source_hint,
        }
    }

    /// Whose operation it was: the record's own word first, then the switches of
    /// the CPU, then the owner of the buffer.
    #[inline(always)]
    fn thread(&mut self, record: &SpeRecord, time: Option<u64>, at: At) -> (i32, i32, Attribution) {
        let Some(context) = record.context() else {
            return self.thread_of_cpu(time, at);
        };
        let tid = context.cast_signed();
        if self.named.is_multiple_of(COMPARED) {
            self.compare(tid, time);
        }
        self.named += 1;
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
    fn compare(&mut self, tid: i32, time: Option<u64>) {
        if let Some((_, told)) = time.and_then(|time| self.turns.at(time)) {
            self.compared += 1;
            self.contradicted += u64::from(told != tid);
        }
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
