//! A workload that times its own waits, recorded here and now.

use crate::common::{contend_on, installed_perf, skipped};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// Threads that wait for a mutex and for time, two that share a CPU, and what
/// each measured: `thread tid kind count ns`.
const WORKLOAD: &str = r#"
#include <cstdint>
#include <cstdio>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static pthread_mutex_t ledger = PTHREAD_MUTEX_INITIALIZER;
static volatile bool stop;
static uint64_t now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static void sleep_ms(long ms) { timespec t{0, ms * 1000000}; nanosleep(&t, nullptr); }
struct Clock { const char *name, *kind; long tid; uint64_t count, ns; };
static Clock clocks[8];
static int used;
static Clock &begin(const char *name, const char *kind) {
    pthread_setname_np(pthread_self(), name);
    Clock &clock = clocks[__sync_fetch_and_add(&used, 1)];
    clock = {name, kind, syscall(SYS_gettid), 0, 0};
    return clock;
}
template <class F> static void timed(Clock &clock, F f) {
    uint64_t from = now();
    f();
    clock.ns += now() - from;
    clock.count++;
}
static void *holder(void *) {
    Clock &clock = begin("ct-hold", "sleep");
    while (!stop) {
        pthread_mutex_lock(&ledger);
        timed(clock, [] { sleep_ms(9); });
        pthread_mutex_unlock(&ledger);
        timed(clock, [] { sleep_ms(3); });
    }
    return nullptr;
}
static void *sleeper(void *) {
    Clock &clock = begin("ct-sleep", "sleep");
    while (!stop) timed(clock, [] { sleep_ms(7); });
    return nullptr;
}
static void *waiter(void *) {
    Clock &clock = begin("ct-wait", "mutex");
    while (!stop) {
        timed(clock, [] { pthread_mutex_lock(&ledger); });
        pthread_mutex_unlock(&ledger);
        for (uint64_t end = now() + 200000; now() < end;) {}
    }
    return nullptr;
}
static void *hog(void *name) {
    // Both on the first CPU that this program may have.
    cpu_set_t set;
    int first = 0;
    sched_getaffinity(0, sizeof set, &set);
    while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &set)) first++;
    CPU_ZERO(&set);
    CPU_SET(first, &set);
    sched_setaffinity(0, sizeof set, &set);
    Clock &clock = begin((const char *)name, "hog");
    timed(clock, [] { while (!stop) {} });
    return nullptr;
}
int main() {
    pthread_t t[5];
    pthread_create(&t[0], 0, holder, 0);
    pthread_create(&t[1], 0, sleeper, 0);
    pthread_create(&t[2], 0, waiter, 0);
    pthread_create(&t[3], 0, hog, (void *)"ct-hog1");
    pthread_create(&t[4], 0, hog, (void *)"ct-hog2");
    sleep_ms(500);
    sleep_ms(500);
    stop = true;
    for (auto x : t) pthread_join(x, 0);
    for (int i = 0; i < used; i++)
        printf("%s %ld %s %lu %lu\n", clocks[i].name, clocks[i].tid, clocks[i].kind,
               clocks[i].count, clocks[i].ns);
}
"#;

/// Builds and records it; gives what it printed. Nothing where this machine has
/// no compiler, or no perf that may record switches.
fn record(folder: &Path) -> Option<String> {
    installed_perf().or_else(|| {
        skipped("perf is absent");
        None
    })?;
    let source = folder.join("workload.cpp");
    let program = folder.join("workload");
    std::fs::write(&source, WORKLOAD).unwrap();
    let built = Command::new("g++")
        .args(["-O1", "-g", "-fno-omit-frame-pointer", "-pthread", "-o"])
        .args([&program, &source])
        .status();
    if !built.is_ok_and(|status| status.success()) {
        skipped("no C++ compiler that builds the workload");
        return None;
    }
    let recorded = Command::new("perf")
        .args([
            "record",
            "-q",
            // Several perfs at once break each other's cache of build-ids (6.1).
            "-N",
            "-k",
            "mono",
            "-m",
            "4M",
            "-e",
            "sched:sched_switch",
        ])
        .args(["--switch-events", "-g", "-o"])
        .arg(folder.join("perf.data"))
        .arg("--")
        .arg(&program)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    if !recorded.status.success() {
        let reason = String::from_utf8_lossy(&recorded.stderr);
        skipped(&format!(
            "perf cannot record switches here: {}",
            reason.trim()
        ));
        return None;
    }
    Some(String::from_utf8(recorded.stdout).unwrap())
}

/// Recordings that are made before a difference is taken for one: what a host does to
/// this machine disturbs one of them.
const TRIES: usize = 3;

