//! `--print` for recorded machines: the command lines that they get, and why.
//!
//! `CONTEND_BLESS=1` writes `fixtures/hosts/NAME/plan.txt` anew; then read the diff.

mod rights;
mod versions;

use crate::hosts;
use contend_record::host::Host;
use contend_record::perf::{CallGraph, Kind, PerfOptions, PerfTool, plan};
use contend_record::source::Target;
use std::fmt::Write as _;
use std::fs;

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
