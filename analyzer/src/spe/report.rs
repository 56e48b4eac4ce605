//! From what was found to the result.

use super::interval;
use super::loss::{Buffer, Losses, Owner};
use super::op::Attribution;
use super::sums::{CpuSums, SpeSums};
use super::trace::SpeTrace;
use super::warnings;
use crate::capture::Capture;
use crate::result::{AreaFacts, Attributions, AuxFacts, Hex, Quality, SpeCpu, SpeQuality, SpeSpan};
use anyhow::Result;
use contend_perfdata::MemorySample;
use std::collections::BTreeSet;

/// Decodes all operations only to count them.
///
/// # Errors
/// When the capture cannot be read.
pub(crate) fn count(capture: &Capture) -> Result<Option<(SpeTrace, SpeSums)>> {
    let Some(trace) = SpeTrace::gather(capture)? else {
        return Ok(None);
    };
    let (_, sums) = trace.each(capture, || (), |(), _| ())?;
    Ok(Some((trace, sums)))
}

/// Adds records, losses and warnings of an SPE recording to the quality of a
/// result.
pub(crate) fn report(capture: &Capture, trace: &SpeTrace, sums: &SpeSums, quality: &mut Quality) {
    let facts = facts(capture, trace, sums);
    quality.samples += facts.records;
    quality.skip("SPE records with damage inside", facts.damaged_records);
    quality.skip(
        "SPE records cut off by the end of their chunk",
        facts.cut_records,
    );
    quality.skip(
        "chunks of SPE data beyond the first million",
        trace.dropped_chunks,
    );
    warnings::warn(capture.header(), trace, sums, &facts, &mut quality.warnings);
    quality.spe = Some(facts);
}

fn facts(capture: &Capture, trace: &SpeTrace, sums: &SpeSums) -> SpeQuality {
    let mut area = AreaFacts::default();
    let mut truncated_chunk_bytes = 0u64;
    for buffer in trace.buffers.all.values() {
        area.merge(&area_of(buffer));
        truncated_chunk_bytes = truncated_chunk_bytes.saturating_add(buffer.cut_bytes);
    }
    let operations = sums.operations().map(|((class, is_store), count)| {
        use contend_perfdata::OpClass::{Branch, Other, SimdOther, SmeOther, SveOther};
        let name = match class {
            Branch | Other | SimdOther | SmeOther | SveOther => class.name().to_owned(),
            _ if is_store => format!("store_{}", class.name()),
            _ => format!("load_{}", class.name()),
        };
        (name, count)
    });
    let by = |by| sums.attributed(by);
    SpeQuality {
        records: sums.stats.records,
        damaged_records: sums.stats.damaged,
        skipped_bytes: sums.stats.skipped_bytes,
        cut_records: sums.stats.cut,
        cut_bytes: sums.stats.cut_bytes,
        area,
        truncated_chunk_bytes,
        attribution: Attributions {
            context: by(Attribution::Context),
            switch: by(Attribution::Switch),
            buffer: by(Attribution::Buffer),
            unknown: by(Attribution::Unknown),
            without_process: sums.without_process,
            compared: sums.compared,
            contradicted: sums.contradicted,
        },
        without_time: sums.timeless,
        operations: operations.collect(),
        atomic: sums.atomic,
        exclusive: sums.exclusive,
        acquire_release: sums.acquire_release,
        loads_without_source: sums.no_source,
        loads_with_unknown_source: sums.unknown_source,
        interval: interval::of(capture, sums),
        cpus: cpus(trace, sums),
        timeline: trace
            .buffers
            .spans
            .iter()
            .map(|(from, to, losses)| SpeSpan {
                from_ns: *from,
                to_ns: *to,
                bytes: losses.announced_bytes,
                told: told(losses),
            })
            .collect(),
    }
}

fn told(losses: &Losses) -> AuxFacts {
    AuxFacts {
        aux_records: losses.aux_records,
        truncated: losses.truncated,
        partial: losses.partial,
        collisions: losses.collisions,
        overwritten: losses.overwritten,
        missing_chunks: losses.absent,
        missing_bytes: losses.absent_bytes,
    }
}

fn area_of(buffer: &Buffer) -> AreaFacts {
    AreaFacts {
        chunks: buffer.chunks,
        bytes: buffer.bytes,
        gaps: buffer.gaps,
        gap_bytes: buffer.gap_bytes,
        told: told(&buffer.losses),
    }
}

impl AreaFacts {
    fn merge(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.chunks, other.chunks),
            (&mut self.bytes, other.bytes),
            (&mut self.gaps, other.gaps),
            (&mut self.gap_bytes, other.gap_bytes),
            (&mut self.told.aux_records, other.told.aux_records),
            (&mut self.told.truncated, other.told.truncated),
            (&mut self.told.partial, other.told.partial),
            (&mut self.told.collisions, other.told.collisions),
            (&mut self.told.overwritten, other.told.overwritten),
            (&mut self.told.missing_chunks, other.told.missing_chunks),
            (&mut self.told.missing_bytes, other.told.missing_bytes),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

fn cpus(trace: &SpeTrace, sums: &SpeSums) -> Vec<SpeCpu> {
    let owners = trace.buffers.all.keys().filter_map(|owner| match owner {
        Owner::Cpu(cpu) => Some(*cpu),
        Owner::Thread(_) => None,
    });
    let numbers: BTreeSet<u32> = owners.chain(sums.cpus.keys().copied()).collect();
    let facts = numbers.into_iter().map(|cpu| {
        let core = trace.core(cpu);
        let counted = sums.cpus.get(&cpu).copied().unwrap_or_default();
        let buffer = trace.buffers.all.get(&Owner::Cpu(cpu));
        SpeCpu {
            cpu: (cpu != MemorySample::NO_CPU).then_some(cpu),
            core: core.name().to_string(),
            midr: core.midr.map(|midr| Hex(midr.0)),
            sources_known: core.has_table(),
            records: counted.records,
            mean_ns: mean(&counted),
            area: buffer.map(area_of).unwrap_or_default(),
        }
    });
    facts.collect()
}

fn mean(cpu: &CpuSums) -> Option<f64> {
    let (first, last) = cpu.times?;
    (cpu.records > 1).then(|| (last - first) as f64 / (cpu.records - 1) as f64)
}
