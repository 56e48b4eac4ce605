//! The JSON document of `contend c2c` against a report of perf.
//!
//! Every difference is collected, so that a failing test shows them all and not
//! only the first.

mod differences;
mod totals;

pub(crate) use differences::assert_none;
pub(crate) use totals::{Counters, shared_block, stats};

use super::perf_report::{Line, ParetoLine, Report, Row};
use differences::Differences;
use serde_json::Value;

/// How strictly the order of lines with an equal metric is compared.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Ties {
    /// As printed.
    Ordered,
    /// Any order: perf 6.1 orders by fields that newer perf reads differently.
    Free,
}

/// Every difference between the document and the tables of the report. The
/// document must hold the lines of the report (`--show-all` on both or on none).
pub(crate) fn tables(document: &Value, report: &Report, ties: Ties) -> Vec<String> {
    let mut found = Differences::default();
    let peer = report.peer_mode();
    let totals = Counters(&document["perf_counters"]);
    let of = match report.sort_on.as_str() {
        "Remote HITMs" => totals.get("rmt_hitm"),
        "Local HITMs" => totals.get("lcl_hitm"),
        "Peer Snoop" => totals.get("tot_peer"),
        _ => totals.get("lcl_hitm") + totals.get("rmt_hitm"),
    };

    let empty = Vec::new();
    let mut lines: Vec<&Value> = document["lines"]
        .as_array()
        .unwrap_or(&empty)
        .iter()
        .collect();
    for (rank, line) in lines.iter().enumerate() {
        found.equal(
            &format!("rank of line {rank}"),
            line["rank"].as_u64(),
            Some(rank as u64),
        );
    }
    if report.lines.len() != report.pareto.len() {
        found.push(format!(
            "perf prints {} lines, then {}",
            report.lines.len(),
            report.pareto.len()
        ));
        return found.0;
    }
    let mut printed: Vec<(&Line, &ParetoLine)> = report.lines.iter().zip(&report.pareto).collect();
    found.equal("number of lines", lines.len(), printed.len());
    if ties == Ties::Free {
        // The order of the metric itself is still perf's: checked below by value.
        let metric = |counters: &Value| metric_of(&Counters(counters), &report.sort_on);
        lines.sort_by_key(|line| {
            let counters = &line["perf_counters"];
            (
                std::cmp::Reverse(metric(counters)),
                line["address"].as_str().map(hex),
                Counters(counters).records(),
                Counters(counters).get("store"),
            )
        });
        printed.sort_by_key(|(line, _)| {
            let metric = match report.sort_on.as_str() {
                "Remote HITMs" => line.metric[2],
                "Local HITMs" => line.metric[1],
                _ => line.metric[0],
            };
            (
                std::cmp::Reverse(metric),
                Some(line.address),
                line.records,
                line.stores,
            )
        });
    }
    for (ours, (perfs, pareto)) in lines.iter().zip(&printed) {
        compare_line(&mut found, ours, perfs, of, peer, &report.sort_on);
        compare_pareto(&mut found, ours, pareto, peer);
    }
    found.0
}

fn metric_of(counters: &Counters, sort_on: &str) -> u64 {
    match sort_on {
        "Remote HITMs" => counters.get("rmt_hitm"),
        "Local HITMs" => counters.get("lcl_hitm"),
        "Peer Snoop" => counters.get("tot_peer"),
        _ => counters.get("lcl_hitm") + counters.get("rmt_hitm"),
    }
}

fn compare_line(
    found: &mut Differences,
    ours: &Value,
    perfs: &Line,
    of: u64,
    peer: bool,
    sort_on: &str,
) {
    let name = |what: &str| format!("line {} {:#x} {what}", perfs.index, perfs.address);
    let counters = Counters(&ours["perf_counters"]);
    found.equal(
        &name("address"),
        ours["address"].as_str().map(hex),
        Some(perfs.address),
    );
    let metric = if peer {
        [
            counters.get("tot_peer"),
            counters.get("lcl_peer"),
            counters.get("rmt_peer"),
        ]
    } else {
        let (local, remote) = (counters.get("lcl_hitm"), counters.get("rmt_hitm"));
        [local + remote, local, remote]
    };
    found.equal(&name("metric"), metric, perfs.metric);
    found.equal(&name("total records"), counters.records(), perfs.records);
    found.equal(&name("total loads"), counters.loads(), perfs.loads);
    for (counter, printed) in [
        ("store", perfs.stores),
        ("st_l1hit", perfs.st_l1hit),
        ("st_l1miss", perfs.st_l1miss),
        ("st_na", perfs.st_na),
        ("ld_fbhit", perfs.ld_fbhit),
        ("ld_l1hit", perfs.ld_l1hit),
        ("ld_l2hit", perfs.ld_l2hit),
        ("ld_llchit", perfs.ld_llchit),
        ("lcl_hitm", perfs.lcl_hitm),
        ("rmt_hit", perfs.rmt_hit),
        ("rmt_hitm", perfs.rmt_hitm),
        ("lcl_dram", perfs.lcl_dram),
        ("rmt_dram", perfs.rmt_dram),
    ] {
        found.equal(&name(counter), counters.get(counter), printed);
    }
    found.equal(
        &name("memory nodes"),
        nodes(&ours["node"]),
        perfs.node.clone(),
    );
    found.percent(
        &name("share"),
        metric_of(&counters, sort_on),
        of,
        perfs.share,
        0.005,
    );
    let share = ours["share"].as_f64().unwrap_or(0.0);
    if (share * 100.0 - perfs.share).abs() > 0.005 + 1e-9 {
        found.push(format!(
            "{}: {share}, perf has {} %",
            name("share"),
            perfs.share
        ));
    }
}