#[test]
fn waits_recorded_here_are_those_of_the_workloads_own_clock() {
    let mut found = Vec::new();
    for _ in 0..TRIES {
        let folder = tempfile::tempdir().unwrap();
        let Some(printed) = record(folder.path()) else {
            return;
        };
        let capture = folder.path().join("perf.data");
        let dir = folder.path().to_str().unwrap();
        let read = |args: &[&str]| -> Value {
            let args = [&["offcpu", "--json", "--symbol-dir", dir], args].concat();
            contend_on(&capture, &args).json("live")
        };
        let document = read(&[]);
        if document["quality"]["lost_events"] != 0 {
            found = vec!["perf lost records".to_owned()];
            continue;
        }
        let blocked = read(&["--state", "blocked"]);
        found = differences(&printed, &document, &blocked);
        if found.is_empty() {
            return;
        }
        eprintln!("recorded anew: {found:#?}");
    }
    if found == ["perf lost records"] {
        return skipped("the machine was too busy: perf lost records");
    }
    panic!("in each of {TRIES} recordings, here of the last: {found:#?}");
}

/// What of the threads' own clocks is not in the documents of all time off the CPU and
/// of what was blocked.
fn differences(printed: &str, document: &Value, only_blocked: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    let of = |document: &Value, tid: u64| {
        let threads = document["threads"].as_array().unwrap().iter();
        let mut threads = threads.filter(|thread| thread["tid"] == tid);
        threads.next().cloned().unwrap_or_default()
    };
    let mut compared = 0;
    for line in printed.lines() {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let [name, tid, kind, count, ns] = parts[..] else {
            panic!("the workload printed {line}")
        };
        let (tid, count): (u64, u64) = (tid.parse().unwrap(), count.parse().unwrap());
        let truth = ns.parse::<f64>().unwrap() / 1e6;
        let found = of(document, tid);
        let ms = |value: &Value| value.as_f64().unwrap_or(0.0) / 1e6;
        let blocked = ms(&found["by_state"]["blocked"]);
        let preempted = ms(&found["by_state"]["preempted"]);
        // A thread that loses the CPU between its clock and the call is not in the call.
        let is_within = |found: f64, room: f64| {
            let room = (truth * room).max(5.0);
            found <= truth + room && truth <= found + preempted + room
        };
        let is_right = match (name, kind) {
            ("ct-sleep", _) => {
                let intervals = of(only_blocked, tid)["intervals"].as_u64();
                is_within(blocked, 0.01) && intervals.unwrap_or(0).abs_diff(count) <= 3
            }
            // Where the program is stopped by a page fault, another may have the lock to it.
            (_, "hog") => preempted > truth / 5.0 && blocked < preempted / 4.0,
            // It waits for nothing else.
            (_, "mutex") => is_within(blocked, 0.05),
            // The holder may wait for the mutex too.
            _ => blocked + preempted >= truth * 0.99 - 5.0,
        };
        if !is_right || found["comm"] != name {
            differences.push(format!("{line} {found}"));
        }
        compared += 1;
    }
    if compared != 5 || document["open"] != 0 {
        differences.push(format!("{printed} {} open", document["open"]));
    }
    differences
}

/// With `-D` perf adds an event that tells mappings, and whose records end in another way
/// than those of the first event.
#[test]
fn a_recording_that_began_late_has_its_times() {
    if installed_perf().is_none() {
        skipped("perf is absent");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("perf.data");
    let recorded = Command::new("perf")
        .args([
            "record",
            "-q",
            "-D",
            "1",
            "-e",
            "sched:sched_switch",
            "-g",
            "-o",
        ])
        .arg(&capture)
        .args(["--", "sh", "-c", "sleep 0.05; sleep 0.05; sleep 0.05"])
        .output()
        .unwrap();
    if !recorded.status.success() {
        let reason = String::from_utf8_lossy(&recorded.stderr);
        skipped(&format!("perf cannot record switches: {}", reason.trim()));
        return;
    }
    let printed = Command::new("perf")
        .args(["script", "--ns", "--show-task-events", "-F", "time", "-i"])
        .arg(&capture)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&printed.stdout);
    let times: Vec<u64> = printed
        .split_whitespace()
        .filter_map(|word| word.strip_suffix(':')?.replace('.', "").parse().ok())
        .filter(|&time| time > 0)
        .collect();
    let document: Value = contend_on(&capture, &["info", "--json"]).json("late");
    let facts = &document["capture"];
    let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    // perf prints no times of mappings here; they stand around these.
    let near = |ours: &Value, perfs: u64| ours.as_u64().unwrap().abs_diff(perfs) < 60_000_000_000;
    assert!(near(&facts["first_ns"], *first), "{facts} {first}");
    assert!(near(&facts["last_ns"], *last), "{facts} {last}");
}
