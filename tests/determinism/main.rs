//! The document does not depend on how the work was cut.
//!
//! Chunks of a few kilobytes make a small capture look like a large one: every
//! chunk boundary falls into some record, and every merge happens.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

use common::capture::{Capture, FINISHED_ROUND};
use common::{Run, contend, run, shared_captures, unpacked};
use std::path::{Path, PathBuf};

const THREADS: [&str; 3] = ["1", "2", "7"];
const CHUNKS: [&str; 5] = ["4096", "10007", "65536", "1000000", "67108864"];

/// Captures to cut: `(name, file)`.
fn captures(scratch: &Path) -> Vec<(String, PathBuf)> {
    let mut files = vec![common::workspace().join("fixtures/demo/false-sharing.perf.data")];
    if let Some(shared) = shared_captures() {
        for name in [
            "mem-realistic/c_atomic",
            "mem-realistic/d_mutex",
            "mem-realistic/g_rust",
        ] {
            files.push(shared.join(format!("{name}.perf.data")));
        }
        let compressed = shared.join("mem/amd-epyc9254-ibs-c2c-ring.perf.data.xz");
        files.push(unpacked(&compressed, scratch));
    }
    files.retain(|file| file.exists() || panic!("{} is absent", file.display()));
    files
        .into_iter()
        .map(|file| {
            (
                file.file_name().unwrap().to_string_lossy().into_owned(),
                file,
            )
        })
        .collect()
}

fn document(capture: &Path, args: &[&str]) -> Vec<u8> {
    let ended: Run = run(contend()
        .args(["c2c", "--json", "--show-all"])
        .args(args)
        .arg(capture));
    assert_eq!(
        ended.code,
        Some(0),
        "{} {args:?}: {}",
        capture.display(),
        ended.stderr
    );
    assert!(!ended.stdout.is_empty());
    ended.stdout
}

/// Says where two documents part instead of printing both.
fn assert_same(what: &str, left: &[u8], right: &[u8]) {
    if left != right {
        let at = left.iter().zip(right).take_while(|(a, b)| a == b).count();
        let excerpt = |bytes: &[u8]| {
            let end = bytes.len().min(at + 80);
            String::from_utf8_lossy(&bytes[at.saturating_sub(120).min(end)..end]).into_owned()
        };
        panic!(
            "{what}: differ at byte {at}:\n{}\n{}",
            excerpt(left),
            excerpt(right)
        );
    }
}

#[test]
fn any_number_of_threads_and_any_chunk_size() {
    let scratch = tempfile::tempdir().unwrap();
    for (name, file) in captures(scratch.path()) {
        let expected = document(&file, &["--threads", "1"]);
        for threads in THREADS {
            assert_same(
                &format!("{name}, {threads} threads"),
                &expected,
                &document(&file, &["--threads", threads]),
            );
            for chunk in CHUNKS {
                let args = ["--threads", threads, "--chunk-size", chunk];
                assert_same(
                    &format!("{name}, {args:?}"),
                    &expected,
                    &document(&file, &args),
                );
            }
        }
    }
}

/// Round marks say in what order records may be released; what they contain does
/// not change.
#[test]
fn with_and_without_round_marks() {
    let scratch = tempfile::tempdir().unwrap();
    for (name, file) in captures(scratch.path()) {
        let capture = Capture::new(std::fs::read(&file).unwrap());
        let marks = capture
            .records()
            .iter()
            .filter(|(kind, _)| *kind == FINISHED_ROUND)
            .count();
        let folders = [scratch.path().join("with"), scratch.path().join("without")];
        // The same name in two folders: the document holds the name it was given.
        let mut documents = Vec::new();
        for (folder, bytes) in folders.iter().zip([
            capture.bytes.clone(),
            capture.with_records(|_, kind| kind != FINISHED_ROUND),
        ]) {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join("perf.data"), bytes).unwrap();
            let mut command = contend();
            let ended =
                run(command
                    .current_dir(folder)
                    .args(["c2c", "--json", "--show-all", "perf.data"]));
            assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
            documents.push(ended.stdout);
        }
        assert!(
            name.starts_with("amd") || marks > 0,
            "{name}: no round marks to remove"
        );
        assert_same(
            &format!("{name} without its {marks} round marks"),
            &documents[0],
            &documents[1],
        );
    }
}
