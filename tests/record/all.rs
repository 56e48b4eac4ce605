//! From `contend-record all` to answers, on another machine as far as one machine can be
//! two: the bundle is moved and what was recorded is deleted.

use super::support::*;
use super::waits::{self, Row};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn json(contend: &Path, args: &[&str]) -> Value {
    let output = Command::new(contend).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn output(program: &str, args: &[&str], file: &Path) -> String {
    let output = Command::new(program).args(args).arg(file).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The bundle of two and a half seconds of the workload, and what the workload said.
fn record(folder: &Path) -> Option<(PathBuf, Vec<Row>)> {
    if !can_collect() || !can_record() {
        return None;
    }
    let program = folder.join("waits");
    if !compile(&waits::source(), &program, "-DRECORDED") {
        return None;
    }
    let out = folder.join("x.tar.zst");
    let output = recorder()
        .args(["all", "--for", "100s", "--min-block", "0", "-o"])
        .arg(&out)
        .arg("--")
        // It ends by itself, so that it tells what it saw, and all of it is recorded.
        .args([program.as_os_str(), "2500".as_ref()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    eprintln!("{}", said(&output));
    let truths = waits::rows(&String::from_utf8_lossy(&output.stdout));
    fs::remove_file(program).unwrap();
    let moved = folder.join("elsewhere.tar.zst");
    fs::rename(out, &moved).unwrap();
    Some((moved, truths))
}

#[test]
fn all_of_it_is_answered_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let documents = |bundle: &Path| {
        let contend = contend()?;
        let path = bundle.to_str().unwrap();
        let waits = json(&contend, &["offcpu", path, "--json", "--top", "1000"]);
        Some((waits, json(&contend, &["oncpu", path, "--json"])))
    };
    let recorded = waits::faultless(
        || {
            let (bundle, truths) = record(folder.path())?;
            let documents = documents(&bundle);
            Some((bundle, truths, documents))
        },
        |(_, truths, documents)| {
            let waits = documents.as_ref().map(|(waits, _)| waits);
            waits.map_or(Vec::new(), |waits| waits::faults(truths, waits))
        },
    );
    let Some((bundle, _, documents)) = recorded else {
        return;
    };
    let members: Vec<String> = open(&bundle).captures().map(str::to_owned).collect();
    assert!(members.contains(&"cpu.perf.data".to_owned()), "{members:?}");
    assert!(
        members.contains(&"offcpu.perf.data".to_owned()),
        "{members:?}"
    );
    read_by_perf(folder.path(), &bundle);
    let Some((waits, running)) = documents else {
        return;
    };
    let text = waits["stacks"].to_string();
    // The libraries have no frame pointers, so that the caller of one is skipped: these
    // are the callers of callers.
    for function in [
        "stock_waiter",
        "ledger_waiter",
        "signal_waiter",
        "pipe_reader",
        "sleeper",
    ] {
        assert!(text.contains(function), "offcpu does not name {function}");
    }
    assert!(
        running.to_string().contains("burn"),
        "oncpu does not name burn"
    );
}

/// Stock perf reads the captures, with names.
fn read_by_perf(folder: &Path, bundle: &Path) {
    let unpacked = folder.join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    let tar = Command::new("tar")
        .args(["--zstd", "-xf"])
        .arg(bundle)
        .arg("-C")
        .arg(&unpacked)
        .status();
    assert!(tar.unwrap().success());
    let sums = Command::new("sha256sum")
        .args(["-c", "--quiet", "SHA256SUMS"])
        .current_dir(&unpacked)
        .status();
    assert!(sums.unwrap().success());
    // perf looks for binaries by build-id in a cache of this form.
    let cache = unpacked.display().to_string();
    for (member, function) in [("cpu", "burn"), ("offcpu", "stock_waiter")] {
        let file = unpacked.join(format!("{member}.perf.data"));
        for args in [
            ["report", "--stdio", "-f", "-i"],
            ["script", "--ns", "-f", "-i"],
        ] {
            let args: Vec<&str> = [&["--buildid-dir", &cache][..], &args[..]].concat();
            let text = output("perf", &args, &file);
            assert!(
                text.contains(function),
                "perf {args:?} does not name {function} in {member}"
            );
        }
    }
}

/// Without the kernel's types there is no BPF: perf records, which is said, and what is
/// off the CPU is answered all the same.
#[test]
fn without_bpf_perf_records_the_switches() {
    if !is_root() || !can_record() || !has("unshare") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x.tar.zst");
    let script = format!(
        "mount -t tmpfs none /sys/kernel/btf && exec {} offcpu -o {} -- sleep 0.5",
        env!("CARGO_BIN_EXE_contend-record"),
        out.display()
    );
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        skipped("this kernel has no BTF that could be taken away");
        return;
    }
    let began = std::time::Instant::now();
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .output()
        .unwrap();
    let is_forbidden = ["mount", "unshare failed"]
        .iter()
        .any(|why| said(&output).contains(why));
    if !out.exists() && is_forbidden {
        skipped(&format!("cannot mount here: {}", said(&output)));
        return;
    }
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("sched_switch instead"),
        "{}",
        said(&output)
    );
    let bundle = open(&out);
    assert!(
        bundle
            .manifest()
            .notes
            .iter()
            .any(|note| note.contains("sched_switch instead"))
    );
    let Some(contend) = contend() else {
        return;
    };
    let waits = json(&contend, &["offcpu", out.to_str().unwrap(), "--json"]);
    let threads = waits["threads"].as_array().unwrap();
    let thread = threads
        .iter()
        .find(|thread| thread["comm"] == "sleep")
        .unwrap();
    let slept = thread["max_ns"].as_u64().unwrap();
    // By the clock of the sleep, and by that of this test.
    let longest = began.elapsed().as_nanos() as u64;
    // Between the start of its timer and the switch a host may take the CPU away.
    assert!((400_000_000..longest).contains(&slept), "{slept}");
}
