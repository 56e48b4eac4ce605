//! Latencies, as documents and as pictures: the same for any cut of the work.

use crate::common::{contend, run, shared_captures, unpacked};
use crate::{assert_same, cuts, in_parallel};
use std::path::{Path, PathBuf};

const BY: [&str; 6] = ["source", "function", "line", "thread", "cpu", "node"];

const CUTS: [&[&str]; 4] = [
    &["--threads", "2"],
    &["--threads", "7"],
    &["--threads", "2", "--chunk-size", "4096"],
    &["--threads", "7", "--chunk-size", "10007"],
];

/// Those of the other tests, and operations of Arm SPE.
fn captures(scratch: &Path) -> Vec<PathBuf> {
    let mut files = cuts::captures(scratch);
    if let Some(shared) = shared_captures() {
        for name in ["v2-newbits.perf.data.xz", "damaged.perf.data.xz"] {
            let file = shared.join("spe-synthetic").join(name);
            files.push(unpacked(&file, scratch));
        }
    }
    files
}

/// The document, the table and the picture.
fn output(capture: &Path, picture: &Path, by: &str, cut: &[&str]) -> Vec<u8> {
    let mut all = Vec::new();
    for form in [&["--json"][..], &["--top", "7"]] {
        let mut command = contend();
        command.args(["latency", "--by", by]).args(form).args(cut);
        let ended = run(command.arg(capture).arg("-o").arg(picture));
        let what = format!("{by} {cut:?} {}", capture.display());
        assert_eq!(ended.code, Some(0), "{what}: {}", ended.stderr);
        assert!(ended.stdout.len() > 500, "{what}");
        all.extend(ended.stdout);
        all.extend(std::fs::read(picture).unwrap());
    }
    all
}

#[test]
fn latencies_do_not_depend_on_how_the_work_was_cut() {
    let scratch = tempfile::tempdir().unwrap();
    let files = captures(scratch.path());
    assert!(files.len() >= 26, "{files:?}");
    let numbered: Vec<(usize, &PathBuf)> = files.iter().enumerate().collect();
    in_parallel(&numbered, |(number, file)| {
        let picture = scratch.path().join(format!("{number}.svg"));
        for by in BY {
            let expected = output(file, &picture, by, &["--threads", "1"]);
            for cut in CUTS {
                let what = format!("{} {by} {cut:?}", file.display());
                assert_same(&what, &expected, &output(file, &picture, by, cut));
            }
        }
    });
}
