//! How something is recorded on a machine: its plan.

use super::events::{self, Events, Sampling};
use super::plan::{CallGraph, Choice, Kind, PerfOptions, Plan};
use super::rate;
use super::tool::PerfTool;
use crate::host::{Host, Reach, Vendor, Version};
use crate::refusal::Refusal;
use crate::source::Target;

/// Decides how `kind` is recorded on this machine with this perf.
///
/// An empty list of processes stands for one that is not started yet; the plan
/// then prints `PID` in its place.
///
/// # Errors
/// When it cannot be recorded here: why, and what to do.
pub fn plan(
    host: &Host,
    tool: &PerfTool,
    kind: Kind,
    target: &Target,
    options: &PerfOptions,
) -> Result<Plan, Refusal> {
    let events = events::choose(host, tool, kind, target, options)?;
    permitted(host, target, &events)?;
    let Events {
        choices,
        counters,
        sampling,
        aux,
        whole_cpus,
        mut notes,
    } = events;
    let memory = matches!(kind, Kind::C2c | Kind::Spe);

    let mut parts = vec![whom(target, whole_cpus)];
    parts.extend(choices);
    match sampling {
        Sampling::Frequency if options.period.is_some() && memory => {
            let period = options.period.unwrap_or_default().to_string();
            parts.push(Choice::new(
                ["-c", &period],
                format!("a sample every {period} events, as asked for"),
            ));
        }
        Sampling::Frequency => parts.push(rate::frequency(host, kind, counters, options)),
        Sampling::Period { least, filtered } => {
            parts.push(rate::spe_period(host, least, filtered, options)?)
        }
        Sampling::Each => {}
    }
    if memory {
        parts.extend(memory_fields(host, aux));
    }
    if kind == Kind::OffCpu {
        parts.push(Choice::new(
            ["--switch-events"],
            "each thread's switches in and out as well: tracepoints alone can miss switches from idle",
        ));
    }
    parts.extend(stacks(host, kind, aux, options, &mut notes)?);
    parts.push(build_ids(host, tool));
    if aux {
        notes.push(
            "times stand on perf's own clock: AUX data is converted to it and to no other".into(),
        );
    } else {
        parts.push(Choice::new(
            ["-k", "mono"],
            "CLOCK_MONOTONIC, so that all sources share one time line",
        ));
    }
    if !aux && tool.built_with("zstd") && tool.has("compression-level") {
        parts.push(Choice::new(["-z"], "compressed as it is written"));
    }
    parts.extend(rate::buffers(host, kind, aux, options));
    if kind == Kind::OffCpu && *target == Target::All && tool.has("exclude-perf") {
        parts.push(Choice::new(
            ["--exclude-perf"],
            "perf's own switches would feed on themselves",
        ));
    }
    if let Some(bytes) = options.max_bytes.filter(|_| tool.has("max-size")) {
        let size = format!("{}M", (bytes >> 20).max(1));
        parts.push(Choice::new(
            ["--max-size", &size],
            "recording ends before the disk is full",
        ));
    }
    Ok(Plan {
        kind,
        perf: tool.path.clone(),
        target: target.clone(),
        choices: parts,
        notes,
        control: tool.has("control"),
    })
}

/// Whether this process may open these events at all.
fn permitted(host: &Host, target: &Target, events: &Events) -> Result<(), Refusal> {
    let Some(level) = host.kernel.paranoid else {
        return Err(Refusal::with(
            "this kernel has no perf events (/proc/sys/kernel/perf_event_paranoid is not there)",
            "use a kernel with CONFIG_PERF_EVENTS, or run outside of the container that hides it",
        ));
    };
    if !host.may_record(Reach::Own) {
        return Err(Refusal::with(
            format!("kernel.perf_event_paranoid is {level}: only root may record"),
            "run as root, or give contend-record and perf CAP_PERFMON",
        ));
    }
    if (*target == Target::All || events.whole_cpus) && !host.may_record(Reach::AllCpus) {
        let who = if events.whole_cpus {
            "this event records whole CPUs, which"
        } else {
            "recording all processes"
        };
        return Err(Refusal::with(
            format!(
                "{who} needs root, CAP_PERFMON or a kernel.perf_event_paranoid of 0, it is {level}"
            ),
            if events.whole_cpus {
                "run as root"
            } else {
                "run as root, or record your own program with -p PID or -- COMMAND"
            },
        ));
    }
    Ok(())
}