fn compare_pareto(found: &mut Differences, ours: &Value, perfs: &ParetoLine, peer: bool) {
    let name = |what: &str| format!("line {} {:#x} {what}", perfs.index, perfs.address);
    let empty = Vec::new();
    let rows = ours["rows"].as_array().unwrap_or(&empty);
    found.equal(&name("number of rows"), rows.len(), perfs.rows.len());
    let line = Counters(&ours["perf_counters"]);
    for (index, (row, printed)) in rows.iter().zip(&perfs.rows).enumerate() {
        compare_row(
            found,
            &name(&format!("row {index}")),
            &line,
            row,
            printed,
            peer,
        );
    }
}

fn compare_row(
    found: &mut Differences,
    row_name: &str,
    line: &Counters,
    ours: &Value,
    perfs: &Row,
    peer: bool,
) {
    let name = |what: &str| format!("{row_name} {what}");
    let counters = Counters(&ours["perf_counters"]);
    found.equal(&name("offset"), number(&ours["offset"]), Some(perfs.offset));
    found.equal(&name("ip"), number(&ours["ip"]), Some(perfs.ip));
    let [remote, local] = if peer {
        ["rmt_peer", "lcl_peer"]
    } else {
        ["rmt_hitm", "lcl_hitm"]
    };
    for (counter, printed) in [remote, local, "st_l1hit", "st_l1miss", "st_na"]
        .iter()
        .zip(perfs.percent)
    {
        found.percent(
            &name(counter),
            counters.get(counter),
            line.get(counter),
            printed,
            0.005,
        );
    }
    let latency = &ours["latency"];
    let means = if peer {
        ["mean_rmt_peer", "mean_lcl_peer", "mean_load"]
    } else {
        ["mean_rmt_hitm", "mean_lcl_hitm", "mean_load"]
    };
    for (mean, printed) in means.iter().zip(perfs.cycles) {
        // A mean of nothing is absent from the document, and 0 in perf's table.
        let value = latency[mean].as_f64().unwrap_or(0.0);
        if (value - printed as f64).abs() > 0.5 + 1e-6 {
            found.push(format!("{}: {value}, perf has {printed}", name(mean)));
        }
    }
    found.equal(&name("total records"), counters.records(), perfs.records);
    found.equal(&name("cpus"), ours["cpus"].as_u64(), Some(perfs.cpus));
    found.equal(&name("nodes"), nodes(&ours["nodes"]), perfs.nodes.clone());
}

/// A list of nodes in any of the forms of the document: absent, a number, a text
/// such as `0-1`, a list of numbers, a list of objects with a node.
fn nodes(value: &Value) -> Vec<u32> {
    let number = |value: &Value| value.as_u64().and_then(|node| u32::try_from(node).ok());
    match value {
        Value::Null => Vec::new(),
        Value::Number(_) => number(value).into_iter().collect(),
        Value::String(text) => text
            .split(',')
            .filter_map(|part| {
                let (first, last) = part.split_once('-').unwrap_or((part, part));
                Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
            })
            .flatten()
            .collect(),
        Value::Array(list) => list
            .iter()
            .filter_map(|item| number(item).or_else(|| number(&item["node"])))
            .collect(),
        _ => panic!("not a list of nodes: {value}"),
    }
}

/// A number, or a text with a hexadecimal one.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str().map(hex))
}

/// The value of `0x…`.
pub(crate) fn hex(text: &str) -> u64 {
    let digits = text
        .strip_prefix("0x")
        .unwrap_or_else(|| panic!("not hexadecimal: {text}"));
    u64::from_str_radix(digits, 16).unwrap_or_else(|error| panic!("{text}: {error}"))
}
