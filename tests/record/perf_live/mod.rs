//! The installed perf on this machine, and scripts in its place that fail as perf does.
//!
//! Without perf, or where it may not record, the tests say that they are skipped.

mod failures;
mod killing;
mod recording;

use crate::support::{can_record, skipped};
use contend_record::host::Host;
use contend_record::perf::{Kind, PerfOptions, PerfSource, PerfTool, plan};
use contend_record::source::Target;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that ends with the test.
struct Workload(Child);

impl Workload {
    fn shell(script: &str) -> Self {
        Self(
            Command::new("sh")
                .args(["-c", script])
                .stdin(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    /// CPU time in ticks of 10 ms (utime and stime of proc_pid_stat(5)).
    fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Waits until it has run for so many ticks more.
    fn runs(&self, ticks: u64) {
        let until = self.ticks() + ticks;
        while self.ticks() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A source on this machine, or why the test is skipped.
fn source(kind: Kind, target: &Target, folder: &Path) -> Option<PerfSource> {
    if !can_record() {
        return None;
    }
    let host = Host::read(Path::new("/"));
    let planned = PerfTool::find(None)
        .and_then(|tool| plan(&host, &tool, kind, target, &PerfOptions::default()));
    match planned {
        Ok(plan) => Some(PerfSource::new(plan, folder)),
        Err(refusal) => {
            skipped(&refusal.to_string());
            None
        }
    }
}

/// A program that always runs, and a source of its samples, or why the test is skipped.
fn busy(folder: &Path) -> Option<(Workload, PerfSource)> {
    let workload = Workload::shell("while :; do :; done");
    let target = Target::Pids(vec![workload.pid()]);
    let source = source(Kind::Cpu, &target, folder)?;
    Some((workload, source))
}

fn output(program: impl AsRef<std::ffi::OsStr>, args: &[&str], file: &Path) -> String {
    let output = Command::new(program).args(args).arg(file).output().unwrap();
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn perf_script(file: &Path) -> String {
    output("perf", &["script", "-F", "comm,tid,time,event", "-i"], file)
}

/// The analyzer, when it was built beside this test.
fn contend(args: &[&str], file: &Path) -> Option<Value> {
    let beside = std::env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .join("../contend");
    if !beside.is_file() {
        eprintln!(
            "not checked with contend: {} is not built",
            beside.display()
        );
        return None;
    }
    Some(serde_json::from_str(&output(beside, args, file)).unwrap())
}

fn samples_of(info: &Value) -> u64 {
    info["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["samples"].as_u64().unwrap())
        .sum()
}

fn wait_for<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(600), "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}
