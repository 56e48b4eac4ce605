//! perf, or the recorder, is killed while it records.

use super::{Workload, busy, contend, perf_script, source, wait_for};
use contend_record::perf::Kind;
use contend_record::source::{Source, Target};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn a_capture_of_a_killed_perf_is_kept_and_called_partial() {
    let folder = tempfile::tempdir().unwrap();
    let Some((workload, mut source)) = busy(folder.path()) else {
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
            "perf_live::killing::records_until_it_is_killed",
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

/// Not a test of its own: the recorder of the one above.
#[test]
#[ignore = "is run by another test, in a process of its own, which is killed"]
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
