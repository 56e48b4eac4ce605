//! The tools of any machine read what is written, and what they write is read.

use crate::make::{open, sample, write};
use contend_bundle::{Bundle, Limits};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs a shell command in `folder`; false, and says so, where a tool is missing.
fn run(folder: &Path, command: &str) -> bool {
    for tool in ["tar", "zstd", "sha256sum", "gzip", "bzip2"] {
        let found = Command::new(tool).arg("--version").output();
        if found.is_err() {
            eprintln!("skipped: there is no {tool} on this machine");
            return false;
        }
    }
    let output = Command::new("sh")
        .arg("-ec")
        .arg(command)
        .current_dir(folder)
        .output();
    let output = output.unwrap();
    assert!(
        output.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    true
}

#[test]
fn tar_opens_a_bundle_and_the_folder_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let members = sample();
    fs::write(folder.path().join("x.tar.zst"), write(&members)).unwrap();
    if !run(
        folder.path(),
        "mkdir x; tar --zstd -xf x.tar.zst -C x; cd x; sha256sum --quiet -c SHA256SUMS",
    ) {
        return;
    }
    let unpacked = folder.path().join("x");
    for (name, content) in &members {
        assert!(fs::read(unpacked.join(name)).unwrap() == *content, "{name}");
    }

    let bundle = Bundle::open(&unpacked, &Limits::default()).unwrap();
    assert_eq!(bundle.notes(), [""; 0]);
    assert!(bundle.is_whole() && bundle.verify().is_empty());
    for (name, content) in &members {
        assert!(bundle.read(name, 1 << 30).unwrap() == *content, "{name}");
    }
    assert_eq!(bundle.extract("c2c.perf.data").unwrap().length, 9_000_001);

    fs::write(unpacked.join("kallsyms"), "0 T _other\n").unwrap();
    let bundle = Bundle::open(&unpacked, &Limits::default()).unwrap();
    let error = bundle.read("kallsyms", 100).unwrap_err().to_string();
    assert!(
        error.contains("its SHA-256 is not the one in SHA256SUMS"),
        "{error}"
    );
}

#[test]
fn a_bundle_that_was_packed_again_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut members = sample();
    members.push((format!("proc/{}/x", "long".repeat(60)), vec![3; 5]));
    fs::write(folder.path().join("x.tar.zst"), write(&members)).unwrap();
    for (format, how) in [
        ("gnu", "--zstd"),
        ("pax", "--zstd"),
        ("gnu", "--gzip"),
        ("pax", "--bzip2"),
        ("gnu", "--no-auto-compress"),
    ] {
        let command = format!(
            "rm -rf x; mkdir x; tar --zstd -xf x.tar.zst -C x; \
             tar --format={format} {how} -cf again -C x ."
        );
        if !run(folder.path(), &command) {
            return;
        }
        let bundle = Bundle::open(&folder.path().join("again"), &Limits::default()).unwrap();
        assert_eq!(bundle.notes(), [""; 0], "{how}");
        assert!(bundle.is_whole() && bundle.verify().is_empty(), "{how}");
        for (name, content) in &members {
            assert!(
                bundle.read(name, 1 << 30).unwrap() == *content,
                "{how}: {name}"
            );
        }
    }
    // Cut, they read up to there as well.
    let again = fs::read(folder.path().join("again")).unwrap();
    let bundle = open(&again[..again.len() - 9_000_000]).map(|bundle| bundle.is_whole());
    assert!(matches!(bundle, Ok(false) | Err(_)));
}

#[test]
#[cfg(unix)]
fn links_in_a_folder_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("manifest.json"), "{\"version\":1}").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("kallsyms")).unwrap();
    std::os::unix::fs::symlink("/", folder.path().join("root")).unwrap();
    let bundle = Bundle::open(folder.path(), &Limits::default()).unwrap();
    assert_eq!(bundle.members().len(), 1);
    assert_eq!(
        bundle.notes()[..2],
        [
            "kallsyms is not a file and was passed over",
            "root is not a file and was passed over"
        ]
    );
    let error = Bundle::open(&folder.path().join("no"), &Limits::default());
    assert_eq!(error.unwrap_err().to_string(), "cannot open it");
}
