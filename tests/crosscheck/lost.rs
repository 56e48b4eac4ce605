//! The cycles that groups lost, which is the order in which they are shown: computed a
//! second time from the bytes, by the definition in docs/latency.md.

use crate::common::capture::{Capture, Sampled};
use crate::common::{compare, contend_on, shared_captures, workspace};
use contend_fixtures::{Container, SpeCapture, SpePlan};
use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Parts of a data source (`union perf_mem_data_src`): operations, levels of old and new
/// captures, who else has the line.
const LOAD: u64 = 0x2;
const STORE: u64 = 0x4;
const OPERATIONS: u64 = 0x1e;
const OLD_HIT: u64 = 0x2 << 5;
const OLD_L1_L2: u64 = 0x28 << 5;
const HITM: u64 = 0x10 << 19;
const REMOTE: u64 = 1 << 37;
const FORWARD_PEER: u64 = 0x3 << 38;

/// Whether the first or second level of the core answered, and nobody else had a part.
fn is_near(source: u64) -> bool {
    let level = match source >> 33 & 0xf {
        0 => source & OLD_HIT != 0 && source & OLD_L1_L2 != 0,
        level => level == 1 || level == 2,
    };
    level && source & (HITM | REMOTE | FORWARD_PEER) == 0
}

/// The least value that half of all are not above.
fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values
        .get(values.len().div_ceil(2).checked_sub(1)?)
        .copied()
}

/// Accesses with a latency; what these lost; accesses that they stand for; what those lost.
type Lost = (u64, u64, u64, u64);

struct Known {
    samples: Vec<Sampled>,
    load: Option<u64>,
    store: Option<u64>,
}

impl Known {
    fn new(file: &Path) -> Self {
        let samples = Capture::new(std::fs::read(file).unwrap()).sampled();
        let accesses = samples.into_iter();
        let samples: Vec<Sampled> = accesses
            .filter(|sample| sample.source & OPERATIONS != 0)
            .collect();
        let near = |operation: u64| {
            let hits = samples.iter().filter(|sample| {
                sample.source & operation != 0 && sample.latency > 0 && is_near(sample.source)
            });
            median(hits.map(|sample| sample.latency).collect())
        };
        Self {
            load: near(LOAD),
            store: near(STORE),
            samples,
        }
    }

    fn lost<K: Ord>(&self, key: impl Fn(&Sampled) -> K) -> BTreeMap<K, Lost> {
        let mut all: BTreeMap<K, Lost> = BTreeMap::new();
        for sample in &self.samples {
            let group = all.entry(key(sample)).or_default();
            if sample.latency == 0 {
                continue;
            }
            let baseline = match sample.source & STORE != 0 {
                true => self.store.or(self.load),
                false => self.load,
            };
            let lost = sample.latency.saturating_sub(baseline.unwrap_or(0));
            group.0 += 1;
            group.1 += lost;
            group.2 += sample.period;
            group.3 += lost * sample.period;
        }
        all
    }
}

fn of_document(group: &Value) -> Lost {
    let number = |field: &str| group[field].as_u64().unwrap();
    (
        number("count"),
        number("lost"),
        number("accesses_estimated"),
        number("lost_estimated"),
    )
}

fn differences(name: &str, file: &Path) -> Vec<String> {
    let known = Known::new(file);
    let mut found = Vec::new();
    let mut compare = |by: &str, mut expected: Vec<Lost>| {
        let args = ["latency", "--json", "--no-symbols", "--by", by];
        let document = contend_on(file, &args).json(name);
        let baseline = &document["baseline"];
        assert_eq!(baseline["load"].as_u64(), known.load, "{name}");
        assert_eq!(baseline["store"].as_u64(), known.store, "{name}");
        let whole = &known.lost(|_| ())[&()];
        if of_document(&document["total"]) != *whole {
            found.push(format!("{name}: in all {whole:?} by the bytes"));
        }
        let groups = document["groups"].as_array().unwrap();
        let mut ours: Vec<Lost> = groups.iter().map(of_document).collect();
        if !ours.is_sorted_by_key(|lost| std::cmp::Reverse(lost.3)) {
            found.push(format!("{name} by {by}: not ordered by what is lost"));
        }
        for (group, lost) in groups.iter().zip(&ours) {
            let share = group["share"].as_f64().unwrap();
            if (share - lost.3 as f64 / whole.3.max(1) as f64).abs() > 1e-12 {
                found.push(format!("{name} by {by}: share {share} of {lost:?}"));
            }
        }
        // Those that lost least are not shown where there are many.
        expected.sort_unstable_by_key(|lost| std::cmp::Reverse((lost.3, *lost)));
        ours.sort_unstable_by_key(|lost| std::cmp::Reverse((lost.3, *lost)));
        if document["rest"].is_null() {
            if ours != expected {
                found.push(format!("{name} by {by}: {ours:?}, the bytes {expected:?}"));
            }
        } else {
            let shown = ours.iter().filter(|lost| lost.3 > 0).copied();
            let shown: Vec<Lost> = shown.collect();
            if !expected.starts_with(&shown) {
                found.push(format!("{name} by {by}: {shown:?}, the bytes {expected:?}"));
            }
        }
    };
    let all = |groups: BTreeMap<u64, Lost>| groups.into_values().collect();
    compare("thread", all(known.lost(|sample| sample.tid.into())));
    compare("cpu", all(known.lost(|sample| sample.cpu.into())));
    compare("line", all(known.lost(|sample| sample.address & !63)));
    // Without names each instruction is a group.
    compare("function", all(known.lost(|sample| sample.ip)));
    found
}

