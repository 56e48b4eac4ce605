//! From what was found to the result.

use super::loss::{Buffer, Losses, Owner};
use super::op::Attribution;
use super::sums::{CpuSums, SpeSums};
use super::trace::SpeTrace;
use super::warnings;
use crate::capture::Capture;
use crate::event_kind::EventKind;
use crate::result::{
    AreaFacts, Attributions, AuxFacts, Hex, Interval, Quality, SpeCpu, SpeQuality, SpeSpan,
};
use anyhow::Result;
use contend_perfdata::{Header, MemorySample};
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
        interval: interval(capture.header(), trace, sums),
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

fn interval(header: &Header, trace: &SpeTrace, sums: &SpeSums) -> Interval {
    let events = header.attrs.iter();
    let mut spe = events.filter(|event| EventKind::of(event, &header.features) == EventKind::Spe);
    let period = spe.next().map(|event| event.attr.sample_period_or_freq);
    let metadata = trace.metadata.iter();
    let cpus = metadata.flat_map(|metadata| &metadata.cpus);
    let min_interval = cpus
        .filter_map(|cpu| cpu.min_interval.filter(|&least| least > 0))
        .min();
    let spans = sums.cpus.values().filter_map(|cpu| {
        let (first, last) = cpu.times?;
        (cpu.records > 1).then(|| (last - first, cpu.records - 1))
    });
    let (time, steps) = spans.fold((0u64, 0u64), |(time, steps), (span, more)| {
        (time.saturating_add(span), steps + more)
    });
    let period = period.filter(|&period| period > 0);
    Interval {
        period,
        effective: period.and_then(|period| effective(period, min_interval)),
        min_interval,
        mean_ns: (steps > 0).then(|| time as f64 / steps as f64),
    }
}

/// The largest least interval that a core can have (`PMSIDR_EL1.Interval`).
const LARGEST_LEAST: u64 = 4096;

/// The operations between two samples that the hardware is set to, which counts in
/// 256s (`arm_spe_event_sanitise_period` in `drivers/perf/arm_spe_pmu.c`). Absent below
/// the core's least, where kernels differ.
fn effective(period: u64, least: Option<u64>) -> Option<u64> {
    const INTERVAL: u64 = 0xffff_ff00;
    let is_possible = period >= least.unwrap_or(LARGEST_LEAST);
    is_possible.then(|| match period {
        ..=INTERVAL => period & INTERVAL,
        _ => INTERVAL,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_counts_operations_in_256s() {
        assert_eq!(effective(1024, Some(1024)), Some(1024));
        assert_eq!(effective(1500, Some(1024)), Some(1280));
        assert_eq!(effective(1 << 40, Some(1024)), Some(0xffff_ff00));
        assert_eq!(effective(1000, Some(1024)), None);
        assert_eq!(
            (effective(4000, None), effective(5000, None)),
            (None, Some(4864))
        );
    }
}
