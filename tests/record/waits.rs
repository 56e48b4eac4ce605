//! `workloads/waits.c`: threads that time their own waits, and how far a document of
//! `contend offcpu` is from what they say.
//!
//! On a machine that is loaded, or whose host takes it away for a moment, a thread loses
//! the CPU between its clock and the call: that is in its time and not in the wait. What
//! the document itself calls preempted is allowed for. What no document tells (the host's
//! part) disturbs one recording and not the next, so that [`faultless`] records anew; a
//! defect is in all of them.

use crate::support::skipped;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Recordings that are made before a fault is taken for one.
const TRIES: usize = 3;

/// What a thread of the workload says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) tid: u64,
    pub(crate) name: String,
    pub(crate) kind: String,
    /// The address of the lock word, as documents have it.
    pub(crate) word: String,
    /// Nanoseconds in its calls.
    pub(crate) ns: u64,
    /// Who ends its waits; 0 for nobody in particular.
    pub(crate) waker: u64,
    /// Calls that took a millisecond or more.
    pub(crate) long: u64,
    /// Nanoseconds until it began, in which it may have waited for a CPU.
    pub(crate) late: u64,
}

pub(crate) fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/record/workloads/waits.c")
}

/// Builds it; absent, and said, without a compiler.
pub(crate) fn build(folder: &Path) -> Option<PathBuf> {
    let program = folder.join("waits");
    let built = Command::new("gcc")
        .args(["-O2", "-g", "-fno-omit-frame-pointer", "-pthread"])
        .arg(source())
        .arg("-o")
        .arg(&program)
        .status();
    match built {
        Ok(status) => {
            assert!(status.success(), "the workload is not built");
            Some(program)
        }
        Err(error) => {
            skipped(&format!("gcc: {error}"));
            None
        }
    }
}

/// What it printed.
pub(crate) fn rows(text: &str) -> Vec<Row> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("thread "));
    let rows: Vec<Row> = lines
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| words[at].parse::<u64>().unwrap();
            Row {
                tid: number(0),
                name: words[1].to_owned(),
                kind: words[2].to_owned(),
                word: words[3].to_owned(),
                ns: number(5),
                waker: number(7),
                long: number(8),
                late: number(9),
            }
        })
        .collect();
    assert_eq!(rows.len(), 10, "{text}");
    rows
}

/// Records until there is nothing to find fault with, at most [`TRIES`] times. Nothing
/// where `record` gives nothing.
pub(crate) fn faultless<T>(
    mut record: impl FnMut() -> Option<T>,
    faults: impl Fn(&T) -> Vec<String>,
) -> Option<T> {
    let mut found = Vec::new();
    for _ in 0..TRIES {
        let recorded = record()?;
        found = faults(&recorded);
        if found.is_empty() {
            return Some(recorded);
        }
        eprintln!("recorded anew: {found:#?}");
    }
    panic!("in each of {TRIES} recordings, here of the last: {found:#?}");
}

/// A row of a list, or null.
fn row(list: &Value, is_it: impl Fn(&Value) -> bool) -> &Value {
    let found = list
        .as_array()
        .and_then(|rows| rows.iter().find(|row| is_it(row)));
    found.unwrap_or(&Value::Null)
}

/// Everything in which a document differs from what the threads say.
pub(crate) fn faults(rows: &[Row], document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let lost = &document["quality"]["lost_events"];
    if *lost != 0 {
        // What is lost is missing below.
        faults.push(format!("{lost} events were lost"));
    }
    for truth in rows {
        let wrong = match truth.kind.as_str() {
            "mutex" | "futex" => lock(truth, rows, document),
            "read" | "sleep" => Vec::new(),
            "hog" => hog(truth, document),
            _ => continue,
        };
        faults.extend(wrong);
        faults.extend(thread(truth, document));
    }
    let syscalls = document["syscalls"].to_string();
    for name in ["futex", "read", "nanosleep"] {
        if !syscalls.contains(name) {
            faults.push(format!("no {name} in {syscalls}"));
        }
    }
    faults
}

/// Nanoseconds of a thread in a state.
fn state(document: &Value, tid: u64, name: &str) -> u64 {
    let thread = row(&document["threads"], |row| row["tid"] == tid);
    thread["by_state"][name].as_u64().unwrap_or(0)
}

