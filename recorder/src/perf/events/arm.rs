//! The Statistical Profiling Extension (drivers/perf/arm_spe_pmu.c).

use super::super::plan::{Choice, PerfOptions};
use super::super::tool::PerfTool;
use super::{Events, LDLAT, Sampling, mode};
use crate::host::{Host, Machine};
use crate::refusal::Refusal;

/// The largest threshold of SPE, in cycles.
const MOST_LATENCY: u32 = 4095;

/// SPE: loads and stores that are slow, or with `filtered` off all operations.
pub(super) fn spe(
    host: &Host,
    tool: &PerfTool,
    filtered: bool,
    options: &PerfOptions,
) -> Result<Events, Refusal> {
    let pmus = host.spe_pmus();
    if pmus.is_empty() {
        return Err(no_spe(host, filtered));
    }
    // HAVE_AUXTRACE_SUPPORT has stood under two names in --build-options.
    if !tool.built_with("auxtrace") && !tool.built_with("get_cpuid") {
        return Err(Refusal::with(
            format!(
                "perf {} was built without AUX areas, in which SPE writes",
                tool.version_text
            ),
            "name another with --perf PATH",
        ));
    }
    // PMSLATFR_EL1.MINLAT has 12 bits.
    if let Some(cycles) = options.ldlat.filter(|&cycles| cycles > MOST_LATENCY) {
        return Err(Refusal::with(
            format!(
                "SPE takes a latency threshold of {MOST_LATENCY} cycles at most, {cycles} was asked for"
            ),
            "give a smaller one",
        ));
    }
    let privileged = host.rights.perfmon();
    let mut choices = Vec::new();
    for pmu in &pmus {
        let mut terms = vec!["ts_enable=1".to_owned()];
        if privileged {
            terms.push("pa_enable=1".into());
        }
        if pmu.takes("jitter") {
            terms.push("jitter=1".into());
        }
        let latency = options
            .ldlat
            .or(filtered.then_some(LDLAT))
            .filter(|&cycles| cycles > 0);
        if filtered {
            terms.extend(["load_filter=1".to_owned(), "store_filter=1".to_owned()]);
        }
        terms.extend(latency.map(|cycles| format!("min_latency={cycles}")));
        let what = if filtered {
            "loads and stores"
        } else {
            "all operations, with every packet"
        };
        let slow = latency
            .map(|cycles| format!(" of {cycles} cycles and more"))
            .unwrap_or_default();
        let on = if pmus.len() > 1 {
            format!(", on the {} CPUs of {}", pmu.cpus.len(), pmu.name)
        } else {
            String::new()
        };
        let jitter = if pmu.takes("jitter") {
            "; the interval jitters so that loops do not keep step"
        } else {
            ""
        };
        let physical = if privileged {
            " and physical addresses"
        } else {
            ""
        };
        choices.push(Choice::new(
            [
                "-e",
                &format!("{}/{}/{}", pmu.name, terms.join(","), mode(host)),
            ],
            format!("{what}{slow}{on}, with times{physical}{jitter}"),
        ));
    }
    let mut notes = Vec::new();
    if !privileged {
        notes.push(
            "without CAP_PERFMON SPE gives no physical addresses and no thread ids in its packets"
                .into(),
        );
    }
    if filtered {
        notes.push(
            "SPE tells peer snoops instead of HITMs, except on the newest CPUs (FEAT_SPEv1p4)"
                .into(),
        );
    }
    if host.cpu.has_core(0x41, 0xd0c) {
        notes.push("Neoverse N1 has erratum 1694299: some operations are sampled more often than others, so counts are biased".into());
    }
    let least = pmus
        .iter()
        .filter_map(|pmu| pmu.cap("min_interval"))
        .max()
        .unwrap_or(4096);
    Ok(Events {
        counters: 1,
        choices,
        sampling: Sampling::Period { least, filtered },
        aux: true,
        whole_cpus: false,
        notes,
    })
}

/// Why there is no SPE. The driver does not load under kernel page-table isolation
/// (`arm_spe_pmu_device_probe`), and virtual machines do not have it.
fn no_spe(host: &Host, c2c: bool) -> Refusal {
    let loaded = host.kernel.modules.iter().any(|name| name == "arm_spe_pmu");
    let for_whom = if c2c { "c2c needs SPE on Arm, and" } else { "" };
    let refusal = |why: String, todo: &str| {
        Refusal::with(format!("{for_whom} {why}").trim().to_owned(), todo)
    };
    let name = &host.cpu.name;
    if host.kernel.kpti && (host.kernel.spe_device || host.machine == Machine::Metal) {
        refusal(
            format!(
                "kernel page-table isolation keeps SPE of {name} off: its buffer is out of reach from user space"
            ),
            "boot with kpti=off where untrusted code does not run, then `modprobe arm_spe_pmu`",
        )
    } else if host.kernel.spe_device && !loaded {
        refusal(
            format!("the driver of SPE is not loaded on {name}"),
            "`modprobe arm_spe_pmu`",
        )
    } else if let Machine::Virtual(vm) = &host.machine {
        refusal(
            format!("this virtual machine ({vm}, {name}) has no SPE"),
            "record on metal (a .metal instance, or the host itself)",
        )
    } else {
        refusal(
            format!("no arm_spe unit is in /sys/bus/event_source/devices on {name}"),
            "`modprobe arm_spe_pmu`; if that finds no device, the firmware does not describe SPE (ACPI MADT or device tree)",
        )
    }
}
