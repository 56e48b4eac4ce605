//! What is recorded of threads that time themselves.

use super::workload::{self, Row};
use super::{can_collect, contend};
use contend_record::offcpu::{OffCpu, Options};
use contend_record::source::{Source, Target};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

struct Recorded {
    rows: Vec<Row>,
    /// `contend offcpu --json` of the capture.
    document: Value,
}

fn record(folder: &Path, options: Options, only_it: bool) -> Option<Recorded> {
    let program = workload::build(folder)?;
    let contend = contend()?;
    // Its number is known before it begins.
    let mut shell = Command::new("sh")
        .args(["-c", "read go && exec \"$0\" 1500"])
        .arg(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let options = Options {
        target: match only_it {
            true => Target::Pids(vec![shell.id()]),
            false => Target::All,
        },
        ..options
    };
    let file = folder.join("offcpu.perf.data");
    let mut source = OffCpu::new(options, file.clone(), vec!["contend-record".into()]);
    source.start().unwrap();
    shell.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let output = shell.wait_with_output().unwrap();
    assert!(source.poll().unwrap());
    let capture = source.stop().unwrap();
    assert_eq!(capture.kind, "offcpu");
    let document = Command::new(contend)
        .args(["offcpu", "--json"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(document.status.success());
    Some(Recorded {
        rows: workload::rows(&String::from_utf8(output.stdout).unwrap()),
        document: serde_json::from_slice(&document.stdout).unwrap(),
    })
}

/// Within 1 % of what the workload measured, or 5 ms where that is more: what a
/// thread does between its clock and the call is not off the CPU.
fn agrees(what: &str, truth: u64, found: u64) {
    let room = (truth / 100).max(5_000_000);
    assert!(
        truth.abs_diff(found) <= room,
        "{what}: {truth} ns by its own clock, {found} ns recorded"
    );
}

fn row(list: &Value, is_it: impl Fn(&Value) -> bool) -> &Value {
    let found = list.as_array().unwrap().iter().find(|row| is_it(row));
    found.unwrap_or(&Value::Null)
}

fn check(recorded: &Recorded) {
    let document = &recorded.document;
    for truth in &recorded.rows {
        let thread = row(&document["threads"], |row| row["tid"] == truth.tid);
        let state = |name: &str| thread["by_state"][name].as_u64().unwrap_or(0);
        let name = &truth.name;
        assert_eq!(thread["comm"], name.as_str());
        match truth.kind.as_str() {
            "mutex" | "futex" => {
                let lock = row(&document["locks"], |lock| {
                    lock["word"] == truth.word.as_str()
                });
                agrees(name, truth.ns, lock["total_ns"].as_u64().unwrap_or(0));
                assert_eq!(lock["waiters"], serde_json::json!([truth.tid]));
                let holders = lock["holders"].as_array().unwrap();
                let of_it = row(&lock["holders"], |holder| holder["tid"] == truth.waker);
                let wakes = of_it["wakes"].as_u64().unwrap_or(0);
                let all: u64 = holders.iter().filter_map(|row| row["wakes"].as_u64()).sum();
                assert!(wakes > 0 && wakes + 2 >= all, "{name}: {holders:?}");
            }
            "read" | "sleep" => {
                let total = thread["total_ns"].as_u64().unwrap_or(0);
                agrees(name, truth.ns, total);
                // One or two reads may find what they wait for already there.
                let intervals = thread["intervals"].as_u64().unwrap();
                assert!(intervals + 4 >= truth.count, "{name}: {thread}");
                assert!(state("blocked") > 0);
            }
            "hog" => {
                // A page fault on a stack that others map meanwhile may wait a moment.
                assert!(
                    state("blocked") < 1_000_000,
                    "{name}: who never waits is never blocked"
                );
                assert!(state("preempted") > 0, "{name}: two share a CPU");
            }
            _ => {}
        }
    }
    let syscalls = document["syscalls"].to_string();
    for name in ["futex", "read", "nanosleep"] {
        assert!(syscalls.contains(name), "{name}: {syscalls}");
    }
    assert_eq!(document["quality"]["lost_events"], 0);
}

#[test]
fn totals_locks_and_wakers_are_the_workloads_own() {
    if !can_collect() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(recorded) = record(folder.path(), Options::default(), true) else {
        return;
    };
    check(&recorded);
    let pids: std::collections::BTreeSet<_> = recorded.document["threads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|thread| thread["pid"].as_u64())
        .collect();
    assert_eq!(pids.len(), 1, "nobody else is recorded");
}

#[test]
fn the_whole_machine_is_recorded_with_stacks_of_wakers() {
    if !can_collect() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        wakers: true,
        ..Options::default()
    };
    let Some(recorded) = record(folder.path(), options, false) else {
        return;
    };
    check(&recorded);
    // Functions of both sides have names.
    let wakers = recorded.document["wakers"].to_string();
    for name in [
        "stock_owner",
        "stock_waiter",
        "ledger_owner",
        "ledger_waiter",
    ] {
        assert!(wakers.contains(name), "{name}");
    }
}

#[test]
fn perf_reads_it_with_names() {
    if !can_collect() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    if record(folder.path(), Options::default(), true).is_none() {
        return;
    }
    let perf = |arguments: &[&str]| {
        let output = Command::new("perf")
            .args(arguments)
            .arg("-i")
            .arg(folder.path().join("offcpu.perf.data"))
            .output();
        output.map(|output| {
            assert!(output.status.success(), "perf {arguments:?}");
            let text = output.stdout;
            (
                String::from_utf8_lossy(&text).into_owned(),
                String::from_utf8_lossy(&output.stderr).into_owned(),
            )
        })
    };
    let Ok((script, said)) = perf(&["script"]) else {
        eprintln!("skipped: perf is not there");
        return;
    };
    assert!(!said.contains("out of order"), "{said}");
    for text in ["offcpu-time", "stock_waiter", "w-stock"] {
        assert!(script.contains(text), "{text}");
    }
    let (report, _) = perf(&[
        "report",
        "--stdio",
        "--no-children",
        "-s",
        "comm,sym",
        "-g",
        "none",
    ])
    .unwrap();
    assert!(report.contains("of event 'offcpu-time'"), "{report}");
    assert!(report.contains("w-ledger"), "{report}");
}
