//! Captures that end too early, as those of a killed recorder or a full disk do.
//!
//! What is expected is counted by this test's own decoder: the counters of the
//! whole records before the cut. Most cuts go through the library, which saves a
//! process each; some go through the command. `CONTEND_TEST_FULL=1` cuts all
//! captures, not only one real and some synthetic ones.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod containers;
mod cut;
mod subject;

use common::compare;
use common::contend_on;
use serde_json::Value;
use subject::{Scratch, arbitrary, subjects};

/// Cuts at arbitrary bytes, for each capture.
const ARBITRARY: usize = 1000;

/// Cuts for which the command is run, for each capture.
const BY_COMMAND: usize = 40;

#[test]
fn cut_at_every_record_boundary() {
    for subject in subjects() {
        let cuts = subject.ends.clone();
        assert!(cuts.len() > 400, "{}: {} records", subject.name, cuts.len());
        let found = cut::differences(&subject, &cuts);
        compare::assert_none("cut at record boundaries", &found);
    }
}

#[test]
fn cut_at_arbitrary_bytes() {
    for subject in subjects() {
        let cuts: Vec<usize> = arbitrary(ARBITRARY, subject.capture.bytes.len()).collect();
        let found = cut::differences(&subject, &cuts);
        compare::assert_none("cut at arbitrary bytes", &found);
    }
}

/// The header and what is behind the data are short, so that arbitrary cuts
/// hardly hit them.
#[test]
fn cut_at_every_byte_outside_the_data() {
    for subject in subjects() {
        let (data, end) = (&subject.capture.data, subject.capture.bytes.len());
        let behind = (data.end..end).step_by(((end - data.end) / 1000).max(1));
        let cuts: Vec<usize> = (0..=data.start + 64).chain(behind).collect();
        let found = cut::differences(&subject, &cuts);
        compare::assert_none("cut in the header or in the features", &found);
    }
}

/// The command says what the library finds, or refuses in one line.
#[test]
fn the_command_on_cut_captures() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("cut.perf.data");
    for subject in subjects() {
        let bytes = &subject.capture.bytes;
        for at in arbitrary(BY_COMMAND, bytes.len()).chain([0, 8, 64, bytes.len() - 1]) {
            std::fs::write(&file, &bytes[..at]).unwrap();
            let what = format!("{} cut at {at}", subject.name);
            let ended = contend_on(&file, &["c2c", "--json"]);
            let info = contend_on(&file, &["info", "--json"]);
            let expected = subject.before(at);
            if expected.is_some_and(|counters| counters.get("nr_entries") > 0) {
                let document = ended.json(&what);
                let found = cut::compare(&subject, at, &document);
                compare::assert_none(&what, &found);
                let quality = &info.json(&what)["quality"];
                for field in ["samples", "truncated_bytes"] {
                    assert_eq!(quality[field], document["quality"][field], "{what}");
                }
            } else {
                let line = ended.refused(&what).to_owned();
                assert!(line.contains("cut.perf.data"), "{what}: {line}");
                if at >= subject.capture.data.start {
                    // Nothing to analyze, but there is a capture to tell of.
                    let document = info.json(&what);
                    assert_ne!(document["can"]["c2c"], true, "{what}");
                    assert_ne!(document["quality"]["warnings"], Value::Null, "{what}");
                }
            }
        }
    }
}

/// A capture of only the records before the cut, otherwise intact, has the very
/// lines that the cut one has: also `nomap`, which needs the address spaces.
#[test]
fn a_cut_capture_equals_an_intact_one_that_ends_there() {
    let scratch = tempfile::tempdir().unwrap();
    for subject in subjects() {
        for tenth in 1..10 {
            let records = subject.ends.len() * tenth / 10;
            let [cut, short] =
                ["cut", "short"].map(|name| scratch.path().join(format!("{name}.perf.data")));
            let end = subject.ends[records];
            std::fs::write(&cut, &subject.capture.bytes[..end]).unwrap();
            let whole = subject.capture.with_records(|index, _| index < records);
            std::fs::write(&short, whole).unwrap();
            let what = format!("{}, {records} records", subject.name);
            let samples = subject.before(end).unwrap().get("nr_entries");
            let args = [
                "c2c",
                "--json",
                "--show-all",
                "--line-size",
                "64",
                "--sort",
                "tot",
                // Build-ids are behind the data, too.
                "--no-symbols",
            ];
            let [cut, short] = [cut, short].map(|file| contend_on(&file, &args));
            if samples == 0 {
                cut.refused(&what);
                short.refused(&what);
                continue;
            }
            let [cut, short] = [cut, short].map(|ended| without_nodes(ended.json(&what)));
            assert_eq!(short["quality"]["truncated_bytes"], 0, "{what}");
            for field in ["perf_counters", "classes", "ratios", "lines"] {
                assert_eq!(cut[field], short[field], "{what}: {field}");
            }
        }
    }
}

/// Nodes are told behind the data, where the cut capture has nothing.
fn without_nodes(mut document: Value) -> Value {
    for line in document["lines"].as_array_mut().unwrap() {
        line.as_object_mut().unwrap().remove("node");
        for row in line["rows"].as_array_mut().unwrap() {
            row.as_object_mut().unwrap().remove("nodes");
        }
    }
    document
}

#[test]
fn expected_counters_are_those_of_the_whole() {
    for subject in subjects() {
        let all = subject.before(subject.capture.bytes.len()).unwrap();
        let scratch = Scratch::new(&subject.capture.bytes);
        let document = cut::document(&scratch.file);
        let found = cut::counter_differences(&document.unwrap()["perf_counters"], all);
        compare::assert_none(&subject.name, &found);
    }
}
