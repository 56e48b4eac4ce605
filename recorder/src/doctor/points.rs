//! The points that the commands depend on.

use super::{Finding, Probes, refused};
use crate::host::{Host, Lockdown, Machine, Reach, Vendor, Version};
use crate::perf::PerfTool;
use crate::refusal::Refusal;

/// Commands that run perf.
const BY_PERF: &[&str] = &["c2c", "spe", "cpu"];
const KPTI_OFF: &str = "boot with kpti=off where untrusted code does not run";
const ALL: &[&str] = &["c2c", "spe", "cpu", "offcpu"];

pub(super) fn all(host: &Host, tool: Result<&PerfTool, &Refusal>, probes: &Probes) -> Vec<Finding> {
    let mut points = vec![
        machine(host),
        memory_unit(host),
        counters(host),
        perf(tool),
        permission(host),
    ];
    points.extend([
        btf(host),
        bpf(host, probes),
        tracepoints(host),
        lockdown(host),
    ]);
    points.extend([kernel_addresses(host), processes(host)]);
    points.extend(page_tables(host));
    points.extend(container(host));
    points.extend(open_files(host));
    points.extend(space(probes));
    points
}

fn machine(host: &Host) -> Finding {
    let kind = match &host.machine {
        Machine::Metal => "metal".to_owned(),
        Machine::Virtual(name) => format!("a virtual machine ({name})"),
    };
    let nodes = match host.nodes.len() {
        0 | 1 => String::new(),
        count => format!(", {count} nodes"),
    };
    Finding::ok(
        "machine",
        format!(
            "{}, {} CPUs{nodes}, {kind}, Linux {}",
            host.cpu.name, host.cpu.online, host.kernel.release
        ),
    )
}

/// PEBS, IBS, SPE.
fn memory_unit(host: &Host) -> Finding {
    const SUBJECT: &str = "memory samples";
    let terms = |name: &str, all: &[&str]| {
        let pmu = host.pmu(name);
        let has: Vec<&str> = all
            .iter()
            .copied()
            .filter(|term| pmu.is_some_and(|pmu| pmu.takes(term)))
            .collect();
        if has.is_empty() {
            String::new()
        } else {
            format!(" with {}", has.join(", "))
        }
    };
    let with_loads: Vec<&str> = host
        .core_pmus()
        .into_iter()
        .filter(|pmu| pmu.has_event("mem-loads"))
        .map(|pmu| pmu.name.as_str())
        .collect();
    let spe: Vec<&str> = host
        .spe_pmus()
        .into_iter()
        .map(|pmu| pmu.name.as_str())
        .collect();
    if host.pmu("ibs_op").is_some() {
        return Finding::ok(
            SUBJECT,
            format!(
                "AMD IBS (ibs_op{})",
                terms("ibs_op", &["l3missonly", "ldlat", "swfilt"])
            ),
        );
    }
    if !spe.is_empty() {
        return Finding::ok(SUBJECT, format!("Arm SPE ({})", spe.join(", ")));
    }
    if !with_loads.is_empty() {
        let name = if host.cpu.vendor == Vendor::Intel {
            "Intel PEBS"
        } else {
            "marked loads"
        };
        return Finding::ok(SUBJECT, format!("{name} ({})", with_loads.join(", ")));
    }
    let wanted = match host.cpu.vendor {
        Vendor::Intel => "no PEBS: no mem-loads event",
        Vendor::Amd | Vendor::Hygon => "no IBS: no ibs_op unit",
        Vendor::Arm => "no SPE: no arm_spe unit",
        _ => "no event for memory accesses",
    };
    let finding = Finding::failed(
        SUBJECT,
        format!("{wanted} in /sys/bus/event_source/devices"),
    );
    let finding = finding.means(&["c2c"], "not possible here");
    match (&host.machine, &host.cpu.vendor) {
        (Machine::Virtual(_), _) => {
            finding.todo("record on metal (a .metal instance, or the host itself)")
        }
        (_, Vendor::Arm) => {
            finding
                .means(&["spe"], "not possible here")
                .todo(if host.kernel.kpti {
                    KPTI_OFF
                } else {
                    "`modprobe arm_spe_pmu`"
                })
        }
        _ => finding,
    }
}

fn counters(host: &Host) -> Finding {
    let names: Vec<&str> = host
        .core_pmus()
        .into_iter()
        .map(|pmu| pmu.name.as_str())
        .collect();
    if names.is_empty() {
        return Finding::limited(
            "counters",
            "no unit of the cores in /sys/bus/event_source/devices",
        )
        .means(
            &["cpu"],
            "samples by timer: code that runs with interrupts off shows where they go on again",
        )
        .todo("give the virtual machine a PMU, or record on metal");
    }
    Finding::ok("counters", names.join(", "))
}

