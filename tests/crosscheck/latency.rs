//! Percentiles, which neither perf nor the truth of a capture has: computed a
//! second time from the bytes.

use crate::common::capture::Capture;
use crate::common::{compare, contend_on, shared_captures, synthetic};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Captures of one program whose lines are all at one address, and whose samples
/// have a fixed layout: there a line is its address.
const SYNTHETIC: [&str; 4] = ["false-sharing", "attr-64", "attr-136", "attr-144"];

/// The value at or below which at least `percent` of the ascending values are.
fn percentile(ascending: &[u64], percent: usize) -> u64 {
    ascending[(ascending.len() * percent).div_ceil(100).max(1) - 1]
}

fn differences(name: &str, bytes: Vec<u8>, document: &Value) -> Vec<String> {
    let mut by_line: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (address, latency) in Capture::new(bytes).load_latencies() {
        by_line.entry(address & !63).or_default().push(latency);
    }
    let mut found = Vec::new();
    for line in document["lines"].as_array().unwrap() {
        let address = compare::hex(line["address"].as_str().unwrap());
        let mut values = by_line.remove(&address).unwrap_or_default();
        values.sort_unstable();
        let expected = match values.last() {
            Some(max) => [
                percentile(&values, 50).into(),
                percentile(&values, 99).into(),
                (*max).into(),
            ],
            None => [Value::Null, Value::Null, Value::Null],
        };
        let ours = ["p50", "p99", "max"].map(|field| line["latency"][field].clone());
        if ours != expected {
            found.push(format!(
                "{name}: line {address:#x} has {ours:?}, its {} loads {expected:?}",
                values.len()
            ));
        }
        // Those of a row lie within those of its line.
        for row in line["rows"].as_array().unwrap() {
            let row = &row["latency"];
            let ordered = row["p50"].as_u64() <= row["p99"].as_u64()
                && row["p99"].as_u64() <= row["max"].as_u64()
                && row["max"].as_u64() <= line["latency"]["max"].as_u64();
            if !ordered {
                found.push(format!("{name}: line {address:#x} has a row with {row}"));
            }
        }
    }
    if !by_line.is_empty() {
        found.push(format!("{name}: {} lines are not shown", by_line.len()));
    }
    found
}

/// Captures that the decoder of the tests reads, too.
pub(crate) fn captures(scratch: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = synthetic::all()
        .iter()
        .filter(|capture| SYNTHETIC.contains(&capture.name))
        .map(|capture| synthetic::written(capture, scratch))
        .collect();
    assert_eq!(files.len(), SYNTHETIC.len());
    if let Some(shared) = shared_captures() {
        let names = ["a_static", "b_heap", "c_atomic"];
        files.extend(names.map(|name| shared.join(format!("mem-realistic/{name}.perf.data"))));
    }
    files
}

#[test]
fn percentiles_are_those_of_the_samples() {
    let scratch = tempfile::tempdir().unwrap();
    let files = captures(scratch.path());
    let mut found = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy();
        let document = contend_on(file, &["c2c", "--json", "--show-all"]).json(&name);
        found.extend(differences(&name, std::fs::read(file).unwrap(), &document));
    }
    compare::assert_none("percentiles", &found);
}
