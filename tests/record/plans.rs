//! `--print` for recorded machines: the command lines that they get, and why.
//!
//! `CONTEND_BLESS=1` writes `fixtures/hosts/NAME/plan.txt` anew; then read the diff.

use crate::hosts;
use contend_record::host::Host;
use contend_record::perf::{CallGraph, Kind, PerfOptions, PerfTool, plan};
use contend_record::source::Target;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What is printed, or the one line of the refusal.
fn printed(
    host: &Host,
    tool: &PerfTool,
    kind: Kind,
    target: &Target,
    options: &PerfOptions,
) -> String {
    match plan(host, tool, kind, target, options) {
        Ok(plan) => plan.to_string(),
        Err(refusal) => {
            let line = refusal.to_string();
            assert!(!line.contains('\n'), "{line}");
            format!("contend-record: {line}\n")
        }
    }
}

fn all(host: &Host, tool: &PerfTool, kind: Kind) -> String {
    printed(host, tool, kind, &Target::All, &PerfOptions::default())
}

fn command(text: &str) -> &str {
    text.lines().next().unwrap()
}

#[test]
fn every_recorded_machine_gets_its_commands() {
    let tool = hosts::perf();
    let mut wrong = Vec::new();
    for name in hosts::names() {
        let host = hosts::host(&name);
        let mut text = String::new();
        for kind in [Kind::C2c, Kind::Spe, Kind::Cpu, Kind::OffCpu] {
            write!(
                text,
                "$ contend-record {} -a --print\n{}\n",
                kind.name(),
                all(&host, &tool, kind)
            )
            .unwrap();
        }
        let one = printed(
            &host,
            &tool,
            Kind::C2c,
            &Target::Pids(vec![4711, 4712]),
            &PerfOptions::default(),
        );
        write!(text, "$ contend-record c2c -p 4711,4712 --print\n{one}").unwrap();
        let path = hosts::fixtures().join("hosts").join(&name).join("plan.txt");
        if std::env::var_os("CONTEND_BLESS").is_some() {
            fs::write(&path, &text).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != text {
            wrong.push(format!("{name}:\n{text}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "other than in plan.txt:\n{}",
        wrong.join("\n")
    );
}

/// The events alone, so that one sees at a glance what each machine gets.
#[test]
fn events_by_machine() {
    let tool = hosts::perf();
    let expected: &[(&str, &[&str])] = &[
        ("skylake", &["cpu/mem-loads,ldlat=30/P", "cpu/mem-stores/P"]),
        (
            "sapphire-rapids",
            &[
                "{cpu/mem-loads-aux/,cpu/mem-loads,ldlat=30/}:P",
                "cpu/mem-stores/P",
            ],
        ),
        (
            "alder-lake",
            &[
                "cpu_atom/mem-loads,ldlat=30/P",
                "cpu_atom/mem-stores/P",
                "{cpu_core/mem-loads-aux/,cpu_core/mem-loads,ldlat=30/}:P",
                "cpu_core/mem-stores/P",
            ],
        ),
        ("zen4", &["ibs_op//"]),
        ("zen5", &["ibs_op//"]),
        (
            "graviton2",
            &[
                "arm_spe_0/ts_enable=1,pa_enable=1,jitter=1,load_filter=1,store_filter=1,min_latency=30/",
            ],
        ),
        (
            "graviton3",
            &[
                "arm_spe_0/ts_enable=1,pa_enable=1,jitter=1,load_filter=1,store_filter=1,min_latency=30/",
            ],
        ),
        (
            "graviton4",
            &[
                "arm_spe_0/ts_enable=1,pa_enable=1,jitter=1,load_filter=1,store_filter=1,min_latency=30/",
            ],
        ),
        (
            "altra",
            &[
                "arm_spe_0/ts_enable=1,pa_enable=1,jitter=1,load_filter=1,store_filter=1,min_latency=30/",
            ],
        ),
        (
            "ampere-one",
            &[
                "arm_spe_0/ts_enable=1,pa_enable=1,jitter=1,load_filter=1,store_filter=1,min_latency=30/",
            ],
        ),
        (
            "arm-two-kinds",
            &[
                "arm_spe_0/ts_enable=1,pa_enable=1,jitter=1,load_filter=1,store_filter=1,min_latency=30/",
                "arm_spe_1/ts_enable=1,pa_enable=1,jitter=1,load_filter=1,store_filter=1,min_latency=30/",
            ],
        ),
        ("power9", &["cpu/mem-loads/", "cpu/mem-stores/"]),
    ];
    for (name, events) in expected {
        let plan = plan(
            &hosts::host(name),
            &tool,
            Kind::C2c,
            &Target::All,
            &PerfOptions::default(),
        )
        .unwrap();
        let argv = plan.argv();
        let given: Vec<&str> = argv
            .windows(2)
            .filter(|pair| pair[0] == "-e")
            .map(|pair| pair[1].as_str())
            .collect();
        assert_eq!(&given, events, "{name}");
    }
}

#[test]
fn refusals_say_why_and_what_to_do() {
    let tool = hosts::perf();
    let refused = |name: &str, kind| {
        let text = all(&hosts::host(name), &tool, kind);
        assert!(
            text.starts_with("contend-record: "),
            "{name} is not refused: {text}"
        );
        text
    };
    let zen3 = refused("zen3", Kind::C2c);
    assert!(
        zen3.contains("Zen 3") && zen3.contains("CacheHitSt"),
        "{zen3}"
    );
    let vm = refused("zen4-vm", Kind::C2c);
    assert!(
        vm.contains("virtual machine") && vm.contains("metal"),
        "{vm}"
    );
    let spe = refused("zen4-vm", Kind::Spe);
    assert!(spe.contains("Arm") && spe.contains("c2c"), "{spe}");
    let guest = refused("graviton3-vm", Kind::C2c);
    assert!(
        guest.contains("Amazon EC2") && guest.contains(".metal"),
        "{guest}"
    );
    let kpti = refused("altra-kpti", Kind::Spe);
    assert!(kpti.contains("kpti=off"), "{kpti}");
}

#[test]
fn a_driver_that_is_not_loaded_is_loaded() {
    let host = hosts::changed(
        "altra-kpti",
        &[(
            "sys/devices/system/cpu/vulnerabilities/meltdown",
            "Not affected\n",
        )],
    );
    let text = all(&host, &hosts::perf(), Kind::Spe);
    assert!(
        text.contains("modprobe arm_spe_pmu") && !text.contains("kpti"),
        "{text}"
    );
}

#[test]
fn tracepoints_that_cannot_be_read() {
    let id = ("sys/kernel/tracing/events/sched/sched_switch/id", "");
    let absent = hosts::changed("skylake", &[id]);
    let text = all(&absent, &hosts::perf(), Kind::OffCpu);
    assert!(text.contains("`mount -t tracefs"), "{text}");
    let mounts = (
        "proc/mounts",
        "tracefs /sys/kernel/tracing tracefs rw,nosuid 0 0\n",
    );
    let closed = hosts::changed("skylake", &[id, mounts]);
    let text = all(&closed, &hosts::perf(), Kind::OffCpu);
    assert!(text.contains("remount,mode=755"), "{text}");
}

/// Bits of `CapEff`: none, and CAP_PERFMON alone.
const NO_RIGHTS: (&str, &str) = ("proc/self/status", "CapEff:\t0000000000000000\n");
const PERFMON: (&str, &str) = ("proc/self/status", "CapEff:\t0000004000000000\n");
const PARANOID: &str = "proc/sys/kernel/perf_event_paranoid";

#[test]
fn without_privilege() {
    let tool = hosts::perf();
    let own = Target::Pids(vec![]);
    let default = PerfOptions::default();

    // The kernel and other users' processes are out of reach.
    let host = hosts::changed("skylake", &[NO_RIGHTS, (PARANOID, "2\n")]);
    let text = printed(&host, &tool, Kind::C2c, &own, &default);
    let command_line = command(&text);
    assert!(
        command_line.contains("cpu/mem-loads,ldlat=30/Pu") && command_line.contains("-p PID"),
        "{text}"
    );
    assert!(
        !command_line.contains("--phys-data") && !command_line.contains(" -m "),
        "{text}"
    );
    let everyone = all(&host, &tool, Kind::Cpu);
    assert!(
        everyone.contains("kernel.perf_event_paranoid of 0, it is 2"),
        "{everyone}"
    );
    let offcpu = printed(&host, &tool, Kind::OffCpu, &own, &default);
    assert!(offcpu.contains("tracepoints"), "{offcpu}");

    // Debian's 3 and Ubuntu's 4 close perf to all but root.
    let closed = hosts::changed("skylake", &[NO_RIGHTS, (PARANOID, "3\n")]);
    let text = printed(&closed, &tool, Kind::Cpu, &own, &default);
    assert!(text.contains("is 3: only root"), "{text}");
    let granted = hosts::changed("skylake", &[PERFMON, (PARANOID, "3\n")]);
    assert!(all(&granted, &tool, Kind::C2c).contains("--phys-data"));

    // IBS samples the kernel too, unless software filters it.
    let zen4 = hosts::changed("zen4", &[NO_RIGHTS, (PARANOID, "2\n")]);
    let text = printed(&zen4, &tool, Kind::C2c, &own, &default);
    assert!(
        text.starts_with("contend-record: IBS cannot leave the kernel out"),
        "{text}"
    );
    let zen5 = hosts::changed("zen5", &[NO_RIGHTS, (PARANOID, "2\n")]);
    assert!(printed(&zen5, &tool, Kind::C2c, &own, &default).contains("ibs_op/swfilt=1/u"));

    // SPE keeps physical addresses for the privileged.
    let arm = hosts::changed("graviton3", &[NO_RIGHTS, (PARANOID, "2\n")]);
    let text = printed(&arm, &tool, Kind::C2c, &own, &default);
    assert!(
        !command(&text).contains("pa_enable") && command(&text).contains("/u "),
        "{text}"
    );

    let none = hosts::changed("skylake", &[(PARANOID, "")]);
    assert!(all(&none, &tool, Kind::Cpu).contains("no perf events"));
}

#[test]
fn amd_kernels() {
    let tool = hosts::perf();
    let release = "proc/sys/kernel/osrelease";
    let old = hosts::changed("zen4", &[(release, "5.15.0-91-generic\n")]);
    assert!(all(&old, &tool, Kind::C2c).contains("use Linux 6.1 or later"));
    let rhel = hosts::changed("zen4", &[(release, "5.14.0-503.el9.x86_64\n")]);
    let text = all(&rhel, &tool, Kind::C2c);
    assert!(
        text.contains("ibs_op//") && text.contains("may or may not"),
        "{text}"
    );

    // Before 6.2 IBS cannot follow a process.
    let debian = hosts::changed("zen4", &[(release, "6.1.0-18-amd64\n")]);
    let pids = Target::Pids(vec![1]);
    let text = printed(&debian, &tool, Kind::C2c, &pids, &PerfOptions::default());
    assert!(
        command(&text).contains(" -a ") && text.contains("contend c2c --pid"),
        "{text}"
    );
    let text = printed(
        &hosts::host("zen4"),
        &tool,
        Kind::C2c,
        &pids,
        &PerfOptions::default(),
    );
    assert!(command(&text).contains(" -p 1 "), "{text}");
}

#[test]
fn latency_thresholds() {
    let tool = hosts::perf();
    let with = |name: &str, ldlat| {
        let options = PerfOptions {
            ldlat: Some(ldlat),
            ..PerfOptions::default()
        };
        printed(&hosts::host(name), &tool, Kind::C2c, &Target::All, &options)
    };
    assert!(command(&with("skylake", 100)).contains("cpu/mem-loads,ldlat=100/P"));
    assert!(command(&with("graviton3", 100)).contains("min_latency=100/"));
    let zen5 = with("zen5", 200);
    assert!(
        command(&zen5).contains("ibs_op/ldlat=200/") && zen5.contains("no stores"),
        "{zen5}"
    );
    assert!(with("zen5", 30).contains("128 to 2048"));
    assert!(with("zen4", 200).contains("Zen 5"));
    assert!(with("power9", 30).contains("leave --ldlat out"));
    assert!(with("graviton3", 5000).contains("4095 cycles at most"));
}

#[test]
fn stacks_rates_and_periods_as_asked_for() {
    let tool = hosts::perf();
    let with = |name: &str, kind, options: &PerfOptions| {
        printed(&hosts::host(name), &tool, kind, &Target::All, options)
    };
    let dwarf = PerfOptions {
        call_graph: Some(CallGraph::Dwarf(8192)),
        ..PerfOptions::default()
    };
    let text = with("skylake", Kind::Cpu, &dwarf);
    assert!(
        command(&text).contains("--call-graph dwarf,8192") && command(&text).contains("-F 49 "),
        "{text}"
    );
    let lbr = PerfOptions {
        call_graph: Some(CallGraph::Lbr),
        ..PerfOptions::default()
    };
    assert!(command(&with("skylake", Kind::C2c, &lbr)).contains("--call-graph lbr"));
    assert!(with("zen4", Kind::Cpu, &lbr).contains("use --call-graph fp or dwarf"));
    let fast = PerfOptions {
        frequency: Some(1_000_000),
        ..PerfOptions::default()
    };
    let text = with("skylake", Kind::Cpu, &fast);
    assert!(
        command(&text).contains("-F 100000 ") && text.contains("perf_event_max_sample_rate"),
        "{text}"
    );
    let often = PerfOptions {
        period: Some(512),
        ..PerfOptions::default()
    };
    assert!(with("graviton3", Kind::Spe, &often).contains("every 1024 operations at most"));
    let seldom = PerfOptions {
        period: Some(1 << 20),
        ..PerfOptions::default()
    };
    assert!(command(&with("graviton3", Kind::Spe, &seldom)).contains("-c 1048576 "));
    assert!(command(&with("zen4", Kind::C2c, &seldom)).contains("-c 1048576 "));
    // SPE counts operations, whoever asks for it.
    for kind in [Kind::Spe, Kind::C2c] {
        assert!(with("graviton3", kind, &fast).contains("leave -F out"));
    }
}

/// What a perf of 2019 does not know is not asked of it.
#[test]
fn older_perf() {
    let [_, build, help] = hosts::perf_texts();
    let newer = [
        "--control",
        "--buildid-mmap",
        "--max-size",
        "--exclude-perf",
        "--off-cpu",
    ];
    let help: String = help
        .lines()
        .filter(|line| !newer.iter().any(|option| line.contains(option)))
        .fold(String::new(), |text, line| text + line + "\n");
    let tool = PerfTool::from_texts(
        Path::new("/opt/perf 5.4/perf"),
        "perf version 5.4.0\n",
        &build.replace("zstd: [ on  ]", "zstd: [ OFF ]"),
        &help,
    )
    .unwrap();
    let text = all(&hosts::host("skylake"), &tool, Kind::C2c);
    let line = command(&text);
    assert!(
        line.starts_with("'/opt/perf 5.4/perf' record -a "),
        "{line}"
    );
    assert!(
        line.contains("--buildid-all -N")
            && !line.contains("-z")
            && !line.contains("--buildid-mmap"),
        "{line}"
    );

    // No build-ids in mappings before Linux 5.12, whatever perf knows.
    let kernel = hosts::changed(
        "skylake",
        &[("proc/sys/kernel/osrelease", "5.10.0-28-amd64\n")],
    );
    assert!(all(&kernel, &hosts::perf(), Kind::C2c).contains("--buildid-all -N"));
}

#[test]
fn perf_that_cannot_be_used() {
    let [version, build, help] = hosts::perf_texts();
    let path = Path::new("/usr/bin/perf");
    let tool = hosts::perf();
    assert!(tool.has("switch-events") && tool.has("buildid-mmap") && tool.built_with("zstd"));
    assert!(
        !tool.has("off-cpu"),
        "Debian's perf 6.1 lists it and does not have it"
    );
    assert!(!tool.built_with("debuginfod"));
    let old = PerfTool::from_texts(path, "perf version 3.10.0-1160.el7.x86_64", &build, &help)
        .unwrap_err();
    assert!(old.to_string().contains("too old"), "{old}");
    let wrapper = "WARNING: perf not found for kernel 6.8.0-31\n\n  You may need to install the following packages\n";
    let missing = PerfTool::from_texts(path, wrapper, "", "").unwrap_err();
    assert!(
        missing.to_string().contains("perf not found for kernel"),
        "{missing}"
    );
    assert!(version.contains("6.1"));
    let absent = PerfTool::find(Some(Path::new("/nowhere/perf"))).unwrap_err();
    assert!(
        absent.to_string().contains("/nowhere/perf") && !absent.to_string().contains('\n'),
        "{absent}"
    );
}