/// Found is not more than the truth, and not less but for what is `missed`; within 1 %, or
/// 5 ms where that is more: what a thread does between its clock and the call is not off
/// the CPU.
fn differs(what: &str, truth: u64, found: u64, begun: u64, missed: u64) -> Option<String> {
    let room = (truth / 100).max(5_000_000);
    let is_close = found <= truth + begun + room && truth <= found + missed + room;
    let text = format!(
        "{what}: {truth} ns by its own clock, {found} ns recorded; \
         {begun} ns late, {missed} ns preempted"
    );
    if is_close {
        eprintln!("{text}");
        return None;
    }
    Some(text)
}

fn lock(truth: &Row, rows: &[Row], document: &Value) -> Vec<String> {
    let name = &truth.name;
    let lock = row(&document["locks"], |lock| {
        lock["word"] == truth.word.as_str()
    });
    // The owner waits too when the waiter loses the CPU while it has the lock.
    let owner = rows.iter().find(|row| row.tid == truth.waker);
    let owners = owner.map_or(0, |owner| owner.ns);
    let all = truth.ns + owners;
    let [waiters, holders] = [truth.tid, truth.waker].map(|tid| state(document, tid, "preempted"));
    let missed = waiters + holders.min(owners);
    let found = lock["total_ns"].as_u64().unwrap_or(0);
    let mut faults: Vec<String> = Vec::new();
    faults.extend(differs(&format!("lock of {name}"), all, found, 0, missed));
    let waiters = lock["waiters"].as_array().cloned().unwrap_or_default();
    let may_wait = |tid: &Value| *tid == truth.tid || *tid == truth.waker;
    if !waiters.iter().any(|tid| *tid == truth.tid) || !waiters.iter().all(may_wait) {
        faults.push(format!("{name}: waiters {waiters:?}"));
    }
    let holders = lock["holders"].as_array().cloned().unwrap_or_default();
    let wakes = |row: &Value| row["wakes"].as_u64().unwrap_or(0);
    let of_it = wakes(row(&lock["holders"], |row| row["tid"] == truth.waker));
    let of_others = holders.iter().map(wakes).sum::<u64>() - of_it;
    // Timers and devices may come in between once or twice, the waiter itself as above.
    if of_it == 0 || of_it < 4 * of_others.saturating_sub(2) {
        faults.push(format!("{name}: not mostly {}: {holders:?}", truth.waker));
    }
    faults
}

fn hog(truth: &Row, document: &Value) -> Vec<String> {
    let [blocked, preempted] =
        ["blocked", "preempted"].map(|name| state(document, truth.tid, name));
    let mut faults = Vec::new();
    // A page fault may wait for another thread of the program, which may be preempted.
    if blocked > preempted / 10 {
        faults.push(format!(
            "{}: who never waits was blocked for {blocked} ns, preempted {preempted} ns",
            truth.name
        ));
    }
    // All hogs share a CPU.
    if preempted < truth.ns / 5 {
        faults.push(format!(
            "{}: only {preempted} of {} ns preempted",
            truth.name, truth.ns
        ));
    }
    faults
}

fn thread(truth: &Row, document: &Value) -> Vec<String> {
    let name = &truth.name;
    let thread = row(&document["threads"], |row| row["tid"] == truth.tid);
    let mut faults = Vec::new();
    if thread["comm"] != name.as_str() {
        faults.push(format!("{name}: its name is {}", thread["comm"]));
    }
    // Only of these all waits are in the calls.
    if ["futex", "read", "sleep"].contains(&truth.kind.as_str()) {
        let preempted = state(document, truth.tid, "preempted");
        let total = thread["total_ns"].as_u64().unwrap_or(0);
        let waited = total.saturating_sub(preempted);
        faults.extend(differs(name, truth.ns, waited, truth.late, preempted));
        let intervals = thread["intervals"].as_u64().unwrap_or(0);
        if intervals + 4 < truth.long {
            let calls = truth.long;
            faults.push(format!("{name}: {intervals} intervals, {calls} long calls"));
        }
        if state(document, truth.tid, "blocked") == 0 {
            faults.push(format!("{name}: never blocked"));
        }
    }
    faults
}
