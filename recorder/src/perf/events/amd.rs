//! IBS (arch/x86/events/amd/ibs.c).

use super::super::plan::{Choice, PerfOptions};
use super::{Events, mode, no_source};
use crate::host::{Host, Reach, Version, Zen};
use crate::refusal::Refusal;
use crate::source::Target;

pub(super) fn ibs(host: &Host, target: &Target, options: &PerfOptions) -> Result<Events, Refusal> {
    let name = &host.cpu.name;
    if host.cpu.zen() == Some(Zen::Three) {
        return Err(Refusal::with(
            format!(
                "c2c is not possible on Zen 3 ({name}): its IBS does not tell whether a load found its line modified in another cache (the bit CacheHitSt is not valid), so there are no HITMs"
            ),
            "record on Zen 4 or later; waiting and running show with offcpu and cpu",
        ));
    }
    let Some(pmu) = host.pmu("ibs_op") else {
        let todo = "look for IBS in the firmware's settings, and for `ibs` among the flags of /proc/cpuinfo";
        return Err(no_source(
            host,
            "no IBS (no ibs_op in /sys/bus/event_source/devices)",
            Some(todo),
        ));
    };
    // "perf/x86/amd: Support PERF_SAMPLE_DATA_SRC" is in 6.1.
    let mut notes = Vec::new();
    if host.kernel.version < Version(6, 1) {
        if !host.kernel.is_backported() {
            return Err(Refusal::with(
                format!(
                    "Linux {} records IBS without the source of data",
                    host.kernel.release
                ),
                "use Linux 6.1 or later on AMD",
            ));
        }
        notes.push(format!(
            "mainline Linux tells the source of data from 6.1 on; this {} may or may not have it built in",
            host.kernel.release
        ));
    }
    let may_kernel = host.may_record(Reach::Kernel);
    if !may_kernel && !pmu.takes("swfilt") {
        return Err(Refusal::with(
            "IBS cannot leave the kernel out here, and the kernel may not be recorded without privilege",
            "run as root or with CAP_PERFMON, or set kernel.perf_event_paranoid to 1",
        ));
    }
    let mut terms: Vec<String> = Vec::new();
    let mut why = "all operations: IBS has no filter for memory accesses, the others are passed over when analyzed".to_owned();
    match options.ldlat {
        Some(cycles) if pmu.takes("ldlat") && (128..=2048).contains(&cycles) => {
            terms.push(format!("ldlat={cycles}"));
            why = format!("loads of {cycles} cycles and more that missed L3, as asked for");
            notes.push("with ldlat the CPU samples loads beyond L3 only: no stores, and no line that moves within one CCX".into());
        }
        Some(cycles) if pmu.takes("ldlat") => {
            return Err(Refusal::with(
                format!(
                    "IBS takes a latency threshold of 128 to 2048 cycles, {cycles} was asked for"
                ),
                "give one in that range, or none",
            ));
        }
        Some(_) => {
            return Err(Refusal::with(
                format!(
                    "IBS of {name} with this kernel has no latency threshold (Zen 5 with Linux 6.15 has)"
                ),
                "leave --ldlat out",
            ));
        }
        None if pmu.takes("ldlat") => {
            why.push_str("; its latency threshold stays off, as it would drop stores and all lines within one CCX");
        }
        None => {}
    }
    if !may_kernel {
        terms.push("swfilt=1".into());
    }
    let u = mode(host);
    let mut events = Events::sampled(vec![Choice::new(
        ["-e", &format!("ibs_op/{}/{u}", terms.join(","))],
        why,
    )]);
    events.notes = notes;
    // "perf/amd/ibs: Make IBS a core pmu" (30093056f7b2) is in 6.2.
    events.whole_cpus = matches!(target, Target::Pids(_)) && host.kernel.version < Version(6, 2);
    if events.whole_cpus {
        events
            .notes
            .push("all processes are in the capture: `contend c2c --pid` shows one".into());
    }
    events
        .notes
        .push("on AMD \"remote\" is another CCX, often of the same socket".into());
    Ok(events)
}
