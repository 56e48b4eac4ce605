//! Captures of real programs on a modelled memory system: their bytes, read by code of
//! these tests.

use super::{Groups, document, words};
use crate::common::capture::{Capture, Sampled};
use crate::common::{compare, shared_captures};
use std::path::Path;

/// A capture, and whether it has physical addresses and the nodes of memory.
const CAPTURES: [(&str, bool); 6] = [
    ("a_static", false),
    ("b_heap", true),
    ("c_atomic", true),
    ("d_mutex", true),
    ("f_config", true),
    ("g_rust", false),
];

/// Bytes of a node's memory on all three machines, as their header has it.
const NODE_MEMORY: u64 = 64 << 30;

/// What of a data source is in no class: the TLB, locks, blocks.
const NOT_IN_CLASSES: u64 = 0x7f << 26 | 0x3 << 24 | 0x7 << 40;

/// Nodes of CPUs, as the folder's INDEX.md lists them.
fn node(capture: &str, cpu: u32) -> u64 {
    match capture {
        "a_static" | "g_rust" => (cpu % 2).into(),
        "b_heap" | "d_mutex" => (cpu / 8).into(),
        _ => (cpu / 16 % 2).into(),
    }
}

fn differences(name: &str, file: &Path, has_memory: bool) -> Vec<String> {
    let all = Capture::new(std::fs::read(file).unwrap()).sampled();
    // Loads, stores, prefetches, fetches.
    let all: Vec<Sampled> = all
        .into_iter()
        .filter(|sample| sample.source & 0x1e != 0)
        .collect();
    assert!(all.len() > 4000, "{name}: {} accesses", all.len());
    let latency = |sample: &Sampled| (sample.latency > 0).then_some(sample.latency);
    let mut found = Vec::new();
    let mut by = |by: &str, key: &dyn Fn(&Sampled) -> String, fields: &[&str]| {
        let mut groups = Groups::new();
        for sample in &all {
            let key = key(sample);
            let group = groups.of(key.clone());
            group.add(latency(sample));
            if !fields.is_empty() {
                group.names.insert(key);
            }
        }
        let what = format!("{name} by {by}");
        let document = document(file, by, "weight");
        found.extend(groups.differences(&what, &document, |key| words(key, fields)));
    };
    by("thread", &|sample| sample.tid.to_string(), &["tid"]);
    by("cpu", &|sample| sample.cpu.to_string(), &["cpu"]);
    by(
        "line",
        &|sample| format!("{:#x}", sample.address & !63),
        &["address"],
    );
    // What these are called is not known here.
    by(
        "source",
        &|sample| (sample.source & !NOT_IN_CLASSES).to_string(),
        &[],
    );
    by("function", &|sample| sample.ip.to_string(), &[]);
    by(
        "node",
        &|sample| {
            let memory = match (has_memory, sample.physical) {
                (true, physical) if physical > 0 => (physical / NODE_MEMORY).to_string(),
                _ => "null".to_owned(),
            };
            format!("{} {memory}", node(name, sample.cpu))
        },
        &["node", "memory_node"],
    );
    found
}

#[test]
fn every_group_of_every_realistic_capture_is_a_sort() {
    let Some(shared) = shared_captures() else {
        return;
    };
    let mut found = Vec::new();
    for (name, has_memory) in CAPTURES {
        let file = shared.join(format!("mem-realistic/{name}.perf.data"));
        found.extend(differences(name, &file, has_memory));
    }
    compare::assert_none("realistic latencies", &found);
}
