//! Real programs whose memory system was a model: besides perf's report there is
//! the truth about every sample, so verdicts can be checked too.

use crate::common::compare::{self, Counters, Ties, assert_none, hex};
use crate::common::{contend_on, perf_report, shared_captures};
use serde_json::Value;
use std::path::{Path, PathBuf};

const ALL: [&str; 6] = [
    "a_static", "b_heap", "c_atomic", "d_mutex", "f_config", "g_rust",
];

/// A line with fewer sampled HITM than this may end without a verdict.
const ENOUGH: u64 = 50;

struct Subject {
    name: &'static str,
    capture: PathBuf,
    truth: Value,
    folder: PathBuf,
}

impl Subject {
    fn document(&self, args: &[&str]) -> Value {
        let args = [&["c2c", "--json"], args].concat();
        contend_on(&self.capture, &args).json(self.name)
    }

    /// `(address, line of the truth)` of every line of every contended object.
    fn object_lines(&self) -> Vec<(u64, &Value)> {
        let objects = self.truth["objects"].as_array().unwrap();
        let lines = objects
            .iter()
            .flat_map(|object| object["lines"].as_array().unwrap());
        lines
            .map(|line| (hex(line["line"].as_str().unwrap()), line))
            .collect()
    }
}

fn subjects() -> Vec<Subject> {
    let Some(captures) = shared_captures() else {
        return Vec::new();
    };
    let folder = captures.join("mem-realistic");
    let read = |path: &Path| {
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    ALL.into_iter()
        .map(|name| Subject {
            name,
            capture: folder.join(format!("{name}.perf.data")),
            truth: serde_json::from_str(&read(&folder.join(format!("{name}.truth.json")))).unwrap(),
            folder: folder.clone(),
        })
        .collect()
}

fn lines(document: &Value) -> &Vec<Value> {
    document["lines"]
        .as_array()
        .expect("the document has lines")
}

fn address(line: &Value) -> u64 {
    hex(line["address"].as_str().expect("the line has an address"))
}

#[test]
fn equal_perfs_report() {
    for subject in subjects() {
        let name = subject.name;
        let path = subject
            .folder
            .join(format!("{name}.c2c-report-perf7.2.txt"));
        let golden = perf_report::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let document = subject.document(&[]);
        assert_none(
            &format!("{name}, stats"),
            &compare::stats(&document, &golden),
        );
        assert_none(
            &format!("{name}, tables"),
            &compare::tables(&document, &golden, Ties::Ordered),
        );
        let all = subject.document(&["--show-all"]);
        assert_none(
            &format!("{name}, shared lines"),
            &compare::shared_block(&all, &golden),
        );
        assert!(lines(&all).len() >= lines(&document).len());
    }
}

#[test]
fn sampled_hitm_of_every_object_is_the_truth() {
    for subject in subjects() {
        let document = subject.document(&["--show-all"]);
        for (at, truth) in subject.object_lines() {
            let line = lines(&document).iter().find(|line| address(line) == at);
            let line = line.unwrap_or_else(|| panic!("{}: no line {at:#x}", subject.name));
            let hitm = Counters(&line["perf_counters"]).get("tot_hitm");
            assert_eq!(
                Some(hitm),
                truth["hitm_sampled"].as_u64(),
                "{} line {at:#x}",
                subject.name
            );
        }
    }
}

#[test]
fn verdicts_are_the_truths() {
    for subject in subjects() {
        let document = subject.document(&["--show-all"]);
        let mut judged = 0;
        for (at, truth) in subject.object_lines() {
            if truth["hitm_sampled"].as_u64().unwrap() < ENOUGH {
                continue;
            }
            let line = lines(&document)
                .iter()
                .find(|line| address(line) == at)
                .unwrap();
            assert_eq!(
                line["verdict"], truth["measured"],
                "{} line {at:#x}: {}",
                subject.name, line["why"]
            );
            judged += 1;
        }
        assert!(judged > 0, "{}: nothing was judged", subject.name);
    }
}

#[test]
fn incidental_and_private_lines_are_no_findings() {
    for subject in subjects() {
        let objects: Vec<u64> = subject
            .object_lines()
            .into_iter()
            .map(|(at, _)| at)
            .collect();
        let controls: Vec<(u64, u64, &str)> = subject.truth["negative_controls"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|control| {
                let (start, end) = (control["start"].as_str()?, control["end"].as_str()?);
                Some((hex(start), hex(end), control["name"].as_str()?))
            })
            .collect();
        let document = subject.document(&["--show-all"]);
        for line in lines(&document) {
            let at = address(line);
            if objects.contains(&at) {
                continue;
            }
            let control = controls
                .iter()
                .find(|(start, end, _)| at + 64 > *start && at < *end);
            let what = control.map_or("incidental", |(_, _, name)| name);
            assert_eq!(
                line["verdict"], "unknown",
                "{} line {at:#x} ({what}): {}",
                subject.name, line["why"]
            );
        }
    }
}

/// perf counts a Skylake remote HITM as remote DRAM too, and so finds more records
/// than there are samples. Each sample has one class.
#[test]
fn classes_count_every_sample_once() {
    for subject in subjects() {
        let name = subject.name;
        let document = subject.document(&["--show-all"]);
        let truth = &subject.truth;
        let samples = truth["samples"]["loads"].as_u64().unwrap()
            + truth["samples"]["stores"].as_u64().unwrap();
        assert_eq!(
            document["quality"]["memory_samples"].as_u64(),
            Some(samples),
            "{name}"
        );

        let classes = document["classes"].as_array().unwrap();
        let count = |wanted: &dyn Fn(&Value) -> bool| -> u64 {
            classes
                .iter()
                .filter(|class| wanted(class))
                .map(|class| class["count"].as_u64().unwrap())
                .sum()
        };
        assert_eq!(count(&|_| true), samples, "{name}: {classes:?}");
        let sampled = |counter: &str| truth["sampled"][counter].as_u64().unwrap_or(0);
        let loads = truth["samples"]["loads"].as_u64().unwrap();
        assert_eq!(count(&|class| class["op"] == "load"), loads, "{name}");
        let hitm = count(&|class| class["op"] == "load" && class["snoop"] == "hitm");
        assert_eq!(
            hitm,
            sampled("lcl_hitm") + sampled("rmt_hitm"),
            "{name}: {classes:?}"
        );
        let dram = count(&|class| class["op"] == "load" && class["level"] == "dram");
        let machine = truth["machine"].as_str().unwrap();
        // A clean line from the other socket may be encoded as remote memory.
        let expected = sampled("lcl_dram") + sampled("rmt_dram");
        let allowed = expected..=expected + sampled("rmt_hit");
        assert!(
            allowed.contains(&dram),
            "{name}: {dram} loads from memory, {allowed:?} in truth: {classes:?}"
        );

        let counters = Counters(&document["perf_counters"]);
        if machine != "bdw" {
            let perfs = counters.get("lcl_dram") + counters.get("rmt_dram");
            assert!(
                perfs >= dram + sampled("rmt_hitm"),
                "{name}: perf counts {perfs} as memory"
            );
        }
        let sum = |kind: &str| -> u64 {
            lines(&document)
                .iter()
                .map(|line| Counters(&line["perf_counters"]).get(kind))
                .sum()
        };
        assert_eq!(
            sum("nr_entries"),
            samples,
            "{name}: every sample is filed under one line"
        );
    }
}
