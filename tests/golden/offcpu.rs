//! Off-CPU captures against what their workload measured of itself.
//!
//! A truth file has a line a thread: `thread tid kind object count total_ms
//! max_ms`, the wall time inside the one call that blocks. Threads that do
//! nothing else are compared whole; others by what is on their stacks.

use crate::common::{contend_on, shared_captures};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

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

/// One line of a truth file.
#[derive(Debug)]
struct Truth {
    thread: String,
    tid: i64,
    kind: String,
    object: String,
    count: u64,
    total_ms: f64,
}

fn folder() -> Option<PathBuf> {
    Some(shared_captures()?.join("offcpu-local"))
}

fn truth(name: &str) -> Vec<Truth> {
    let path = folder().unwrap().join(format!("truth/{name}.truth"));
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let truths: Vec<Truth> = lines
        .map(|line| {
            let parts: Vec<&str> = line.split_whitespace().collect();
            Truth {
                thread: parts[0].to_owned(),
                tid: parts[1].parse().unwrap(),
                kind: parts[2].to_owned(),
                object: parts[3].to_owned(),
                count: parts[4].parse().unwrap(),
                total_ms: parts[5].parse().unwrap(),
            }
        })
        .collect();
    assert!(truths.len() > 8, "{name}");
    truths
}

fn document(name: &str, args: &[&str]) -> Value {
    let path = folder().unwrap().join(format!("{name}.data"));
    contend_on(&path, &[&["offcpu", "--json"], args].concat()).json(name)
}

fn thread(document: &Value, tid: i64) -> Option<&Value> {
    let threads = document["threads"].as_array().unwrap();
    threads.iter().find(|thread| thread["tid"] == tid)
}

fn ms(value: &Value) -> f64 {
    value.as_f64().unwrap() / 1e6
}

/// Within 1 % or 1 ms.
fn is_close(found: f64, truth: f64) -> bool {
    (found - truth).abs() <= (truth / 100.0).max(1.0)
}

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
        assert_eq!(document["quality"].get("warnings"), None, "{name}");
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

/// The document with names from the workloads' own binaries.
fn named(name: &str, args: &[&str]) -> Value {
    let bin = folder().unwrap().join("bin");
    let bin = bin.to_str().unwrap();
    document(name, &[&["--symbol-dir", bin], args].concat())
}

fn strings(value: &Value) -> Vec<&str> {
    let all = value.as_array().unwrap().iter();
    all.map(|text| text.as_str().unwrap()).collect()
}

