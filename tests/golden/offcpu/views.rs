//! Views of one capture agree, whatever part of it and in whatever way it is read.

use super::{document, folder, thread};
use crate::common::contend_on;
use serde_json::Value;

#[test]
fn what_is_hidden_is_told() {
    if folder().is_none() {
        return;
    }
    let all = document("bpf-offcpu-time-raw", &[]);
    let less = document("bpf-offcpu-time-raw", &["--hide-idle"]);
    let number = |document: &Value, field: &str| document[field].as_u64().unwrap();
    let idle = &less["idle"];
    assert_eq!(
        (&all["idle"]["hidden"], &idle["hidden"]),
        (&false.into(), &true.into())
    );
    for field in ["intervals", "total_ns"] {
        let hidden = idle[field].as_u64().unwrap();
        assert!(hidden > 0);
        assert_eq!(
            number(&all, field),
            number(&less, field) + hidden,
            "{field}"
        );
    }
    let comms: Vec<_> = less["threads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["comm"])
        .collect();
    assert!(!comms.contains(&&"lw-sleep".into()), "{comms:?}");
    assert!(comms.contains(&&"lw-wait1".into()), "{comms:?}");
    let path = folder().unwrap().join("bpf-offcpu-time-raw.data");
    let text = contend_on(&path, &["offcpu", "--hide-idle"]).text();
    assert!(text.contains("left out here"), "{text}");
}

/// Each view adds up to the same.
#[test]
fn views_add_up() {
    if folder().is_none() {
        return;
    }
    for name in [
        "cpp-fp-task-switch",
        "cpp-fp-switch-wakeup-a-fp",
        "perf72-offcpu-thresh5",
        "perf72-offcpu-thresh500",
    ] {
        let document = document(name, &[]);
        let total = document["total_ns"].as_u64().unwrap();
        let sum = |rows: &str| -> u64 {
            let rows = document[rows].as_array().unwrap().iter();
            rows.map(|row| row["total_ns"].as_u64().unwrap()).sum()
        };
        assert_eq!(sum("threads"), total, "{name}");
        assert_eq!(sum("stacks"), total, "{name}");
        let by_state = document["by_state"].as_object().unwrap().values();
        assert_eq!(
            by_state.map(|ns| ns.as_u64().unwrap()).sum::<u64>(),
            total,
            "{name}"
        );
        assert_eq!(sum("states"), total, "{name}");
        for state in ["blocked", "preempted", "runnable"] {
            let rows = document["states"].as_array().unwrap().iter();
            let rows = rows.filter(|row| row["state"] == state);
            let sum: u64 = rows.map(|row| row["total_ns"].as_u64().unwrap()).sum();
            assert_eq!(document["by_state"][state], sum, "{name} {state}");
        }
        assert_eq!(sum("syscalls"), total, "{name}");
        let has_wakers = name == "cpp-fp-switch-wakeup-a-fp";
        let wakers = if has_wakers { total } else { 0 };
        assert_eq!(sum("wakers"), wakers, "{name}");
        let warnings = document["quality"]["warnings"].to_string();
        let is_said = warnings.contains("who ended the waits was not recorded");
        assert_eq!(is_said, !has_wakers, "{name} {warnings}");
        // The parts that can be asked for are those of the whole.
        let mut parts = 0;
        for state in ["blocked", "preempted", "runnable"] {
            let part = contend_on(
                &folder().unwrap().join(format!("{name}.data")),
                &["offcpu", "--json", "--state", state],
            );
            let wanted = document["by_state"][state].as_u64().unwrap();
            match wanted {
                0 => drop(part.refused(name)),
                _ => assert_eq!(part.json(name)["total_ns"], wanted, "{name} {state}"),
            }
            parts += wanted;
        }
        assert_eq!(parts, total, "{name}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    if folder().is_none() {
        return;
    }
    for name in [
        "cpp-fp-switch-wakeup-a-fp",
        "bpf-offcpu-time-raw",
        "perf72-offcpu-thresh5",
    ] {
        let path = folder().unwrap().join(format!("{name}.data"));
        for form in [&["--json"][..], &["--folded"], &["-o", "-"]] {
            let with = |threads: &str, chunk: &str| {
                let args = ["offcpu", "--threads", threads, "--chunk-size", chunk];
                let run = contend_on(&path, &[&args[..], form].concat());
                assert_eq!(run.code, Some(0), "{}", run.stderr);
                run.stdout
            };
            let alone = with("1", "4194304");
            for (threads, chunk) in [("2", "65536"), ("7", "4096")] {
                assert!(alone == with(threads, chunk), "{name} {threads} {form:?}");
            }
        }
    }
}

/// A capture that is cut off has the intervals that were written before.
#[test]
fn a_cut_capture_has_fewer_intervals_and_says_so() {
    let Some(folder) = folder() else { return };
    for name in ["cpp-fp-task-switch", "bpf-offcpu-time-raw", "cpp-fp-a-pipe"] {
        let bytes = std::fs::read(folder.join(format!("{name}.data"))).unwrap();
        let whole = document(name, &[]);
        let scratch = tempfile::tempdir().unwrap();
        let mut last = 0;
        for percent in [40, 70, 90] {
            let cut = scratch.path().join("cut.data");
            std::fs::write(&cut, &bytes[..bytes.len() * percent / 100]).unwrap();
            let part = contend_on(&cut, &["offcpu", "--json"]).json(name);
            let intervals = part["intervals"].as_u64().unwrap();
            let all = whole["intervals"].as_u64().unwrap();
            assert!(
                last < intervals && intervals <= all,
                "{name} {percent} {intervals}"
            );
            last = intervals;
            for found in part["threads"].as_array().unwrap() {
                let before = thread(&whole, found["tid"].as_i64().unwrap()).unwrap();
                let number = |thread: &Value| {
                    let bounds = thread["upper_bounds"]["intervals"].as_u64().unwrap_or(0);
                    thread["intervals"].as_u64().unwrap() - bounds
                };
                assert!(number(found) <= number(before), "{name} {percent} {found}");
            }
        }
    }
}

/// A copy of a capture of one event, in which the sample in the middle is a record
/// of a loss, on the CPU and at the time of the sample.
fn with_a_loss(bytes: &[u8]) -> Vec<u8> {
    const SAMPLE: u32 = 9;
    const LOST: u32 = 2;
    let mut bytes = bytes.to_vec();
    let number = |bytes: &[u8], at: usize| {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
    };
    // IDENTIFIER, IP, TID, TIME, CALLCHAIN, CPU, PERIOD, RAW.
    let attr = number(&bytes, 24);
    assert_eq!(number(&bytes, attr + 24), 0x105a7);
    let (start, size) = (number(&bytes, 40), number(&bytes, 48));
    let mut samples = Vec::new();
    let mut at = start;
    while at < start + size {
        let kind = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = u16::from_le_bytes(bytes[at + 6..at + 8].try_into().unwrap());
        if kind == SAMPLE {
            samples.push((at, usize::from(length)));
        }
        at += usize::from(length);
    }
    let (at, length) = samples[samples.len() / 2];
    let body = at + 8;
    // The trailer: TID, TIME, CPU, IDENTIFIER.
    let trailer = [&bytes[body + 16..body + 40], &bytes[body..body + 8]].concat();
    bytes[at..at + 4].copy_from_slice(&LOST.to_le_bytes());
    bytes[body..at + length].fill(0);
    bytes[body + 8] = 1;
    bytes[at + length - 32..at + length].copy_from_slice(&trailer);
    bytes
}

/// What lasts across a loss may be two intervals, and says so.
#[test]
fn intervals_that_span_a_loss_are_upper_bounds() {
    let Some(folder) = folder() else { return };
    let name = "cpp-fp-switch-a-fp";
    let bytes = std::fs::read(folder.join(format!("{name}.data"))).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("lost.data");
    std::fs::write(&path, with_a_loss(&bytes)).unwrap();
    let lossy = contend_on(&path, &["offcpu", "--json"]).json(name);
    let whole = document(name, &[]);
    assert_eq!(lossy["quality"]["lost_events"], 1);
    let bounds = |of: &Value| of["upper_bounds"]["intervals"].as_u64().unwrap();
    // One for each thread that waited then, no more.
    let more = bounds(&lossy) - bounds(&whole);
    let threads = whole["threads"].as_array().unwrap().len() as u64;
    assert!((5..=threads).contains(&more), "{more} of {threads}");
    let warnings = |of: &Value| of["quality"]["warnings"].to_string();
    let text = "lasted while records were lost";
    assert!(warnings(&lossy).contains(text), "{}", warnings(&lossy));
    assert!(!warnings(&whole).contains(text), "{}", warnings(&whole));
}
