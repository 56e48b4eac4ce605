//! Cuts of captures in other containers than a plain file.
//!
//! A zstd stream is cut somewhere, and what can be inflated is not for this test
//! to compute again: what is counted must be the counters after some whole
//! record, never fewer than those of an earlier cut.

use crate::common::compare;
use crate::common::counters::Counters;
use crate::cut;
use crate::subject::{Scratch, Subject, arbitrary, everything};
use contend_fixtures::{Capture, Container, demo, write_directory};
use std::collections::BTreeSet;
use std::fs::OpenOptions;

/// Magic and size, in front of the records of a pipe.
const PIPE_HEADER: usize = 16;

/// Cuts of each container.
const CUTS: usize = 300;

fn all_samples(capture: &Capture) -> Subject {
    Subject::new(capture.name, capture.bytes.clone())
}

/// Counters after whole records, by how many samples were before.
fn by_samples(subject: &Subject) -> Vec<&Counters> {
    let after = subject.ends.iter().map(|end| subject.before(*end).unwrap());
    let mut all: Vec<&Counters> = after.collect();
    all.dedup_by_key(|counters| counters.get("nr_entries"));
    all
}

#[test]
fn compressed_and_piped() {
    let capture = demo().capture;
    let subject = all_samples(&capture);
    let expected = by_samples(&subject);
    let factor = if everything() { 10 } else { 1 };
    for container in [
        Container::FileZstd,
        Container::FileZstd2,
        Container::Pipe,
        Container::PipeZstd,
        Container::Unfinished,
    ] {
        let bytes = capture.wrapped(container, true).unwrap();
        // A pipe has no length: that it ended between two records, nobody can tell.
        let silent: BTreeSet<usize> = match container {
            Container::Pipe | Container::PipeZstd => record_ends(&bytes[PIPE_HEADER..])
                .iter()
                .map(|(_, end)| end + PIPE_HEADER)
                .collect(),
            _ => BTreeSet::new(),
        };
        let scratch = Scratch::new(&bytes);
        let file = OpenOptions::new().write(true).open(&scratch.file).unwrap();
        let mut cuts: Vec<usize> = arbitrary(CUTS * factor, bytes.len()).collect();
        cuts.sort_unstable_by(|a, b| b.cmp(a));
        let mut last = u64::MAX;
        let mut counted = BTreeSet::new();
        let mut found = Vec::new();
        for at in cuts {
            file.set_len(at as u64).unwrap();
            // A cut in the header may be refused.
            let Ok(document) = cut::document(&scratch.file) else {
                assert!(at < 4096, "{container:?} cut at {at} is refused");
                continue;
            };
            let samples = document["perf_counters"]["nr_entries"].as_u64().unwrap();
            assert!(
                samples <= last,
                "{container:?} cut at {at}: {samples} > {last}"
            );
            last = samples;
            counted.insert(samples);
            let differences =
                cut::counter_differences(&document["perf_counters"], expected[samples as usize]);
            found.extend(
                differences
                    .iter()
                    .map(|text| format!("{container:?} cut at {at}: {text}")),
            );
            let warned = document["quality"]["warnings"].is_array();
            if !warned && !silent.contains(&at) {
                found.push(format!("{container:?} cut at {at}: no warning"));
            }
        }
        compare::assert_none("cut", &found);
        assert!(counted.len() > 5, "{container:?}: {counted:?}");
    }
}

/// One file of a folder is cut: the others are read whole.
#[test]
fn a_file_of_a_folder() {
    let capture = demo().capture;
    let folder = tempfile::tempdir().unwrap();
    write_directory(&capture.stream, folder.path(), 3).unwrap();
    let whole = cut::document(folder.path()).unwrap();
    let whole = whole["perf_counters"]["nr_entries"].as_u64().unwrap();
    let path = folder.path().join("data.1");
    let bytes = std::fs::read(&path).unwrap();
    let ends = record_ends(&bytes);
    let samples = |kinds: &[(u32, usize)]| kinds.iter().filter(|(kind, _)| *kind == 9).count();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let mut cuts: Vec<usize> = arbitrary(CUTS, bytes.len()).collect();
    cuts.sort_unstable_by(|a, b| b.cmp(a));
    for at in cuts {
        file.set_len(at as u64).unwrap();
        let document = cut::document(folder.path()).unwrap();
        let kept = ends.partition_point(|(_, end)| *end <= at);
        let lost = samples(&ends[kept..]) as u64;
        assert_eq!(
            document["perf_counters"]["nr_entries"].as_u64(),
            Some(whole - lost),
            "cut at {at}"
        );
        // Nothing tells how long the file was: only a cut record shows.
        let read = kept.checked_sub(1).map_or(0, |last| ends[last].1);
        assert_eq!(
            document["quality"]["truncated_bytes"].as_u64(),
            Some((at - read) as u64),
            "cut at {at}"
        );
    }
}

/// Kind and end of each record of a file of records only.
fn record_ends(bytes: &[u8]) -> Vec<(u32, usize)> {
    let mut ends = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let kind = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let size = u16::from_le_bytes(bytes[at + 6..at + 8].try_into().unwrap());
        at += usize::from(size);
        ends.push((kind, at));
    }
    assert_eq!(at, bytes.len());
    ends
}
