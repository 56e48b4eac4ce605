//! How long threads waited, and in what.

use super::{document, folder, is_close, ms, named, strings, thread, truth, user_leaf};
use crate::common::contend_on;
use serde_json::Value;
use std::collections::BTreeMap;

/// Captures in which every switch of the workload's threads is recorded.
const COMPLETE: [&str; 6] = [
    "cpp-fp-task-switch",
    "cpp-fp-pipe",
    "cpp-fp-cpuclock-switch",
    "cpp-fp-cpuclock-sched-switch",
    "cpp-nofp-cpuclock-sched-switch-dwarf-z",
    "perf72-offcpu-thresh0",
];

/// Threads of the C++ workload that block in one call only.
const SINGLE_MINDED: [&str; 3] = ["lw-sleep", "lw-futex", "lw-epoll"];

#[test]
fn threads_that_do_one_thing_equal_their_own_clock() {
    if folder().is_none() {
        return;
    }
    for name in COMPLETE {
        let document = document(name, &[]);
        assert_eq!(document["open"], 0, "{name}");
        let mut compared = 0;
        for truth in truth(name) {
            if !SINGLE_MINDED.contains(&truth.thread.as_str()) {
                continue;
            }
            let found = thread(&document, truth.tid).unwrap();
            assert_eq!(found["comm"], truth.thread.as_str(), "{name}");
            assert_eq!(found["intervals"], truth.count, "{name} {}", truth.thread);
            let total = ms(&found["total_ns"]);
            assert!(is_close(total, truth.total_ms), "{name} {truth:?} {total}");
            assert_eq!(ms(&found["by_state"]["blocked"]), total, "{name}");
            compared += 1;
        }
        assert_eq!(compared, SINGLE_MINDED.len(), "{name}");
    }
    // The Rust workload's threads sometimes find a lock taken besides.
    let name = "rust-nofp-task-switch-dwarf-z";
    let document = document(name, &[]);
    for truth in truth(name) {
        if !["rw-cond", "rw-recv", "rw-sock"].contains(&truth.thread.as_str()) {
            continue;
        }
        let total = ms(&thread(&document, truth.tid).unwrap()["total_ns"]);
        assert!(is_close(total, truth.total_ms), "{truth:?} {total}");
    }
}

/// Threads that never wait, but of which two share a CPU.
#[test]
fn hogs_are_preempted() {
    if folder().is_none() {
        return;
    }
    for name in [
        "cpp-fp-task-switch",
        "cpp-fp-pipe",
        "cpp-fp-cpuclock-switch",
        "cpp-fp-cpuclock-sched-switch",
        "cpp-nofp-cpuclock-sched-switch-dwarf-z",
        "cpp-fp-switch-a-fp",
        "cpp-fp-switch-wakeup-a-fp",
        "bpf-offcpu-time-raw",
    ] {
        let document = document(name, &[]);
        let truth_name = name.trim_end_matches("-raw");
        for truth in truth(truth_name) {
            if truth.kind != "spin-preempted" {
                continue;
            }
            let found = &thread(&document, truth.tid).unwrap()["by_state"];
            let part = |state: &str| ms(&found[state]);
            let preempted = part("preempted");
            assert!(preempted > 150.0, "{name} {truth:?} {found}");
            // Moving to its CPU when it begins is the one thing it waits for.
            assert!(part("blocked") < 5.0, "{name} {truth:?} {found}");
            assert!(found.get("unknown").is_none(), "{name} {found}");
        }
        let path = folder().unwrap().join(format!("{name}.data"));
        let args = [
            "offcpu",
            "--json",
            "--state",
            "blocked",
            "--comm",
            "lw-hog1,lw-hog2",
        ];
        let only = contend_on(&path, &args);
        if only.code == Some(0) {
            let blocked = only.json(name)["intervals"].as_u64().unwrap();
            assert!((1..=4).contains(&blocked), "{name} {blocked}");
        } else {
            assert!(only.refused(name).contains("off the CPU"), "{name}");
        }
    }
}

