//! The JSON document of `contend c2c` against a report of perf.
//!
//! Every difference is collected, so that a failing test shows them all and not
//! only the first.

use super::perf_report::{Line, ParetoLine, Report, Row};
use serde_json::Value;

/// Label that perf prints, and how the counters of the document make its value.
type Labelled = (&'static str, fn(&Counters) -> u64);

const STATS: &[Labelled] = &[
    ("Total records", |c| c.get("nr_entries")),
    ("Locked Load/Store Operations", |c| c.get("locks")),
    ("Load Operations", |c| c.get("load")),
    ("Loads - uncacheable", |c| c.get("ld_uncache")),
    ("Loads - IO", |c| c.get("ld_io")),
    ("Loads - Miss", |c| c.get("ld_miss")),
    ("Loads - no mapping", |c| c.get("ld_noadrs")),
    ("Load Fill Buffer Hit", |c| c.get("ld_fbhit")),
    ("Load L1D hit", |c| c.get("ld_l1hit")),
    ("Load L2D hit", |c| c.get("ld_l2hit")),
    ("Load LLC hit", |c| c.get("ld_llchit") + c.get("lcl_hitm")),
    ("Load Local HITM", |c| c.get("lcl_hitm")),
    ("Load Remote HITM", |c| c.get("rmt_hitm")),
    ("Load Remote HIT", |c| c.get("rmt_hit")),
    ("Load Local DRAM", |c| c.get("lcl_dram")),
    ("Load Remote DRAM", |c| c.get("rmt_dram")),
    ("Load MESI State Exclusive", |c| c.get("ld_excl")),
    ("Load MESI State Shared", |c| c.get("ld_shared")),
    ("Load LLC Misses", |c| c.llc_misses()),
    ("Load access blocked by data", |c| c.get("blk_data")),
    ("Load access blocked by address", |c| c.get("blk_addr")),
    ("Load HIT Local Peer", |c| c.get("lcl_peer")),
    ("Load HIT Remote Peer", |c| c.get("rmt_peer")),
    ("Store Operations", |c| c.get("store")),
    ("Store - uncacheable", |c| c.get("st_uncache")),
    ("Store - no mapping", |c| c.get("st_noadrs")),
    ("Store L1D Hit", |c| c.get("st_l1hit")),
    ("Store L1D Miss", |c| c.get("st_l1miss")),
    ("Store No available memory level", |c| c.get("st_na")),
    ("No Page Map Rejects", |c| c.get("nomap")),
    ("Unable to parse data source", |c| c.get("noparse")),
];

const STAT_PERCENTS: &[(&str, &str)] = &[
    ("LLC Misses to Local DRAM", "lcl_dram"),
    ("LLC Misses to Remote DRAM", "rmt_dram"),
    ("LLC Misses to Remote cache (HIT)", "rmt_hit"),
    ("LLC Misses to Remote cache (HITM)", "rmt_hitm"),
];

/// Sums over the lines on which any HITM or peer snoop was seen.
const SHARED: &[Labelled] = &[
    ("Total Shared Cache Lines", |_| 1),
    ("Load HITs on shared lines", |c| c.get("load")),
    ("Fill Buffer Hits on shared lines", |c| c.get("ld_fbhit")),
    ("L1D hits on shared lines", |c| c.get("ld_l1hit")),
    ("L2D hits on shared lines", |c| c.get("ld_l2hit")),
    ("LLC hits on shared lines", |c| {
        c.get("ld_llchit") + c.get("lcl_hitm")
    }),
    ("Load hits on peer cache or nodes", |c| {
        c.get("lcl_peer") + c.get("rmt_peer")
    }),
    ("Locked Access on shared lines", |c| c.get("locks")),
    ("Blocked Access on shared lines", |c| {
        c.get("blk_data") + c.get("blk_addr")
    }),
    ("Store HITs on shared lines", |c| c.get("store")),
    ("Store L1D hits on shared lines", |c| c.get("st_l1hit")),
    ("Store No available memory level", |c| c.get("st_na")),
    ("Total Merged records", |c| {
        c.get("lcl_hitm") + c.get("rmt_hitm") + c.get("store")
    }),
];

/// One set of counters of the document.
pub(crate) struct Counters<'a>(pub(crate) &'a Value);

