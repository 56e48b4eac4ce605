//! Where threads run: cycles, or a timer.

use super::super::plan::Choice;
use super::{Events, mode};
use crate::host::{Host, Machine, Pmu, Vendor};

pub(super) fn cycles(host: &Host) -> Events {
    let u = mode(host);
    let colon = |modifiers: &str| {
        if modifiers.is_empty() {
            String::new()
        } else {
            format!(":{modifiers}")
        }
    };
    let clock = format!("cpu-clock{}", colon(u));
    let counts = |pmu: &&Pmu| pmu.has_event("cpu-cycles") || pmu.has_event("cpu_cycles");
    let cores: Vec<&Pmu> = host.core_pmus().into_iter().filter(counts).collect();
    let timer = "samples by timer";
    if cores.is_empty() {
        let why = match &host.machine {
            Machine::Virtual(name) => format!(
                "{timer}: this virtual machine ({name}) has no counters; code that runs with interrupts off shows where they go on again"
            ),
            Machine::Metal => format!(
                "{timer}: the kernel has no driver for this CPU's counters; code that runs with interrupts off shows where they go on again"
            ),
        };
        return Events::sampled(vec![Choice::new(["-e", &clock], why)]);
    }
    // On AMD a precise cycle event is IBS, of which a CPU has one: it is left to c2c.
    let precise = host.cpu.vendor == Vendor::Intel
        && cores.iter().all(|pmu| pmu.cap("max_precise") != Some(0));
    let p = if precise { "P" } else { "" };
    let why = match host.cpu.vendor {
        Vendor::Intel if precise => "cycles, as precise as PEBS is",
        Vendor::Amd | Vendor::Hygon => {
            "cycles; not the precise ones, which are IBS and left to c2c"
        }
        _ => "cycles",
    };
    let choice = if let [_] = cores.as_slice() {
        let choice = Choice::new(["-e", &format!("cycles{}", colon(&format!("{p}{u}")))], why);
        if precise {
            choice.or(
                ["-e", &format!("cycles{}", colon(u))],
                "cycles with some skid",
            )
        } else {
            choice
        }
    } else {
        let names: Vec<&str> = cores.iter().map(|pmu| pmu.name.as_str()).collect();
        let event = |p: &str| {
            let list = cores.iter().map(|pmu| {
                let event = if pmu.has_event("cpu-cycles") {
                    "cpu-cycles"
                } else {
                    "cpu_cycles"
                };
                format!("{}/{event}/{p}{u}", pmu.name)
            });
            list.collect::<Vec<_>>().join(",")
        };
        Choice::new(
            ["-e", &event(p)],
            format!("{why}, on each kind of core ({})", names.join(", ")),
        )
    };
    Events::sampled(vec![choice.or(["-e", &clock], timer)])
}
