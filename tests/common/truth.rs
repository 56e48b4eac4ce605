//! The documents of the command against the truth that the synthesizer of a
//! capture wrote down while it planted the samples.
//!
//! The truth is read as JSON, so that this stays independent of the types of the
//! crate that makes it. It is whole: every line is in it, not only those that
//! perf shows.

mod lines;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Places of the exclusive classes that are on the node of the load. What the
/// synthesizer calls local is on the same node, whichever cache it was in.
const ON_THIS_NODE: [&str; 2] = ["local", "same_node"];

/// The three documents of one capture.
pub(crate) struct Documents {
    /// `info --json`
    pub(crate) info: Value,
    /// `c2c --json`
    pub(crate) shown: Value,
    /// `c2c --json --show-all`
    pub(crate) all: Value,
}

/// Every difference between the documents and the truth.
pub(crate) fn differences(documents: &Documents, truth: &Value) -> Vec<String> {
    let mut found = Vec::new();
    quality(documents, truth, &mut found);
    for document in [&documents.shown, &documents.all] {
        counters(
            "all samples",
            &document["perf_counters"],
            &truth["counters"],
            &mut found,
        );
        classes(document, truth, &mut found);
        ratios(document, truth, &mut found);
    }
    lines::shown(&documents.shown, truth, &mut found);
    lines::all(documents, truth, &mut found);
    found
}

fn equal(what: &str, ours: &Value, truth: &Value, found: &mut Vec<String>) {
    if ours != truth {
        found.push(format!("{what}: {ours}, truth has {truth}"));
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn quality(documents: &Documents, truth: &Value, found: &mut Vec<String>) {
    for document in [&documents.info, &documents.shown, &documents.all] {
        let quality = &document["quality"];
        for field in ["samples", "lost_events", "lost_samples", "throttled"] {
            equal(field, &quality[field], &truth[field], found);
        }
        equal(
            "truncated_bytes",
            &quality["truncated_bytes"],
            &0.into(),
            found,
        );
    }
    // `info` does not look into samples, so only `c2c` knows these.
    for document in [&documents.shown, &documents.all] {
        equal(
            "memory_samples",
            &document["quality"]["memory_samples"],
            &truth["memory_samples"],
            found,
        );
        equal(
            "line_size",
            &document["capture"]["line_size"],
            &truth["line_size"],
            found,
        );
        equal("sort", &document["sort"], &truth["sort"], found);
    }
    equal(
        "can c2c",
        &documents.info["can"]["c2c"],
        &true.into(),
        found,
    );
    let by_event = |document: &Value| -> BTreeMap<String, u64> {
        let events = list(&document["events"]).iter();
        let events = events.map(|event| {
            (
                event["name"].to_string(),
                event["samples"].as_u64().unwrap_or(0),
            )
        });
        events.filter(|(_, samples)| *samples > 0).collect()
    };
    if by_event(&documents.info) != by_event(truth) {
        found.push(format!(
            "events: {}, truth has {}",
            documents.info["events"], truth["events"]
        ));
    }
}

/// All counters by name; the truth leaves out those that are 0.
fn counters(what: &str, ours: &Value, truth: &Value, found: &mut Vec<String>) {
    let (Some(ours), Some(truth)) = (ours.as_object(), truth.as_object()) else {
        return found.push(format!("{what}: no counters"));
    };
    let names: BTreeSet<&String> = ours.keys().chain(truth.keys()).collect();
    for name in names {
        let Some(value) = ours.get(name) else {
            found.push(format!("{what}: no counter {name}"));
            continue;
        };
        let expected = truth.get(name).cloned().unwrap_or_else(|| 0.into());
        equal(&format!("{what}: {name}"), value, &expected, found);
    }
}

/// Each sample is in one class, and each HITM in one of the HITM classes.
fn classes(document: &Value, truth: &Value, found: &mut Vec<String>) {
    let sum = |field: &str, wanted: &dyn Fn(&Value) -> bool| -> u64 {
        let classes = list(&document["classes"]).iter();
        let wanted = classes.filter(|class| wanted(class));
        wanted.filter_map(|class| class[field].as_u64()).sum()
    };
    let hitm = |class: &Value| class["op"] == "load" && class["snoop"] == "hitm";
    let here =
        |class: &Value| ON_THIS_NODE.contains(&class["where"].as_str().expect("a place in text"));
    let truths = &truth["hitm"];
    for (what, ours, expected) in [
        (
            "sum of classes",
            sum("count", &|_| true),
            &truth["memory_samples"],
        ),
        ("HITM classes", sum("count", &hitm), &truths["loads"]),
        (
            "HITM classes of this node",
            sum("count", &|class| hitm(class) && here(class)),
            &truths["local"],
        ),
        (
            "HITM classes of other nodes",
            sum("count", &|class| hitm(class) && !here(class)),
            &truths["remote"],
        ),
    ] {
        equal(what, &ours.into(), expected, found);
    }
    let weights: u64 = list(&truth["accesses"])
        .iter()
        .filter(|access| access["access"] != "not_memory")
        .filter_map(|access| access["weight_sum"].as_u64())
        .sum();
    equal(
        "latency_sum of classes",
        &sum("latency_sum", &|_| true).into(),
        &weights.into(),
        found,
    );
}

fn ratios(document: &Value, truth: &Value, found: &mut Vec<String>) {
    let ratio = &document["ratios"]["hitm_per_load"];
    equal(
        "loads with HITM",
        &ratio["numerator"],
        &truth["hitm"]["loads"],
        found,
    );
    // perf counts a prefetch as a load where the hardware marks it as both.
    let prefetches = list(&truth["accesses"])
        .iter()
        .find(|access| access["access"] == "prefetch_load")
        .map_or(0, |access| access["count"].as_u64().unwrap_or(0));
    let loads = truth["counters"]["load"].as_u64().unwrap_or(0) - prefetches;
    equal("loads", &ratio["denominator"], &loads.into(), found);
    // No share of nothing.
    let of = match truth["hitm"]["loads"].as_u64() {
        Some(0) => &Value::Null,
        _ => &truth["hitm"]["loads"],
    };
    equal(
        "HITM of the remote share",
        &document["ratios"]["remote_per_hitm"]["denominator"],
        of,
        found,
    );
    // Where perf counts every HITM once, what it calls remote is remote.
    let counter = |name: &str| truth["counters"][name].as_u64().unwrap_or(0);
    let (local, remote) = (counter("lcl_hitm"), counter("rmt_hitm"));
    if !of.is_null() && Some(local + remote) == of.as_u64() {
        equal(
            "remote HITM",
            &document["ratios"]["remote_per_hitm"]["numerator"],
            &remote.into(),
            found,
        );
    }
}
