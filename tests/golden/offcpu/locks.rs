//! Which lock threads waited for, and who ended the wait.

use super::{folder, named, strings, truth};
use serde_json::Value;
use std::collections::BTreeMap;

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