#[test]
fn cycles_lost_are_those_of_the_samples() {
    let demo = workspace().join("fixtures/demo/false-sharing.perf.data");
    let scratch = tempfile::tempdir().unwrap();
    // As of processors whose stores have latencies.
    let stores = scratch.path().join("stores.perf.data");
    let number = Cell::new(0);
    let capture = Capture::new(std::fs::read(&demo).unwrap());
    let weights = capture.with_weights(|weight| {
        number.set(number.get() + 1);
        match weight {
            0 => 60 + number.get() % 150,
            weight => weight,
        }
    });
    std::fs::write(&stores, weights).unwrap();
    let mut files: Vec<PathBuf> = vec![demo, stores];
    if let Some(shared) = shared_captures() {
        let names = [
            "a_static", "b_heap", "c_atomic", "d_mutex", "f_config", "g_rust",
        ];
        files.extend(names.map(|name| shared.join(format!("mem-realistic/{name}.perf.data"))));
    }
    let mut found = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy();
        found.extend(differences(&name, file));
    }
    compare::assert_none("cycles lost", &found);
}

/// Every 1,024th operation is sampled; loads that hit L1 take 11 to 31 cycles, their median
/// is 21; stores without a source are compared with loads.
#[test]
fn cycles_lost_of_planned_operations() {
    const PERIOD: u64 = 1024;
    let near = (11..=31).map(|total| (0, Some(0), total));
    let peers = [100, 900, 1300].map(|total| (0, Some(0xd), total));
    let stores = [21, 20, 40].map(|total| (1, None, total));
    let planned = near.chain(peers).chain(stores);
    let plans: Vec<SpePlan> = (1..)
        .zip(planned)
        .map(|(number, (store, source, total))| SpePlan {
            operation: Some((1, store)),
            events: Some(0x2),
            source,
            pc: Some((SpeCapture::TEXT, 0)),
            data: Some(SpeCapture::HEAP),
            context: Some((1, SpeCapture::PID)),
            latencies: [Some(total), None, None],
            timestamp: Some(1000 + number),
            ..SpePlan::default()
        })
        .collect();
    let mut capture = SpeCapture::new(1);
    capture.chunk(0, &plans, 64);
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("planned.perf.data");
    std::fs::write(&file, capture.wrapped(Container::File).unwrap()).unwrap();
    let document = contend_on(&file, &["latency", "--json"]).json("planned");
    assert_eq!(document["baseline"]["load"], 21);
    assert_eq!(document["baseline"]["store"], Value::Null);
    let groups = document["groups"].as_array().unwrap();
    let lost: BTreeMap<String, Lost> = groups
        .iter()
        .map(|group| {
            let key = &group["key"];
            (format!("{} {}", key["op"], key["code"]), of_document(group))
        })
        .collect();
    let of = |count: u64, lost: u64| (count, lost, count * PERIOD, lost * PERIOD);
    let expected = [
        ("\"load\" \"0x0\"", of(21, (1..=10).sum())),
        ("\"load\" \"0xd\"", of(3, 79 + 879 + 1279)),
        ("\"store\" null", of(3, 19)),
    ];
    assert_eq!(
        lost,
        expected.map(|(key, lost)| (key.to_owned(), lost)).into()
    );
}
