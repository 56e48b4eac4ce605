//! Programs without frame pointers, unwound by their own unwind information
//! through the functions of their sources.

use crate::common::{contend_on, installed_perf, shared_captures, skipped};
use crate::perf::{compare, script};
use crate::{Counted, document, stacks};
use std::path::{Path, PathBuf};

const LIBRARIES: [&str; 4] = [
    "libc.so.6",
    "libstdc++.so.6.0.30",
    "libgcc_s.so.1",
    "ld-linux-x86-64.so.2",
];

/// The captures, and the functions that each thread must be seen in, caller
/// first (`src/lw.cpp`, `src/lwr.rs`).
const THREADS: [(&str, &str, &[&str]); 13] = [
    (
        "cpp",
        "lw-hold",
        &["t_hold(void*)", "hold_account_lock(Stat&)"],
    ),
    (
        "cpp",
        "lw-wait1",
        &[
            "t_wait1(void*)",
            "wait_account_lock(Stat&)",
            "pthread_mutex_lock",
        ],
    ),
    (
        "cpp",
        "lw-wait2",
        &[
            "t_wait2(void*)",
            "wait_account_lock(Stat&)",
            "pthread_mutex_lock",
        ],
    ),
    (
        "cpp",
        "lw-jhold",
        &["t_jh(void*)", "hold_journal_lock(Stat&)"],
    ),
    (
        "cpp",
        "lw-jwait",
        &[
            "t_jw(void*)",
            "wait_journal_lock(Stat&)",
            "pthread_mutex_lock",
        ],
    ),
    (
        "cpp",
        "lw-futex",
        &["t_fx(void*)", "futex_sleep(Stat&)", "syscall"],
    ),
    ("cpp", "lw-sleep", &["t_sl(void*)", "plain_sleep(Stat&)"]),
    ("cpp", "lw-disk", &["t_io(void*)", "fdatasync"]),
    ("cpp", "lw-epoll", &["t_ep(void*)", "epoll_wait"]),
    (
        "rust",
        "rw-wait",
        &[
            "lwr::take_ledger",
            "<std::sys::sync::mutex::futex::Mutex>::lock_contended",
            "syscall",
        ],
    ),
    ("rust", "rw-writer", &["lwr::write_index", "syscall"]),
    (
        "rust",
        "rw-disk",
        &["lwr::sync_file", "<std::fs::File>::sync_data", "fdatasync"],
    ),
    ("rust", "rw-sock", &["lwr::read_sock", "recv"]),
];

const CAPTURES: [(&str, &str); 3] = [
    ("cpp", "cpp-nofp-switch-a-dwarf"),
    ("cpp", "cpp-nofp-cpuclock-sched-switch-dwarf-z"),
    ("rust", "rust-nofp-task-switch-dwarf-z"),
];

/// A folder that looks like the root of the recording machine; nothing where
/// this machine's C library is another one.
fn root(folder: &Path) -> Option<tempfile::TempDir> {
    // This capture knows the build-ids that the others do not.
    let known = folder.join("cpp-fp-cpuclock-switch.data");
    let binaries = contend_on(&known, &["symbols", "--json"]).json("symbols");
    let libc = binaries["binaries"]
        .as_array()
        .unwrap()
        .iter()
        .find(|binary| binary["path"].as_str().unwrap().ends_with("/libc.so.6"));
    if libc.is_none_or(|libc| libc["state"] != "found") {
        skipped("the C library of the recording machine is not here");
        return None;
    }
    let root = tempfile::tempdir().unwrap();
    let programs = root.path().join("tmp/w");
    let libraries = root.path().join("usr/lib/x86_64-linux-gnu");
    std::fs::create_dir_all(&programs).unwrap();
    std::fs::create_dir_all(&libraries).unwrap();
    for name in ["lw-nofp", "lwr-nofp"] {
        std::fs::copy(folder.join("bin").join(name), programs.join(name)).unwrap();
    }
    for name in LIBRARIES {
        let here = Path::new("/usr/lib/x86_64-linux-gnu").join(name);
        // A program may do without one of them.
        drop(std::fs::copy(here, libraries.join(name)));
    }
    Some(root)
}

