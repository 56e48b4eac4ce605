//! Captures of Arm SPE: all three latencies of every group, from packets that are read
//! a second time.

use super::packets::{self, METRICS, Record};
use super::{Group, Groups, document, words};
use crate::common::spe_synthetic::{self, SpeSynthetic};
use crate::common::{compare, distribution};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Kinds of cores as the document has them, by the word of the truth.
const MODELS: [(&str, &str); 9] = [
    ("n1", "Neoverse N1"),
    ("v1", "Neoverse V1"),
    ("v2", "Neoverse V2"),
    ("n3", "Neoverse N3"),
    ("ampereone", "AmpereOne"),
    ("hip12", "HIP12"),
    ("x4", "Cortex-X4"),
    ("a720", "Cortex-A720"),
    ("a520", "Cortex-A520"),
];

/// A capture with its accesses, and what of its truth tells who they are.
struct Known {
    name: &'static str,
    accesses: Vec<Record>,
    /// Kind of core by CPU.
    models: Vec<&'static str>,
    /// Process by thread.
    processes: BTreeMap<u64, u64>,
    /// The first address of each line that has several.
    aliases: BTreeMap<u64, u64>,
    nodes: u32,
    cpus: u32,
    /// Bytes of a node's memory; absent when the capture has no physical addresses.
    node_memory: Option<u64>,
    /// Whether records tell their threads.
    has_contexts: bool,
    /// Whether switches do, for want of contexts: they need times.
    has_switches: bool,
    /// Whether there are altered records among them.
    is_damaged: bool,
    /// Whether the file ends before its headers, which tell the nodes.
    is_cut: bool,
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

impl Known {
    fn new(name: &'static str, file: &Path, truth: &Value) -> Self {
        let records = packets::read(name, file, truth);
        let model = |word: &String| MODELS.iter().find(|(own, _)| own == word);
        let models = packets::models(truth);
        let list = |field: &str| truth[field].as_array().unwrap().clone();
        let mut aliases = BTreeMap::new();
        for line in list("hot_lines") {
            let addresses = line["address"].as_array().unwrap();
            let each = addresses
                .iter()
                .map(|address| compare::hex(address.as_str().unwrap()));
            let each: Vec<u64> = each.collect();
            aliases.extend(each.iter().map(|address| (*address, each[0])));
        }
        Self {
            name,
            accesses: records
                .into_iter()
                .filter(|record| record.op().is_some())
                .collect(),
            models: models
                .iter()
                .map(|word| model(word).map_or("no SPE", |(_, name)| *name))
                .collect(),
            processes: list("tids")
                .iter()
                .map(|row| (number(&row["tid"]), number(&row["pid"])))
                .collect(),
            aliases,
            nodes: number(&truth["nodes"]) as u32,
            cpus: number(&truth["cpus"]) as u32,
            node_memory: (truth["physical_addresses"] == true).then_some(64 << 30),
            has_contexts: truth["context_packets"] == true,
            has_switches: truth["timestamps"] == true,
            is_damaged: name.starts_with("damaged"),
            is_cut: name.ends_with("-cut"),
        }
    }

    /// The process of an access; absent when nothing tells, or all are of one.
    fn process(&self, record: &Record) -> Option<u64> {
        self.processes.get(&u64::from(record.context?)).copied()
    }

    /// What tells the lines of accesses apart: who sees it, and its first address.
    fn line(&self, record: &Record) -> (bool, Option<u64>, u64) {
        let address = record.address & !63;
        if let Some(first) = self.aliases.get(&address) {
            return (record.is_kernel(), None, *first);
        }
        let is_kernels = address >> 63 == 1;
        let process = self.process(record).filter(|_| !is_kernels);
        (record.is_kernel(), process, address)
    }

