//! The installed perf on this machine, and scripts in its place that fail as perf does.
//!
//! Without perf, or where it may not record, the tests say that they are skipped.

use crate::support::skipped;
use contend_record::host::Host;
use contend_record::perf::{Kind, PerfOptions, PerfSource, PerfTool, plan};
use contend_record::source::{Capture, Source, Target};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
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

#[test]
fn cpu_samples_are_read_by_perf_and_contend() {
    let folder = tempfile::tempdir().unwrap();
    let workload = Workload::shell("while :; do :; done");
    let Some(mut source) = source(
        Kind::Cpu,
        &Target::Pids(vec![workload.pid()]),
        folder.path(),
    ) else {
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
    let workload = Workload::shell("while :; do :; done");
    let Some(mut source) = source(
        Kind::Cpu,
        &Target::Pids(vec![workload.pid()]),
        folder.path(),
    ) else {
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

#[test]
fn a_capture_of_a_killed_perf_is_kept_and_called_partial() {
    let folder = tempfile::tempdir().unwrap();
    let workload = Workload::shell("while :; do :; done");
    let Some(mut source) = source(
        Kind::Cpu,
        &Target::Pids(vec![workload.pid()]),
        folder.path(),
    ) else {
        return;
    };
    source.start().unwrap();
    workload.runs(50);
    let perf = children()
        .into_iter()
        .find(|(_, line)| line.contains(&format!("-p {} ", workload.pid())))
        .unwrap();
    // SAFETY: kill has no memory effects.
    assert_eq!(unsafe { libc::kill(perf.0, libc::SIGKILL) }, 0);
    let error = loop {
        match source.poll() {
            Ok(true) => std::thread::sleep(Duration::from_millis(5)),
            Ok(false) => panic!("a killed perf is not a perf that ended"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("killed") && !error.contains('\n'), "{error}");
    let capture = source.stop().unwrap();
    assert!(
        capture.notes.iter().any(|note| note.contains("partial")),
        "{:?}",
        capture.notes
    );
    if let Some(info) = contend(&["info", "--json"], &capture.file) {
        assert_eq!(info["schema"], "contend.info/1");
    }
}

/// Processes of this one: number and command line.
fn children() -> Vec<(i32, String)> {
    let me = std::process::id().to_string();
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_mine = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let behind = stat.rsplit_once(") ").map_or("", |parts| parts.1);
        behind.split(' ').nth(1) == Some(&me)
    };
    let found = numbers.filter(is_mine).map(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        (pid, String::from_utf8_lossy(&line).replace('\0', " "))
    });
    let found: Vec<_> = found.collect();
    assert!(!found.is_empty(), "no children of {me}");
    found
}

/// The recorder killed: perf closes its file and ends.
#[test]
fn nothing_stays_behind_when_the_recorder_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let workload = Workload::shell("while :; do :; done");
    if source(
        Kind::Cpu,
        &Target::Pids(vec![workload.pid()]),
        folder.path(),
    )
    .is_none()
    {
        return;
    }
    let mut recorder = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "perf_live::records_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env("CONTEND_TEST_PID", workload.pid().to_string())
        .env("CONTEND_TEST_FOLDER", folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mark = folder.path().join("pid-of-perf");
    let perf = wait_for(|| {
        fs::read_to_string(&mark)
            .ok()
            .filter(|text| text.ends_with('\n'))
    });
    workload.runs(20);
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    let process = PathBuf::from(format!("/proc/{}", perf.trim()));
    // Whoever adopts it may leave it as a zombie: what counts is that it ended.
    wait_for(|| {
        let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
    let file = folder.path().join("cpu.perf.data");
    assert!(perf_script(&file).lines().count() > 0);
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

/// Not a test of its own: the recorder of the one above.
#[test]
#[ignore = "run by nothing_stays_behind_when_the_recorder_is_killed"]
fn records_until_it_is_killed() {
    let Ok(pid) = std::env::var("CONTEND_TEST_PID") else {
        return;
    };
    let folder = PathBuf::from(std::env::var_os("CONTEND_TEST_FOLDER").unwrap());
    let mut source = source(
        Kind::Cpu,
        &Target::Pids(vec![pid.parse().unwrap()]),
        &folder,
    )
    .unwrap();
    source.start().unwrap();
    fs::write(folder.join("pid-of-perf"), format!("{}\n", children()[0].0)).unwrap();
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Fills a file system but for so many bytes: what is mapped when a recording starts may
/// be more than what is left, and is not what the test is of.
fn leave(folder: &Path, bytes: u64) {
    let output = Command::new("df")
        .args(["--output=avail", "-B1"])
        .arg(folder)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let free: u64 = text.lines().last().unwrap().trim().parse().unwrap();
    let filler = vec![0; usize::try_from(free.saturating_sub(bytes)).unwrap()];
    fs::write(folder.join("filler"), filler).unwrap();
}

#[test]
fn a_full_disk_keeps_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
        .arg(folder.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        skipped("no small file system can be mounted");
        return;
    }
    struct Unmount(PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
    let _unmount = Unmount(folder.path().to_owned());
    let Some(mut source) = source(Kind::OffCpu, &Target::All, folder.path()) else {
        return;
    };
    source.start().unwrap();
    leave(folder.path(), 256 << 10);
    let _switches = Workload::shell("while :; do sleep 0.001; done");
    let error = wait_for(|| source.poll().err()).to_string();
    assert!(
        error.contains("the disk is full") && !error.contains('\n'),
        "{error}"
    );
    let Capture { file, notes, .. } = source.stop().unwrap();
    assert!(
        notes.iter().any(|note| note.contains("disk is full")),
        "{notes:?}"
    );
    if let Some(info) = contend(&["info", "--json"], &file) {
        assert!(samples_of(&info) > 0, "{info}");
    }
}

#[test]
fn a_process_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut source) = source(Kind::Cpu, &Target::Pids(vec![0x3fff_fff0]), folder.path())
    else {
        return;
    };
    let error = source.start().unwrap_err().to_string();
    assert!(
        error.contains("the process is not there") && !error.contains('\n'),
        "{error}"
    );
    let mut nobody = self::source(Kind::Cpu, &Target::Pids(vec![]), folder.path()).unwrap();
    assert!(
        nobody
            .start()
            .unwrap_err()
            .to_string()
            .contains("no process")
    );
}

/// A script in the place of perf, which knows what perf 6.1 knows. `record` runs `body`, with
/// `$out` the file to write and `$args` all arguments.
fn fake(folder: &Path, body: &str) -> PerfTool {
    let texts = crate::hosts::fixtures().join("perf/6.1");
    let script = format!(
        "#!/bin/sh\n\
         case \"$*\" in\n\
         --version) cat {texts}/version.txt; exit;;\n\
         'version --build-options') cat {texts}/build-options.txt; exit;;\n\
         'record -h') cat {texts}/record-help.txt; exit 129;;\n\
         esac\n\
         args=\"$*\"\n\
         while [ $# -gt 0 ]; do case \"$1\" in -o) out=$2;; --control=fd:*) fds=${{1#--control=fd:}};; esac; shift; done\n\
         ready() {{ read line </proc/self/fd/${{fds%,*}}; echo ack >/proc/self/fd/${{fds#*,}}; }}\n\
         {body}\n",
        texts = texts.display()
    );
    let path = folder.join("perf");
    crate::support::script(&path, &script);
    PerfTool::find(Some(&path)).unwrap()
}

fn faked(folder: &Path, body: &str, host: &str, kind: Kind) -> PerfSource {
    let tool = fake(folder, body);
    let plan = plan(
        &crate::hosts::host(host),
        &tool,
        kind,
        &Target::All,
        &PerfOptions::default(),
    )
    .unwrap();
    PerfSource::new(plan, folder)
}

#[test]
fn a_perf_that_may_not_record() {
    let folder = tempfile::tempdir().unwrap();
    let body = "echo Error:; echo 'Access to performance monitoring and observability operations is limited.'; exit 255";
    let mut source = faked(folder.path(), body, "skylake", Kind::C2c);
    let error = source.start().unwrap_err().to_string();
    assert!(
        error.starts_with("c2c: this user may not record that") && error.contains("CAP_PERFMON"),
        "{error}"
    );
    let kept = fs::read_to_string(folder.path().join("c2c.perf.txt")).unwrap();
    assert!(
        kept.contains("observability operations is limited"),
        "{kept}"
    );
}

#[test]
fn a_less_precise_event_and_then_a_timer_take_the_place_of_a_refused_one() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |what: &str| {
        format!(
            "case \"$args\" in *'-e {what} '*) echo Error:; echo \"The sys_perf_event_open() syscall returned with 22 (Invalid argument) for event ({what}).\"; exit 255;; esac"
        )
    };
    let write =
        "printf 'PERFILE2%048d' 0 > $out; ready; trap 'exit 0' INT; while :; do sleep 0.01; done";
    let body = format!("{}\n{}\n{write}", refuse("cycles:P"), refuse("cycles"));
    let mut source = faked(folder.path(), &body, "skylake", Kind::Cpu);
    source.start().unwrap();
    let capture = source.stop().unwrap();
    assert!(
        capture
            .command
            .windows(2)
            .any(|pair| pair == ["-e", "cpu-clock"]),
        "{:?}",
        capture.command
    );
    assert!(
        capture
            .notes
            .iter()
            .any(|note| note.contains("-e cycles:P was refused")),
        "{:?}",
        capture.notes
    );
    assert!(
        capture
            .notes
            .iter()
            .any(|note| note.contains("samples by timer")),
        "{:?}",
        capture.notes
    );
}

#[test]
fn a_perf_that_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut source = faked(
        folder.path(),
        "ready; echo 'something odd happened'; exit 3",
        "skylake",
        Kind::C2c,
    );
    source.start().unwrap();
    let error = wait_for(|| source.poll().err()).to_string();
    assert_eq!(
        error,
        "c2c: perf ended with status 3: perf: something odd happened"
    );
    let error = source.stop().unwrap_err().to_string();
    assert_eq!(
        error,
        "c2c: perf left no capture: perf: something odd happened"
    );
}
