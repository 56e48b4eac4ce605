//! A recording from its start to the bundle, and all that can end it.

use super::running::Running;
use super::support::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// The signal's number goes to a process.
#[test]
fn the_status_of_the_command_is_reported_and_not_adopted() {
    if !can_record() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x.tar.zst");
    let text = succeeds([
        "cpu",
        "-o",
        out.to_str().unwrap(),
        "--",
        "sh",
        "-c",
        "exit 3",
    ]);
    assert!(text.contains("exit status 3"), "{text}");
    let bundle = open(&out);
    assert_eq!(bundle.captures().collect::<Vec<_>>(), ["cpu.perf.data"]);
    let manifest = bundle.manifest();
    assert_eq!(manifest.captures[0].kind.as_deref(), Some("cpu"));
    assert_eq!(manifest.clocks.len(), 2);
    let monotonic: Vec<_> = manifest
        .clocks
        .iter()
        .filter_map(|clock| clock.monotonic_ns)
        .collect();
    assert!(monotonic[0] < monotonic[1]);
    assert!(manifest.tools.iter().any(|tool| tool.name == "perf"));
    assert!(
        manifest
            .notes
            .iter()
            .any(|note| note.contains("exit status 3"))
    );
    assert_eq!(names(folder.path()), ["x.tar.zst"]);
}

#[test]
fn nothing_of_the_command_is_missed() {
    if !can_record() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = busy(folder.path(), "short") else {
        return;
    };
    let out = folder.path().join("x.tar.zst");
    succeeds([
        "cpu".as_ref(),
        "-o".as_ref(),
        out.as_os_str(),
        "--".as_ref(),
        program.as_os_str(),
        "0.1".as_ref(),
    ]);
    let bundle = open(&out);
    let capture = folder.path().join("cpu.perf.data");
    fs::write(&capture, member(&bundle, "cpu.perf.data")).unwrap();
    // The execution is in the capture, so the sources ran before it.
    let script = Command::new("perf")
        .args(["script", "--show-task-events", "--show-mmap-events", "-i"])
        .arg(&capture)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&script.stdout).into_owned();
    assert!(text.contains("PERF_RECORD_COMM exec: short"), "{text}");
    assert!(text.contains(program.to_str().unwrap()), "{text}");
    assert!(bundle.member(&binary_member(&program)).is_some());
}

#[test]
fn ctrl_c_ends_the_recording_and_packs_it() {
    if !can_record() {
        return;
    }
    for name in ["INT", "TERM", "HUP"] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("x.tar.zst");
        let mut running = Running::start(
            folder.path(),
            recorder().args(["cpu", "-o", out.to_str().unwrap(), "--", "sleep", "1000"]),
        );
        running.until_it_says("recording cpu");
        std::thread::sleep(std::time::Duration::from_millis(300));
        running.signal(name);
        let is_good = running.end().success();
        assert!(is_good, "{name}: {}", running.said());
        let bundle = open(&out);
        assert!(
            bundle
                .manifest()
                .notes
                .iter()
                .any(|note| note.contains("signal"))
        );
        assert_eq!(bundle.captures().count(), 1);
        assert_eq!(names(folder.path()), ["log", "x.tar.zst"]);
    }
}

#[test]
fn whom_to_record_must_be_said_and_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let try_it = |args: &[&str]| {
        let output = recorder().args(args).current_dir(&folder).output().unwrap();
        refusal(&output)
    };
    assert!(try_it(&["cpu"]).contains("-a"));
    assert!(try_it(&["cpu", "-p", "4190000000"]).contains("no such process"));
    assert!(try_it(&["cpu", "--", "no-such-program-here"]).contains("no-such-program-here"));
    assert!(try_it(&["cpu", "-a", "--ship", "ftp://x/y"]).contains("ssh://"));
    assert!(try_it(&["cpu", "-a", "-o", "no/folder/x"]).contains("no folder"));
    assert!(names(folder.path()).is_empty());
}

#[test]
fn without_perf_or_with_an_old_one_there_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("perf");
    script(&old, "#!/bin/sh\necho perf version 3.10.0\n");
    let with = |perf: &Path| {
        let output = recorder()
            .args(["cpu", "--perf", perf.to_str().unwrap(), "--", "true"])
            .current_dir(&folder)
            .output()
            .unwrap();
        refusal(&output)
    };
    assert!(with(&old).contains("3.10"));
    assert!(with(&folder.path().join("none")).contains("none"));
    // Nothing but the file that was made here is left behind.
    assert_eq!(names(folder.path()), ["perf"]);
}

#[test]
fn who_may_not_record_is_told_what_to_do() {
    if !is_root() || !has("setpriv") || !has("perf") {
        return;
    }
    let paranoid = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    if paranoid.trim().parse::<i32>().is_ok_and(|level| level < 1) {
        skipped("kernel.perf_event_paranoid lets everybody record everything here");
        return;
    }
    // Where nobody may write and execute.
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let program = folder.path().join("contend-record");
    install(Path::new(env!("CARGO_BIN_EXE_contend-record")), &program);
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["cpu", "-a", "--for", "1s"])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let line = refusal(&output);
    assert!(
        line.contains("perf_event_paranoid") || line.contains("CAP_PERFMON"),
        "{line}"
    );
    assert_eq!(names(folder.path()), ["contend-record"]);
}

#[test]
fn a_full_disk_ends_the_recording_and_nothing_captured_is_lost() {
    if !can_record() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = busy(folder.path(), "noisy") else {
        return;
    };
    let Some(small) = Small::mount(folder.path(), 512 << 10) else {
        return;
    };
    let out = small.path().join("x.tar.zst");
    let output = run([
        "cpu".as_ref(),
        "-o".as_ref(),
        out.as_os_str(),
        "--".as_ref(),
        program.as_os_str(),
        "2".as_ref(),
    ]);
    let line = refusal(&output);
    // The capture fits, the bundle with the kernel's symbols does not.
    assert!(line.contains("No space left"), "{line}");
    let kept = small.path().join("x.capture");
    assert!(line.contains(kept.to_str().unwrap()), "{line}");
    let elsewhere = folder.path().join("y.tar.zst");
    let capture = kept.join("cpu.perf.data");
    succeeds([
        "pack".as_ref(),
        capture.as_os_str(),
        "-o".as_ref(),
        elsewhere.as_os_str(),
    ]);
    assert!(open(&elsewhere).member(&binary_member(&program)).is_some());
}
