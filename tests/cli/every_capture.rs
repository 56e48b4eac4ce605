//! Every shared capture is read, or refused in one clear line.

use crate::common::{Run, contend_measured, contend_on, shared_captures, unpacked};
use crate::index::{self, Entry, SHORTENED};
use crate::records::{self, Records};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Files that need not be read: too old a layout.
const MAY_REFUSE: [&str; 1] = ["odd/v1-magic-PERFFILE-el7.perf.data"];

fn samples_by_event(document: &Value) -> Vec<(String, u64)> {
    let events = document["events"]
        .as_array()
        .expect("info lists the events");
    let event = |event: &Value| {
        let name = event["name"].as_str().unwrap_or_default().to_owned();
        (
            name,
            event["samples"]
                .as_u64()
                .expect("the event has a number of samples"),
        )
    };
    events.iter().map(event).collect()
}

/// Whether the name is that of the capture. The index has `type:config` where the
/// capture gives no name, and `…` where it leaves events out.
fn comparable(name: &str) -> bool {
    let made_up = ["hw:", "sw:", "tracepoint:", "pmu"]
        .iter()
        .any(|prefix| name.starts_with(prefix));
    !made_up && !name.contains('…')
}

fn compare(entry: &Entry, document: &Value, differences: &mut Vec<String>) {
    let found = samples_by_event(document);
    let total: u64 = found.iter().map(|(_, samples)| samples).sum();
    let mut complain = |what: String| differences.push(format!("{}: {what}", entry.file));
    if total != entry.samples {
        complain(format!(
            "{total} samples, the index has {}: {found:?}",
            entry.samples
        ));
    }
    for (name, samples) in entry
        .events
        .iter()
        .filter(|(name, samples)| comparable(name) && *samples > 0)
    {
        let here: u64 = found
            .iter()
            .filter(|(found, _)| {
                found == name || name.len() == SHORTENED && found.starts_with(name)
            })
            .map(|(_, samples)| samples)
            .sum();
        if here != *samples {
            complain(format!(
                "{name} has {here} samples, the index has {samples}: {found:?}"
            ));
        }
    }
    if entry.complete {
        let counts = |events: &[(String, u64)]| {
            let mut counts: Vec<u64> = events
                .iter()
                .map(|(_, samples)| *samples)
                .filter(|n| *n > 0)
                .collect();
            counts.sort_unstable();
            counts
        };
        if counts(&found) != counts(&entry.events) {
            complain(format!(
                "events {found:?}, the index has {:?}",
                entry.events
            ));
        }
    }
}

#[test]
fn samples_per_event_are_those_of_the_index() {
    let Some(captures) = shared_captures() else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let mut entries = index::read(&captures);
    assert!(
        entries.len() > 40,
        "the index was understood: {} entries",
        entries.len()
    );
    let by_perf = index::read_perf(&captures);
    assert!(by_perf.len() > 40, "{} that perf reads", by_perf.len());
    entries.extend(by_perf);
    entries.extend(index::counted_by_hand());
    let mut differences = Vec::new();
    for entry in &entries {
        let file = unpacked(&captures.join(&entry.file), scratch.path());
        let ended = contend_on(&file, &["info", "--json"]);
        if ended.code == Some(2) && MAY_REFUSE.contains(&entry.file.as_str()) {
            ended.refused(&entry.file);
        } else if ended.code != Some(0) {
            differences.push(format!(
                "{}: exit {:?}: {}",
                entry.file,
                ended.code,
                ended.stderr.trim()
            ));
        } else {
            compare(entry, &ended.json(&entry.file), &mut differences);
        }
    }
    crate::common::compare::assert_none("samples per event", &differences);
}