fn perf(tool: Result<&PerfTool, &Refusal>) -> Finding {
    let tool = match tool {
        Ok(tool) => tool,
        Err(refusal) => {
            return refused("perf", refusal.clone()).means(BY_PERF, "not possible without perf");
        }
    };
    let abilities = [
        (tool.built_with("zstd"), "zstd"),
        (tool.has("buildid-mmap"), "build-ids in mappings"),
        (tool.has("switch-events"), "switch events"),
        (tool.has("control"), "control pipe"),
        (tool.has("off-cpu"), "off-cpu"),
    ];
    let list = |wanted: bool| -> Vec<&str> {
        abilities
            .iter()
            .filter(|ability| ability.0 == wanted)
            .map(|ability| ability.1)
            .collect()
    };
    let mut found = format!(
        "{} {}: {}",
        tool.path.display(),
        tool.version_text,
        list(true).join(", ")
    );
    let absent = list(false);
    if !absent.is_empty() {
        found += &format!("; without {}", absent.join(", "));
    }
    // 5.12 is the first with build-ids in mappings and with retire and instruction latency.
    if tool.version < Version(5, 12) {
        return Finding::limited("perf", found)
            .means(
                &["c2c"],
                "one latency a sample, and build-ids in a second pass at the end",
            )
            .todo("use perf 5.12 or later with --perf PATH; any perf works with any kernel");
    }
    Finding::ok("perf", found)
}

fn permission(host: &Host) -> Finding {
    const SUBJECT: &str = "perf permission";
    let Some(level) = host.kernel.paranoid else {
        return Finding::failed(SUBJECT, "no /proc/sys/kernel/perf_event_paranoid: the kernel has no perf events, or this container hides them")
            .means(BY_PERF, "not possible here")
            .todo("run outside of the container, or on a kernel with CONFIG_PERF_EVENTS");
    };
    if host.rights.perfmon() {
        return Finding::ok(
            SUBJECT,
            format!("all events by capability (kernel.perf_event_paranoid is {level})"),
        );
    }
    let found = format!("no CAP_PERFMON, kernel.perf_event_paranoid is {level}");
    if !host.may_record(Reach::Own) {
        return Finding::failed(SUBJECT, found)
            .means(BY_PERF, "not allowed")
            .todo("run as root or with CAP_PERFMON");
    }
    if host.may_record(Reach::AllCpus) {
        return Finding::ok(SUBJECT, found);
    }
    Finding::limited(SUBJECT, found)
        .means(
            BY_PERF,
            if host.may_record(Reach::Kernel) {
                "own processes only"
            } else {
                "own processes only, without the kernel"
            },
        )
        .todo("run as root or with CAP_PERFMON")
}

fn btf(host: &Host) -> Finding {
    if !host.kernel.btf {
        return Finding::failed("BTF", "no /sys/kernel/btf/vmlinux")
            .means(&["offcpu"], "no BPF collector")
            .todo("use a kernel with CONFIG_DEBUG_INFO_BTF");
    }
    if !host.kernel.btf_sched_switch {
        return Finding::failed(
            "BTF",
            "the kernel's types do not have the tracepoint sched_switch (tp_btf)",
        )
        .means(&["offcpu"], "no BPF collector")
        .todo("use Linux 5.8 or later with CONFIG_DEBUG_INFO_BTF");
    }
    Finding::ok(
        "BTF",
        "the kernel's types, with the tracepoint sched_switch (tp_btf)",
    )
}

fn bpf(host: &Host, probes: &Probes) -> Finding {
    let without =
        |found: String| Finding::failed("BPF", found).means(&["offcpu"], "no BPF collector");
    if host.kernel.version < Version(5, 8) {
        return without(format!(
            "Linux {} has no ring buffer for BPF",
            host.kernel.release
        ))
        .todo("use Linux 5.8 or later");
    }
    match &probes.bpf {
        Some(Ok(())) => Finding::ok("BPF", "a program was loaded"),
        Some(Err(why)) => without(format!("a program was not loaded: {why}"))
            .todo("run as root, or with CAP_BPF and CAP_PERFMON"),
        None if host.rights.bpf() => Finding::ok("BPF", "allowed by capability; not tried"),
        None => without("neither root nor CAP_BPF with CAP_PERFMON".into())
            .todo("run as root, or with CAP_BPF and CAP_PERFMON"),
    }
}

