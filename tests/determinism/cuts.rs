//! Any number of threads and any size of chunks.
//!
//! Chunks of a few kilobytes make a small capture look like a large one: every
//! chunk boundary falls into some record, and every merge happens.

use crate::common::{self, contend, run, shared_captures, synthetic, unpacked};
use crate::{DOCUMENTS, assert_same, in_parallel};
use contend_fixtures::{Big, Container, write_directory};
use std::path::{Path, PathBuf};

const THREADS: [&str; 3] = ["1", "2", "7"];
/// The smallest that the command takes, an odd one, and one that cuts the captures
/// here into a few pieces. The default is one piece.
const CHUNKS: [&str; 3] = ["4096", "10007", "65536"];

/// perf's tables, some of whose columns depend on the order of time: that of the
/// samples, not that of the chunks.
const TABLES: &[&str] = &["c2c", "--perf-compat", "--show-all"];

/// What is cut: every synthetic capture, some in other containers, a larger one
/// with many lines, and real ones.
pub(crate) fn captures(scratch: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for capture in synthetic::all() {
        files.push(synthetic::written(&capture, scratch));
        if ["intel-icelake", "power8-be"].contains(&capture.name) {
            for container in [Container::FileZstd, Container::FileZstd2, Container::Pipe] {
                let file = scratch.join(format!("{}.{container:?}", capture.name));
                std::fs::write(&file, capture.wrapped(container, true).unwrap()).unwrap();
                files.push(file);
            }
            let folder = scratch.join(format!("{}.dir", capture.name));
            write_directory(&capture.stream, &folder, 3).unwrap();
            files.push(folder);
        }
    }
    let big = Big {
        samples: 20_000,
        lines: 2000,
        rows_per_line: 3,
        cpus: 64,
    };
    let file = scratch.join("generated.perf.data");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&file).unwrap());
    big.write(&mut out).unwrap();
    drop(out);
    files.push(file);
    if let Some(shared) = shared_captures() {
        for name in ["c_atomic", "d_mutex", "g_rust"] {
            files.push(shared.join(format!("mem-realistic/{name}.perf.data")));
        }
        let compressed = shared.join("mem/amd-epyc9254-ibs-c2c-ring.perf.data.xz");
        files.push(unpacked(&compressed, scratch));
    }
    files
}

fn document(capture: &Path, command: &[&str], cut: &[&str]) -> Vec<u8> {
    let ended = run(contend().args(command).args(cut).arg(capture));
    let what = format!("{command:?} {cut:?} {}", capture.display());
    assert_eq!(ended.code, Some(0), "{what}: {}", ended.stderr);
    assert!(!ended.stdout.is_empty(), "{what}");
    ended.stdout
}

#[test]
fn any_number_of_threads_and_any_chunk_size() {
    let scratch = tempfile::tempdir().unwrap();
    let files = captures(scratch.path());
    assert!(files.len() >= 26, "{files:?}");
    in_parallel(&files, |file| {
        for command in DOCUMENTS.into_iter().chain([TABLES]) {
            let expected = document(file, command, &["--threads", "1"]);
            for threads in THREADS {
                let mut cuts = vec![vec!["--threads", threads]];
                cuts.extend(CHUNKS.map(|chunk| vec!["--threads", threads, "--chunk-size", chunk]));
                for cut in &cuts {
                    let what = format!("{} {command:?} {cut:?}", file.display());
                    assert_same(&what, &expected, &document(file, command, cut));
                }
            }
        }
    });
}

/// The walk of a damaged capture ends at the same place however it is cut.
#[test]
fn a_damaged_capture_too() {
    let scratch = tempfile::tempdir().unwrap();
    let capture = common::capture::Capture::new(synthetic::all().swap_remove(1).bytes);
    let records = capture.records();
    let (_, hit) = records[records.len() / 2].clone();
    let mut bytes = capture.bytes.clone();
    bytes[hit.start + 6..hit.start + 8].fill(0);
    let damaged = scratch.path().join("damaged.perf.data");
    std::fs::write(&damaged, &bytes).unwrap();
    let cut = scratch.path().join("cut.perf.data");
    std::fs::write(&cut, &capture.bytes[..hit.start + 20]).unwrap();
    for file in [damaged, cut] {
        for command in DOCUMENTS {
            let expected = document(&file, command, &["--threads", "1"]);
            let text = String::from_utf8_lossy(&expected);
            assert!(text.contains("\"warnings\""), "{text}");
            for threads in THREADS {
                for chunk in CHUNKS {
                    let cut = ["--threads", threads, "--chunk-size", chunk];
                    let what = format!("{} {command:?} {cut:?}", file.display());
                    assert_same(&what, &expected, &document(&file, command, &cut));
                }
            }
        }
    }
}

/// Which of thousands of kinds are told apart does not depend on who met them.
#[test]
fn thousands_of_kinds_of_records() {
    let scratch = tempfile::tempdir().unwrap();
    let capture = common::capture::Capture::new(synthetic::all().swap_remove(1).bytes);
    let mut data = Vec::new();
    for (_, range) in capture.records() {
        data.extend_from_slice(&capture.bytes[range]);
    }
    // The larger numbers first.
    for index in 0..6000u32 {
        let kind = 20_000 - index % 3000;
        data.extend_from_slice(&kind.to_le_bytes());
        data.extend_from_slice(&[0, 0, 24, 0]);
        data.extend_from_slice(&[0xa5; 16]);
    }
    let file = scratch.path().join("kinds.perf.data");
    std::fs::write(&file, capture.with_data(&data)).unwrap();
    let command = &["info", "--json"];
    let expected = document(&file, command, &["--threads", "1"]);
    let text = String::from_utf8_lossy(&expected);
    for (said, word) in [
        (true, "\"MORE_UNKNOWN_TYPES\""),
        (true, "\"UNKNOWN_17001\""),
        (true, "\"UNKNOWN_18000\""),
        (false, "\"UNKNOWN_18100\""),
    ] {
        assert_eq!(text.contains(word), said, "{word}: {text}");
    }
    for threads in THREADS {
        for chunk in CHUNKS {
            let cut = ["--threads", threads, "--chunk-size", chunk];
            let what = format!("{command:?} {cut:?}");
            assert_same(&what, &expected, &document(&file, command, &cut));
        }
    }
}
