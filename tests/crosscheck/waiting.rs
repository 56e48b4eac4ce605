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
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
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

#[test]
fn waits_recorded_here_are_those_of_the_workloads_own_clock() {
    let folder = tempfile::tempdir().unwrap();
    let Some(printed) = record(folder.path()) else {
        return;
    };
    let capture = folder.path().join("perf.data");
    let dir = folder.path().to_str().unwrap();
    let args = ["offcpu", "--json", "--symbol-dir", dir];
    let document: Value = contend_on(&capture, &args).json("live");
    if document["quality"]["lost_events"] != 0 {
        skipped("the machine was too busy: perf lost records");
        return;
    }
    let threads = document["threads"].as_array().unwrap();
    let mut compared = 0;
    for line in printed.lines() {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let [name, tid, kind, count, ns] = parts[..] else {
            panic!("the workload printed {line}")
        };
        let (tid, count): (i64, u64) = (tid.parse().unwrap(), count.parse().unwrap());
        let truth = ns.parse::<f64>().unwrap() / 1e6;
        let found = threads.iter().find(|thread| thread["tid"] == tid);
        let found = found.unwrap_or_else(|| panic!("{line}: {threads:?}"));
        assert_eq!(found["comm"], name);
        let ms = |value: &Value| value.as_f64().unwrap_or(0.0) / 1e6;
        let total = ms(&found["total_ns"]);
        match (name, kind) {
            ("ct-sleep", _) => {
                assert!(
                    (total - truth).abs() <= (truth / 100.0).max(1.0),
                    "{line} {found}"
                );
                let preempted = found["intervals"].as_u64().unwrap() - count;
                assert!(preempted <= 3, "{line} {found}");
            }
            (_, "hog") => {
                let blocked = ms(&found["by_state"]["blocked"]);
                let preempted = ms(&found["by_state"]["preempted"]);
                assert!(preempted > 200.0 && blocked < 50.0, "{line} {found}");
            }
            (_, "mutex") => {
                // It waits for nothing else.
                let blocked = ms(&found["by_state"]["blocked"]);
                assert!((blocked - truth).abs() <= truth / 20.0, "{line} {found}");
            }
            _ => assert!(total >= truth * 0.99, "{line} {found}"),
        }
        compared += 1;
    }
    assert_eq!(compared, 5, "{printed}");
    assert_eq!(document["open"], 0);
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
