//! Stacks: those of recorded programs against their sources and against perf,
//! of fresh recordings against the perf that made them, there and from a bundle
//! without the programs.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

mod any;
mod carried;
#[path = "../common/mod.rs"]
mod common;
mod live;
mod perf;
mod programs;
mod recorded;
mod simpleperf;

use crate::common::contend_on;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Stacks with how many samples have each: name of the thread, then frames from
/// the root.
type Counted = BTreeMap<Vec<String>, u64>;

/// The document of an event's stacks.
fn document(capture: &Path, event: &str, args: &[&str]) -> Value {
    let args = [&["oncpu", "--json", "--event", event], args].concat();
    contend_on(capture, &args).json(&capture.display().to_string())
}

/// The stacks of a document; inlined functions are left out, as perf has them
/// only where it reads debug information.
fn stacks(document: &Value) -> Counted {
    let mut counted = Counted::new();
    for stack in document["stacks"].as_array().unwrap() {
        let inlined = stack["inlined"].as_array();
        let is_inlined =
            |index: usize| inlined.is_some_and(|all| all.contains(&Value::from(index)));
        let comm = stack["comm"].as_str().unwrap_or("?").to_owned();
        let frames = stack["frames"].as_array().unwrap().iter().enumerate();
        let frames = frames.filter(|(index, _)| !is_inlined(*index));
        let frames = frames.map(|(_, frame)| frame.as_str().unwrap().to_owned());
        let stack_of = std::iter::once(comm).chain(frames).collect();
        *counted.entry(stack_of).or_default() += stack["samples"].as_u64().unwrap();
    }
    counted
}
