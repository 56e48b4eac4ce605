//! A recorder that is killed leaves a file that reads, and nothing in the kernel.

use super::child;
use super::{can_collect, contend};
use crate::support::until;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Numbers of the BPF programs that a process has open (proc_pid_fdinfo(5)).
fn programs(pid: u32) -> BTreeSet<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    let texts = entries.flatten().filter_map(|entry| {
        // A file may be closed meanwhile.
        std::fs::read_to_string(entry.path()).ok()
    });
    texts
        .flat_map(|text| {
            let numbers = text
                .lines()
                .filter_map(|line| line.strip_prefix("prog_id:"));
            let numbers = numbers.map(|number| number.trim().to_owned());
            numbers.collect::<Vec<_>>()
        })
        .collect()
}

/// Those of them that the kernel still has; absent without bpftool. Others may have
/// programs of the same names, but not of the same numbers.
fn loaded(numbers: &BTreeSet<String>) -> Option<usize> {
    let has = |number: &&String| {
        let mut tool = Command::new("bpftool");
        let output = tool.args(["prog", "show", "id", number]).output();
        output.map(|output| output.status.success())
    };
    let mut count = 0;
    for number in numbers {
        count += usize::from(has(&number).ok()?);
    }
    Some(count)
}

fn reads(file: &Path, contend: &Path) {
    let output = Command::new(contend)
        .args(["offcpu", "--no-symbols"])
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    if let Ok(output) = Command::new("perf")
        .args(["script", "-i"])
        .arg(file)
        .output()
    {
        assert!(output.status.success());
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains("offcpu-time:"),
            "perf does not name the event"
        );
    }
}

#[test]
fn at_any_moment() {
    let Some(contend) = contend().filter(|_| can_collect()) else {
        return;
    };
    let rounds = if std::env::var_os("CONTEND_TEST_FULL").is_some() {
        50
    } else {
        3
    };
    let program = std::env::current_exe().unwrap();
    for round in 0..rounds {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("offcpu.perf.data");
        let mut child = child::command(&program, &[], &file)
            .env("CONTEND_TEST_MIN_BLOCK_US", "0")
            .spawn()
            .unwrap();
        assert!(child::started(&mut child).starts_with("started"));
        let numbers = programs(child.id());
        assert!(!numbers.is_empty());
        if loaded(&numbers).is_some_and(|count| count != numbers.len()) {
            panic!("bpftool does not show {numbers:?}");
        }
        // It has written what it saw, be it slow.
        let length = || file.metadata().unwrap().len();
        let at_first = length();
        until("an interval", || length() > at_first + 4096);
        // Moments that have nothing to do with those at which it writes.
        std::thread::sleep(Duration::from_micros((round + 1) * 37_117 % 400_000));
        child.kill().unwrap();
        child.wait().unwrap();
        reads(&file, &contend);
        // The kernel frees them a moment later.
        until("the end of its programs", || {
            loaded(&numbers).unwrap_or(0) == 0
        });
    }
}
