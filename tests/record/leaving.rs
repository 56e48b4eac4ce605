//! What leaves the machine, and how it can be kept from it: standard output, commands,
//! names.

use super::running::Running;
use super::support::*;
use contend_perfdata::{FileSource, PerfData};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// Sends a signal until the process ends; whether it ended well.
fn signal_until_it_ends(child: &mut Child, name: &str) -> Option<i32> {
    let mut status = None;
    until("the end", || {
        let _ = Command::new("kill")
            .args([&format!("-{name}"), &child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.and_then(|status| status.code())
}

#[test]
fn a_bundle_on_standard_output_has_nothing_of_the_program() {
    if !can_record() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = recorder()
        .args([
            "cpu",
            "-o",
            "-",
            "--",
            "sh",
            "-c",
            "echo printed; echo said >&2",
        ])
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("printed\n") && said(&output).contains("said\n"));
    let path = folder.path().join("x.tar.zst");
    fs::write(&path, &output.stdout).unwrap();
    assert_eq!(open(&path).captures().count(), 1);
    assert_eq!(names(folder.path()), ["x.tar.zst"]);
}

#[test]
fn what_nobody_reads_can_be_given_up() {
    if !is_root() || !can_record() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(
        folder.path(),
        recorder()
            .args(["cpu", "-o", "-", "--", "true"])
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped()),
    );
    // The lists of the kernel alone are more than a pipe holds.
    running.until_it_says("packing cpu");
    assert_eq!(signal_until_it_ends(&mut running.child, "INT"), Some(2));
    let text = running.said();
    let last = text.lines().last().unwrap();
    let kept = folder.path().join("contend-cpu.capture");
    assert!(last.contains("captures are safe in"), "{text}");
    assert!(kept.join("cpu.perf.data").exists(), "{text}");
}

#[test]
fn a_command_that_does_not_read_can_be_given_up() {
    if !is_root() || !can_record() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(
        folder.path(),
        recorder()
            .args(["cpu", "-o", "x.tar.zst", "--ship", "exec:exec sleep 1000"])
            .args(["--", "true"])
            .current_dir(&folder),
    );
    running.until_it_says("wrote x.tar.zst");
    assert_eq!(signal_until_it_ends(&mut running.child, "TERM"), Some(2));
    let text = running.said();
    let last = text.lines().last().unwrap();
    assert!(
        last.contains("not sent") && last.contains("x.tar.zst"),
        "{text}"
    );
    // The bundle is whole, so that nothing else need stay.
    assert_eq!(names(folder.path()), ["log", "x.tar.zst"]);
    assert_eq!(open(&folder.path().join("x.tar.zst")).captures().count(), 1);
}

/// Neither in front of the collector's capture, where it stands for files without an end,
/// nor at its end, nor anywhere else.
#[test]
fn redacted_recordings_name_no_machine_and_no_command() {
    if !can_collect() || !can_record() || !has("unshare") || !has("hostname") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "hostname db7-of-nobody.example || exit 77
         exec {} all --redact -o x.tar.zst -- sh -c 'sleep 0.3; : the-secret-argument'",
        env!("CARGO_BIN_EXE_contend-record")
    );
    let output = Command::new("unshare")
        .args(["--uts", "sh", "-c", &script])
        .current_dir(&folder)
        .output()
        .unwrap();
    if output.status.code() == Some(77) || said(&output).contains("unshare failed") {
        skipped(&format!("no other host name here: {}", said(&output)));
        return;
    }
    assert!(output.status.success(), "{}", said(&output));
    let bundle = open(&folder.path().join("x.tar.zst"));
    let mut members: Vec<_> = bundle.captures().map(str::to_owned).collect();
    // Where the hardware samples memory there is c2c, too.
    for kind in ["cpu.perf.data", "offcpu.perf.data"] {
        assert!(members.iter().any(|name| name == kind), "{members:?}");
    }
    members.extend(["manifest.json".to_owned(), "build-ids".to_owned()]);
    for name in members {
        if bundle.member(&name).is_none() {
            continue;
        }
        let bytes = member(&bundle, &name);
        for secret in ["db7-of-nobody", "the-secret-argument"] {
            let found = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} is in {name}");
        }
        // It is read all the same.
        if name.ends_with(".perf.data") {
            let path = folder.path().join(&name);
            fs::write(&path, bytes).unwrap();
            let source = FileSource::new(fs::File::open(&path).unwrap()).unwrap();
            let capture = PerfData::open(Arc::new(source)).unwrap();
            let features = &capture.header().features;
            assert_eq!(features.hostname.as_deref().unwrap_or_default(), "");
            assert!(features.os_release.is_some());
        }
    }
}

/// What was lost is said when it happens, not only to who reads the bundle.
#[test]
fn losses_are_said() {
    if !can_record() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let perf = folder.path().join("perf");
    script(
        &perf,
        "#!/bin/sh\n\
         [ \"$2\" = -h ] || [ \"$1\" != record ] || echo 'WARNING: AUX data lost 2 times out of 10!' >&2\n\
         PATH=${PATH#*:} exec perf \"$@\"\n",
    );
    let path = std::env::var("PATH").unwrap();
    let output = recorder()
        .args(["cpu", "-o", "x.tar.zst", "--", "true"])
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let text = said(&output);
    assert!(
        text.contains("cpu: perf: WARNING: AUX data lost 2 times"),
        "{text}"
    );
    let notes = open(&folder.path().join("x.tar.zst"))
        .manifest()
        .notes
        .clone();
    assert!(notes.iter().any(|note| note.contains("AUX data lost")));
}