/// Blocked time of a thread by its innermost user frame, which is the function of
/// the C library that it waits in: count and ms.
fn by_call(document: &Value, thread: &str) -> BTreeMap<String, (u64, f64)> {
    let mut all: BTreeMap<String, (u64, f64)> = BTreeMap::new();
    for stack in document["stacks"].as_array().unwrap() {
        if stack["comm"] != thread || stack["state"] != "blocked" {
            continue;
        }
        let frames = strings(&stack["frames"]);
        let kernel = stack.get("kernel_from").and_then(Value::as_u64);
        let user = kernel.map_or(frames.len(), |from| from as usize);
        let leaf = user.checked_sub(1).map_or("", |leaf| frames[leaf]);
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

#[test]
fn intervals_of_the_collector_are_under_their_true_locks() {
    if folder().is_none() {
        return;
    }
    for name in ["bpf-offcpu-time", "bpf-offcpu-time-raw"] {
        let document = named(name, &[]);
        assert_eq!(document["locks_by"], "futex_word", "{name}");
        let locks = document["locks"].as_array().unwrap();
        let has_state = name.ends_with("-raw");
        for truth in truth("bpf-offcpu-time") {
            let own: Vec<&Value> = locks
                .iter()
                .filter(|lock| {
                    lock["waiters"]
                        .as_array()
                        .unwrap()
                        .contains(&truth.tid.into())
                })
                .collect();
            let words: Vec<&str> = own
                .iter()
                .map(|lock| lock["word"].as_str().unwrap())
                .collect();
            match truth.kind.as_str() {
                "mutex" => assert_eq!(words, [truth.object.as_str()], "{name} {truth:?}"),
                "futex" => assert_eq!(words, [truth.object.as_str()], "{name} {truth:?}"),
                "condvar" => {
                    // Its words lie inside.
                    let start = address(&truth.object);
                    let inside = |word: &&&str| (start..start + 48).contains(&address(word));
                    assert_eq!(
                        words.iter().filter(inside).count(),
                        2,
                        "{truth:?} {words:?}"
                    );
                }
                _ => {}
            }
        }
        let by_word = |word: &str| locks.iter().find(|lock| lock["word"] == word).unwrap();
        let truths = truth("bpf-offcpu-time");
        let word = |thread: &str| {
            let line = truths.iter().find(|truth| truth.thread == thread);
            line.unwrap().object.as_str()
        };
        let account = by_word(word("lw-wait1"));
        assert_eq!(account["name"], "account_mutex", "{name}");
        assert_eq!(by_word(word("lw-jwait"))["name"], "journal_mutex", "{name}");
        if has_state {
            let holders = account["holders"].as_array().unwrap();
            let names: Vec<&str> = holders
                .iter()
                .map(|it| it["comm"].as_str().unwrap())
                .collect();
            let who = ["lw-hold", "lw-wait1", "lw-wait2"];
            assert!(names.iter().all(|name| who.contains(name)), "{names:?}");
            assert_eq!(document["by_state"].get("unknown"), None);
        }
    }
}

fn address(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

#[test]
fn the_kicker_wakes_who_waits_for_it() {
    if folder().is_none() {
        return;
    }
    let document = named("cpp-fp-switch-wakeup-a-fp", &[]);
    let wakers = document["wakers"].as_array().unwrap();
    for waiter in ["lw-futex", "lw-cond", "lw-epoll"] {
        let rows = wakers.iter().filter(|row| row["waiter"] == waiter);
        let mut by_waker: BTreeMap<&str, u64> = BTreeMap::new();
        for row in rows {
            let waker = row["waker"]["comm"].as_str().unwrap_or("?");
            *by_waker.entry(waker).or_default() += row["total_ns"].as_u64().unwrap();
        }
        let all: u64 = by_waker.values().sum();
        let kick = by_waker["lw-kick"];
        assert!(kick as f64 > 0.9 * all as f64, "{waiter} {by_waker:?}");
        // The C library has no frame pointers, so some stacks end in it.
        let mut rows = wakers
            .iter()
            .filter(|row| row["waiter"] == waiter && row["waker"]["comm"] == "lw-kick");
        let is_kick = |frame: &&str| frame.starts_with("t_kick");
        let found = rows.any(|row| strings(&row["waker"]["frames"]).iter().any(is_kick));
        assert!(found || waiter != "lw-futex", "{waiter}");
    }
}

/// Timers wake who sleeps: an interrupt, whatever it interrupted.
#[test]
fn sleepers_are_woken_by_interrupts() {
    if folder().is_none() {
        return;
    }
    let document = named("cpp-fp-switch-wakeup-a-fp", &[]);
    let rows = document["wakers"].as_array().unwrap().iter();
    let sleeper: Vec<&Value> = rows.filter(|row| row["waiter"] == "lw-sleep").collect();
    assert!(!sleeper.is_empty());
    let mut interrupts = 0;
    for row in sleeper {
        // Nobody wakes who was preempted.
        let waker = row["waker"]["comm"].as_str();
        assert!(matches!(waker, Some("interrupt" | "nobody")), "{row}");
        interrupts += u64::from(waker == Some("interrupt"));
    }
    assert!(interrupts > 0);
}

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
        assert_eq!(sum("syscalls"), total, "{name}");
        let has_wakers = name == "cpp-fp-switch-wakeup-a-fp";
        let wakers = if has_wakers { total } else { 0 };
        assert_eq!(sum("wakers"), wakers, "{name}");
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