/// What perf's own collector tells goes to the thread that waited, also where
/// perf shows it under another, and at any threshold.
#[test]
fn direct_samples_and_sums_of_perf_are_the_truth() {
    if folder().is_none() {
        return;
    }
    for (name, most_direct) in [
        ("perf72-offcpu-thresh0", u64::MAX),
        ("perf72-offcpu-thresh5", 600),
        ("perf72-offcpu-thresh500", 1),
    ] {
        let document = document(name, &[]);
        let direct = document["intervals"].as_u64().unwrap();
        assert!((1..=most_direct).contains(&direct), "{name} {direct}");
        let has_sums = document.get("sums").is_some();
        assert_eq!(has_sums, name != "perf72-offcpu-thresh0", "{name}");
        // The sums stand behind all times, and waits of a sum can be idle.
        let duration = document["capture"]["duration_s"].as_f64().unwrap();
        assert!((0.7..1.0).contains(&duration), "{name} {duration}");
        // It knows nobody's waker, and nothing else is missing.
        let warnings = strings(&document["quality"]["warnings"]);
        assert!(
            matches!(&warnings[..], [one] if one.starts_with("who ended the waits")),
            "{name} {warnings:?}"
        );
        assert!(ms(&document["idle"]["total_ns"]) > 5600.0, "{name}");
        for truth in truth(name) {
            let Some(found) = thread(&document, truth.tid) else {
                assert_eq!(truth.kind, "spin-preempted", "{name}");
                continue;
            };
            assert_eq!(found["comm"], truth.thread.as_str(), "{name}");
            // The main thread waits for all of them.
            let total = ms(&found["total_ns"]);
            match truth.thread.as_str() {
                "lw-sleep" | "lw-futex" | "lw-epoll" | "lw-cond" | "lw-kick" => {
                    assert!(is_close(total, truth.total_ms), "{name} {truth:?} {total}");
                }
                "lw-hog1" | "lw-hog2" => assert!(total < 1.0, "{name} {total}"),
                // They also sleep between.
                _ => assert!(total > truth.total_ms * 0.98, "{name} {truth:?} {total}"),
            }
        }
    }
}

/// No interval is lost where switches are, and none is called exact.
#[test]
fn captures_that_lack_switches_say_so() {
    if folder().is_none() {
        return;
    }
    for name in [
        "cpp-fp-switch-a-fp",
        "cpp-fp-switch-a-fp-z",
        "cpp-fp-a-pipe",
        "cpp-nofp-switch-a-dwarf",
    ] {
        let document = document(name, &[]);
        let bounds = &document["upper_bounds"];
        assert!(
            bounds["intervals"].as_u64().unwrap() > 10,
            "{name} {bounds}"
        );
        for truth in truth(name) {
            if !SINGLE_MINDED.contains(&truth.thread.as_str()) {
                continue;
            }
            // Each is there, though of some only the most is known that they
            // can have taken.
            let found = thread(&document, truth.tid).unwrap();
            let intervals = found["intervals"].as_u64().unwrap();
            let beyond = intervals.checked_sub(truth.count);
            assert!(
                beyond.is_some_and(|more| more <= 1),
                "{name} {truth:?} {found}"
            );
            let total = ms(&found["total_ns"]);
            assert!(total > truth.total_ms - 1.5, "{name} {truth:?} {total}");
        }
    }
}

/// These were recorded with a filter for the workload's threads: of others it
/// shows only the switches from and to these, and theirs are all there.
#[test]
fn threads_beside_a_filter_are_only_seen_in_part() {
    if folder().is_none() {
        return;
    }
    let name = "cpp-fp-switch-a-fp";
    let all = document(name, &[]);
    let text = all["quality"]["warnings"].to_string();
    assert!(
        text.contains("3 threads (kworker/1:1H, lto cgu.00, lto cgu.02) came"),
        "{text}"
    );
    assert!(text.contains("--filter takes only some"), "{text}");
    let own = "lw-hold,lw-wait1,lw-futex,lw-sleep,lw-epoll,lw-cond,lw-kick";
    let own = document(name, &["--comm", own]);
    let text = own["quality"]["warnings"].to_string();
    assert!(!text.contains("without having left it"), "{text}");
}

/// Blocked time of a thread by its innermost user frame, which is the function of
/// the C library that it waits in: count and ms.
fn by_call(document: &Value, thread: &str) -> BTreeMap<String, (u64, f64)> {
    let mut all: BTreeMap<String, (u64, f64)> = BTreeMap::new();
    for stack in document["stacks"].as_array().unwrap() {
        if stack["comm"] != thread || stack["state"] != "blocked" {
            continue;
        }
        let leaf = user_leaf(stack);
        let sum = all.entry(leaf.to_owned()).or_default();
        sum.0 += stack["intervals"].as_u64().unwrap();
        sum.1 += ms(&stack["total_ns"]);
    }
    all
}

/// What a thread waits for besides what its truth line counts: it sleeps between,
/// in another function of the C library.
#[test]
fn one_call_of_each_thread_is_its_truth() {
    if folder().is_none() {
        return;
    }
    for name in ["cpp-fp-task-switch", "cpp-fp-pipe", "perf72-offcpu-thresh0"] {
        let document = named(name, &[]);
        let mut compared = 0;
        for truth in truth(name) {
            // Holders sleep in one function with and without the lock; the disk
            // is busy, too.
            if !matches!(
                truth.kind.as_str(),
                "mutex" | "condvar" | "futex" | "epoll" | "nanosleep"
            ) {
                continue;
            }
            let calls = by_call(&document, &truth.thread);
            let is_it = |(_, total): &&(u64, f64)| is_close(*total, truth.total_ms);
            let found = calls.values().find(is_it);
            let found = found.unwrap_or_else(|| panic!("{name} {truth:?} {calls:?}"));
            if truth.kind != "mutex" {
                // A mutex may be free, or be taken by another in between.
                assert_eq!(found.0, truth.count, "{name} {truth:?}");
            }
            compared += 1;
        }
        assert!(compared >= 8, "{name} {compared}");
    }
}
