//! From `contend-record all` to answers, on another machine as far as one machine can be
//! two: the bundle is moved and what was recorded is deleted.

use super::support::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a thread of the workload says of itself (`workloads/waits.c`).
#[derive(Debug)]
struct Truth {
    name: String,
    kind: String,
    word: u64,
    ns: u64,
    waker: u64,
}

fn truths(text: &str) -> BTreeMap<u64, Truth> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("thread "));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| fields[at].parse::<u64>().unwrap();
            let word = fields[3].trim_start_matches("0x");
            let truth = Truth {
                name: fields[1].into(),
                kind: fields[2].into(),
                word: u64::from_str_radix(word, 16).unwrap(),
                ns: number(5),
                waker: number(7),
            };
            (number(0), truth)
        })
        .collect()
}

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

/// Within one percent.
fn agree(what: &str, found: u64, truth: u64) {
    let apart = found.abs_diff(truth) as f64 / truth as f64;
    eprintln!(
        "{what}: {found} ns, by its own clock {truth} ns, {:.3} % apart",
        apart * 100.0
    );
    assert!(apart < 0.01, "{what}: {found} against {truth}");
}

/// The bundle of three seconds of the workload, and what the workload said.
fn record(folder: &Path) -> Option<(PathBuf, BTreeMap<u64, Truth>)> {
    if !is_root() || !can_record() {
        return None;
    }
    if let Some(why) = contend_record::offcpu::why_not() {
        eprintln!("skipped: {why}");
        return None;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/record/workloads/waits.c");
    let program = folder.join("waits");
    if !compile(&source, &program, "-DRECORDED") {
        return None;
    }
    let out = folder.join("x.tar.zst");
    let output = recorder()
        .args(["all", "--for", "3s", "--min-block", "0", "-o"])
        .arg(&out)
        .arg("--")
        // It ends by itself, so that it tells what it saw, and all of it is recorded.
        .args([program.as_os_str(), "2500".as_ref()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    eprintln!("{}", said(&output));
    let truths = truths(&String::from_utf8_lossy(&output.stdout));
    assert!(truths.len() >= 8, "{truths:?}");
    fs::remove_file(program).unwrap();
    let moved = folder.join("elsewhere.tar.zst");
    fs::rename(out, &moved).unwrap();
    Some((moved, truths))
}

#[test]
fn all_of_it_is_answered_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let Some((bundle, truths)) = record(folder.path()) else {
        return;
    };
    let members: Vec<String> = open(&bundle).captures().map(str::to_owned).collect();
    assert!(members.contains(&"cpu.perf.data".to_owned()), "{members:?}");
    assert!(
        members.contains(&"offcpu.perf.data".to_owned()),
        "{members:?}"
    );
    read_by_perf(folder.path(), &bundle);
    let Some(contend) = contend() else {
        return;
    };
    let path = bundle.to_str().unwrap();
    let waits = json(&contend, &["offcpu", path, "--json", "--top", "1000"]);
    threads_agree(&waits, &truths);
    locks_agree(&waits, &truths);
    wakers_agree(&waits, &truths);
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
    let running = json(&contend, &["oncpu", path, "--json"]).to_string();
    assert!(running.contains("burn"), "oncpu does not name burn");
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

fn threads_agree(waits: &Value, truths: &BTreeMap<u64, Truth>) {
    let mut compared = 0;
    for (tid, truth) in truths {
        // Of these all time in the call is time off the CPU, and all of the thread's
        // other waits are not in it: only whole threads can be compared as such.
        if !matches!(truth.kind.as_str(), "futex" | "read" | "sleep") {
            continue;
        }
        let thread = waits["threads"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["tid"] == *tid);
        let thread = thread.unwrap_or_else(|| panic!("no thread {tid} {}", truth.name));
        agree(&truth.name, thread["total_ns"].as_u64().unwrap(), truth.ns);
        compared += 1;
    }
    assert_eq!(compared, 3);
}

fn locks_agree(waits: &Value, truths: &BTreeMap<u64, Truth>) {
    let mut compared = 0;
    for truth in truths
        .values()
        .filter(|truth| truth.kind == "mutex" || truth.kind == "futex")
    {
        let word = format!("{:#x}", truth.word);
        let locks = waits["locks"].as_array().unwrap();
        let lock = locks
            .iter()
            .find(|lock| lock["word"].as_str() == Some(&word));
        let lock = lock.unwrap_or_else(|| panic!("no lock {word} of {}: {locks:?}", truth.name));
        // Also what the owner waited, if it ever did; the waiter has nearly all of it.
        agree(
            &format!("lock of {}", truth.name),
            lock["total_ns"].as_u64().unwrap(),
            truth.ns,
        );
        compared += 1;
    }
    assert_eq!(compared, 3);
}

fn wakers_agree(waits: &Value, truths: &BTreeMap<u64, Truth>) {
    for truth in truths
        .values()
        .filter(|truth| truth.kind == "mutex" || truth.kind == "futex")
    {
        let word = format!("{:#x}", truth.word);
        let locks = waits["locks"].as_array().unwrap();
        let lock = locks
            .iter()
            .find(|lock| lock["word"].as_str() == Some(&word))
            .unwrap();
        let holders = lock["holders"].as_array().unwrap();
        let most = holders
            .iter()
            .max_by_key(|holder| holder["wakes"].as_u64())
            .unwrap();
        assert_eq!(
            most["tid"].as_u64(),
            Some(truth.waker),
            "{}: {holders:?}",
            truth.name
        );
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
        eprintln!("skipped: this kernel has no BTF that could be taken away");
        return;
    }
    let began = std::time::Instant::now();
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .output()
        .unwrap();
    if !out.exists() && said(&output).contains("mount") {
        eprintln!("skipped: cannot mount here: {}", said(&output));
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
    assert!((500_000_000..longest).contains(&slept), "{slept}");
}
