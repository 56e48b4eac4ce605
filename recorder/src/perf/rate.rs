//! How often samples are taken and how large buffers are, so that neither a
//! machine of 4 CPUs sees too little nor one of 400 drowns.

use super::plan::{CallGraph, Choice, Kind, PerfOptions};
use crate::host::Host;
use crate::refusal::Refusal;

/// Memory samples of all CPUs together in a second. A sample takes about 100 bytes,
/// so this is at most 20 MB/s, and some 5 MB/s compressed.
const MEMORY_SAMPLES: u64 = 200_000;
/// Rates for memory samples; the first is perf's own default.
const MEMORY_RATES: &[u32] = &[4000, 2000, 1000, 500, 250, 100];

/// Samples with stacks by frame pointers, of all CPUs in a second; about 400 bytes each.
const STACK_SAMPLES: u64 = 20_000;
/// Samples with registers and a piece of the stack: some 8 KiB each, a tenth of it
/// compressed.
const DWARF_SAMPLES: u64 = 6_000;
/// Rates for samples with stacks. They are odd so that no timer of the program
/// keeps step with them.
const STACK_RATES: &[u32] = &[99, 49, 19];

/// Operations between two samples of SPE on a machine of one CPU. At 3 · 10⁹
/// operations a second and 64 bytes a record, a period of this times the CPUs
/// makes about 190 MB/s before the filters, of which some 10 remain behind
/// "loads and stores" and "slower than 30 cycles".
const SPE_PERIOD: u64 = 1024;
/// Without filters the period is this many times longer.
const SPE_UNFILTERED: u64 = 16;

/// Samples a second: `events` counters run on each CPU.
pub(super) fn frequency(host: &Host, kind: Kind, events: u64, options: &PerfOptions) -> Choice {
    let cpus = u64::from(host.cpu.online);
    let (rates, budget) = match (kind, options.call_graph) {
        (Kind::Cpu, Some(CallGraph::Dwarf(_))) => (STACK_RATES, DWARF_SAMPLES),
        (Kind::Cpu, _) => (STACK_RATES, STACK_SAMPLES),
        _ => (MEMORY_RATES, MEMORY_SAMPLES),
    };
    let fits = |rate: &&u32| u64::from(**rate) * cpus * events.max(1) <= budget;
    let chosen = rates
        .iter()
        .find(fits)
        .or(rates.last())
        .copied()
        .unwrap_or(100);
    let (wanted, mut why) = match options.frequency {
        Some(rate) => (rate, format!("{rate} samples a second, as asked for")),
        None => (
            chosen,
            format!(
                "{chosen} samples a second and CPU, at most {} of {cpus} CPUs together",
                u64::from(chosen) * cpus * events.max(1)
            ),
        ),
    };
    let rate = wanted.min(host.kernel.max_rate.unwrap_or(u32::MAX)).max(1);
    if rate < wanted {
        why = format!(
            "{rate} samples a second and CPU, all that kernel.perf_event_max_sample_rate allows"
        );
    }
    Choice::new(["-F", &rate.to_string()], why)
}

/// Operations between two samples of SPE.
pub(super) fn spe_period(
    host: &Host,
    least: u64,
    filtered: bool,
    options: &PerfOptions,
) -> Result<Choice, Refusal> {
    if options.frequency.is_some() {
        return Err(Refusal::with(
            "SPE samples every so many operations, not so many times a second",
            "leave -F out, or give -c N",
        ));
    }
    if let Some(period) = options.period {
        if period < least {
            return Err(Refusal::with(
                format!(
                    "this CPU samples every {least} operations at most, {period} was asked for"
                ),
                format!("give a period of {least} or more"),
            ));
        }
        return Ok(Choice::new(
            ["-c", &period.to_string()],
            format!("a sample every {period} operations, as asked for"),
        ));
    }
    let cpus = u64::from(host.cpu.online);
    let longer = if filtered { 1 } else { SPE_UNFILTERED };
    let period = (SPE_PERIOD * cpus * longer).next_power_of_two().max(least);
    let filters = if filtered { "" } else { ", without filters" };
    Ok(Choice::new(
        ["-c", &period.to_string()],
        format!(
            "a sample every {period} operations: {cpus} CPUs{filters} fill files quickly, and collisions stay rare"
        ),
    ))
}

/// Buffers between kernel and perf, of each CPU. `aux` when the event has an
/// AUX area beside it.
pub(super) fn buffers(host: &Host, kind: Kind, aux: bool, options: &PerfOptions) -> Option<Choice> {
    /// All CPUs together, unless that is more than a sixteenth of the free memory.
    const MOST: u64 = 1 << 30;
    const LEAST: u64 = 128 << 10;
    // perf_mmap() in kernel/events/core.c: beyond perf_event_mlock_kb only with
    // CAP_IPC_LOCK or a paranoid level of -1.
    if !host.rights.lock_memory() && host.kernel.paranoid.is_none_or(|level| level > -1) {
        return None;
    }
    let cpus = u64::from(host.cpu.online);
    let most = host
        .memory_available
        .map_or(MOST, |free| MOST.min(free / 16));
    let fit = |wanted: u64| {
        let mut size = wanted;
        while size > LEAST && size * cpus > most {
            size /= 2;
        }
        size
    };
    if aux {
        let area = fit(4 << 20);
        return Some(Choice::new(
            ["-m", &format!("512K,{}", short(area))],
            format!(
                "{} of AUX area a CPU, {} in all, in which SPE writes",
                short(area),
                short(area * cpus)
            ),
        ));
    }
    let wanted = match (kind, options.call_graph) {
        (Kind::OffCpu, _) => 8 << 20,
        (_, Some(CallGraph::Dwarf(_))) => 4 << 20,
        _ => 1 << 20,
    };
    let size = fit(wanted);
    Some(Choice::new(
        ["-m", &short(size)],
        format!(
            "{} of buffer a CPU, {} in all, so that bursts are not lost",
            short(size),
            short(size * cpus)
        ),
    ))
}

/// A size as perf takes it: whole K or M.
fn short(bytes: u64) -> String {
    if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) {
        format!("{}M", bytes >> 20)
    } else {
        format!("{}K", bytes >> 10)
    }
}
