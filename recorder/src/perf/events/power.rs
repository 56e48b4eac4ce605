//! Marked loads and stores of Power (arch/powerpc/perf/isa207-common.c).

use super::super::plan::{Choice, PerfOptions};
use super::{Events, mode, no_source};
use crate::host::Host;
use crate::refusal::Refusal;

pub(super) fn marked(host: &Host, options: &PerfOptions) -> Result<Events, Refusal> {
    if options.ldlat.is_some() {
        return Err(Refusal::with(
            format!("{} has no latency threshold for loads", host.cpu.name),
            "leave --ldlat out",
        ));
    }
    let Some(pmu) = host.pmu("cpu").filter(|pmu| pmu.has_event("mem-loads")) else {
        return Err(no_source(
            host,
            "no event mem-loads in /sys/bus/event_source/devices/cpu",
            Some("use a kernel with this CPU's PMU driver (Power8 or later)"),
        ));
    };
    let u = mode(host);
    let mut choices = vec![Choice::new(
        ["-e", &format!("cpu/mem-loads/{u}")],
        "loads with the source of their data",
    )];
    if pmu.has_event("mem-stores") {
        choices.push(Choice::new(
            ["-e", &format!("cpu/mem-stores/{u}")],
            "stores: who writes",
        ));
    }
    Ok(Events::sampled(choices))
}
