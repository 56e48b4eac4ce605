//! Inputs that are wrong: one line that says what, on which file, and exit 2.

use crate::common::capture::{Capture, SAMPLE};
use crate::common::{contend, contend_on, contend_reading, run, shared_captures, workspace};
use std::path::{Path, PathBuf};

fn demo() -> PathBuf {
    workspace().join("fixtures/demo/false-sharing.perf.data")
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, bytes).unwrap();
    file
}

#[test]
fn not_a_capture() {
    let scratch = tempfile::tempdir().unwrap();
    let text = "not a capture, although it is longer than a file header. ".repeat(10);
    let cases = [
        written(scratch.path(), "text.perf.data", text.as_bytes()),
        written(scratch.path(), "empty.perf.data", b""),
        written(scratch.path(), "magic-only.perf.data", b"PERFILE2"),
        written(scratch.path(), "zeros.perf.data", &[0; 4096]),
        scratch.path().join("absent.perf.data"),
        scratch.path().to_owned(),
    ];
    for case in cases {
        for command in ["info", "c2c", "latency"] {
            let what = format!("{command} {}", case.display());
            let ended = contend_on(&case, &[command]);
            let line = ended.refused(&what);
            let name = case.file_name().unwrap().to_string_lossy().into_owned();
            assert!(
                line.contains(&name),
                "{what}: the line names the file: {line}"
            );
            assert!(line.len() < 400, "{what}: {line}");
        }
    }
}

#[test]
fn nothing_on_standard_input() {
    contend_reading(b"", &["info"]).refused("empty stdin");
    contend_reading(b"no capture either", &["c2c"]).refused("text on stdin");
}

#[test]
fn no_memory_samples() {
    let capture = Capture::new(std::fs::read(demo()).unwrap());
    let scratch = tempfile::tempdir().unwrap();
    let without = written(
        scratch.path(),
        "none.perf.data",
        &capture.with_records(|_, kind| kind != SAMPLE),
    );
    let ended = contend_on(&without, &["c2c", "--json"]);
    let line = ended.refused("c2c without samples");
    for said in ["memory", "no samples", "perf c2c record", "none.perf.data"] {
        assert!(line.contains(said), "no {said:?} in: {line}");
    }
    let info = contend_on(&without, &["info", "--json"]).json("info without samples");
    assert!(
        info["can"]["c2c"].is_string(),
        "info says why not: {}",
        info["can"]
    );

    let Some(captures) = shared_captures() else {
        return;
    };
    // What each holds instead.
    for (name, holds) in [
        (
            "odd/read-format-lost-group-perf66.perf.data",
            "34 samples of ",
        ),
        ("odd/throttle-perf38.perf.data", " samples of cycles"),
        ("odd/pebs-hitm-event-zero-samples.perf.data", "no samples"),
        (
            "offcpu-local/cpp-fp-task-switch.data",
            " samples of sched:sched_switch",
        ),
    ] {
        let ended = contend_on(&captures.join(name), &["c2c"]);
        let line = ended.refused(name);
        for said in ["memory", holds, "perf c2c record"] {
            assert!(line.contains(said), "{name}: no {said:?} in: {line}");
        }
        let info = contend_on(&captures.join(name), &["info", "--json"]).json(name);
        assert_ne!(info["can"]["c2c"], true, "{name}");
    }
}

/// Records of kinds that nobody knows are stepped over and counted.
#[test]
fn unknown_records() {
    let capture = Capture::new(std::fs::read(demo()).unwrap());
    let plain = contend_on(&demo(), &["c2c", "--json", "--show-all"]).json("demo");
    let mut data = Vec::new();
    let mut added = 0;
    for (index, (_, range)) in capture.records().into_iter().enumerate() {
        if index % 10 == 0 {
            let kind: u32 = if index % 20 == 0 { 50 } else { 60_000 };
            data.extend_from_slice(&kind.to_le_bytes());
            data.extend_from_slice(&[0, 0, 24, 0]);
            data.extend_from_slice(&[0xa5; 16]);
            added += 1;
        }
        data.extend_from_slice(&capture.bytes[range]);
    }
    let scratch = tempfile::tempdir().unwrap();
    let file = written(
        scratch.path(),
        "unknown.perf.data",
        &capture.with_data(&data),
    );
    let document = contend_on(&file, &["c2c", "--json", "--show-all"]).json("with unknown records");
    for field in ["perf_counters", "classes", "lines"] {
        assert_eq!(document[field], plain[field], "{field}");
    }
    let info = contend_on(&file, &["info", "--json"]).json("with unknown records");
    for document in [&document, &info] {
        let skipped = &document["quality"]["skipped"];
        assert_eq!(
            skipped,
            &serde_json::json!({ "records of unknown types": added })
        );
    }
    let known: u64 = capture.records().len() as u64;
    let records = info["records"].as_object().unwrap();
    let all: u64 = records.values().filter_map(serde_json::Value::as_u64).sum();
    assert_eq!(all, known + added);
    for command in ["info", "c2c"] {
        let table = contend_on(&file, &[command]).text();
        assert!(
            table.contains("records of unknown types"),
            "{command} says so too: {table}"
        );
    }
}

