//! From what was found to the result.

use super::loss::{Buffer, Losses, Owner};
use super::op::Attribution;
use super::sums::{CpuSums, SpeSums};
use super::trace::SpeTrace;
use crate::capture::Capture;
use crate::event_kind::EventKind;
use crate::result::{
    AreaFacts, Attributions, AuxFacts, Hex, Interval, Quality, SpeCpu, SpeQuality, SpeSpan,
};
use anyhow::Result;
use contend_perfdata::{AttrFlags, Header, MemorySample};
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
    times(capture.header(), trace, &facts, sums, quality);
    warnings(trace, &facts, quality);
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
    Interval {
        period: period.filter(|&period| period > 0),
        min_interval,
        mean_ns: (steps > 0).then(|| time as f64 / steps as f64),
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

/// What is wrong with the times of records.
fn times(
    header: &Header,
    trace: &SpeTrace,
    facts: &SpeQuality,
    sums: &SpeSums,
    quality: &mut Quality,
) {
    let records = facts.records;
    let mut warn = |text: String| quality.warnings.push(text);
    let without = sums.timeless - sums.odd_times;
    if records > 0 && !trace.has_conversion() {
        // perf makes the record of what the kernel tells in the page it maps
        // (`cap_user_time_zero`; tools/perf/util/tsc.c): since Linux 5.9, while the
        // scheduler's clock is the timer that SPE counts (arch_perf_update_userpage in
        // drivers/perf/arm_pmuv3.c).
        warn(format!(
            "the capture does not tell how SPE's timer counts become times (no TIME_CONV record): \
             the times of {records} records are those of their chunks. perf writes it from Linux \
             5.9 on, where the kernel's clock is the generic timer"
        ));
    } else if without > 0 {
        warn(format!(
            "{without} of {records} SPE records have no time (record with ts_enable=1): that of \
             their chunk is taken"
        ));
    }
    if sums.odd_times > 0 {
        warn(format!(
            "{} of {records} SPE records have a time outside the recording, as damaged ones do: \
             that of their chunk is taken",
            sums.odd_times
        ));
    }
    let mut attrs = header.attrs.iter().map(|event| &event.attr);
    let own = attrs.find(|attr| attr.has_flags(AttrFlags::USE_CLOCKID));
    if let Some(attr) = own.filter(|_| trace.has_conversion() && sums.timeless < records) {
        warn(format!(
            "the capture has two clocks: SPE records have times of perf's own clock, everything \
             else those of {} (perf record -k). Threads told by switches, and mappings that \
             changed, may be wrong: record without -k",
            clock_name(attr.clockid)
        ));
    }
}

/// A clock as `clock_gettime(2)` numbers it (`include/uapi/linux/time.h`).
fn clock_name(number: i32) -> String {
    let name = match number {
        0 => "CLOCK_REALTIME",
        1 => "CLOCK_MONOTONIC",
        4 => "CLOCK_MONOTONIC_RAW",
        7 => "CLOCK_BOOTTIME",
        11 => "CLOCK_TAI",
        other => return format!("clock {other}"),
    };
    name.to_owned()
}

fn warnings(trace: &SpeTrace, facts: &SpeQuality, quality: &mut Quality) {
    let mut warn = |condition: bool, text: String| {
        if condition {
            quality.warnings.push(text);
        }
    };
    let told = facts.area.told;
    warn(
        told.truncated > 0,
        format!(
            "the SPE buffer was full {} of {} times: samples are missing (a larger AUX buffer: \
             `-m ,64M`, or a longer period)",
            told.truncated, told.aux_records
        ),
    );
    warn(
        told.collisions > 0,
        format!(
            "samples collided {} of {} times: the period is too short for long operations, which \
             are sampled too rarely",
            told.collisions, told.aux_records
        ),
    );
    warn(
        told.partial > 0,
        format!(
            "SPE data has gaps {} of {} times",
            told.partial, told.aux_records
        ),
    );
    warn(
        told.missing_chunks > 0,
        format!(
            "{} chunks of SPE data ({} bytes) were announced and are not in the capture",
            told.missing_chunks, told.missing_bytes
        ),
    );
    let buffers = trace.buffers.all.values();
    let silent = buffers.fold(0u64, |sum, buffer| sum.saturating_add(buffer.silent_bytes));
    warn(
        silent > 0,
        format!(
            "{silent} bytes between chunks of SPE data are in no chunk, and nothing announces \
             them: the recorder lost them (record to a faster disk, or with a longer period)"
        ),
    );
    warn(
        told.overwritten > 0,
        "the SPE data are snapshots (perf record -S): they have what came last before each, and \
         nothing is told of what was written over in between"
            .to_owned(),
    );
    warn(
        facts.truncated_chunk_bytes > 0,
        format!(
            "the end of the file cuts {} bytes off the last chunk of SPE data",
            facts.truncated_chunk_bytes
        ),
    );
    warn(
        trace.metadata.is_none(),
        "the SPE metadata has a version that is not known: cores and event bits are not told"
            .to_owned(),
    );
    warn(
        trace
            .metadata
            .as_ref()
            .is_some_and(|metadata| metadata.is_damaged),
        "the SPE metadata is damaged: the cores of some CPUs are not known".to_owned(),
    );
    warn(
        trace.has_too_many_switches,
        "there are too many records of switches: they are not used to tell threads".to_owned(),
    );
    let records = facts.records;
    warn(
        facts.attribution.unknown > 0,
        format!(
            "the thread of {} of {records} SPE records is not known: record system-wide as root, \
             with context packets or --switch-events",
            facts.attribution.unknown
        ),
    );
    let mut seen = BTreeSet::new();
    for cpu in &facts.cpus {
        let core = trace.core(cpu.cpu.unwrap_or(MemorySample::NO_CPU));
        if cpu.records == 0 || !seen.insert(core.name()) {
            continue;
        }
        let name = core.name();
        warn(
            !core.has_table(),
            format!(
                "the data-source numbers of {name} are not known: levels are those of the event \
                 bits (--spe-tables FILE adds what they mean)"
            ),
        );
        warn(
            core.is_beyond_perf(),
            format!(
                "perf 7.2 does not know the data-source numbers of {name}: perf_counters are those \
                 that it would have with them"
            ),
        );
        if let Some(erratum) = core.erratum() {
            warn(true, erratum.to_owned());
        }
    }
}