fn folder() -> Option<PathBuf> {
    Some(shared_captures()?.join("offcpu-local"))
}

/// Whether some functions are in a stack in this order.
fn holds(stack: &[String], functions: &[&str]) -> bool {
    let mut wanted = functions.iter().peekable();
    for frame in stack {
        if wanted.peek().is_some_and(|wanted| frame == *wanted) {
            wanted.next();
        }
    }
    wanted.peek().is_none()
}

fn samples(stacks: &Counted, takes: impl Fn(&[String]) -> bool) -> u64 {
    let taken = stacks.iter().filter(|(stack, _)| takes(stack));
    taken.map(|(_, samples)| samples).sum()
}

#[test]
fn stacks_go_through_the_functions_of_the_source_to_the_start_of_the_thread() {
    let Some(folder) = folder() else { return };
    let Some(root) = root(&folder) else { return };
    let directory = root.path().to_str().unwrap();
    for (kind, name) in CAPTURES {
        let capture = folder.join(format!("{name}.data"));
        let document = document(&capture, "sched:sched_switch", &["--symbol-dir", directory]);
        let stacks = stacks(&document);
        for (_, comm, functions) in THREADS.iter().filter(|thread| thread.0 == kind) {
            let found = samples(&stacks, |stack| {
                stack[0] == **comm && holds(&stack[1..], functions)
            });
            // Short captures saw some threads in a part of what they do only.
            let all = samples(&stacks, |stack| stack[0] == **comm);
            if all > 20 {
                assert!(found > 0, "{name}: {comm} is in {functions:?}");
            }
        }
        // clone3 and start_thread have no names in a stripped library.
        let prefix = if kind == "cpp" {
            "t_"
        } else {
            "<std::sys::thread::unix::Thread>"
        };
        let mut starts: Vec<(&str, &str)> = Vec::new();
        let (mut complete, mut all) = (0, 0);
        for (stack, samples) in &stacks {
            let is_own = stack[0].starts_with("lw-") || stack[0].starts_with("rw-");
            if !is_own || stack[0] == "lw-main" || stack.len() < 2 {
                continue;
            }
            all += samples;
            if stack.len() > 3 && stack[3].starts_with(prefix) {
                complete += samples;
                starts.push((&stack[1], &stack[2]));
            }
        }
        starts.sort_unstable();
        starts.dedup();
        assert_eq!(
            starts.len(),
            1,
            "{name}: all threads start alike: {starts:?}"
        );
        let is_libc = |frame: &str| frame.starts_with("libc.so.6+");
        assert!(is_libc(starts[0].0) && is_libc(starts[0].1), "{starts:?}");
        assert!(
            complete * 100 >= all * 97,
            "{name}: {complete} of {all} from the start"
        );
    }
}

#[test]
fn stacks_are_perfs() {
    let Some(folder) = folder() else { return };
    let Some(root) = root(&folder) else { return };
    if installed_perf().is_none() {
        return skipped("perf is not installed");
    }
    let directory = root.path().to_str().unwrap();
    for (_, name) in CAPTURES {
        let capture = folder.join(format!("{name}.data"));
        let event = "sched:sched_switch";
        let Some(perfs) = script(&capture, event, Some(root.path())) else {
            skipped(&format!("perf does not read {name}"));
            continue;
        };
        let ours = stacks(&document(&capture, event, &["--symbol-dir", directory]));
        // Processes that were there before the capture have no names.
        let own = |all: &Counted| -> Counted {
            let mut own = Counted::new();
            for (stack, samples) in all {
                if stack[0].starts_with("lw") || stack[0].starts_with("rw") {
                    let keep = stack
                        .iter()
                        .filter(|it| !it.starts_with("[kernel.kallsyms]+"));
                    *own.entry(keep.cloned().collect()).or_default() += samples;
                }
            }
            own
        };
        let found = compare(&own(&perfs), &own(&ours), false);
        assert!(found.frames > 1000, "{name}: {found:?}");
        assert!(
            found.equal * 1000 >= found.frames * 999,
            "{name}: {} of {} frames: {:#?}",
            found.equal,
            found.frames,
            found.differences
        );
    }
}
