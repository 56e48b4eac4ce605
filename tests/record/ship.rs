//! Sending bundles: what arrives is whole and verified, and what does not arrive is
//! still here.

mod https;
mod ssh;

use super::support::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A file that is sent: content does not matter to those who send.
fn bundle(folder: &Path, bytes: usize) -> PathBuf {
    let path = folder.join("b.tar.zst");
    let mut state = 1u64;
    let content: Vec<u8> = (0..bytes)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    fs::write(&path, content).unwrap();
    path
}

fn ship(bundle: &Path, to: &str) -> Output {
    run(["ship", bundle.to_str().unwrap(), to])
}

#[test]
fn a_command_gets_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = bundle(folder.path(), 300_000);
    let copy = folder.path().join("copy");
    let output = ship(&path, &format!("exec:cat > {}", copy.display()));
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(fs::read(&copy).unwrap(), fs::read(&path).unwrap());
    // No checksum can be compared, so that the bundle stays and this is said.
    assert!(said(&output).contains("not verified") && path.exists());
    for command in [
        "exit 3",
        "head -c 10 > /dev/null",
        "head -c 10 > /dev/null; exit 1",
    ] {
        let line = refusal(&ship(&path, &format!("exec:{command}")));
        assert!(line.contains(path.to_str().unwrap()), "{line}");
        assert!(path.exists());
    }
}

#[test]
fn a_recording_is_sent_while_it_is_packed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = busy(folder.path(), "sent") else {
        return;
    };
    let capture = folder.path().join("run.data");
    if !perf_record(&capture, &[], &program, "0.2") {
        return;
    }
    let copy = folder.path().join("copy.tar.zst");
    let to = format!("exec:cat > {}", copy.display());
    let out = folder.path().join("x.tar.zst");
    succeeds([
        "pack".as_ref(),
        capture.as_os_str(),
        "--ship".as_ref(),
        to.as_ref(),
        "-o".as_ref(),
        out.as_os_str(),
    ]);
    assert_eq!(fs::read(&copy).unwrap(), fs::read(&out).unwrap());
    assert_eq!(open(&copy).captures().count(), 1);
}
