//! The documents of the command against the truth that the synthesizer of a
//! capture wrote down while it planted the samples.
//!
//! The truth is read as JSON, so that this stays independent of the types of the
//! crate that makes it.

use super::compare::hex;
use serde_json::Value;
use std::collections::BTreeMap;

/// A line with fewer HITM than this may end without a verdict.
const ENOUGH: u64 = 50;

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
    }
    classes(&documents.all, truth, &mut found);
    shown_lines(&documents.shown, truth, &mut found);
    all_lines(&documents.all, truth, &mut found);
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
    for field in [
        "samples",
        "memory_samples",
        "lost_events",
        "lost_samples",
        "throttled",
    ] {
        for document in [&documents.info, &documents.shown] {
            equal(field, &document["quality"][field], &truth[field], found);
        }
    }
    equal(
        "line_size",
        &documents.shown["capture"]["line_size"],
        &truth["line_size"],
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

fn counters(what: &str, ours: &Value, truth: &Value, found: &mut Vec<String>) {
    let Some(truth) = truth.as_object() else {
        return found.push(format!("{what}: the truth has no counters"));
    };
    for (name, value) in truth {
        equal(&format!("{what}: {name}"), &ours[name], value, found);
    }
}

/// Each sample is in one class, and each HITM in one of the HITM classes.
fn classes(document: &Value, truth: &Value, found: &mut Vec<String>) {
    let count = |wanted: &dyn Fn(&Value) -> bool| -> u64 {
        let classes = list(&document["classes"])
            .iter()
            .filter(|class| wanted(class));
        classes.filter_map(|class| class["count"].as_u64()).sum()
    };
    equal(
        "sum of classes",
        &count(&|_| true).into(),
        &truth["memory_samples"],
        found,
    );
    let hitm = count(&|class| class["op"] == "load" && class["snoop"] == "hitm");
    equal("HITM classes", &hitm.into(), &truth["hitm"]["loads"], found);
}

/// Lines that perf shows by default, in its order, with their rows and verdicts.
fn shown_lines(document: &Value, truth: &Value, found: &mut Vec<String>) {
    let lines = list(&document["lines"]);
    let expected: Vec<&Value> = list(&truth["lines"])
        .iter()
        .filter(|line| line["rank"].is_u64())
        .collect();
    if lines.len() != expected.len() {
        found.push(format!(
            "{} lines shown, truth has {}",
            lines.len(),
            expected.len()
        ));
    }
    for (line, truth) in lines.iter().zip(expected) {
        let what = format!(
            "line {} {}",
            truth["rank"],
            truth["address"].as_str().unwrap_or("?")
        );
        equal(
            &format!("{what}: rank"),
            &line["rank"],
            &truth["rank"],
            found,
        );
        equal(
            &format!("{what}: address"),
            &line["address"],
            &truth["address"],
            found,
        );
        counters(&what, &line["perf_counters"], &truth["counters"], found);
        verdict(&what, line, truth, found);
        rows(&what, line, truth, found);
    }
}

fn verdict(what: &str, line: &Value, truth: &Value, found: &mut Vec<String>) {
    let (ours, expected) = (&line["verdict"], truth["verdict"].as_str());
    let right = match expected {
        // Controls, and what nobody planted.
        None | Some("none") => ours == "unknown",
        // Nothing to change, so nothing to say is right too.
        Some("read_mostly") => ours == "read_mostly" || ours == "unknown",
        Some(_) if truth["hitm"]["loads"].as_u64() < Some(ENOUGH) => true,
        Some(expected) => ours == expected,
    };
    if !right {
        found.push(format!(
            "{what}: verdict {ours} ({}), truth has {expected:?}",
            line["why"]
        ));
    }
}

fn rows(what: &str, line: &Value, truth: &Value, found: &mut Vec<String>) {
    let rows = list(&line["rows"]);
    let expected: Vec<&Value> = list(&truth["rows"])
        .iter()
        .filter(|row| row["shown"] == true)
        .collect();
    if rows.len() != expected.len() {
        found.push(format!(
            "{what}: {} rows, truth has {}",
            rows.len(),
            expected.len()
        ));
    }
    for (index, (row, truth)) in rows.iter().zip(expected).enumerate() {
        let what = format!("{what}, row {index}");
        let offset = row["offset"]
            .as_u64()
            .or_else(|| row["offset"].as_str().map(hex));
        equal(
            &format!("{what}: offset"),
            &offset.into(),
            &truth["offset"],
            found,
        );
        equal(&format!("{what}: ip"), &row["ip"], &truth["ip"], found);
        equal(
            &format!("{what}: cpus"),
            &row["cpus"],
            &list(&truth["cpus"]).len().into(),
            found,
        );
        counters(&what, &row["perf_counters"], &truth["counters"], found);
        if row["tids"].is_array() {
            equal(
                &format!("{what}: tids"),
                &row["tids"],
                &truth["tids"],
                found,
            );
        }
        for (mean, of) in [
            ("mean_rmt_hitm", "rmt_hitm"),
            ("mean_lcl_hitm", "lcl_hitm"),
            ("mean_load", "load"),
        ] {
            let [sum, count] =
                ["sum", "count"].map(|field| truth["latency"][of][field].as_f64().unwrap_or(0.0));
            let expected = if count > 0.0 { sum / count } else { 0.0 };
            let ours = row["latency"][mean].as_f64().unwrap_or(0.0);
            if (ours - expected).abs() > 1e-6 * expected.max(1.0) {
                found.push(format!("{what}: {mean} {ours}, truth has {expected}"));
            }
        }
    }
}

/// With `--show-all` every line is there; those that perf hides have no order.
fn all_lines(document: &Value, truth: &Value, found: &mut Vec<String>) {
    let key = |line: &Value, counters: &Value| {
        let number = |name: &str| counters[name].as_u64();
        (
            line["address"].to_string(),
            number("nr_entries"),
            number("load"),
            number("store"),
            number("tot_hitm"),
        )
    };
    let mut ours: Vec<_> = list(&document["lines"])
        .iter()
        .map(|line| key(line, &line["perf_counters"]))
        .collect();
    let mut expected: Vec<_> = list(&truth["lines"])
        .iter()
        .map(|line| key(line, &line["counters"]))
        .collect();
    ours.sort();
    expected.sort();
    if ours != expected {
        let first = ours
            .iter()
            .zip(&expected)
            .find(|(ours, expected)| ours != expected);
        found.push(format!(
            "all lines: {}, truth has {}; first: {first:?}",
            ours.len(),
            expected.len()
        ));
    }
}