/// Every capture that is a plain file is read to its last whole record: the header
/// of each record is counted here a second time.
#[test]
fn records_are_read_to_the_last_whole_one() {
    let Some(captures) = shared_captures() else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let mut walked = 0;
    let mut differences = Vec::new();
    for path in all_files(&captures) {
        let file = unpacked(&path, scratch.path());
        let Some(Records { kinds, left }) = records::walk(&std::fs::read(&file).unwrap()) else {
            continue;
        };
        let what = path.display();
        let ended = contend_on(&file, &["info", "--json"]);
        if ended.code == Some(2) {
            differences.push(format!("{what}: {}", ended.stderr.trim()));
            continue;
        }
        let document = ended.json(&what.to_string());
        let here = &document["records"];
        for (kind, name) in records::NAMES {
            let (ours, walked) = (
                here[name].as_u64().unwrap_or(0),
                kinds.get(&kind).copied().unwrap_or(0),
            );
            if ours != walked {
                differences.push(format!("{what}: {ours} {name}, walked over {walked}"));
            }
        }
        let all: u64 = here
            .as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_u64)
            .sum();
        let expected: u64 = kinds.values().sum();
        if all != expected {
            differences.push(format!("{what}: {all} records, walked over {expected}"));
        }
        let lost = &document["quality"]["truncated_bytes"];
        if lost.as_u64() != Some(left) {
            differences.push(format!("{what}: {lost} bytes lost, walked up to {left}"));
        }
        walked += 1;
    }
    crate::common::compare::assert_none("records", &differences);
    assert!(walked > 50, "{walked} plain files");
}

fn all_files(captures: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in [
        "mem",
        "mem-realistic",
        "odd",
        "offcpu",
        "offcpu-local",
        "spe-synthetic",
    ] {
        let Ok(entries) = std::fs::read_dir(captures.join(folder)) else {
            continue;
        };
        let paths = entries.map(|entry| entry.unwrap().path());
        files.extend(paths.filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".data") || name.ends_with(".data.xz")
        }));
    }
    files.sort();
    files
}

/// Asserts that the run gave a report, or one clear line.
fn ended_well(what: &str, ended: &Run) {
    assert!(
        !ended.stderr.contains("panicked"),
        "{what}: {}",
        ended.stderr
    );
    match ended.code {
        Some(0) => assert!(!ended.stdout.is_empty(), "{what}: nothing on stdout"),
        Some(2) => assert!(!ended.refused(what).is_empty()),
        code => panic!("{what}: exit {code:?}: {}", ended.stderr),
    }
}

#[test]
fn every_command_ends_well_on_every_capture() {
    let Some(captures) = shared_captures() else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let files = all_files(&captures);
    assert!(files.len() > 60, "{} captures", files.len());
    for path in files {
        let file = unpacked(&path, scratch.path());
        for args in [
            &["info"][..],
            &["info", "--json"],
            &["c2c"],
            &["c2c", "--json", "--show-all"],
            &["latency", "--json"],
            &["latency", "--by", "line"],
            &["latency", "--by", "function"],
            &["offcpu", "--json"],
            &["offcpu", "--by", "stack", "--folded"],
        ] {
            let ended = contend_on(&file, args);
            let what = format!("{args:?} {}", path.display());
            ended_well(&what, &ended);
            if args.contains(&"--json") && ended.code == Some(0) {
                ended.json(&what);
            }
        }
    }
}

/// Inputs made to break readers: no panic, no endless loop, no giant allocation.
#[test]
fn fuzzer_findings_cost_nothing() {
    let Some(captures) = shared_captures() else {
        return;
    };
    let files = all_files(&captures);
    let odd = files.iter().filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.contains("fuzz") || name.contains("corrupted") || name.contains("truncated")
    });
    let mut tried = 0;
    for path in odd {
        for args in [
            &["info", "--json"][..],
            &["c2c", "--json"],
            &["latency", "--json", "--by", "line"],
        ] {
            let what = format!("{args:?} {}", path.display());
            let (ended, cost) = contend_measured(path, args);
            ended_well(&what, &ended);
            if let Some(cost) = cost {
                // Of the CPU, which other programs do not slow down.
                assert!(cost.cpu_seconds < 10.0, "{what}: {cost:?}");
                assert!(cost.peak_mb < 100.0, "{what}: {cost:?}");
            }
        }
        tried += 1;
    }
    assert!(tried >= 20, "{tried} files");
}
