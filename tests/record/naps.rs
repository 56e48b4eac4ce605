//! `workloads/naps.c`: threads that sleep when they are told to, and time themselves; and
//! a recording of them that ends when they are done.

use super::running::Running;
use super::support::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Builds it; nothing, and a reason, where that is not possible. `define` is an option
/// of the compiler.
pub(crate) fn build(folder: &Path, define: &str) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/record/workloads/naps.c");
    let program = folder.join("naps");
    compile(&source, &program, define).then_some(program)
}

/// The running program.
pub(crate) struct Naps {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// The threads that sleep, with their numbers as they know them themselves.
    pub(crate) tids: BTreeMap<String, u32>,
}

impl Naps {
    /// Starts it, by whatever command, and waits until it could begin.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut tids = BTreeMap::new();
        loop {
            let line = read(&mut lines);
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["thread", tid, name] => tids.insert((*name).to_owned(), tid.parse().unwrap()),
                _ => break,
            };
        }
        assert_eq!(tids.len(), 3);
        Self { child, lines, tids }
    }

    /// The number of what was started.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets the threads sleep; how long each was off the CPU meanwhile, in ns.
    pub(crate) fn sleep(&mut self) -> BTreeMap<String, u64> {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let mut off = BTreeMap::new();
        while off.len() < 3 {
            let line = read(&mut self.lines);
            let words: Vec<_> = line.split(' ').collect();
            assert_eq!(words[0], "off", "{line}");
            off.insert(words[1].to_owned(), words[2].parse().unwrap());
        }
        off
    }
}

impl Drop for Naps {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(lines: &mut impl BufRead) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "the program ended");
    line.trim_end().to_owned()
}

/// Records while `during` runs, and ends it with Ctrl-C; what the recorder said.
pub(crate) fn record<T>(folder: &Path, args: &[&str], during: impl FnOnce() -> T) -> (T, String) {
    let mut running = Running::start(folder, recorder().args(args).current_dir(folder));
    running.until_it_says("recording ");
    let outcome = during();
    running.signal("INT");
    let is_good = running.end().success();
    let text = running.said();
    assert!(is_good, "{args:?}: {text}");
    (outcome, text)
}

/// `contend offcpu --json` of a bundle.
pub(crate) fn waits(contend: &Path, bundle: &Path) -> Value {
    let output = Command::new(contend)
        .args(["offcpu", "--json", "--top", "1000"])
        .arg(bundle)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The threads in it, and what they waited in ns.
pub(crate) fn threads(document: &Value) -> BTreeMap<String, u64> {
    let mut named = BTreeMap::new();
    for thread in document["threads"].as_array().unwrap() {
        let name = thread["comm"].as_str().unwrap().to_owned();
        let other = named.insert(name, thread["total_ns"].as_u64().unwrap());
        assert_eq!(other, None, "two threads of one name: {thread}");
    }
    named
}

/// Within 2 % of what the thread says, or 5 ms where that is more: its sleeps have 120 ms
/// at least, and it waits a little before and behind what it times.
pub(crate) fn agrees(name: &str, found: u64, own: u64) {
    let room = (own / 50).max(5_000_000);
    assert!(
        found.abs_diff(own) <= room,
        "{name}: {found} ns recorded, {own} ns by its own clocks"
    );
}
