//! What is in a capture, and which questions it can answer.

use crate::capture::Capture;
pub(crate) use crate::event_kind::EventKind;
use crate::event_kind::OffCpuLayout;
use crate::result::{Can, CaptureFacts, EventFacts, Info, Quality};
use crate::spe::{self, SpeSums, SpeTrace};
use crate::survey::Survey;
use contend_perfdata::{WalkReport, record_name};
use std::collections::BTreeMap;

/// `PERF_AUXTRACE_ARM_SPE` (`tools/perf/util/auxtrace.h`).
const AUX_ARM_SPE: u32 = 4;

/// The result of a survey.
pub(crate) fn info(
    capture: &Capture,
    survey: &Survey,
    walk: &WalkReport,
    spe: Option<&(SpeTrace, SpeSums)>,
) -> Info {
    let header = capture.header();
    let kinds = EventKind::all(&header.attrs, &header.features);
    let events = header.attrs.iter().zip(&kinds).zip(&survey.samples);
    // Records of SPE do not tell their event; there mostly is one.
    let first_spe = kinds.iter().position(|&kind| kind == EventKind::Spe);
    let events = events
        .enumerate()
        .map(|(index, ((event, kind), &samples))| EventFacts {
            name: event.display_name(&header.features),
            kind: kind.name(),
            samples: if first_spe == Some(index) {
                samples + survey.spe_records
            } else {
                samples
            },
        });
    let records = survey.kinds().into_iter();
    let mut named: BTreeMap<String, u64> = BTreeMap::new();
    for (kind, count) in records {
        *named.entry(record_name(kind).into_owned()).or_default() += count;
    }
    let mut quality = Quality::new(capture, survey, walk);
    if let Some((trace, sums)) = spe {
        spe::report(capture, trace, sums, &mut quality);
    }
    if let Some(warning) = cpus_without_node(capture) {
        quality.warnings.push(warning);
    }
    Info {
        schema: "contend.info/1",
        capture: CaptureFacts::new(capture, survey),
        quality,
        events: events.collect(),
        can: answers(&kinds, survey, &named),
        records: named,
        other_captures: Vec::new(),
    }
}

/// A warning when the capture tells of fewer CPUs in nodes than were online.
fn cpus_without_node(capture: &Capture) -> Option<String> {
    let features = &capture.header().features;
    let listed: usize = features
        .numa_topology
        .iter()
        .map(|node| node.cpus.len())
        .sum();
    let online = features.nr_cpus?.online as usize;
    (listed > 0 && listed < online).then(|| {
        format!(
            "{} of {online} online CPUs are in no NUMA node",
            online - listed
        )
    })
}

/// Which questions the capture can answer, and what to record otherwise.
fn answers(
    kinds: &[EventKind],
    survey: &Survey,
    records: &BTreeMap<String, u64>,
) -> BTreeMap<&'static str, Can> {
    let samples_of = |wanted: &[EventKind]| -> Option<u64> {
        let events = kinds.iter().zip(&survey.samples);
        let mut found = events.filter(|(kind, _)| wanted.contains(kind)).peekable();
        found.peek()?;
        Some(found.map(|(_, samples)| samples).sum())
    };
    let by_samples = |wanted: &[EventKind], what: &str, how: &str| match samples_of(wanted) {
        Some(0) => Can::No(format!("{what} were asked for, but none was recorded")),
        Some(_) => Can::Yes,
        None => Can::No(format!("no {what}: {how}")),
    };
    let memory = by_samples(
        &[EventKind::Memory],
        "memory samples with a data source",
        "record with `perf c2c record`",
    );
    // The table of events may be cut off.
    let is_spe = kinds.contains(&EventKind::Spe) || survey.aux_kind == Some(AUX_ARM_SPE);
    let has_aux = records.contains_key("AUXTRACE");
    let has_records = survey.spe_records > 0;
    let memory = match memory {
        Can::No(_) if has_records => Can::Yes,
        memory => memory,
    };
    let spe = match (is_spe, has_aux) {
        (true, true) if has_records => Can::Yes,
        (true, true) => Can::No("its SPE data has no whole record".to_owned()),
        (true, false) => Can::No("SPE was asked for, but there is no AUX data".to_owned()),
        (false, _) => Can::No(
            "no Arm SPE data: record with `perf record -e arm_spe_0//` on an Arm server".to_owned(),
        ),
    };
    let has_switches = ["SWITCH", "SWITCH_CPU_WIDE"]
        .iter()
        .any(|name| records.contains_key(*name));
    let off_cpu = if has_switches {
        Can::Yes
    } else {
        by_samples(
            &[
                EventKind::SchedSwitch,
                EventKind::OffCpu(OffCpuLayout::Collector),
                EventKind::OffCpu(OffCpuLayout::PerfChain),
                EventKind::OffCpu(OffCpuLayout::PerfRaw),
            ],
            "context switches",
            "record with `perf record --buildid-all -e sched:sched_switch --switch-events -a -g`",
        )
    };
    let on_cpu = by_samples(
        &[EventKind::Cpu],
        "on-CPU samples",
        "record with `perf record -F 99 -a -g`",
    );
    BTreeMap::from([
        ("c2c", memory.clone()),
        ("latency", memory),
        ("spe", spe),
        ("offcpu", off_cpu),
        ("oncpu", on_cpu),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spe_is_known_by_its_trace_when_the_events_are_cut_off() {
        let mut survey = Survey::new(0);
        survey.aux_kind = Some(AUX_ARM_SPE);
        let records = BTreeMap::from([("AUXTRACE".to_owned(), 1)]);
        assert_ne!(answers(&[], &survey, &records)["spe"], Can::Yes);
        survey.spe_records = 1;
        let can = answers(&[], &survey, &records);
        for question in ["spe", "c2c", "latency"] {
            assert_eq!(can[question], Can::Yes, "{question}");
        }
        survey.aux_kind = Some(1);
        assert_ne!(answers(&[], &survey, &records)["spe"], Can::Yes);
    }
}
