//! The counters of the document, and the two blocks of totals that perf prints.

use super::differences::Differences;
use crate::common::perf_report::Report;
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

    pub(super) fn llc_misses(&self) -> u64 {
        ["lcl_dram", "rmt_dram", "rmt_hitm", "rmt_hit"]
            .iter()
            .map(|name| self.get(name))
            .sum()
    }

    pub(super) fn loads(&self) -> u64 {
        let hits = ["ld_fbhit", "ld_l1hit", "ld_l2hit", "ld_llchit", "lcl_hitm"];
        self.llc_misses() + hits.iter().map(|name| self.get(name)).sum::<u64>()
    }

    pub(super) fn records(&self) -> u64 {
        self.loads()
            + ["st_l1hit", "st_l1miss", "st_na"]
                .iter()
                .map(|name| self.get(name))
                .sum::<u64>()
    }
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
