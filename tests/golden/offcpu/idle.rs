//! Which waits are for work.

use super::{folder, ms, named, truth, user_leaf};
use std::collections::BTreeMap;

/// What is marked idle are the calls that wait for events and for time, and no
/// wait for a lock is among them.
#[test]
fn only_waits_for_events_and_time_are_idle() {
    if folder().is_none() {
        return;
    }
    for name in ["bpf-offcpu-time", "bpf-offcpu-time-raw"] {
        let document = named(name, &[]);
        // Of each thread: idle, and not, in ms.
        let mut times: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        let mut marked = 0;
        for stack in document["stacks"].as_array().unwrap() {
            let comm = stack["comm"].as_str().unwrap();
            let is_preempted = stack["state"] == "preempted";
            let idle = stack.get("idle").map(|idle| idle.as_str().unwrap());
            let wanted = match user_leaf(stack) {
                _ if is_preempted => None,
                "epoll_wait" => Some("epoll"),
                "clock_nanosleep" => Some("sleep"),
                _ => None,
            };
            assert_eq!(idle, wanted, "{name} {stack}");
            assert!(idle != Some("epoll") || comm == "lw-epoll", "{stack}");
            let total = stack["total_ns"].as_u64().unwrap();
            let times = times.entry(comm).or_default();
            match idle {
                Some(_) => {
                    marked += total;
                    times.0 += ms(&stack["total_ns"]);
                }
                None => times.1 += ms(&stack["total_ns"]),
            }
        }
        assert_eq!(document["idle"]["total_ns"], marked, "{name}");
        for truth in truth("bpf-offcpu-time") {
            let (idle, other) = times[truth.thread.as_str()];
            // The capture is the middle second of 2.5.
            let share = truth.total_ms / 2500.0 * 1000.0;
            match truth.kind.as_str() {
                "futex" | "condvar" => assert!(idle == 0.0 && other > 980.0, "{truth:?}"),
                "mutex" => assert!((other - share).abs() < share / 10.0, "{truth:?} {other}"),
                "nanosleep" | "epoll" => {
                    assert!((idle - share).abs() < share / 20.0, "{truth:?} {idle}");
                }
                "spin-preempted" => assert!(idle == 0.0, "{truth:?}"),
                _ => {}
            }
        }
    }
}
