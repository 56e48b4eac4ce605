//! The documents of the command against the truth that the synthesizer of a
//! capture wrote down while it planted the samples.
//!
//! The truth is read as JSON, so that this stays independent of the types of the
//! crate that makes it. It is whole: every line is in it, not only those that
//! perf shows.

use super::compare::hex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A line with fewer HITM than this may end without a verdict.
const ENOUGH: u64 = 50;

/// Places of the exclusive classes that are on the node of the load. What the
/// synthesizer calls local is on the same node, whichever cache it was in.
const ON_THIS_NODE: [&str; 2] = ["local", "same_node"];

/// Means of the document, and the category of the truth that each is made of.
const MEANS: [(&str, &str); 5] = [
    ("mean_rmt_hitm", "rmt_hitm"),
    ("mean_lcl_hitm", "lcl_hitm"),
    ("mean_rmt_peer", "rmt_peer"),
    ("mean_lcl_peer", "lcl_peer"),
    ("mean_load", "load"),
];

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
    shown_lines(&documents.shown, truth, &mut found);
    all_lines(documents, truth, &mut found);
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
fn all_lines(documents: &Documents, truth: &Value, found: &mut Vec<String>) {
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
