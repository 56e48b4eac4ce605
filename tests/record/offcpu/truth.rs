//! What is recorded of threads that time themselves.

use super::{can_collect, contend};
use crate::support::skipped;
use crate::waits::{self, Row};
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
    let program = waits::build(folder)?;
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
        rows: waits::rows(&String::from_utf8(output.stdout).unwrap()),
        document: serde_json::from_slice(&document.stdout).unwrap(),
    })
}

/// Records until the document says what the threads say.
fn agreeing(folder: &Path, options: &Options, only_it: bool) -> Option<Recorded> {
    waits::faultless(
        || record(folder, options.clone(), only_it),
        |recorded| waits::faults(&recorded.rows, &recorded.document),
    )
}

#[test]
fn totals_locks_and_wakers_are_the_workloads_own() {
    if !can_collect() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(recorded) = agreeing(folder.path(), &Options::default(), true) else {
        return;
    };
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
    let Some(recorded) = agreeing(folder.path(), &options, false) else {
        return;
    };
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
        skipped("perf is not there");
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
