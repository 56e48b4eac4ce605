//! Arm SPE captures that do not tell threads: CPUs stand for them.

use crate::common::spe_synthetic::SpeSynthetic;
use crate::common::{compare, contend_on};
use crate::sorted::packets;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Captures of one process whose records tell their threads.
const WITH_THREADS: [&str; 4] = ["n1-v1meta", "v1-contexts", "ampereone", "hip12"];

/// Lines on the border: by thread 81 % to 83 % of the loads waited for stores to the same
/// bytes, by CPU 74 % and 75 %, and 80 % is where true sharing prevails. Two threads of
/// one CPU are one here, so that there are fewer stores of others.
const ON_THE_BORDER: [(&str, &str); 2] = [("hip12", "0xffff900020c0"), ("hip12", "0xffff90002540")];

fn lines(file: &Path) -> Vec<Value> {
    let args = ["c2c", "--json", "--show-all", "--no-symbols"];
    let document = contend_on(file, &args).json("c2c");
    document["lines"].as_array().unwrap().clone()
}

/// Each thread of these captures stays on its CPU. The same capture without anything
/// that tells threads has the same verdicts.
#[test]
fn verdicts_by_cpu_are_those_by_thread() {
    let Some(captures) = SpeSynthetic::open() else {
        return;
    };
    let (mut found, mut judged, mut border) = (Vec::new(), 0, Vec::new());
    for name in WITH_THREADS {
        let file = captures.file(name);
        let nameless = captures.scratch().join("nameless.perf.data");
        std::fs::write(&nameless, packets::without_threads(&file)).unwrap();
        let by_cpu: BTreeMap<String, Value> = lines(&nameless)
            .into_iter()
            .map(|line| (line["address"].to_string(), line))
            .collect();
        for line in lines(&file) {
            if line["verdict"] == "unknown" {
                continue;
            }
            judged += 1;
            let address = line["address"].as_str().unwrap();
            let other = &by_cpu[&line["address"].to_string()];
            if other["judged_by"] != "cpu" || !line["judged_by"].is_null() {
                found.push(format!("{name} {address}: {}", other["judged_by"]));
            }
            if other["verdict"] != line["verdict"] {
                border.push((name, address.to_owned()));
                let verdicts = [&line["verdict"], &other["verdict"]];
                if verdicts != ["true_sharing", "mixed"] {
                    found.push(format!("{name} {address}: {verdicts:?}"));
                }
            }
        }
    }
    compare::assert_none("verdicts by CPU", &found);
    assert_eq!(judged, 32, "eight lines each");
    let expected = ON_THE_BORDER.map(|(name, address)| (name, address.to_owned()));
    assert_eq!(border, expected);
}

/// Neither threads nor times: who wrote and who waited is told by CPU, as it was
/// planted.
#[test]
fn cpus_of_a_bare_capture_equal_the_truth() {
    let Some(captures) = SpeSynthetic::open() else {
        return;
    };
    let file = captures.file("v1-bare");
    let truth = captures.truth("v1-bare");
    let lines = lines(&file);
    let planted = truth["hot_lines"].as_array().unwrap();
    assert_eq!(planted.len(), 8);
    for hot in planted {
        let line = lines
            .iter()
            .find(|line| line["address"] == hot["address"][0]);
        let line = line.unwrap();
        assert_eq!(line["judged_by"], "cpu", "{line}");
        assert_ne!(line["verdict"], "unknown", "{line}");
        assert_eq!(line["writers"][0]["cpu"], hot["writer_cpu"], "{line}");
        let list = |who: &str| line[who].as_array().unwrap().clone();
        let peers: BTreeMap<String, u64> = list("readers")
            .iter()
            .map(|reader| {
                assert_eq!(
                    (&reader["pid"], &reader["tid"]),
                    (&(-1).into(), &(-1).into())
                );
                (reader["cpu"].to_string(), reader["peer"].as_u64().unwrap())
            })
            .filter(|(_, peers)| *peers > 0)
            .collect();
        assert_eq!(
            serde_json::to_value(peers).unwrap(),
            hot["peer_loads_by_cpu"]
        );
        let mut offsets: Vec<u64> = ["readers", "writers"]
            .iter()
            .flat_map(|who| list(who))
            .flat_map(|access| access["offsets"].as_array().unwrap().clone())
            .map(|offset| compare::hex(offset.as_str().unwrap()))
            .collect();
        offsets.sort_unstable();
        offsets.dedup();
        let mut expected: Vec<u64> = hot["offsets"]
            .as_object()
            .unwrap()
            .keys()
            .map(|offset| compare::hex(offset))
            .collect();
        expected.sort_unstable();
        assert_eq!(offsets, expected, "{line}");
    }
}
