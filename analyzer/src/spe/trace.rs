//! All that is known of an SPE recording, and its operations.

use super::core::Core;
use super::cpus::Cpus;
use super::gathered::Gathered;
use super::loss::Buffers;
use super::op::SpeOp;
use super::ops::Ops;
use super::snapshot::without_repeats;
use super::sources::Sources;
use super::sums::SpeSums;
use super::tasks::Tasks;
use crate::capture::Capture;
use crate::event_kind::EventKind;
use anyhow::{Context, Result};
use contend_perfdata::{
    AttrFlags, AuxChunk, AuxInfo, Midr, SpeDecoder, SpeMetadata, TimeConv, TimeScale,
};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An SPE recording.
#[derive(Debug)]
pub(crate) struct SpeTrace {
    pub(super) metadata: Option<SpeMetadata>,
    pub(super) conv: Option<TimeScale>,
    /// Whether the capture has a conversion that converts nothing.
    pub(super) has_void_conversion: bool,
    pub(super) cores: Vec<Core>,
    /// The core of each CPU that the metadata name, as a place in `cores`.
    pub(super) cpu_cores: BTreeMap<u32, usize>,
    /// The core of all others.
    pub(super) other_core: usize,
    pub(super) cpus: Cpus,
    pub(super) tasks: Tasks,
    pub(super) buffers: Buffers,
    chunks: Vec<AuxChunk>,
    pub(super) dropped_chunks: u64,
    pub(super) has_too_many_switches: bool,
    /// The last time of a record, in ns.
    pub(super) last_time: u64,
    /// What times operations can have, in ns, from the first to the last: any where
    /// nothing tells.
    pub(super) span: (u64, u64),
}

/// Times of operations that are further than this, in ns, from those of all records
/// are damage. The kernel tells of a buffer when the first operations of it are long
/// past, but before that it tells that tracing starts and who runs.
const SLACK: u64 = 1_000_000_000;

impl SpeTrace {
    /// Gathers what the records of a capture say; nothing where it has no SPE data.
    ///
    /// # Errors
    /// When the capture cannot be read.
    pub(crate) fn gather(capture: &Capture) -> Result<Option<Self>> {
        let aux = capture.data().aux();
        let attrs = &capture.header().attrs;
        let features = &capture.header().features;
        let has_event = || EventKind::all(attrs, features).contains(&EventKind::Spe);
        let metadata = match &aux.info {
            Some(AuxInfo::Spe(metadata)) => metadata,
            // The record that says so is missing or damaged.
            None if !aux.chunks.is_empty() && has_event() => &None,
            _ => return Ok(None),
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
        let cpus = Cpus::new(all.switches);
        let chunks = without_repeats(&aux.chunks, |chunk| capture.data().source_of(chunk))
            .with_context(|| format!("cannot read {}", capture.path().display()))?;
        // With a clock of the user's choice, records and operations have different ones.
        let has_own_clock = attrs
            .iter()
            .any(|event| event.attr.has_flags(AttrFlags::USE_CLOCKID));
        let span = all.times.filter(|_| !has_own_clock);
        let span = span.map_or((0, u64::MAX), |(first, last)| {
            (first.saturating_sub(SLACK), last.saturating_add(SLACK))
        });
        let possible = aux.time_conv.filter(TimeConv::is_possible);
        Ok(Some(Self {
            metadata: metadata.clone(),
            conv: possible.map(|conv| conv.ready()),
            has_void_conversion: aux.time_conv.is_some() && possible.is_none(),
            cores,
            cpu_cores,
            other_core,
            tasks: Tasks::new(all.tasks, &cpus),
            cpus,
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
            sources.finish(&mut sums);
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
