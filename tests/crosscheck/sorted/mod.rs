//! Every synthetic capture against an exact sort of its latencies: each group that the
//! command prints, told apart in every way that it knows.
//!
//! The latencies come from where the command does not look: the list of what was
//! planted, or the bytes of the capture read by code of these tests. Keys are those of
//! the truth. A group that is told apart by something that tests do not know (the class
//! of a data source, a function without a name) is found by what it holds.

pub(crate) mod packets;
mod planted;
mod realistic;
mod spe;

use crate::common::{contend_on, distribution};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The document of one question.
fn document(file: &Path, by: &str, metric: &str) -> Value {
    // Named code would be as many functions as this machine has names for.
    let args = [
        "latency",
        "--json",
        "--no-symbols",
        "--by",
        by,
        "--metric",
        metric,
    ];
    contend_on(file, &args).json(&format!("{args:?} {}", file.display()))
}

/// Accesses that belong together.
#[derive(Default)]
struct Group {
    /// Latencies of those that have one.
    values: Vec<u64>,
    /// How many have none.
    without: u64,
    /// What the command may call the group; nothing where it may call it anything.
    names: BTreeSet<String>,
    /// The largest latency that has a name.
    named: Option<u64>,
}

impl Group {
    fn add(&mut self, latency: Option<u64>) {
        match latency {
            Some(latency) => self.values.push(latency),
            None => self.without += 1,
        }
    }

    /// A name that holds if this access is among the slowest.
    fn name_if_slowest(&mut self, latency: Option<u64>, name: String) {
        if self.names.is_empty() || latency > self.named {
            self.names.clear();
            self.named = latency;
        }
        if latency == self.named {
            self.names.insert(name);
        }
    }

    fn sums(&self) -> [u64; 3] {
        [
            self.values.len() as u64,
            self.without,
            self.values.iter().sum(),
        ]
    }
}

/// Groups by a key of the test.
struct Groups<K>(BTreeMap<K, Group>);

impl<K: Ord> Groups<K> {
    fn new() -> Self {
        Self(BTreeMap::new())
    }

    fn of(&mut self, key: K) -> &mut Group {
        self.0.entry(key).or_default()
    }

    /// Each group of the document is one of these and the other way round, and has its
    /// numbers. `name` is what the document calls a group.
    fn differences(
        self,
        what: &str,
        document: &Value,
        name: impl Fn(&Value) -> String,
    ) -> Vec<String> {
        let precision = document["precision"].as_f64().unwrap();
        assert!(precision <= 0.01, "{what}: {precision}");
        let mut found = Vec::new();
        let mut left: BTreeMap<[u64; 3], Vec<Group>> = BTreeMap::new();
        for group in self.0.into_values() {
            left.entry(group.sums()).or_default().push(group);
        }
        let shown = document["groups"].as_array().unwrap();
        assert!(!shown.is_empty(), "{what}: no groups");
        for group in shown {
            let name = name(&group["key"]);
            let sums = sums_of(group);
            let alike = left.entry(sums).or_default();
            let mut candidates = Vec::new();
            for (index, other) in alike.iter().enumerate() {
                if other.names.is_empty() || other.names.contains(&name) {
                    let what = format!("{what} {name}");
                    let wrong = distribution::differences(&what, group, precision, &other.values);
                    candidates.push((index, wrong));
                }
            }
            candidates.sort_by_key(|(_, wrong)| wrong.len());
            match candidates.into_iter().next() {
                Some((index, wrong)) => {
                    alike.remove(index);
                    found.extend(wrong);
                }
                None => found.push(format!("{what} {name}: nothing has {sums:?}")),
            }
        }
        let left: Vec<Group> = left.into_values().flatten().collect();
        let mut sums = [0; 3];
        for group in &left {
            let more = group.sums();
            sums.iter_mut()
                .zip(more)
                .for_each(|(sum, more)| *sum += more);
        }
        let rest = &document["rest"];
        let expected = match rest.is_null() {
            true => (0, [0; 3]),
            false => (rest["groups"].as_u64().unwrap(), sums_of(rest)),
        };
        if (left.len() as u64, sums) != expected {
            let some: Vec<_> = left.iter().take(5).map(|group| &group.names).collect();
            found.push(format!(
                "{what}: {} groups are not shown, with {sums:?}, the document has {expected:?}: {some:?}",
                left.len(),
            ));
        }
        found
    }
}

fn sums_of(group: &Value) -> [u64; 3] {
    ["count", "without", "sum"].map(|field| group[field].as_u64().unwrap())
}

/// Of `key` the numbers and texts that are there, in words.
fn words(key: &Value, fields: &[&str]) -> String {
    let values = fields.iter().map(|field| match &key[*field] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    values.collect::<Vec<_>>().join(" ")
}

/// As [`words`] has a number that may be absent.
fn word(number: Option<u32>) -> String {
    number.map_or("null".to_owned(), |number| number.to_string())
}
