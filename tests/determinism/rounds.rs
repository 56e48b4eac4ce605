//! Round marks say in what order records may be released; what the records hold
//! does not change with them.

use crate::common::capture::{Capture, FINISHED_ROUND};
use crate::common::{contend, run, shared_captures, synthetic};
use crate::{DOCUMENTS, assert_same};
use contend_fixtures::Container;
use serde_json::Value;
use std::path::Path;

/// The document of a capture that is named `perf.data` whatever it holds: the
/// name is in the document.
fn document(bytes: &[u8], scratch: &Path, command: &[&str]) -> Vec<u8> {
    std::fs::write(scratch.join("perf.data"), bytes).unwrap();
    let ended = run(contend()
        .current_dir(scratch)
        .args(command)
        .arg("perf.data"));
    assert_eq!(ended.code, Some(0), "{command:?}: {}", ended.stderr);
    ended.stdout
}

/// The document without the only thing that may differ: how many marks there are.
fn without_marks(document: &[u8]) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(document).unwrap();
    if let Some(records) = document["records"].as_object_mut() {
        records.remove("FINISHED_ROUND");
    }
    serde_json::to_vec_pretty(&document).unwrap()
}

fn compare(name: &str, with: &[u8], without: &[u8], scratch: &Path) {
    assert_ne!(with, without, "{name}: there are marks to remove");
    for command in DOCUMENTS {
        let [with, without] = [with, without].map(|bytes| document(bytes, scratch, command));
        let what = format!("{name} {command:?} without round marks");
        if command[0] == "info" {
            assert_same(&what, &without_marks(&with), &without_marks(&without));
        } else {
            assert_same(&what, &with, &without);
        }
    }
}

#[test]
fn with_and_without_round_marks() {
    let scratch = tempfile::tempdir().unwrap();
    for capture in synthetic::all() {
        let without = capture.wrapped(Container::File, false).unwrap();
        compare(capture.name, &capture.bytes, &without, scratch.path());
    }
    let Some(shared) = shared_captures() else {
        return;
    };
    for name in ["c_atomic", "d_mutex", "g_rust"] {
        let file = shared.join(format!("mem-realistic/{name}.perf.data"));
        let capture = Capture::new(std::fs::read(&file).unwrap());
        let without = capture.with_records(|_, kind| kind != FINISHED_ROUND);
        compare(name, &capture.bytes, &without, scratch.path());
    }
}
