//! Latencies of real captures against the weights that perf 7.2 printed for them.

use crate::common::{compare, contend_on, distribution, read_maybe_xz, shared_captures, unpacked};
use serde_json::Value;
use std::collections::BTreeMap;

/// One memory sample as perf printed it.
struct Printed {
    tid: u64,
    cpu: u64,
    address: u64,
    /// Its data source in words.
    source: String,
    weight: u64,
}

/// Lines of `perf script -F pid,tid,cpu,time,event,addr,ip,weight,data_src`; those
/// of samples that are no access are left out.
fn read(text: &str) -> Vec<Printed> {
    let lines = text.lines().filter_map(|line| {
        let (before, after) = line.split_once('|')?;
        let mut words = before.split_whitespace();
        let tid = words.next()?.split('/').nth(1)?.parse().ok()?;
        let cpu = words.next()?.trim_matches(['[', ']']).parse().ok()?;
        let mut words = words.rev();
        let source = u64::from_str_radix(words.next()?, 16).ok()?;
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        let (text, last) = after.rsplit_once('|')?;
        let weight = last.split_whitespace().rev().nth(1)?.parse().ok()?;
        (source & 0x1e != 0).then(|| Printed {
            tid,
            cpu,
            address,
            // The TLB and locks are in no class.
            source: text.split("|TLB").next().unwrap_or(text).to_owned(),
            weight,
        })
    });
    lines.collect()
}

fn by<K: Ord>(printed: &[Printed], key: impl Fn(&Printed) -> K) -> BTreeMap<K, Vec<u64>> {
    let mut all: BTreeMap<K, Vec<u64>> = BTreeMap::new();
    for sample in printed {
        let values = all.entry(key(sample)).or_default();
        values.extend((sample.weight > 0).then_some(sample.weight));
    }
    all
}

#[test]
fn latencies_equal_the_weights_that_perf_printed() {
    let Some(captures) = shared_captures() else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for (name, file, accesses) in [
        (
            "amd-epyc9254-ibs-c2c-ring",
            "amd-epyc9254-ibs-c2c-ring.perf.data.xz",
            7156,
        ),
        (
            "intel-skx-load-latency-weight-struct",
            "intel-skx-load-latency-weight-struct.perf.data",
            14,
        ),
    ] {
        let script = captures.join(format!("golden/{name}.script.perf7.2.txt.xz"));
        let printed = read(&String::from_utf8(read_maybe_xz(&script)).unwrap());
        assert_eq!(printed.len(), accesses, "{name}");
        let file = unpacked(&captures.join("mem").join(file), scratch.path());
        let document = |by: &str| -> Value {
            contend_on(&file, &["latency", "--json", "--by", by]).json(name)
        };
        let mut compare = |what: &str, expected: BTreeMap<u64, Vec<u64>>, key: &str| {
            let document = document(what);
            let precision = document["precision"].as_f64().unwrap();
            let mut expected = expected;
            for group in document["groups"].as_array().unwrap() {
                let own = match &group["key"][key] {
                    Value::String(text) => compare::hex(text),
                    other => other.as_u64().unwrap(),
                };
                let values = expected.remove(&own).unwrap_or_default();
                let what = format!("{name} {what} {own:#x}");
                found.extend(distribution::differences(&what, group, precision, &values));
            }
            let left = expected
                .values()
                .filter(|values| !values.is_empty())
                .count();
            if left > 0 {
                found.push(format!("{name}: {left} groups by {what} are not shown"));
            }
        };
        compare("thread", by(&printed, |sample| sample.tid), "tid");
        compare("cpu", by(&printed, |sample| sample.cpu), "cpu");
        // Lines of one address in several processes are several groups.
        if accesses == 14 {
            compare(
                "line",
                by(&printed, |sample| sample.address & !63),
                "address",
            );
        }
        let all: Vec<u64> = printed.iter().map(|sample| sample.weight).collect();
        let all: Vec<u64> = all.into_iter().filter(|&weight| weight > 0).collect();
        let sources = document("source");
        found.extend(distribution::differences(
            name,
            &sources["total"],
            0.01,
            &all,
        ));
        // One class is one text of perf here.
        let mut expected: Vec<(usize, u64)> = by(&printed, |sample| sample.source.clone())
            .into_values()
            .filter(|values| !values.is_empty())
            .map(|values| (values.len(), values.iter().sum()))
            .collect();
        let groups = sources["groups"].as_array().unwrap().iter();
        let mut ours: Vec<(usize, u64)> = groups
            .filter(|group| group["count"] != 0)
            .map(|group| {
                let number = |field: &str| group[field].as_u64().unwrap();
                (number("count") as usize, number("sum"))
            })
            .collect();
        expected.sort_unstable();
        ours.sort_unstable();
        if ours != expected {
            found.push(format!("{name}: sources {ours:?}, perf has {expected:?}"));
        }
    }
    compare::assert_none("golden latencies", &found);
}

/// Four sockets, weights without parts, old levels; perf prints no weight for want of
/// other fields, so these are looked up by hand in its dump of the records.
#[test]
fn an_old_capture_has_the_weights_of_its_records() {
    let Some(captures) = shared_captures() else {
        return;
    };
    let file = captures.join("mem/intel-ivbep-4socket-mem-loads.perf.data");
    let document = contend_on(&file, &["latency", "--json", "--by", "source"]).json("ivb");
    let bytes = std::fs::read(&file).unwrap();
    let accesses = crate::common::capture::Capture::new(bytes).accesses();
    let weights: Vec<u64> = accesses.iter().map(|access| access.1).collect();
    assert_eq!(weights.len(), 14);
    let found = distribution::differences("ivb", &document["total"], 0.01, &weights);
    compare::assert_none("ivb", &found);
    assert_eq!(document["threshold"], 3);
}