/// What a recorder that was killed leaves answers what it would have answered.
#[test]
fn a_killed_recording_is_packed_by_hand() {
    if !can_collect() || !can_record() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Its process ends with this test in any case.
    let mut sleeper = Command::new("sh")
        .args(["-c", "while :; do sleep 0.05; done"])
        .spawn()
        .unwrap();
    let mut running = Running::start(
        folder.path(),
        recorder()
            .args(["all", "--min-block", "0", "-o", "x.tar.zst"])
            .args(["-p", &sleeper.id().to_string()])
            .current_dir(&folder),
    );
    running.until_it_says("recording cpu");
    let captures = ["cpu", "offcpu"].map(|kind| {
        let folder = folder.path().join("x.capture");
        folder.join(format!("{kind}.perf.data"))
    });
    // Some waits are in the file.
    until("waits", || {
        fs::metadata(&captures[1]).is_ok_and(|facts| facts.len() > 64 << 10)
    });
    running.child.kill().unwrap();
    running.end();
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    // perf ends by itself, and closes its file.
    until("the end of perf", || {
        let file = captures[0].canonicalize().unwrap();
        let open = fs::read_dir("/proc").unwrap().flatten().any(|process| {
            let files = fs::read_dir(process.path().join("fd"));
            files
                .into_iter()
                .flatten()
                .flatten()
                .any(|entry| fs::read_link(entry.path()).is_ok_and(|link| link == file))
        });
        !open
    });
    let out = folder.path().join("x.tar.zst");
    let text = succeeds(
        [
            "pack".as_ref(),
            captures[0].as_os_str(),
            captures[1].as_os_str(),
        ]
        .into_iter()
        .chain(["-o".as_ref(), out.as_os_str()]),
    );
    let bundle = open(&out);
    let kinds: Vec<_> = bundle.manifest().captures.iter().collect();
    let kinds: Vec<_> = kinds.iter().map(|it| it.kind.as_deref()).collect();
    assert_eq!(kinds, [Some("cpu"), Some("offcpu")], "{text}");
    assert!(bundle.member("messages/cpu.txt").is_some());
    let Some(contend) = contend() else {
        return;
    };
    for command in ["offcpu", "oncpu", "info"] {
        let output = Command::new(&contend)
            .arg(command)
            .arg(&out)
            .output()
            .unwrap();
        // On-CPU samples there may be none of.
        let is_empty = said(&output).contains("no samples");
        assert!(
            output.status.success() || command == "oncpu" && is_empty,
            "{command}: {}",
            said(&output)
        );
    }
}

/// Once, and with what it means.
#[test]
fn a_killed_perf_is_said_once() {
    if !is_root() || !can_record() {
        return;
    }
    let own = format!("/proc/self/task/{}/children", std::process::id());
    if !Path::new(&own).exists() {
        skipped("this kernel does not list children");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(
        folder.path(),
        recorder()
            .args(["cpu", "-o", "x.tar.zst", "--", "sleep", "1000"])
            .current_dir(&folder),
    );
    running.until_it_says("recording cpu");
    let children = format!("/proc/{0}/task/{0}/children", running.child.id());
    let children = fs::read_to_string(children).unwrap();
    let perf = children.split_whitespace().find(|pid| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("perf"))
    });
    let killed = Command::new("kill").args(["-9", perf.unwrap()]).status();
    assert!(killed.unwrap().success());
    let is_good = running.end().success();
    let text = running.said();
    assert!(is_good, "{text}");
    assert_eq!(text.matches("perf was killed").count(), 1, "{text}");
    assert!(text.contains("its capture is partial"), "{text}");
}

/// A process whose parent does not ask for its end is over nevertheless.
#[test]
fn the_end_of_a_process_ends_its_recording() {
    if !can_record() || !has("mkfifo") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let script = "sh -c 'read go < pipe' & echo $! > pid; exec sleep 1000";
    let mut parent = Command::new("sh")
        .args(["-c", script])
        .current_dir(&folder)
        .spawn()
        .unwrap();
    let pid = folder.path().join("pid");
    until("the process", || {
        fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n'))
    });
    let pid = fs::read_to_string(&pid).unwrap().trim().to_owned();
    let mut running = Running::start(
        folder.path(),
        recorder()
            .args(["cpu", "-p", &pid, "-o", "x.tar.zst"])
            .current_dir(&folder),
    );
    running.until_it_says("recording cpu");
    fs::write(&pipe, "go\n").unwrap();
    let mut status = None;
    until("its end", || {
        status = running.child.try_wait().unwrap();
        status.is_some()
    });
    parent.kill().unwrap();
    parent.wait().unwrap();
    let text = running.said();
    assert!(status.unwrap().success(), "{text}");
    assert!(!text.contains("partial"), "{text}");
    assert!(Path::new(&folder.path().join("x.tar.zst")).exists());
}

/// Nothing is left of a recording of what could not be run.
#[test]
fn what_cannot_be_run_leaves_nothing() {
    if !can_record() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x");
    fs::write(&file, "#!/no/such/interpreter\n").unwrap();
    for (mode, says) in [(0o644, "not executable"), (0o755, "cannot run ./x")] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let output = recorder()
            .args(["all", "-o", "y.tar.zst", "--", "./x"])
            .current_dir(&folder)
            .output()
            .unwrap();
        let line = refusal(&output);
        assert!(line.contains(says), "{line}");
        assert_eq!(names(folder.path()), ["x"]);
    }
}

/// A low limit of open files, as of a login, is no reason to do without the collector.
#[test]
fn few_open_files_are_made_more() {
    if !can_collect() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "ulimit -Sn 16 && exec {} offcpu -o x.tar.zst -- true",
        env!("CARGO_BIN_EXE_contend-record")
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(!said(&output).contains("instead"), "{}", said(&output));
}
