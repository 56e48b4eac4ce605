//! What perf records here is read by perf and by contend.

use super::{Workload, busy, contend, perf_script, samples_of, source, wait_for};
use crate::support::skipped;
use contend_record::host::Host;
use contend_record::perf::{Kind, PerfOptions, PerfSource, PerfTool, plan};
use contend_record::source::{Source, Target};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn cpu_samples_are_read_by_perf_and_contend() {
    let folder = tempfile::tempdir().unwrap();
    let Some((workload, mut source)) = busy(folder.path()) else {
        return;
    };
    let before = workload.ticks();
    source.start().unwrap();
    assert!(source.poll().unwrap(), "it records when start has returned");
    workload.runs(100);
    let capture = source.stop().unwrap();
    // It goes on until the recording has ended, which may take its time.
    let at_most = workload.ticks() - before;
    assert_eq!(capture.kind, "cpu");
    assert!(
        capture.command.iter().any(|arg| arg == "record"),
        "{:?}",
        capture.command
    );
    assert!(capture.notes.is_empty(), "{:?}", capture.notes);
    let said = fs::read_to_string(capture.messages.unwrap()).unwrap();
    assert!(said.contains("Captured and wrote"), "{said}");

    let script = perf_script(&capture.file);
    let samples = script
        .lines()
        .filter(|line| line.contains(&workload.pid().to_string()))
        .count();
    // 99 a second of CPU time; the timer may be late, and a host may take some away.
    assert!(
        (25..=at_most * 3 / 2).contains(&(samples as u64)),
        "{samples} samples of 100 to {at_most} ticks of CPU time"
    );
    if let Some(info) = contend(&["info", "--json"], &capture.file) {
        assert_eq!(samples_of(&info) as usize, script.lines().count());
        assert_eq!(info["can"]["oncpu"], true, "{info}");
        assert_eq!(info["quality"]["truncated_bytes"], 0, "{info}");
    }
}

/// Samples, switches and wakeups of all sources stand on CLOCK_MONOTONIC.
#[test]
fn times_are_those_of_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let Some((workload, mut source)) = busy(folder.path()) else {
        return;
    };
    let before = monotonic();
    source.start().unwrap();
    workload.runs(20);
    let capture = source.stop().unwrap();
    let after = monotonic();
    for line in perf_script(&capture.file).lines() {
        let time = line
            .split_whitespace()
            .find_map(|word| word.strip_suffix(':')?.parse::<f64>().ok())
            .unwrap();
        assert!(
            (before..=after).contains(&time),
            "{time} is not within {before} to {after}: {line}"
        );
    }
}

/// Seconds of CLOCK_MONOTONIC.
fn monotonic() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is valid during the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    assert_eq!(result, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[test]
fn waiting_is_recorded_without_bpf() {
    let folder = tempfile::tempdir().unwrap();
    // The shell waits at a pipe until it is recorded.
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        "read go; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.02; done",
    ]);
    let mut workload = Workload(shell.stdin(Stdio::piped()).spawn().unwrap());
    let Some(mut source) = source(
        Kind::OffCpu,
        &Target::Pids(vec![workload.pid()]),
        folder.path(),
    ) else {
        return;
    };
    source.start().unwrap();
    let began = Instant::now();
    drop(workload.0.stdin.take());
    workload.0.wait().unwrap();
    let elapsed = began.elapsed();
    while source.poll().unwrap() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let capture = source.stop().unwrap();
    assert!(
        capture.notes.iter().any(|note| note.contains("BPF")),
        "said out loud: {:?}",
        capture.notes
    );
    let script = perf_script(&capture.file);
    assert!(
        script.contains("sched:sched_switch") && script.contains("sched:sched_waking"),
        "{script}"
    );
    if let Some(document) = contend(&["offcpu", "--json"], &capture.file) {
        let sleeps: Vec<u64> = document["threads"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|thread| thread["comm"] == "sleep")
            .map(|thread| thread["max_ns"].as_u64().unwrap())
            .collect();
        assert_eq!(sleeps.len(), 10, "{document}");
        // Between the start of its timer and the switch another may have the CPU.
        let whole = sleeps.iter().filter(|&&longest| longest >= 20_000_000);
        assert!(whole.count() >= 5, "{sleeps:?}");
        let all: u64 = sleeps.iter().sum();
        let most = elapsed.as_nanos() as u64;
        assert!(all <= most, "{sleeps:?} in {most} ns");
    }
}

/// perf before 5.10 has no pipe through which it tells.
#[test]
fn an_old_perf_is_seen_to_record() {
    let folder = tempfile::tempdir().unwrap();
    let workload = Workload::shell("while :; do :; done");
    let target = Target::Pids(vec![workload.pid()]);
    let Some(known) = source(Kind::Cpu, &target, folder.path()) else {
        return;
    };
    let mut plan = known.plan().clone();
    plan.control = false;
    let mut source = PerfSource::new(plan, folder.path());
    source.start().unwrap();
    assert!(source.poll().unwrap());
    workload.runs(20);
    let capture = source.stop().unwrap();
    assert!(capture.notes.is_empty(), "{:?}", capture.notes);
    // Of some twenty.
    assert!(perf_script(&capture.file).lines().count() >= 3);
}

/// A limit that is reached ends the recording, not the capture.
#[test]
fn a_capture_that_reaches_its_limit_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::read(Path::new("/"));
    let options = PerfOptions {
        // What a few hundred processes have mapped is in it too.
        max_bytes: Some(2 << 20),
        ..PerfOptions::default()
    };
    let planned = PerfTool::find(None)
        .and_then(|tool| plan(&host, &tool, Kind::OffCpu, &Target::All, &options));
    let mut source = match planned {
        Ok(plan) => PerfSource::new(plan, folder.path()),
        Err(refusal) => return skipped(&refusal.to_string()),
    };
    let _switches = [(); 2].map(|()| Workload::shell("while :; do sleep 0.001; done"));
    source.start().unwrap();
    wait_for(|| (!source.poll().unwrap()).then_some(()));
    let capture = source.stop().unwrap();
    let told = capture
        .notes
        .iter()
        .any(|note| note.contains("size limit reached"));
    assert!(told, "{:?}", capture.notes);
    assert!(
        !capture.notes.iter().any(|note| note.contains("partial")),
        "{:?}",
        capture.notes
    );
    assert!(perf_script(&capture.file).contains("sched:sched_switch"));
}
