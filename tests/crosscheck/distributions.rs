//! Latencies of `contend latency` against what was planted, against a second decoder,
//! and against the weights that perf prints.

use crate::common::capture::Capture;
use crate::common::{
    compare, contend_on, distribution, installed_perf, shared_captures, skipped, synthetic,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// perf reads so many of the synthetic captures at least, whichever perf it is.
const BY_PERF: usize = 5;

fn document(file: &Path, args: &[&str]) -> Value {
    let args = [&["latency", "--json"], args].concat();
    contend_on(file, &args).json(&format!("{args:?} {}", file.display()))
}

fn groups(document: &Value) -> &[Value] {
    document["groups"].as_array().unwrap()
}

fn precision(document: &Value) -> f64 {
    let precision = document["precision"].as_f64().unwrap();
    assert!(precision <= 0.01, "{precision}");
    precision
}

/// The sums of all classes are the weights that were planted.
#[test]
fn sums_equal_the_truth_of_every_synthetic_capture() {
    let scratch = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for capture in synthetic::all() {
        let file = synthetic::written(&capture, scratch.path());
        let truth = serde_json::to_value(&capture.truth).unwrap();
        let accesses = truth["accesses"].as_array().unwrap().iter();
        let accesses = accesses.filter(|access| access["access"] != "not_memory");
        let planted: u64 = accesses
            .map(|access| access["weight_sum"].as_u64().unwrap())
            .sum();
        for by in ["source", "function", "line", "thread", "cpu", "node"] {
            let document = document(&file, &["--by", by]);
            let name = capture.name;
            let total = &document["total"];
            let all = total["count"].as_u64().unwrap() + total["without"].as_u64().unwrap();
            if truth["memory_samples"] != all || total["sum"] != planted {
                found.push(format!(
                    "{name} {by}: {all} accesses, {} cycles",
                    total["sum"]
                ));
            }
            for field in ["count", "without", "sum", "lost"] {
                let rest = document["rest"][field].as_u64().unwrap_or(0);
                let sum: u64 = groups(&document)
                    .iter()
                    .map(|group| group[field].as_u64().unwrap())
                    .sum();
                if document["rest"].is_null() && total[field] != sum + rest {
                    found.push(format!("{name} {by}: {field} of groups is {sum}"));
                }
            }
        }
    }
    compare::assert_none("latency sums", &found);
}

#[test]
fn percentiles_by_line_equal_a_sort() {
    let scratch = tempfile::tempdir().unwrap();
    let files = crate::latency::captures(scratch.path());
    let mut found = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy();
        let mut by_line: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let mut all = Vec::new();
        for (address, latency, source) in Capture::new(std::fs::read(file).unwrap()).accesses() {
            // Loads, stores, prefetches, fetches.
            if source & 0x1e != 0 {
                let values = by_line.entry(address & !63).or_default();
                values.extend((latency > 0).then_some(latency));
                all.extend((latency > 0).then_some(latency));
            }
        }
        let document = document(file, &["--by", "line", "--line-size", "64"]);
        let precision = precision(&document);
        found.extend(distribution::differences(
            &name,
            &document["total"],
            precision,
            &all,
        ));
        let shown = groups(&document);
        if document["rest"].is_null() && shown.len() != by_line.len() {
            found.push(format!(
                "{name}: {} of {} lines",
                shown.len(),
                by_line.len()
            ));
        }
        for group in shown {
            let address = compare::hex(group["key"]["address"].as_str().unwrap());
            let values = by_line.remove(&address).unwrap_or_default();
            let what = format!("{name} {address:#x}");
            found.extend(distribution::differences(&what, group, precision, &values));
        }
    }
    compare::assert_none("latencies by line", &found);
}

/// A sample as perf prints it.
struct Printed {
    tid: u64,
    cpu: u64,
    weight: u64,
}

/// The memory samples of a capture by `perf script`; nothing where it refuses.
fn printed(file: &Path) -> Option<Vec<Printed>> {
    let output = Command::new("perf")
        .args(["script", "-F", "tid,cpu,weight,data_src", "-i"])
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().map(|line| {
        let (before, after) = line.split_once('|')?;
        let mut words = before.split_whitespace();
        let (tid, cpu) = (words.next()?, words.next()?);
        let source = u64::from_str_radix(words.next()?, 16).ok()?;
        let weight = after.rsplit('|').next()?.split_whitespace().last()?;
        let printed = Printed {
            tid: tid.parse().ok()?,
            cpu: cpu.trim_matches(['[', ']']).parse().ok()?,
            weight: weight.parse().ok()?,
        };
        // Loads, stores, prefetches, fetches.
        Some((source & 0x1e != 0).then_some(printed))
    });
    let all: Option<Vec<Option<Printed>>> = lines.collect();
    let all: Vec<Printed> = all?.into_iter().flatten().collect();
    (output.status.success() && !all.is_empty()).then_some(all)
}

fn with_perf(name: &str, file: &Path) -> Option<Vec<String>> {
    let printed = printed(file)?;
    let mut found = Vec::new();
    for (by, field) in [("thread", "tid"), ("cpu", "cpu")] {
        let mut expected: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for sample in &printed {
            let key = if by == "cpu" { sample.cpu } else { sample.tid };
            let values = expected.entry(key).or_default();
            values.extend((sample.weight > 0).then_some(sample.weight));
        }
        let document = document(file, &["--by", by]);
        let precision = precision(&document);
        if groups(&document).len() != expected.len() {
            found.push(format!(
                "{name}: {} groups by {by}",
                groups(&document).len()
            ));
        }
        for group in groups(&document) {
            let key = group["key"][field].as_u64().unwrap_or(u64::MAX);
            let values = expected.remove(&key).unwrap_or_default();
            let what = format!("{name} {by} {key}");
            found.extend(distribution::differences(&what, group, precision, &values));
        }
    }
    Some(found)
}

#[test]
fn latencies_by_thread_and_cpu_equal_the_weights_of_perf() {
    if installed_perf().is_none() {
        return skipped("perf is not on PATH: nothing is compared with it");
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    let mut read = 0;
    for capture in synthetic::all() {
        let file = synthetic::written(&capture, scratch.path());
        if let Some(differences) = with_perf(capture.name, &file) {
            read += 1;
            found.extend(differences);
        }
    }
    assert!(
        read >= BY_PERF,
        "perf prints the weights of {read} captures"
    );
    if let Some(shared) = shared_captures() {
        for name in [
            "a_static", "b_heap", "c_atomic", "d_mutex", "f_config", "g_rust",
        ] {
            let file = shared.join(format!("mem-realistic/{name}.perf.data"));
            match with_perf(name, &file) {
                Some(differences) => found.extend(differences),
                None => found.push(format!("{name}: perf prints nothing")),
            }
        }
    }
    compare::assert_none("latencies and perf", &found);
}
