//! Synthetic captures: what was planted, what the command finds, what perf finds.

use crate::common::synthetic;
use crate::common::truth::{self, Documents};
use crate::common::{compare, contend_on, skipped};
use crate::known;
use crate::oracle::Oracle;
use serde_json::{Value, json};
use std::path::Path;

/// There are this many, so that a test that compares none does not pass.
const CAPTURES: usize = 17;

fn documents(file: &Path, name: &str, line_size: &[&str]) -> Documents {
    let c2c = |more: &[&str]| {
        let args = [&["c2c", "--json"], line_size, more].concat();
        contend_on(file, &args).json(name)
    };
    Documents {
        info: contend_on(file, &["info", "--json"]).json(name),
        shown: c2c(&[]),
        all: c2c(&["--show-all"]),
    }
}

/// With the line size of the capture and, as perf has it, with lines of 64 bytes.
#[test]
fn equal_their_truth() {
    let scratch = tempfile::tempdir().unwrap();
    let mut differences = Vec::new();
    let all = synthetic::all();
    assert_eq!(all.len(), CAPTURES);
    for capture in &all {
        let file = synthetic::written(capture, scratch.path());
        for (line_size, truth) in [
            (&[][..], &capture.truth),
            (&["--line-size", "64"], &capture.truth_64),
        ] {
            let truth = serde_json::to_value(truth).unwrap();
            let documents = documents(&file, capture.name, line_size);
            let found = truth::differences(&documents, &truth);
            // Nothing is left out but what nobody knows.
            let skipped = match capture.name {
                "unknown-records" => json!({ "records of unknown types": 3 }),
                _ => Value::Null,
            };
            for document in [&documents.info, &documents.shown, &documents.all] {
                assert_eq!(document["quality"]["skipped"], skipped, "{}", capture.name);
            }
            differences.extend(
                found
                    .iter()
                    .map(|difference| format!("{} {line_size:?}: {difference}", capture.name)),
            );
        }
    }
    compare::assert_none("synthetic captures and their truth", &differences);
}

#[test]
fn equal_perf() {
    let oracle = match Oracle::new() {
        Ok(oracle) => oracle,
        Err(reason) => return skipped(&reason),
    };
    let scratch = tempfile::tempdir().unwrap();
    let mut differences = Vec::new();
    let all = synthetic::all();
    assert_eq!(all.len(), CAPTURES);
    for capture in &all {
        let file = synthetic::written(capture, scratch.path());
        differences.extend(oracle.differences(capture.name, &file));
    }
    compare::assert_none("synthetic captures and perf", &differences);
}

/// An exception for a capture that no longer exists hides nothing and helps nobody.
#[test]
fn exceptions_are_for_captures_that_exist() {
    let all = synthetic::all();
    for name in known::names() {
        let capture = all.iter().find(|capture| capture.name == name);
        let capture = capture.unwrap_or_else(|| panic!("{name}: no such capture"));
        assert!(!capture.perf_readable, "{name}: perf reads it as it is");
    }
}
