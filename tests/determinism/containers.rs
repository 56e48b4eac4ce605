//! The same records in every container that perf writes.

use crate::common::{contend, run, synthetic};
use crate::{DOCUMENTS, in_parallel};
use contend_fixtures::{Capture, Container, write_directory};
use serde_json::Value;
use std::path::Path;

/// Fields of `capture` that come from the features, and so are in no capture
/// whose recorder was killed before it wrote them.
const FROM_FEATURES: [&str; 9] = [
    "host",
    "kernel",
    "arch",
    "cpu",
    "cpus_online",
    "cpus_available",
    "nodes",
    "perf_version",
    "command",
];

/// Kinds of records that a container adds around those of the recording.
const OF_CONTAINERS: [&str; 7] = [
    "FINISHED_ROUND",
    "COMPRESSED",
    "COMPRESSED2",
    "HEADER_ATTR",
    "EVENT_UPDATE",
    "FEATURE",
    "BUILD_ID",
];

fn document(capture: &Path, command: &[&str], truth: &contend_fixtures::Truth) -> Value {
    let mut run_it = contend();
    run_it.args(command);
    if command[0] == "c2c" {
        // Neither pipes nor unfinished files have the CACHE feature, and the
        // latter do not tell the architecture.
        let size = truth.line_size.to_string();
        run_it.args(["--line-size", &size, "--sort", &truth.sort]);
    }
    let ended = run(run_it.arg(capture));
    let what = format!("{command:?} {}", capture.display());
    assert_eq!(ended.code, Some(0), "{what}: {}", ended.stderr);
    serde_json::from_slice(&ended.stdout).unwrap()
}

/// Removes what describes the file and not the recording.
fn comparable(mut document: Value, container: Container) -> Value {
    let facts = document["capture"].as_object_mut().unwrap();
    facts.remove("file");
    facts.remove("format");
    if document["schema"] == "contend.info/1" {
        document["capture"]
            .as_object_mut()
            .unwrap()
            .remove("line_size");
        let records = document["records"].as_object_mut().unwrap();
        records.retain(|name, _| !OF_CONTAINERS.contains(&name.as_str()));
    }
    if container == Container::Unfinished {
        without_features(&mut document);
    }
    document
}

/// Removes what only the features tell. Warnings say that they are missing.
fn without_features(document: &mut Value) {
    let facts = document["capture"].as_object_mut().unwrap();
    facts.retain(|name, _| !FROM_FEATURES.contains(&name.as_str()));
    let quality = document["quality"].as_object_mut().unwrap();
    quality.remove("warnings");
    // They are known by the table of build-ids.
    quality.remove("missing_binaries");
    for event in document["events"].as_array_mut().into_iter().flatten() {
        event.as_object_mut().unwrap().remove("name");
    }
    for line in document["lines"].as_array_mut().into_iter().flatten() {
        line.as_object_mut().unwrap().remove("node");
        for row in line["rows"].as_array_mut().into_iter().flatten() {
            row.as_object_mut().unwrap().remove("nodes");
        }
    }
}

fn compare(capture: &Capture, scratch: &Path) -> usize {
    let plain = synthetic::written(capture, scratch);
    let mut compared = 0;
    let mut against = |file: &Path, container: Container| {
        for command in DOCUMENTS {
            let [plain, other] = [plain.as_path(), file]
                .map(|file| comparable(document(file, command, &capture.truth), container));
            let other_text = serde_json::to_vec_pretty(&other).unwrap();
            let plain_text = serde_json::to_vec_pretty(&plain).unwrap();
            let what = format!("{} {command:?} in {container:?}", capture.name);
            crate::assert_same(&what, &plain_text, &other_text);
        }
        compared += 1;
    };
    for container in Container::ALL {
        if container == Container::Directory {
            for threads in [1, 3] {
                let folder = scratch.join(format!("{}.{threads}.dir", capture.name));
                write_directory(&capture.stream, &folder, threads).unwrap();
                against(&folder, container);
            }
            continue;
        }
        for rounds in [true, false] {
            let file = scratch.join(format!("{}.{container:?}.{rounds}", capture.name));
            std::fs::write(&file, capture.wrapped(container, rounds).unwrap()).unwrap();
            against(&file, container);
        }
    }
    compared
}

