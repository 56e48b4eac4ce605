//! What a reader of an SPE recording should know, in words.

use super::sums::SpeSums;
use super::trace::SpeTrace;
use crate::result::{AuxFacts, SpeQuality, cpu_ranges};
use contend_perfdata::{AttrFlags, Header, MemorySample};
use std::collections::BTreeSet;

/// The newest version of the metadata that is known (`ARM_SPE_HEADER_CURRENT_VERSION`
/// in `tools/perf/util/arm-spe.h`).
const NEWEST: u64 = 2;

/// One in so many records may name another thread than switches tell: a switch takes
/// a moment, in which the kernel still runs for the old thread.
const MOST_CONTRADICTED: u64 = 20;

/// Adds all that is wrong with a recording.
pub(super) fn warn(
    header: &Header,
    trace: &SpeTrace,
    sums: &SpeSums,
    facts: &SpeQuality,
    warnings: &mut Vec<String>,
) {
    let mut add = |condition: bool, text: String| {
        if condition {
            warnings.push(text);
        }
    };
    times(header, trace, facts, sums, &mut add);
    losses(trace, facts, &mut add);
    threads(trace, facts, &mut add);
    unsampled(header, trace, facts, &mut add);
    cores(trace, facts, &mut add);
}

/// What is wrong with the times of records.
fn times(
    header: &Header,
    trace: &SpeTrace,
    facts: &SpeQuality,
    sums: &SpeSums,
    add: &mut impl FnMut(bool, String),
) {
    let records = facts.records;
    let mut warn = |text: String| add(true, text);
    let without = sums.timeless - sums.odd_times;
    if records > 0 && trace.has_void_conversion {
        warn(format!(
            "the TIME_CONV record of the capture is damaged (a multiplier of 0, or a shift beyond \
             63): the times of {records} records are those of their chunks"
        ));
    } else if records > 0 && !trace.has_conversion() {
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

/// What the hardware, the kernel and the recorder lost, and what is damaged.
fn losses(trace: &SpeTrace, facts: &SpeQuality, warn: &mut impl FnMut(bool, String)) {
    let told = facts.area.told;
    warn(
        told.truncated > 0,
        format!(
            "the SPE buffer was full {} of {} times{}: samples are missing (a larger AUX buffer: \
             `-m ,64M`, or a longer period)",
            told.truncated,
            told.aux_records,
            most(facts, |told| told.truncated)
        ),
    );
    warn(
        told.collisions > 0,
        format!(
            "samples collided {} of {} times{}: the period is too short for long operations, which \
             are sampled too rarely",
            told.collisions,
            told.aux_records,
            most(facts, |told| told.collisions)
        ),
    );
    warn(
        told.partial > 0,
        format!(
            "SPE data has gaps {} of {} times{}: the record in front of each may be cut off",
            told.partial,
            told.aux_records,
            most(facts, |told| told.partial)
        ),
    );
    warn(
        told.missing_chunks > 0,
        format!(
            "{} of {} times{} SPE data was announced that is not in the capture ({} bytes): the \
             recorder did not keep up, or the file is cut off",
            told.missing_chunks,
            told.aux_records,
            most(facts, |told| told.missing_chunks),
            told.missing_bytes
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
        told.overwritten > 0 && facts.without_time > 0,
        format!(
            "{} records of snapshots have no time: where the same comes again and again, it is not \
             told whether a snapshot repeats the one before, and records may count twice (record \
             with ts_enable=1)",
            facts.without_time
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
        "the SPE metadata (AUXTRACE_INFO) is missing, or has a version that is not known: what each \
         CPU is and which events it reports is not told"
            .to_owned(),
    );
    let version = trace
        .metadata
        .as_ref()
        .map_or(0, |metadata| metadata.version);
    warn(
        version > NEWEST,
        format!(
            "the SPE metadata has version {version}, from a perf that is newer than this contend: \
             it is read as version {NEWEST}"
        ),
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
}

/// Where it happened most, among several CPUs: ` (most, 7, on CPU 3)`, or nothing
/// where no CPU has more than every other.
fn most(facts: &SpeQuality, count: impl Fn(&AuxFacts) -> u64) -> String {
    let cpus = facts
        .cpus
        .iter()
        .map(|cpu| (count(&cpu.area.told), cpu.cpu));
    let mut cpus: Vec<(u64, Option<u32>)> = cpus.filter(|&(count, _)| count > 0).collect();
    cpus.sort_by_key(|&(count, cpu)| (std::cmp::Reverse(count), cpu));
    match cpus.as_slice() {
        [(count, Some(cpu)), (next, _), ..] if count > next => {
            format!(" (most, {count}, on CPU {cpu})")
        }
        [(_, Some(cpu))] if facts.cpus.len() > 1 => format!(" (on CPU {cpu} alone)"),
        _ => String::new(),
    }
}

/// How sure it is whose operations they were.
fn threads(trace: &SpeTrace, facts: &SpeQuality, warn: &mut impl FnMut(bool, String)) {
    let records = facts.records;
    let by = &facts.attribution;
    let what_to_do = if trace.cpus.is_empty() {
        "record system-wide as root, with context packets or --switch-events"
    } else if facts.without_time >= by.unknown {
        "switches tell who ran when, but these records have no time. Record with ts_enable=1, or \
         as root, who gets context packets"
    } else {
        "switches do not tell who ran then. Record system-wide as root, who gets context packets"
    };
    warn(
        by.unknown > 0,
        format!(
            "the thread of {} of {records} SPE records is not known: {what_to_do}",
            by.unknown
        ),
    );
    warn(
        by.switch > 0,
        format!(
            "the thread of {} of {records} SPE records is that which switches tell: near a switch it \
             may be the other one (root gets records that name their thread)",
            by.switch
        ),
    );
    let why = if 2 * by.without_process > records {
        "perf ran in a container, where threads have other numbers (run it on the host, or with \
         the host's PIDs), or records of them were lost"
    } else {
        "records of them were lost, or the SPE records are damaged"
    };
    warn(
        by.without_process > 0,
        format!(
            "the process of {} of {records} SPE records is not known, as nothing else in the \
             capture names their threads: {why}",
            by.without_process
        ),
    );
    warn(
        by.contradicted > by.compared / MOST_CONTRADICTED,
        format!(
            "of {} SPE records that name their thread and were held against records of switches, \
             {} name another one: numbers of threads, or times, do not fit the rest of the capture. \
             Threads are those of the SPE records",
            by.compared, by.contradicted
        ),
    );
}

/// CPUs that could not be sampled: those of machines with several kinds of cores may
/// have no SPE, or one that has an event of its own.
fn unsampled(
    header: &Header,
    trace: &SpeTrace,
    facts: &SpeQuality,
    warn: &mut impl FnMut(bool, String),
) {
    // Those of SPE are told by the metadata: what events are called is up to the user.
    let types = header.attrs.iter().map(|event| u64::from(event.attr.kind));
    let types: BTreeSet<u64> = types.collect();
    let with_data = facts.cpus.iter().filter(|cpu| cpu.area.chunks > 0);
    let with_data: BTreeSet<Option<u32>> = with_data.map(|cpu| cpu.cpu).collect();
    let metadata = trace.metadata.iter();
    let without = metadata.flat_map(|metadata| &metadata.cpus).filter(|cpu| {
        let number = u32::try_from(cpu.cpu).ok();
        let is_told = cpu.pmu_type.is_some_and(|kind| types.contains(&kind));
        !is_told && !with_data.contains(&number)
    });
    let without: BTreeSet<u32> = without
        .filter_map(|cpu| u32::try_from(cpu.cpu).ok())
        .collect();
    warn(
        !without.is_empty(),
        format!(
            "CPUs without a sample, as they have no SPE or one with another event that was not \
             recorded: {}",
            cpu_ranges(without.iter().copied())
        ),
    );
}

/// What the numbers of the cores mean.
fn cores(trace: &SpeTrace, facts: &SpeQuality, warn: &mut impl FnMut(bool, String)) {
    let (mut seen, mut errata) = (BTreeSet::new(), BTreeSet::new());
    for cpu in &facts.cpus {
        let core = trace.core(cpu.cpu.unwrap_or(MemorySample::NO_CPU));
        if cpu.records == 0 {
            continue;
        }
        // Of two revisions of a core one may have it.
        if let Some(erratum) = core.erratum() {
            warn(errata.insert(erratum), erratum.to_owned());
        }
        if !seen.insert(core.name()) {
            continue;
        }
        let name = core.name();
        warn(
            core.midr.is_none(),
            "the capture does not tell on which core: what data-source numbers mean is not known, \
             levels are those of the event bits"
                .to_owned(),
        );
        warn(
            core.midr.is_some() && !core.has_table(),
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
    }
}
