//! Cache lines, their rows and verdicts against the truth.

use super::{Documents, counters, equal, list};
use crate::common::compare::hex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A line with fewer HITM than this may end without a verdict.
const ENOUGH: u64 = 50;

/// Means of the document, and the category of the truth that each is made of.
const MEANS: [(&str, &str); 5] = [
    ("mean_rmt_hitm", "rmt_hitm"),
    ("mean_lcl_hitm", "lcl_hitm"),
    ("mean_rmt_peer", "rmt_peer"),
    ("mean_lcl_peer", "lcl_peer"),
    ("mean_load", "load"),
];

/// Lines that perf shows by default, in its order, with their rows and verdicts.
pub(super) fn shown(document: &Value, truth: &Value, found: &mut Vec<String>) {
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
        for field in ["rank", "address"] {
            equal(
                &format!("{what}: {field}"),
                &line[field],
                &truth[field],
                found,
            );
        }
        equal(
            &format!("{what}: what is behind it"),
            &line["object"]["dso"],
            &truth["memory"],
            found,
        );
        counters(&what, &line["perf_counters"], &truth["counters"], found);
        verdict(&what, line, truth, found);
        accesses(&what, line, truth, found);
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

/// Who wrote and who read the line.
fn accesses(what: &str, line: &Value, truth: &Value, found: &mut Vec<String>) {
    let sum = |who: &str, field: &str| -> u64 {
        let threads = list(&line[who]).iter();
        threads.filter_map(|thread| thread[field].as_u64()).sum()
    };
    equal(
        &format!("{what}: HITM of all readers"),
        &sum("readers", "hitm").into(),
        &truth["hitm"]["loads"],
        found,
    );
    let truths = &truth["counters"];
    for (who, field, counter) in [("readers", "loads", "load"), ("writers", "stores", "store")] {
        equal(
            &format!("{what}: {field} of all {who}"),
            &sum(who, field).into(),
            &truths[counter].as_u64().unwrap_or(0).into(),
            found,
        );
    }
    let pids: BTreeSet<u64> = ["readers", "writers"]
        .iter()
        .flat_map(|who| list(&line[*who]))
        .filter_map(|thread| thread["pid"].as_u64())
        .collect();
    equal(
        &format!("{what}: processes"),
        &pids.into_iter().collect::<Vec<_>>().into(),
        &truth["pids"],
        found,
    );
}

fn rows(what: &str, line: &Value, truth: &Value, found: &mut Vec<String>) {
    let rows = list(&line["rows"]);
    let expected = shown_rows(truth);
    if rows.len() != expected.len() {
        found.push(format!(
            "{what}: {} rows, truth has {}",
            rows.len(),
            expected.len()
        ));
    }
    for (index, (row, truth)) in rows.iter().zip(expected).enumerate() {
        let what = format!("{what}, row {index}");
        equal(
            &format!("{what}: offset"),
            &row["offset"].as_str().map(hex).into(),
            &truth["offset"],
            found,
        );
        for field in ["ip", "tids"] {
            equal(
                &format!("{what}: {field}"),
                &row[field],
                &truth[field],
                found,
            );
        }
        let pid = &row["pid"];
        if !list(&truth["pids"]).contains(pid) {
            found.push(format!("{what}: pid {pid}, truth has {}", truth["pids"]));
        }
        let cpus = row["cpu_list"].as_str().map(cpu_list).unwrap_or_default();
        equal(
            &format!("{what}: CPUs"),
            &cpus.into(),
            &truth["cpus"],
            found,
        );
        equal(
            &format!("{what}: number of CPUs"),
            &row["cpus"],
            &list(&truth["cpus"]).len().into(),
            found,
        );
        counters(&what, &row["perf_counters"], &truth["counters"], found);
        for (mean, of) in MEANS {
            let ours = row["latency"][mean].as_f64();
            let expected = truth_mean(&truth["latency"][of]);
            let near = match (ours, expected) {
                (Some(ours), Some(mean)) => (ours - mean).abs() <= 1e-6 * mean.max(1.0),
                (ours, mean) => ours == mean,
            };
            if !near {
                found.push(format!("{what}: {mean} {ours:?}, truth has {expected:?}"));
            }
        }
    }
}

fn shown_rows(line: &Value) -> Vec<&Value> {
    let rows = list(&line["rows"]).iter();
    rows.filter(|row| row["shown"] == true).collect()
}

fn truth_mean(latency: &Value) -> Option<f64> {
    let count = latency["count"].as_f64().filter(|count| *count > 0.0)?;
    Some(latency["sum"].as_f64()? / count)
}

/// `0-2,5` to 0, 1, 2, 5.
fn cpu_list(text: &str) -> Vec<u64> {
    let number = |text: &str| text.parse::<u64>().expect("a CPU");
    text.split(',')
        .filter(|part| !part.is_empty())
        .flat_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            number(first)..=number(last)
        })
        .collect()
}

/// With `--show-all` every line is there: first those that perf shows, as without
/// the option, then those that it hides, which have no order.
pub(super) fn all(documents: &Documents, truth: &Value, found: &mut Vec<String>) {
    let shown = list(&documents.shown["lines"]);
    let all = list(&documents.all["lines"]);
    if !all.starts_with(shown) {
        found.push("--show-all does not begin with the lines that are shown without".to_owned());
    }
    let mut ours: Vec<String> = all.iter().map(described).collect();
    let mut expected: Vec<String> = list(&truth["lines"]).iter().map(described_truth).collect();
    ours.sort_unstable();
    expected.sort_unstable();
    if ours != expected {
        let only = |here: &[String], there: &[String]| {
            let only = here.iter().find(|line| !there.contains(line));
            only.cloned().unwrap_or_default()
        };
        found.push(format!(
            "all lines: {}, truth has {}; only here: {}; only in the truth: {}",
            ours.len(),
            expected.len(),
            only(&ours, &expected),
            only(&expected, &ours),
        ));
    }
}

/// A line of the document in one text: address, counters, rows.
fn described(line: &Value) -> String {
    let mut text = format!(
        "{} {}",
        line["address"],
        described_counters(&line["perf_counters"])
    );
    for row in list(&line["rows"]) {
        let offset = row["offset"].as_str().map_or(0, hex);
        let counters = described_counters(&row["perf_counters"]);
        text += &format!(" | {offset} {} {} {counters}", row["ip"], row["tids"]);
    }
    text
}

/// The same of a line of the truth.
fn described_truth(line: &Value) -> String {
    let mut text = format!(
        "{} {}",
        line["address"],
        described_counters(&line["counters"])
    );
    for row in shown_rows(line) {
        let counters = described_counters(&row["counters"]);
        text += &format!(
            " | {} {} {} {counters}",
            row["offset"], row["ip"], row["tids"]
        );
    }
    text
}

/// Counters that are not 0, ordered by name.
fn described_counters(counters: &Value) -> String {
    let counters: BTreeMap<&String, &Value> = counters.as_object().into_iter().flatten().collect();
    let counted = counters.into_iter().filter(|(_, count)| **count != 0);
    counted
        .map(|(name, count)| format!("{name}={count} "))
        .collect()
}