#[test]
fn every_container_gives_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let all = synthetic::all();
    assert_eq!(all.len(), 17);
    in_parallel(&all, |capture| {
        // Six kinds of files with and without marks, two folders.
        assert_eq!(compare(capture, scratch.path()), 14, "{}", capture.name);
    });
}

/// A file whose recorder was killed says so.
#[test]
fn an_unfinished_file_says_so() {
    let scratch = tempfile::tempdir().unwrap();
    for capture in synthetic::all() {
        let file = scratch
            .path()
            .join(format!("{}.unfinished.data", capture.name));
        let bytes = capture.wrapped(Container::Unfinished, true).unwrap();
        std::fs::write(&file, bytes).unwrap();
        for command in DOCUMENTS {
            let document = document(&file, command, &capture.truth);
            let warnings = document["quality"]["warnings"].as_array().unwrap();
            let said = warnings.iter().filter_map(Value::as_str);
            assert!(
                said.clone().any(|text| text.contains("did not finish")),
                "{} {command:?}: {:?}",
                capture.name,
                said.collect::<Vec<_>>()
            );
        }
    }
}

/// The output of a command that names the events, whose records a pipe carries
/// among the others.
fn events_of(capture: &Capture, container: Container, scratch: &Path) -> Vec<u8> {
    let file = scratch.join(format!("{}.{container:?}.events", capture.name));
    std::fs::write(&file, capture.wrapped(container, true).unwrap()).unwrap();
    let size = capture.truth.line_size.to_string();
    let ended = run(contend()
        .args(["c2c", "--perf-compat", "--show-all"])
        .args(["--line-size", &size, "--sort", &capture.truth.sort])
        .arg(&file));
    assert_eq!(ended.code, Some(0), "{}: {}", file.display(), ended.stderr);
    ended.stdout
}

/// Records that belong to the header are taken once, although they stand among
/// those that are walked.
#[test]
fn a_pipe_has_every_event_once() {
    let scratch = tempfile::tempdir().unwrap();
    for capture in synthetic::all() {
        let file = events_of(&capture, Container::File, scratch.path());
        for container in [Container::Pipe, Container::PipeZstd] {
            let pipe = events_of(&capture, container, scratch.path());
            let what = format!("{} in {container:?}", capture.name);
            crate::assert_same(&what, &file, &pipe);
        }
    }
}

/// What is damaged in front of the samples and behind them is told once, however
/// often the capture is walked.
#[test]
fn damage_in_a_pipe_is_told_once() {
    const PIPE_HEADER: usize = 16;
    let scratch = tempfile::tempdir().unwrap();
    let capture = synthetic::all().swap_remove(1);
    // A BUILD_ID record that ends inside its first field.
    let cut = [67, 0, 0, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    for container in [Container::Pipe, Container::PipeZstd] {
        let plain = capture.wrapped(container, true).unwrap();
        let damaged = [&plain[..PIPE_HEADER], &cut, &plain[PIPE_HEADER..], &cut].concat();
        let file = scratch.path().join(format!("{container:?}.damaged"));
        std::fs::write(&file, damaged).unwrap();
        for command in [
            &["info", "--json"][..],
            &["c2c", "--json"],
            &["c2c", "--json", "--time", "0%..100%"],
        ] {
            let document = document(&file, command, &capture.truth);
            let warnings = document["quality"]["warnings"].as_array().unwrap();
            let cuts = warnings.iter().filter_map(Value::as_str);
            let cuts = cuts
                .filter(|text| text.contains("record of type 67"))
                .count();
            assert_eq!(cuts, 2, "{command:?} {container:?}: {warnings:?}");
        }
    }
}
