//! Off-CPU captures against what their workload measured of itself.
//!
//! A truth file has a line a thread: `thread tid kind object count total_ms
//! max_ms`, the wall time inside the one call that blocks. Threads that do
//! nothing else are compared whole; others by what is on their stacks.

mod idle;
mod locks;
mod nameless;
mod times;
mod views;

use crate::common::{contend_on, shared_captures};
use serde_json::Value;
use std::path::PathBuf;

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

/// The innermost user frame of a stack, which is the function of the C library
/// that a thread waits in; empty when there is none.
fn user_leaf(stack: &Value) -> &str {
    let frames = strings(&stack["frames"]);
    let kernel = stack.get("kernel_from").and_then(Value::as_u64);
    let user = kernel.map_or(frames.len(), |from| from as usize);
    user.checked_sub(1).map_or("", |leaf| frames[leaf])
}