impl Counters<'_> {
    /// A counter by its name; its absence is a breach of the schema.
    pub(crate) fn get(&self, name: &str) -> u64 {
        self.0[name]
            .as_u64()
            .unwrap_or_else(|| panic!("no counter {name} in {}", self.0))
    }

    fn llc_misses(&self) -> u64 {
        ["lcl_dram", "rmt_dram", "rmt_hitm", "rmt_hit"]
            .iter()
            .map(|name| self.get(name))
            .sum()
    }

    fn loads(&self) -> u64 {
        let hits = ["ld_fbhit", "ld_l1hit", "ld_l2hit", "ld_llchit", "lcl_hitm"];
        self.llc_misses() + hits.iter().map(|name| self.get(name)).sum::<u64>()
    }

    fn records(&self) -> u64 {
        self.loads()
            + ["st_l1hit", "st_l1miss", "st_na"]
                .iter()
                .map(|name| self.get(name))
                .sum::<u64>()
    }
}

/// How strictly the order of lines with an equal metric is compared.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Ties {
    /// As printed.
    Ordered,
    /// Any order: perf 6.1 orders by fields that newer perf reads differently.
    Free,
}

/// Every difference between the document and the counters of the report.
pub(crate) fn stats(document: &Value, report: &Report) -> Vec<String> {
    let mut found = Differences::default();
    let counters = Counters(&document["perf_counters"]);
    for (label, value) in STATS {
        found.equal(
            label,
            Some(value(&counters) as i64),
            report.stats.get(*label).copied(),
        );
    }
    for label in report.stats.keys() {
        if !STATS.iter().any(|(known, _)| known == label) {
            found.push(format!(
                "perf prints {label}, which nothing is compared with"
            ));
        }
    }
    for (label, name) in STAT_PERCENTS {
        let printed = report
            .stat_percents
            .get(*label)
            .copied()
            .unwrap_or(f64::NAN);
        let (value, of) = (counters.get(name), counters.llc_misses());
        if of == 0 && printed.is_nan() {
            continue;
        }
        found.percent(label, value, of, printed, 0.05);
    }
    found.0
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

/// Every difference between the sums over all shared lines of the document, which
/// must have been made with `--show-all`, and the block that perf prints.
pub(crate) fn shared_block(document: &Value, report: &Report) -> Vec<String> {
    let mut found = Differences::default();
    let empty = Vec::new();
    let lines = document["lines"].as_array().unwrap_or(&empty);
    let shared: Vec<Counters> = lines
        .iter()
        .map(|line| Counters(&line["perf_counters"]))
        .filter(|c| {
            ["lcl_hitm", "rmt_hitm", "lcl_peer", "rmt_peer"]
                .iter()
                .any(|name| c.get(name) > 0)
        })
        .collect();
    for (label, value) in SHARED {
        let sum: u64 = shared.iter().map(value).sum();
        found.equal(label, Some(sum as i64), report.shared.get(*label).copied());
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

#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn push(&mut self, difference: String) {
        self.0.push(difference);
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, ours: T, perfs: T) {
        if ours != perfs {
            self.push(format!("{what}: {ours:?}, perf has {perfs:?}"));
        }
    }

    /// `value` of `of` as perf prints it, to half a unit of the last digit.
    fn percent(&mut self, what: &str, value: u64, of: u64, printed: f64, half: f64) {
        let percent = if of == 0 {
            0.0
        } else {
            100.0 * value as f64 / of as f64
        };
        // Written so that a printed NaN is a difference.
        let near = (percent - printed).abs() <= half + 1e-9;
        if !near {
            self.push(format!(
                "{what}: {value} of {of} is {percent} %, perf has {printed} %"
            ));
        }
    }
}

/// Panics with the first differences of a list that should be empty.
pub(crate) fn assert_none(what: &str, differences: &[String]) {
    let shown = differences
        .iter()
        .take(20)
        .map(|line| format!("\n  {line}"))
        .collect::<String>();
    assert!(
        differences.is_empty(),
        "{what}: {} differences{shown}",
        differences.len()
    );
}
