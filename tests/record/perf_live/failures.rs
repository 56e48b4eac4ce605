//! Disks, processes, rights and perfs that are not as one would like.

use super::{Workload, contend, samples_of, source, wait_for};
use crate::support::skipped;
use contend_record::perf::{Kind, PerfOptions, PerfSource, PerfTool, plan};
use contend_record::source::{Capture, Source, Target};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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
        "perf ended with status 3: perf: something odd happened"
    );
    let error = source.stop().unwrap_err().to_string();
    assert_eq!(
        error,
        "c2c: perf left no capture: perf: something odd happened"
    );
}