fn whom(target: &Target, whole_cpus: bool) -> Choice {
    match target {
        Target::All => Choice::new(["-a"], "every process"),
        Target::Pids(_) if whole_cpus => Choice::new(
            ["-a"],
            "every process: before Linux 6.2 IBS records whole CPUs only",
        ),
        Target::Pids(pids) if pids.is_empty() => Choice::new(
            ["-p", "PID"],
            "the program, once it is started, with what it starts",
        ),
        Target::Pids(pids) => {
            let list: Vec<String> = pids.iter().map(u32::to_string).collect();
            Choice::new(
                ["-p", &list.join(",")],
                "these processes with all threads, and what they start",
            )
        }
    }
}

/// What a sample of memory must hold beside the usual.
fn memory_fields(host: &Host, aux: bool) -> Vec<Choice> {
    let mut fields = vec![Choice::new(
        ["-d"],
        "the data address, and mappings of data beside those of code",
    )];
    if aux {
        return fields;
    }
    fields.push(Choice::new(["-W"], "latency in cycles"));
    if host.may_record(Reach::Kernel) {
        fields.push(Choice::new(
            ["--phys-data"],
            "the physical address: one line in several processes is one line, and nodes are known",
        ));
    }
    fields.push(Choice::new(
        ["--sample-cpu"],
        "which CPU, also when only some processes are recorded",
    ));
    fields
}

fn stacks(
    host: &Host,
    kind: Kind,
    aux: bool,
    options: &PerfOptions,
    notes: &mut Vec<String>,
) -> Result<Option<Choice>, Refusal> {
    let memory = matches!(kind, Kind::C2c | Kind::Spe);
    let chosen = options.call_graph.unwrap_or(if memory {
        CallGraph::None
    } else {
        CallGraph::Fp
    });
    if aux && chosen != CallGraph::None {
        notes.push("SPE takes no stacks: --call-graph is left out".into());
        return Ok(None);
    }
    Ok(match chosen {
        CallGraph::None => None,
        CallGraph::Fp => Some(Choice::new(
            ["--call-graph", "fp"],
            "stacks by frame pointers, cheap; code without them needs --call-graph dwarf",
        )),
        CallGraph::Dwarf(bytes) => Some(Choice::new(
            ["--call-graph", &format!("dwarf,{bytes}")],
            format!("registers and {bytes} bytes of stack a sample, unwound when analyzed"),
        )),
        CallGraph::Lbr
            if host.cpu.vendor == Vendor::Intel
                && host
                    .core_pmus()
                    .iter()
                    .any(|pmu| pmu.caps.contains_key("branches")) =>
        {
            Some(Choice::new(
                ["--call-graph", "lbr"],
                "stacks by the last-branch records of the CPU",
            ))
        }
        CallGraph::Lbr => {
            return Err(Refusal::with(
                format!(
                    "{} has no last-branch records for stacks here",
                    host.cpu.name
                ),
                "use --call-graph fp or dwarf",
            ));
        }
    })
}

/// Binaries that only data addresses lie in must have their build-ids too: `perf
/// record` by itself notes those of binaries that samples' code lies in.
fn build_ids(host: &Host, tool: &PerfTool) -> Choice {
    // PERF_RECORD_MISC_MMAP_BUILD_ID came with Linux 5.12, in the kernel and in perf.
    if tool.has("buildid-mmap")
        && (host.kernel.version >= Version(5, 12) || host.kernel.is_backported())
    {
        Choice::new(["--buildid-mmap"], "each mapping carries its build-id: also libraries that only data lies in, and no second pass at the end")
            .or(["--buildid-all", "-N"], "build-ids of all mapped files, read at the end")
    } else {
        Choice::new(
            ["--buildid-all", "-N"],
            "build-ids of all mapped files, also of those that only data lies in; nothing is copied to ~/.debug",
        )
    }
}