/// A record of size 0 would be met again for ever.
#[test]
fn a_record_of_no_size_ends_the_data() {
    let capture = Capture::new(std::fs::read(demo()).unwrap());
    let records = capture.records();
    let (_, middle) = records[records.len() / 2].clone();
    let mut bytes = capture.bytes.clone();
    bytes[middle.start + 6..middle.start + 8].fill(0);
    let scratch = tempfile::tempdir().unwrap();
    let file = written(scratch.path(), "zero.perf.data", &bytes);
    let document = contend_on(&file, &["c2c", "--json"]).json("a record of size 0");
    let whole = contend_on(&demo(), &["c2c", "--json"]).json("demo");
    let samples = |document: &serde_json::Value| document["quality"]["samples"].as_u64().unwrap();
    assert!(samples(&document) < samples(&whole));
    assert!(
        !document["quality"]["warnings"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn wrong_use() {
    for args in [
        &["c2c"][..],
        &["nonsense"],
        &["c2c", "--no-such-option", "CAPTURE"],
        &["c2c", "--threads", "0", "CAPTURE"],
        &["c2c", "--threads", "many", "CAPTURE"],
        &["c2c", "--sort", "nothing", "CAPTURE"],
        &["c2c", "--coalesce", "nothing", "CAPTURE"],
        &["c2c", "--line-size", "48", "CAPTURE"],
        &["c2c", "--line-size", "0", "CAPTURE"],
        &["c2c", "--time", "2..1", "CAPTURE"],
        &["c2c", "--cpu", "a", "CAPTURE"],
        &["c2c", "CAPTURE", "another"],
        &["c2c", "--json", "--perf-compat", "CAPTURE"],
    ] {
        let mut command = contend();
        for arg in args {
            match *arg {
                "CAPTURE" => command.arg(demo()),
                arg => command.arg(arg),
            };
        }
        let ended = run(&mut command);
        let what = format!("{args:?}");
        let line = ended.refused(&what);
        assert!(line.starts_with("contend: "), "{what}: {line}");
        // The word that is wrong, or the one that is missing.
        let wrong = args.iter().any(|arg| line.contains(arg));
        assert!(wrong || line.contains("<CAPTURE>"), "{what}: {line}");
    }
}

/// Opening a named pipe that nobody writes to would wait for ever.
#[test]
fn a_directory_with_what_is_no_file() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::copy(demo(), scratch.path().join("data")).unwrap();
    std::fs::create_dir(scratch.path().join("data.1")).unwrap();
    let line = contend_on(scratch.path(), &["info"])
        .refused("a folder data.1")
        .to_owned();
    assert!(
        line.contains("data.1: not a regular file"),
        "names it: {line}"
    );
    let pipe = scratch.path().join("data.0");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    std::fs::remove_dir(scratch.path().join("data.1")).unwrap();
    if !made.is_ok_and(|status| status.success()) {
        crate::common::skipped("mkfifo is absent");
        return;
    }
    for command in ["info", "c2c"] {
        let ended = contend_on(scratch.path(), &[command]);
        let line = ended.refused(command);
        assert!(
            line.contains("data.0: not a regular file"),
            "names it: {line}"
        );
    }
}

/// Three million names of threads: no recording has so many, and a few kilobytes of
/// a compressed one can.
#[test]
fn a_side_band_without_end() {
    let capture = Capture::new(std::fs::read(demo()).unwrap());
    let comm = [
        &3u32.to_le_bytes()[..],
        &[0, 0, 24, 0],
        &7i32.to_le_bytes(),
        &7i32.to_le_bytes(),
        b"thread\0\0",
    ]
    .concat();
    let mut data: Vec<u8> = Vec::new();
    for (_, range) in capture.records() {
        data.extend_from_slice(&capture.bytes[range]);
    }
    data.extend(comm.repeat(3_000_000));
    let scratch = tempfile::tempdir().unwrap();
    let file = written(
        scratch.path(),
        "endless.perf.data",
        &capture.with_data(&data),
    );
    let mut lines = Vec::new();
    for command in ["info", "c2c"] {
        for threads in ["1", "2", "5"] {
            let ended = contend_on(&file, &[command, "--threads", threads]);
            lines.push(ended.refused(command).to_owned());
        }
    }
    lines.dedup();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for said in ["endless.perf.data", "256 MiB", "processes and mappings"] {
        assert!(lines[0].contains(said), "no {said:?} in: {}", lines[0]);
    }
}
