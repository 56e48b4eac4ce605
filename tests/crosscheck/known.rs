//! Where an older perf is known to differ, and exactly how: anything else that
//! differs on these captures is still a failure.

use serde_json::{Value, json};
use std::cmp::Reverse;

/// The perf that reads all captures and has none of these faults.
const REPAIRED: (u32, u32) = (7, 2);

/// What an older perf does with one capture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Known {
    /// It does not open the file; its message has this in it.
    Refuses(&'static str),
    /// It has no rule for HITM with the level L2 and counts them as L2 hits.
    HitmInL2,
    /// It looks up a CPU outside every node at index -1 of a table when it prints
    /// rows, and then dies or not. What it counts before is right.
    OutsideTheNodes,
}

/// By the name of the capture. Both refusals are by design: attributes of more
/// than 128 bytes, and types of records, that it does not know.
const KNOWN: [(&str, Known); 5] = [
    ("power10", Known::HitmInL2),
    ("cpus-outside-nodes", Known::OutsideTheNodes),
    ("attr-136", Known::Refuses("incompatible file format")),
    ("attr-144", Known::Refuses("incompatible file format")),
    (
        "unknown-records",
        Known::Refuses("failed to process type: 200"),
    ),
];

/// What perf of that version is known to do with a capture.
pub(crate) fn known(capture: &str, version: (u32, u32)) -> Option<Known> {
    let mut all = KNOWN.iter().filter(|_| version < REPAIRED);
    all.find(|(name, _)| *name == capture)
        .map(|(_, known)| *known)
}

/// Names of the captures with an entry, to see that each exists.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, _)| *name)
}

/// The document as it were if a local HITM were an L2 hit. Only for captures
/// whose local HITM all have the level L2, which is asserted.
pub(crate) fn with_hitm_in_l2_as_hits(mut document: Value) -> Value {
    let classes = document["classes"].as_array().unwrap().iter();
    let levels: Vec<&Value> = classes
        .filter(|class| class["snoop"] == "hitm")
        .map(|class| &class["level"])
        .collect();
    assert!(
        levels.contains(&&json!("l2")) && !levels.contains(&&json!("l3")),
        "local HITM are in L2: {levels:?}"
    );

    recount(&mut document["perf_counters"]);
    let total = document["perf_counters"]["tot_hitm"].as_u64().unwrap();
    for line in document["lines"].as_array_mut().unwrap() {
        recount(&mut line["perf_counters"]);
        let hitm = line["perf_counters"]["tot_hitm"].as_u64().unwrap();
        line["share"] = json!(hitm as f64 / total as f64);
        let rows = line["rows"].as_array_mut().unwrap();
        for row in rows.iter_mut() {
            let hits = row["perf_counters"]["lcl_hitm"].as_u64().unwrap();
            let loads = row["perf_counters"]["load"].as_u64().unwrap();
            let remote = row["perf_counters"]["rmt_hitm"].as_u64().unwrap();
            let others = loads - remote - hits;
            let latency = &mut row["latency"];
            if hits > 0 {
                let sum = mean(&latency["mean_lcl_hitm"]) * hits as f64
                    + mean(&latency["mean_load"]) * others as f64;
                latency["mean_load"] = json!(sum / (hits + others) as f64);
                latency["mean_lcl_hitm"] = Value::Null;
            }
            recount(&mut row["perf_counters"]);
        }
        // A row without the metric and without stores is not printed.
        rows.retain(|row| {
            row["perf_counters"]["tot_hitm"] != 0 || row["perf_counters"]["store"] != 0
        });
        rows.sort_by_key(|row| {
            let number = |value: &Value| super::compare::hex(value.as_str().unwrap());
            (
                number(&row["offset"]),
                Reverse(row["perf_counters"]["tot_hitm"].as_u64()),
                number(&row["ip"]),
            )
        });
    }
    document
}

/// 0 for a mean of nothing.
fn mean(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

fn recount(counters: &mut Value) {
    let hits = counters["lcl_hitm"].as_u64().unwrap();
    for (name, change) in [
        ("ld_l2hit", hits.cast_signed()),
        ("tot_hitm", -hits.cast_signed()),
        ("lcl_hitm", -hits.cast_signed()),
    ] {
        let count = counters[name].as_i64().unwrap();
        counters[name] = json!(count + change);
    }
}
