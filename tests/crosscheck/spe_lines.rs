//! Contended lines of Arm SPE captures against what was planted on them: accesses and
//! latencies, of all loads and of those that a peer answered.

use crate::common::spe_synthetic::SpeSynthetic;
use crate::common::{compare, contend_on};
use serde_json::Value;
use std::path::Path;

/// A capture, and whether what is known of its loads tells every load that a peer
/// answered: not where the event that tells a snoop hides it (perf's rules, INDEX.md
/// number 7), or the kind of core has no table.
const CAPTURES: [(&str, bool); 8] = [
    ("n1-v1meta", true),
    ("v1-contexts", true),
    ("v1-bare", true),
    ("v2-newbits", false),
    ("n3-unknown-mixed-ops", false),
    ("ampereone", true),
    ("hip12", true),
    ("biglittle-no-contexts", false),
];

/// Lines of each capture.
const LINES: usize = 8;

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// The line at one of the planted addresses: two processes may map it.
fn find<'a>(lines: &'a Value, hot: &Value, address: impl Fn(&Value) -> &Value) -> Vec<&'a Value> {
    let planted = hot["address"].as_array().unwrap();
    let lines = lines.as_array().unwrap().iter();
    lines
        .filter(|line| planted.contains(address(line)))
        .collect()
}

/// Sums of latencies of a line in `c2c`: of the loads that a peer answered, and of all.
/// Each load is in one mean.
fn sums(name: &str, line: &Value, hot: &Value) -> [f64; 2] {
    let counter = |name: &str| number(&line["perf_counters"][name]);
    // A local peer that had the line modified is a HITM.
    let modified = match name {
        "v2-newbits" => counter("lcl_hitm"),
        "hip12" => number(&hot["load_kinds"]["peer_core_modified"]),
        _ => 0,
    };
    let peers = [
        ("mean_rmt_hitm", counter("rmt_hitm")),
        ("mean_lcl_hitm", counter("lcl_hitm")),
        ("mean_rmt_peer", counter("rmt_peer")),
        ("mean_lcl_peer", counter("lcl_peer") - modified),
    ];
    let others = counter("load") - peers.iter().map(|(_, count)| count).sum::<u64>();
    let sum =
        |(mean, count): (&str, u64)| line["latency"][mean].as_f64().unwrap_or(0.0) * count as f64;
    let of_peers: f64 = peers.into_iter().map(sum).sum();
    [of_peers, of_peers + sum(("mean_load", others))]
}

fn differences(name: &str, file: &Path, truth: &Value, tells_peers: bool) -> Vec<String> {
    let c2c = contend_on(file, &["c2c", "--json", "--show-all", "--no-symbols"]).json(name);
    let args = ["latency", "--json", "--no-symbols", "--by", "line"];
    let latency = contend_on(file, &args).json(name);
    let mut found = Vec::new();
    let hot = truth["hot_lines"].as_array().unwrap();
    assert_eq!(hot.len(), LINES, "{name}");
    for hot in hot {
        let what = format!("{name} {}", hot["address"]);
        let mut equal = |field: &str, ours: u64, planted: u64| {
            if ours != planted {
                found.push(format!("{what}: {field} {ours}, planted {planted}"));
            }
        };
        let [line] = find(&c2c["lines"], hot, |line| &line["address"])[..] else {
            panic!("{what}: not one line of c2c");
        };
        let [of_peers, of_loads] = sums(name, line, hot).map(|sum| sum.round() as u64);
        equal(
            "latencies of loads",
            of_loads,
            number(&hot["load_latency_sum"]),
        );
        if tells_peers {
            let planted = number(&hot["peer_load_latency_sum"]);
            equal("latencies of loads from peers", of_peers, planted);
        }
        let by = |who: &str, field: &str| -> u64 {
            let threads = line[who].as_array().unwrap().iter();
            threads.map(|thread| number(&thread[field])).sum()
        };
        equal(
            "loads of readers",
            by("readers", "loads"),
            number(&hot["loads"]),
        );
        equal(
            "stores of writers",
            by("writers", "stores"),
            number(&hot["stores"]),
        );
        // Stores are in it too, and the latencies of these are not in the truth by line.
        let groups = find(&latency["groups"], hot, |group| &group["key"]["address"]);
        let [group] = groups[..] else {
            panic!("{what}: not one line of latency");
        };
        let accesses = number(&hot["loads"]) + number(&hot["stores"]);
        equal("accesses", number(&group["count"]), accesses);
    }
    found
}

#[test]
fn contended_lines_have_the_latencies_that_were_planted() {
    let Some(captures) = SpeSynthetic::open() else {
        return;
    };
    let mut found = Vec::new();
    for (name, tells_peers) in CAPTURES {
        let file = captures.file(name);
        let truth = captures.truth(name);
        found.extend(differences(name, &file, &truth, tells_peers));
    }
    compare::assert_none("latencies of contended lines", &found);
}
