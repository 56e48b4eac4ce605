//! Loads and stores by PEBS (arch/x86/events/intel/core.c, ds.c).

use super::super::plan::{Choice, PerfOptions};
use super::{Events, LDLAT, mode, no_source};
use crate::host::{Host, Machine, Pmu};
use crate::refusal::Refusal;

pub(super) fn loads_and_stores(host: &Host, options: &PerfOptions) -> Result<Events, Refusal> {
    let ldlat = options.ldlat.unwrap_or(LDLAT);
    let precise = |pmu: &&&Pmu| pmu.has_event("mem-loads") && pmu.cap("max_precise") != Some(0);
    let cores = host.core_pmus();
    let cores: Vec<&&Pmu> = cores.iter().filter(precise).collect();
    if cores.is_empty() {
        let todo = "look into the kernel's log for PEBS (microcode, `disabled`) and record on a CPU from Nehalem on";
        return Err(no_source(
            host,
            "no PEBS (the event mem-loads is not in /sys/bus/event_source/devices)",
            Some(todo),
        ));
    }
    let mut choices = Vec::new();
    let mut counters = 0;
    let u = mode(host);
    for pmu in cores {
        let name = &pmu.name;
        let on = if host.core_pmus().len() > 1 {
            format!(" on the cores of {name}")
        } else {
            String::new()
        };
        // From Golden Cove on the load's latency comes with an auxiliary event in
        // front of it, else the kernel refuses it (PMU_FL_MEM_LOADS_AUX).
        let loads = if pmu.has_event("mem-loads-aux") {
            Choice::new(
                [
                    "-e",
                    &format!("{{{name}/mem-loads-aux/,{name}/mem-loads,ldlat={ldlat}/}}:P{u}"),
                ],
                format!(
                    "loads of {ldlat} cycles and more{on}, behind the auxiliary event that this CPU needs, as precise as it can"
                ),
            )
        } else {
            Choice::new(
                ["-e", &format!("{name}/mem-loads,ldlat={ldlat}/P{u}")],
                format!("loads of {ldlat} cycles and more by PEBS{on}, as precise as it can"),
            )
        };
        choices.push(loads);
        let stores = pmu.has_event("mem-stores");
        counters = counters.max(1 + u64::from(pmu.has_event("mem-loads-aux")) + u64::from(stores));
        if stores {
            choices.push(Choice::new(
                ["-e", &format!("{name}/mem-stores/P{u}")],
                format!("stores by PEBS{on}: who writes"),
            ));
        }
    }
    let mut events = Events::sampled(choices);
    events.counters = counters;
    if let Machine::Virtual(name) = &host.machine {
        events.notes.push(format!(
            "PEBS comes through {name}; if no samples arrive, record on metal"
        ));
    }
    Ok(events)
}
