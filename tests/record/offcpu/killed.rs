//! A recorder that is killed leaves a file that reads, and nothing in the kernel.

use super::child;
use super::{can_collect, contend};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Programs of the collector that are loaded; absent without bpftool.
fn loaded() -> Option<usize> {
    let output = Command::new("bpftool")
        .args(["prog", "show"])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.matches("name offcpu_").count())
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
    let before = loaded();
    let program = std::env::current_exe().unwrap();
    for round in 0..rounds {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("offcpu.perf.data");
        let mut child = child::command(&program, &[], &file)
            .env("CONTEND_TEST_MIN_BLOCK_US", "0")
            .spawn()
            .unwrap();
        assert!(child::started(&mut child).starts_with("started"));
        // Moments that have nothing to do with those at which it writes.
        std::thread::sleep(Duration::from_micros(250_000 + round * 37_117 % 400_000));
        child.kill().unwrap();
        child.wait().unwrap();
        reads(&file, &contend);
    }
    // The kernel frees them a moment later.
    for _ in 0..100 {
        if loaded() <= before {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{:?} programs are loaded, {before:?} were", loaded());
}
