//! `doctor` on recorded machines.
//!
//! `CONTEND_BLESS=1` writes `fixtures/hosts/NAME/doctor.txt` anew; then read the diff.

use crate::hosts;
use contend_record::doctor::{Finding, Probes, State, examine, json, text};
use contend_record::host::Host;
use contend_record::perf::PerfTool;
use contend_record::refusal::Refusal;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// As if the collector had been tried and worked, with 100 GB of room.
fn works() -> Probes {
    Probes {
        bpf: Some(Ok(())),
        free_bytes: Some(100_000_000_000),
    }
}

fn found<'a>(findings: &'a [Finding], subject: &str) -> &'a Finding {
    findings
        .iter()
        .find(|finding| finding.subject == subject)
        .unwrap_or_else(|| panic!("no {subject}: {findings:#?}"))
}

fn of(host: &Host, probes: &Probes) -> Vec<Finding> {
    examine(host, Ok(&hosts::perf()), probes)
}

#[test]
fn every_recorded_machine_is_examined() {
    let mut wrong = Vec::new();
    for name in hosts::names() {
        let shown = text(&of(&hosts::host(&name), &works()));
        let path = hosts::fixtures()
            .join("hosts")
            .join(&name)
            .join("doctor.txt");
        if std::env::var_os("CONTEND_BLESS").is_some() {
            fs::write(&path, &shown).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != shown {
            wrong.push(format!("{name}:\n{shown}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "other than in doctor.txt:\n{}",
        wrong.join("\n")
    );
}

/// What fails has something to do beside it, and says which command it costs.
#[test]
fn each_failed_point_has_the_one_thing_to_do() {
    let absent = Refusal::with("perf is not installed", "install it");
    for name in hosts::names() {
        let host = hosts::changed(
            &name,
            &[
                ("proc/self/status", "CapEff:\t0000000000000000\n"),
                ("proc/sys/kernel/perf_event_paranoid", "3\n"),
                ("proc/sys/kernel/kptr_restrict", "2\n"),
                (
                    "sys/kernel/security/lockdown",
                    "none integrity [confidentiality]\n",
                ),
                ("sys/kernel/btf/vmlinux", ""),
                ("sys/kernel/tracing/events/sched/sched_switch/id", ""),
                (".dockerenv", "\n"),
            ],
        );
        let probes = Probes {
            bpf: Some(Err("Operation not permitted (os error 1)".into())),
            free_bytes: Some(5_000_000),
        };
        let findings = examine(&host, Err(&absent), &probes);
        for subject in [
            "c2c",
            "spe",
            "offcpu",
            "cpu",
            "perf",
            "perf permission",
            "BTF",
            "BPF",
            "lockdown",
        ] {
            assert_eq!(
                found(&findings, subject).state,
                State::Failed,
                "{name}: {subject}"
            );
        }
        for subject in [
            "kernel addresses",
            "container",
            "free space",
            "other processes",
            "tracepoints",
        ] {
            assert_eq!(
                found(&findings, subject).state,
                State::Limited,
                "{name}: {subject}"
            );
        }
        let commands = ["c2c", "spe", "offcpu", "cpu"];
        for finding in findings.iter().filter(|finding| finding.state != State::Ok) {
            let told = finding.todo.is_some() || host.pmus.iter().all(|pmu| pmu.name == "msr");
            assert!(told, "{name}: nothing to do for {finding:?}");
            assert!(!finding.found.contains('\n'), "{finding:?}");
            let explained = commands.contains(&finding.subject)
                || !finding.means.is_empty()
                || finding.subject == "tracepoints";
            assert!(explained, "{name}: {finding:?} does not say what it costs");
        }
    }
}

#[test]
fn off_cpu_falls_back_and_says_so() {
    let host = hosts::host("skylake");
    assert_eq!(found(&of(&host, &works()), "offcpu").state, State::Ok);
    let refused = Probes {
        bpf: Some(Err("Operation not permitted (os error 1)".into())),
        ..works()
    };
    let findings = of(&host, &refused);
    let offcpu = found(&findings, "offcpu");
    assert_eq!(offcpu.state, State::Limited);
    assert!(offcpu.found.contains("without BPF"), "{offcpu:?}");
    assert!(
        found(&findings, "BPF")
            .todo
            .as_ref()
            .unwrap()
            .contains("CAP_BPF")
    );

    let no_types = hosts::changed("skylake", &[("sys/kernel/btf/vmlinux", "")]);
    assert_eq!(
        found(&of(&no_types, &works()), "offcpu").state,
        State::Limited
    );
    let other_types = hosts::changed(
        "skylake",
        &[("sys/kernel/btf/vmlinux", "\0btf_trace_sys_enter\0")],
    );
    assert!(
        found(&of(&other_types, &works()), "BTF")
            .found
            .contains("tp_btf")
    );
    let old = hosts::changed(
        "skylake",
        &[("proc/sys/kernel/osrelease", "5.4.0-150-generic\n")],
    );
    assert_eq!(found(&of(&old, &works()), "offcpu").state, State::Limited);
}

#[test]
fn what_the_commands_answer_is_what_doctor_says() {
    let host = hosts::host("zen3");
    let findings = of(&host, &works());
    assert!(found(&findings, "c2c").found.contains("Zen 3"));
    // It has IBS all the same: only the bit that c2c needs is missing.
    assert_eq!(found(&findings, "memory samples").state, State::Ok);

    let document: Value = serde_json::from_str(&json(&host, &findings)).unwrap();
    assert_eq!(document["schema"], "contend.doctor/1");
    assert_eq!(document["can"]["cpu"], true);
    assert!(document["can"]["c2c"].as_str().unwrap().contains("Zen 3"));
    assert_eq!(document["host"]["cpus_online"], 256);
    assert_eq!(document["host"]["nodes"].as_array().unwrap().len(), 2);
    let listed = document["findings"].as_array().unwrap();
    assert_eq!(
        listed.len() + document["commands"].as_array().unwrap().len(),
        findings.len()
    );
    assert!(
        listed
            .iter()
            .all(|finding| finding["state"].is_string() && finding["found"].is_string())
    );
}

/// On the machine that runs the tests: what is said of BPF is what the kernel did.
#[test]
fn this_machine() {
    let host = Host::read(Path::new("/"));
    let folder = tempfile::tempdir().unwrap();
    let probes = Probes::try_here(folder.path());
    assert!(probes.free_bytes.unwrap() > 0);
    let tool = PerfTool::find(None);
    let findings = examine(&host, tool.as_ref(), &probes);
    let shown = text(&findings);
    for subject in [
        "c2c",
        "spe",
        "offcpu",
        "cpu",
        "machine",
        "perf",
        "BTF",
        "BPF",
        "free space",
    ] {
        assert!(shown.contains(subject), "{subject} is not in\n{shown}");
    }
    if matches!(&probes.bpf, Some(Ok(()))) {
        assert_eq!(found(&findings, "BPF").state, State::Ok);
        assert!(host.rights.bpf() || host.kernel.unprivileged_bpf_disabled == Some(0));
    }
    assert_eq!(
        host.kernel.release,
        fs::read_to_string("/proc/sys/kernel/osrelease")
            .unwrap()
            .trim()
    );
    assert!(host.cpu.online >= 1 && host.memory.unwrap() > 0);
}
