//! Whose operations those of Arm SPE were, and how sure that is.

use crate::common::contend_on;
use crate::spe::written;
use crate::spe_doubts::{document, store, stores, with};
use contend_fixtures::{Container, SpeCapture, SpePlan};
use serde_json::{Value, json};

/// Records of the beginning of a thread may be lost: switches tell its process too.
#[test]
fn switches_tell_the_process_of_a_thread_that_records_name() {
    let folder = tempfile::tempdir().unwrap();
    let thread = SpeCapture::PID + 7;
    let mut capture = SpeCapture::new(1);
    capture.chunk(0, &stores(5_000, Some(thread), 40), 64);
    capture.switch(0, 4_500, SpeCapture::PID, thread);
    let (document, warnings) = document(&with(&capture, 0, |_| {}), folder.path());
    let writer = &document["lines"][0]["writers"][0];
    assert_eq!(
        (&writer["pid"], &writer["tid"]),
        (&json!(SpeCapture::PID), &json!(thread))
    );
    let by = &document["quality"]["spe"]["attribution"];
    assert_eq!(
        (&by["context"], &by["without_process"]),
        (&json!(40), &json!(0))
    );
    // Records 0, 16 and 32.
    assert_eq!(
        (&by["compared"], &by["contradicted"]),
        (&json!(3), &json!(0))
    );
    assert!(!warnings.contains("name another one"), "{warnings}");
}

/// In a container SPE records have the host's numbers of threads, all else its own.
#[test]
fn threads_with_numbers_of_another_namespace_are_doubted() {
    let folder = tempfile::tempdir().unwrap();
    let mut capture = SpeCapture::new(1);
    capture.chunk(0, &stores(5_000, Some(70_000), 40), 64);
    capture.switch(0, 4_500, SpeCapture::PID, SpeCapture::PID + 1);
    let path = written(&capture, Container::File, folder.path());
    let (document, warnings) = document(&std::fs::read(&path).unwrap(), folder.path());
    let by = &document["quality"]["spe"]["attribution"];
    assert_eq!(
        (&by["context"], &by["without_process"]),
        (&json!(40), &json!(40))
    );
    assert_eq!(
        (&by["compared"], &by["contradicted"]),
        (&json!(3), &json!(3))
    );
    for part in [
        "perf ran in a container",
        "of 3 SPE records",
        "3 name another one",
    ] {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
    let info = contend_on(&path, &["info"]).text();
    let info = info.split_whitespace().collect::<Vec<&str>>().join(" ");
    assert!(
        info.contains("switches say the same of 0 of 3 that were compared"),
        "{info}"
    );
}

/// What helps depends on what the capture lacks.
#[test]
fn unknown_threads_come_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut capture = SpeCapture::new(1);
    let timeless = SpePlan {
        timestamp: None,
        ..store(0, None)
    };
    capture.chunk(0, &[timeless; 10], 64);
    let (_, warnings) = document(&with(&capture, 0, |_| {}), folder.path());
    assert!(warnings.contains("--switch-events"), "{warnings}");
    capture.switch(0, 4_500, SpeCapture::PID, SpeCapture::PID + 1);
    let (_, warnings) = document(&with(&capture, 0, |_| {}), folder.path());
    assert!(
        warnings.contains("have no time. Record with ts_enable=1"),
        "{warnings}"
    );
}

/// Switches tell threads where records do not.
#[test]
fn threads_come_from_switches_without_contexts() {
    let folder = tempfile::tempdir().unwrap();
    let mut capture = SpeCapture::new(2);
    let plans: Vec<SpePlan> = (0..10u64)
        .map(|number| SpePlan {
            operation: Some((1, 1)),
            pc: Some((SpeCapture::TEXT, 0)),
            data: Some(SpeCapture::HEAP),
            timestamp: Some(1_000 * (number + 1)),
            ..SpePlan::default()
        })
        .collect();
    capture.chunk(0, &plans, 64);
    capture.switch(0, 4_500, SpeCapture::PID, SpeCapture::PID + 1);
    let path = written(&capture, Container::File, folder.path());
    let document = contend_on(&path, &["c2c", "--json", "--show-all"]).json("c2c");
    assert_eq!(document["quality"]["spe"]["attribution"]["switch"], 10);
    let warnings = document["quality"]["warnings"].to_string();
    assert!(
        warnings.contains("thread of 10 of 10 SPE records is that which switches tell"),
        "{warnings}"
    );
    let writers = &document["lines"][0]["writers"];
    let stores: Vec<(&Value, &Value)> = writers
        .as_array()
        .unwrap()
        .iter()
        .map(|writer| (&writer["tid"], &writer["stores"]))
        .collect();
    let pid = SpeCapture::PID;
    assert_eq!(
        stores,
        [(&json!(pid + 1), &json!(6)), (&json!(pid), &json!(4))]
    );
}
