//! Latencies of Arm SPE against what was planted: sums of all three latencies by source
//! and core, by thread, and of stores.

use crate::common::spe_synthetic::{self, SpeSynthetic};
use crate::common::{compare, contend_on, distribution};
use contend_fixtures::{Container, SpeCapture, SpePlan};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The metrics with their names in the truth.
const METRICS: [(&str, &str); 3] = [
    ("weight", "total"),
    ("issue", "issue"),
    ("translation", "translation"),
];

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn document(file: &Path, args: &[&str]) -> Value {
    let args = [&["latency", "--json"], args].concat();
    contend_on(file, &args).json(&format!("{args:?} {}", file.display()))
}

/// Loads by raw code: how many, and the sum of a latency.
type Loads = BTreeMap<Option<u64>, (u64, u64)>;

fn planted(truth: &Value, metric: &str) -> Loads {
    let mut loads = Loads::new();
    for row in truth["loads_by_source"].as_array().unwrap() {
        let code = row["source"]
            .as_str()
            .and_then(|code| u64::from_str_radix(code.strip_prefix("0x")?, 16).ok());
        let all = loads.entry(code).or_default();
        all.0 += number(&row["latency"]["n"]);
        all.1 += number(&row["latency"][metric]);
    }
    loads
}

fn found_loads(document: &Value) -> Loads {
    let mut loads = Loads::new();
    for group in document["groups"].as_array().unwrap() {
        if group["key"]["op"] != "load" {
            continue;
        }
        let code = group["key"]["code"].as_str().map(compare::hex);
        let all = loads.entry(code).or_default();
        all.0 += number(&group["count"]) + number(&group["without"]);
        all.1 += number(&group["sum"]);
    }
    loads
}

#[test]
fn latencies_equal_the_truth() {
    let Some(captures) = SpeSynthetic::open() else {
        return;
    };
    let mut found = Vec::new();
    for name in spe_synthetic::NAMES {
        let file = captures.file(name);
        let truth = captures.truth(name);
        let is_damaged = name.starts_with("damaged");
        let spare = number(&truth["losses"]["records_damaged"]);
        for (metric, in_truth) in METRICS {
            let document = document(&file, &["--metric", metric]);
            let planted = planted(&truth, in_truth);
            let ours = found_loads(&document);
            if is_damaged {
                // Intact records are all there; what is left of others may be too.
                let count = |loads: &Loads| loads.values().map(|load| load.0).sum::<u64>();
                let (ours, planted) = (count(&ours), count(&planted));
                if ours < planted || ours > planted + spare {
                    found.push(format!("{name} {metric}: {ours} loads, planted {planted}"));
                }
                continue;
            }
            if ours != planted {
                found.push(format!("{name} {metric}: {ours:?}, planted {planted:?}"));
            }
            let stores = document["groups"].as_array().unwrap().iter();
            let stores = stores.filter(|group| group["key"]["op"] == "store");
            let sum: u64 = stores.map(|group| number(&group["sum"])).sum();
            if sum != number(&truth["store_latency"][in_truth]) {
                found.push(format!(
                    "{name} {metric}: stores have {sum}, planted {}",
                    truth["store_latency"][in_truth]
                ));
            }
        }
    }
    compare::assert_none("SPE latencies", &found);
}

/// Where the records tell their threads, each has the accesses that were planted.
#[test]
fn accesses_of_threads_equal_the_truth() {
    let Some(captures) = SpeSynthetic::open() else {
        return;
    };
    let mut found = Vec::new();
    for name in ["v1-contexts", "v2-newbits", "ampereone", "hip12"] {
        let file = captures.file(name);
        let truth = captures.truth(name);
        let planted: BTreeMap<u64, u64> = truth["tids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (number(&row["tid"]), number(&row["perf_memory"])))
            .collect();
        let document = document(&file, &["--by", "thread"]);
        let groups = document["groups"].as_array().unwrap().iter();
        let ours: BTreeMap<u64, u64> = groups
            .map(|group| (number(&group["key"]["tid"]), number(&group["count"])))
            .collect();
        if ours != planted {
            found.push(format!("{name}: {ours:?}, planted {planted:?}"));
        }
    }
    compare::assert_none("SPE threads", &found);
}

/// Loads and stores of four CPUs with latencies of all sizes, zero among them, and
/// some without: each metric of each thread is a sort of what was planned.
#[test]
fn planned_latencies_equal_a_sort() {
    let mut capture = SpeCapture::new(4);
    let mut planned: BTreeMap<(&str, u64), Vec<u64>> = BTreeMap::new();
    let mut without: BTreeMap<&str, u64> = BTreeMap::new();
    let mut count = 1000;
    for cpu in 0..4u32 {
        let tid = SpeCapture::PID + cpu;
        let plans: Vec<SpePlan> = (0..500u64)
            .map(|step| {
                count += 7;
                let total = (step * step + u64::from(cpu)) as u16;
                let issue = (step % 40 > 0).then_some((step % 23) as u16);
                let latencies = [Some(total), issue, Some((step % 3) as u16)];
                for ((metric, _), latency) in METRICS.iter().zip(latencies) {
                    match latency {
                        Some(cycles) => {
                            let values = planned.entry((*metric, tid.into())).or_default();
                            values.push(cycles.into());
                        }
                        None => *without.entry(*metric).or_default() += 1,
                    }
                }
                SpePlan {
                    operation: Some((1, u8::from(step % 4 == 0))),
                    events: Some(0x2),
                    source: (step % 4 != 0).then_some(8),
                    pc: Some((SpeCapture::TEXT + 64 * (step % 5), 0)),
                    data: Some(SpeCapture::HEAP + 64 * (step % 11)),
                    context: Some((1, tid)),
                    latencies,
                    timestamp: Some(count),
                    ..SpePlan::default()
                }
            })
            .collect();
        capture.chunk(cpu, &plans, 64);
    }
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("planned.perf.data");
    std::fs::write(&file, capture.wrapped(Container::File).unwrap()).unwrap();
    let mut found = Vec::new();
    for (metric, _) in METRICS {
        let document = document(&file, &["--metric", metric, "--by", "thread"]);
        let precision = document["precision"].as_f64().unwrap();
        let groups = document["groups"].as_array().unwrap();
        assert_eq!(groups.len(), 4, "{metric}");
        for group in groups {
            let tid = number(&group["key"]["tid"]);
            let values = planned.get(&(metric, tid)).cloned().unwrap_or_default();
            let what = format!("{metric} {tid}");
            found.extend(distribution::differences(&what, group, precision, &values));
        }
        let expected = without.get(metric).copied().unwrap_or(0);
        assert_eq!(number(&document["total"]["without"]), expected, "{metric}");
    }
    compare::assert_none("planned SPE latencies", &found);
}
