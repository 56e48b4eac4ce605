//! Which events say what is asked for on this machine.
//!
//! What a kernel shows in sysfs decides, not a list of models: it hides events
//! that its CPU, or the virtual machine, does not have
//! (arch/x86/events/intel/core.c, arch/x86/events/amd/ibs.c,
//! drivers/perf/arm_spe_pmu.c, arch/powerpc/perf/power9-pmu.c).

mod amd;
mod arm;
mod intel;
mod power;
mod running;
mod switches;

use super::plan::{Choice, Kind, PerfOptions};
use super::tool::PerfTool;
use crate::host::{Host, Machine, Reach, Vendor};
use crate::refusal::Refusal;
use crate::source::Target;

/// Loads that take fewer cycles are not sampled, where the CPU can choose: perf's
/// own default.
const LDLAT: u32 = 30;

/// How often events are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampling {
    /// So many a second.
    Frequency,
    /// Every so many operations.
    Period {
        /// Fewest operations that the CPU allows.
        least: u64,
        /// Whether the CPU throws most samples away by itself.
        filtered: bool,
    },
    /// Each one.
    Each,
}

/// Events and what follows from them.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) choices: Vec<Choice>,
    /// Events of these that sample at the same time on one CPU.
    pub(super) counters: u64,
    pub(super) sampling: Sampling,
    /// Whether samples are in an AUX area.
    pub(super) aux: bool,
    /// Whether the event cannot follow a process.
    pub(super) whole_cpus: bool,
    pub(super) notes: Vec<String>,
}

impl Events {
    fn sampled(choices: Vec<Choice>) -> Self {
        Self {
            counters: choices.len() as u64,
            choices,
            sampling: Sampling::Frequency,
            aux: false,
            whole_cpus: false,
            notes: Vec::new(),
        }
    }
}

pub(super) fn choose(
    host: &Host,
    tool: &PerfTool,
    kind: Kind,
    target: &Target,
    options: &PerfOptions,
) -> Result<Events, Refusal> {
    match kind {
        Kind::C2c => memory(host, tool, target, options),
        Kind::Spe if host.cpu.vendor == Vendor::Arm => arm::spe(host, tool, false, options),
        Kind::Spe => Err(Refusal::with(
            format!("SPE is a part of Arm's CPUs and this is {}", host.cpu.name),
            "record memory accesses with c2c",
        )),
        Kind::Cpu => Ok(running::cycles(host)),
        Kind::OffCpu => switches::sched(host, tool, target),
    }
}

/// `:u` where the kernel may not be recorded.
fn mode(host: &Host) -> &'static str {
    if host.may_record(Reach::Kernel) {
        ""
    } else {
        "u"
    }
}

fn memory(
    host: &Host,
    tool: &PerfTool,
    target: &Target,
    options: &PerfOptions,
) -> Result<Events, Refusal> {
    match host.cpu.vendor {
        Vendor::Intel => intel::loads_and_stores(host, options),
        Vendor::Amd | Vendor::Hygon => amd::ibs(host, target, options),
        Vendor::Arm => arm::spe(host, tool, true, options),
        Vendor::Power => power::marked(host, options),
        Vendor::Other(_) => Err(no_source(
            host,
            "its kernel driver has no event for memory accesses",
            None,
        )),
    }
}

/// Memory samples cannot be had: `why`, and where they can.
fn no_source(host: &Host, why: &str, todo: Option<&str>) -> Refusal {
    match &host.machine {
        Machine::Virtual(name) => Refusal::with(
            format!(
                "c2c needs the CPU's own memory samples, and this virtual machine ({name}, {}) has none: {why}",
                host.cpu.name
            ),
            "record on metal (a .metal instance, or the host itself)",
        ),
        Machine::Metal => Refusal {
            why: format!(
                "c2c needs the CPU's own memory samples, and {} has none here: {why}",
                host.cpu.name
            ),
            todo: todo.map(str::to_owned),
        },
    }
}