fn tracepoints(host: &Host) -> Finding {
    const SUBJECT: &str = "tracepoints";
    if host.kernel.sched_tracepoints && host.may_record(Reach::Tracepoints) {
        return Finding::ok(SUBJECT, "sched:sched_switch can be read");
    }
    let (found, todo) = if host.may_record(Reach::Tracepoints) {
        (
            "sched:sched_switch cannot be read below /sys/kernel/tracing",
            host.kernel.open_tracepoints(),
        )
    } else {
        (
            "only root may record tracepoints",
            "run as root or with CAP_PERFMON",
        )
    };
    // `means` stays empty for offcpu: this is what stands in for BPF, no part of it.
    Finding::limited(SUBJECT, format!("{found}: nothing stands in for BPF")).todo(todo)
}

fn lockdown(host: &Host) -> Finding {
    match host.kernel.lockdown {
        Lockdown::None => Finding::ok("lockdown", "none"),
        Lockdown::Integrity => Finding::ok("lockdown", "integrity: reading the kernel is allowed"),
        Lockdown::Confidentiality => Finding::failed(
            "lockdown",
            "confidentiality: the kernel's memory may not be read",
        )
        .means(&["offcpu"], "no BPF collector, and no tracepoints")
        .todo("boot with lockdown=integrity, which secure boot allows"),
    }
}

fn kernel_addresses(host: &Host) -> Finding {
    const SUBJECT: &str = "kernel addresses";
    let level = host.kernel.kptr_restrict.unwrap_or(0);
    let may = match level {
        0 => host.may_record(Reach::Kernel) || host.rights.kernel_addresses(),
        1 => host.rights.kernel_addresses(),
        _ => false,
    };
    if may {
        return Finding::ok(SUBJECT, format!("shown (kernel.kptr_restrict is {level})"));
    }
    let finding = Finding::limited(SUBJECT, format!("hidden (kernel.kptr_restrict is {level})"))
        .means(ALL, "functions of the kernel have no names");
    match level {
        2.. => finding.todo("`sysctl kernel.kptr_restrict=1`, and run as root"),
        _ => finding.todo("run as root or with CAP_SYSLOG"),
    }
}

fn processes(host: &Host) -> Finding {
    if host.rights.read_processes() {
        return Finding::ok("other processes", "their mappings and binaries can be read");
    }
    Finding::limited(
        "other processes",
        "no CAP_SYS_PTRACE: mappings and binaries of other users are out of reach",
    )
    .means(ALL, "processes of other users have no names of functions")
    .todo("run as root or with CAP_SYS_PTRACE")
}

/// Kernel page-table isolation matters where SPE writes into a buffer of the kernel.
fn page_tables(host: &Host) -> Option<Finding> {
    if host.cpu.vendor != Vendor::Arm {
        return None;
    }
    if !host.kernel.kpti {
        return Some(Finding::ok(
            "kpti",
            "kernel page tables are not isolated: SPE may work",
        ));
    }
    Some(
        Finding::failed(
            "kpti",
            "kernel page tables are isolated: SPE's buffer is out of reach in user space",
        )
        .means(&["c2c", "spe"], "SPE does not start")
        .todo(KPTI_OFF),
    )
}

fn container(host: &Host) -> Option<Finding> {
    if host.own_pids {
        return Some(
            Finding::failed("container", "process numbers are this container's own")
                .means(
                    &["offcpu"],
                    "no BPF collector: it sees the numbers of the host",
                )
                .todo("run on the host, or with the host's numbers (--pid=host)"),
        );
    }
    let name = host.container.as_ref()?;
    Some(
        Finding::limited("container", name.clone())
            .means(ALL, "binaries of processes outside of it are not packed")
            .todo("run on the host for whole captures"),
    )
}

/// perf opens each event for each thread on each CPU when it records by process.
fn open_files(host: &Host) -> Option<Finding> {
    let most = host.rights.open_files?;
    let cpus = u64::from(host.cpu.online);
    // Three events, and as many files again for other things.
    let threads = most / (cpus * 3 + 1);
    let found = format!("at most {most}: -p works for about {threads} threads on {cpus} CPUs");
    if threads >= 64 {
        return Some(Finding::ok("open files", found));
    }
    Some(
        Finding::limited("open files", found)
            .means(BY_PERF, "processes with more threads only with -a")
            .todo("raise the hard limit (`ulimit -Hn`), or record with -a"),
    )
}

fn space(probes: &Probes) -> Option<Finding> {
    /// A minute of memory samples as fast as they are planned.
    const ENOUGH: u64 = 1200 << 20;
    let free = probes.free_bytes?;
    let found = format!("{} MB where captures go", free / 1_000_000);
    if free >= ENOUGH {
        return Some(Finding::ok("free space", found));
    }
    Some(
        Finding::limited("free space", found)
            .means(
                ALL,
                "captures may end early: memory samples take up to 20 MB/s",
            )
            .todo("record into another folder with -o, or for a shorter time"),
    )
}