    fn differences(&self, file: &Path, metric: &str) -> Vec<String> {
        let at = METRICS.iter().position(|own| *own == metric).unwrap();
        let latency = |record: &Record| record.latencies[at];
        let mut found = self.sources(&document(file, "source", metric), at);
        let mut compare = |by: &str, groups: Groups<String>, fields: &[&str]| {
            let what = format!("{} {metric} by {by}", self.name);
            let document = document(file, by, metric);
            found.extend(groups.differences(&what, &document, |key| words(key, fields)));
        };
        let group = |key: &dyn Fn(&Record) -> String, is_name: bool| {
            let mut groups = Groups::new();
            for record in &self.accesses {
                let key = key(record);
                let group = groups.of(key.clone());
                group.add(latency(record));
                if is_name {
                    group.names.insert(key);
                }
            }
            groups
        };
        compare(
            "cpu",
            group(&|record| record.cpu.to_string(), true),
            &["cpu"],
        );
        if self.has_contexts {
            let tid = |record: &Record| record.context.unwrap().to_string();
            compare("thread", group(&tid, true), &["tid"]);
        }
        let node = |record: &Record| {
            if self.is_cut {
                return "null null".to_owned();
            }
            let memory = self.node_memory.map(|bytes| record.physical / bytes);
            let memory = memory.filter(|&memory| memory < self.nodes.into());
            let memory = memory.map_or("null".to_owned(), |memory| memory.to_string());
            format!("{} {memory}", record.cpu / (self.cpus / self.nodes))
        };
        compare("node", group(&node, true), &["node", "memory_node"]);
        // Without a name code is told apart by instruction, which is called after a
        // file that is not known here.
        let function = |record: &Record| match (record.is_kernel(), self.process(record)) {
            (true, _) => format!("{:#x}", record.pc),
            (false, Some(process)) => format!("{process} {:#x}", record.pc),
            // There is one process.
            (false, None) if self.has_switches => format!("{:#x}", record.pc),
            (false, None) => "unknown".to_owned(),
        };
        // Where no code is, which altered counters and threads may say, is not known
        // here.
        if !self.is_damaged {
            compare("function", group(&function, false), &["function"]);
        }
        let mut lines = Groups::new();
        for record in &self.accesses {
            let group = lines.of(format!("{:?}", self.line(record)));
            group.add(latency(record));
            let address = record.address & !63;
            group.name_if_slowest(latency(record), format!("{address:#x}"));
        }
        compare("line", lines, &["address"]);
        found
    }

    /// By operation, number and core; what these tell apart by events besides is made
    /// of records with equal events.
    fn sources(&self, document: &Value, metric: usize) -> Vec<String> {
        let precision = document["precision"].as_f64().unwrap();
        let mut pieces: BTreeMap<String, BTreeMap<u64, Group>> = BTreeMap::new();
        for record in &self.accesses {
            let code = record
                .code
                .map_or("null".to_owned(), |code| format!("{code:#x}"));
            let model = self.models[record.cpu as usize];
            let name = format!("{} {code} {model}", record.op().unwrap());
            let pieces = pieces.entry(name).or_default();
            let group = pieces.entry(record.events & EVENTS).or_default();
            group.add(record.latencies[metric]);
        }
        let mut shown: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for group in document["groups"].as_array().unwrap() {
            let name = words(&group["key"], &["op", "code", "cpu_model"]);
            shown.entry(name).or_default().push(group);
        }
        let mut found = Vec::new();
        for (name, groups) in shown {
            let what = format!("{} {} by source {name}", self.name, METRICS[metric]);
            let pieces = pieces.remove(&name).unwrap_or_default();
            let pieces: Vec<Group> = pieces.into_values().collect();
            found.extend(of_pieces(&what, &groups, pieces, precision));
        }
        if !pieces.is_empty() {
            found.push(format!("{}: not shown: {:?}", self.name, pieces.keys()));
        }
        found
    }
}

/// Events that a class may depend on: caches, remote, modified, snooped.
const EVENTS: u64 = 0xc | 0x700 | 0xf8_0000;

/// Each group is some of the pieces, and each piece in one group.
fn of_pieces(what: &str, groups: &[&Value], mut pieces: Vec<Group>, precision: f64) -> Vec<String> {
    let mut found = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        assert!(pieces.len() <= 16, "{what}: {} pieces", pieces.len());
        let all = (1u32 << pieces.len()) - 1;
        // The last one has what is left.
        let first = if number + 1 == groups.len() { all } else { 1 };
        let wrong_with = |set: u32| {
            let chosen = (0..).zip(&pieces).filter(|(at, _)| set >> at & 1 == 1);
            let values: Vec<u64> = chosen
                .flat_map(|(_, piece)| piece.values.iter().copied())
                .collect();
            let is_it =
                values.len() as u64 == group["count"] && values.iter().sum::<u64>() == group["sum"];
            (is_it || set == all)
                .then(|| distribution::differences(what, group, precision, &values))
        };
        let sets = (first..=all).filter_map(|set| Some((wrong_with(set)?, set)));
        let Some((wrong, set)) = sets.min_by_key(|(wrong, _)| wrong.len()) else {
            found.push(format!("{what}: a group of nothing"));
            continue;
        };
        found.extend(wrong);
        let mut at = 0;
        pieces.retain(|_| {
            at += 1;
            set >> (at - 1) & 1 == 0
        });
    }
    found
}

#[test]
fn every_group_of_every_spe_capture_is_a_sort() {
    let Some(captures) = SpeSynthetic::open() else {
        return;
    };
    let mut found = Vec::new();
    for name in spe_synthetic::NAMES {
        let file = captures.file(name);
        let known = Known::new(name, &file, &captures.truth(name));
        for metric in METRICS {
            found.extend(known.differences(&file, metric));
        }
    }
    compare::assert_none("SPE latencies", &found);
}
