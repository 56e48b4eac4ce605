//! The units that count and sample: `/sys/bus/event_source/devices`
//! (Documentation/ABI/testing/sysfs-bus-event_source-devices-*).

use super::tree::{Tree, cpu_list};
use std::collections::{BTreeMap, BTreeSet};

const FOLDER: &str = "sys/bus/event_source/devices";

/// One unit and what it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pmu {
    /// Its name, as in an event: `cpu`, `cpu_core`, `ibs_op`, `arm_spe_0`.
    pub name: String,
    /// Named events and what they stand for.
    pub events: BTreeMap<String, String>,
    /// Names of the terms that it takes.
    pub format: BTreeSet<String>,
    /// What it can do, by name.
    pub caps: BTreeMap<String, String>,
    /// Its CPUs; empty when it does not say, which means all of them.
    pub cpus: Vec<u32>,
}

impl Pmu {
    pub(super) fn read_all(tree: &Tree) -> Vec<Self> {
        tree.names(FOLDER)
            .into_iter()
            .map(|name| Self::read(tree, name))
            .collect()
    }

    fn read(tree: &Tree, name: String) -> Self {
        let folder = format!("{FOLDER}/{name}");
        let texts = |part: &str| -> BTreeMap<String, String> {
            let part = format!("{folder}/{part}");
            tree.names(&part)
                .into_iter()
                .filter_map(|name| Some((name.clone(), tree.text(&format!("{part}/{name}"))?)))
                .collect()
        };
        let cpus = ["cpus", "cpumask"]
            .iter()
            .find_map(|file| tree.text(&format!("{folder}/{file}")));
        Self {
            events: texts("events"),
            format: texts("format").into_keys().collect(),
            caps: texts("caps"),
            cpus: cpus.map(|list| cpu_list(&list)).unwrap_or_default(),
            name,
        }
    }

    /// Whether it has this named event.
    #[must_use]
    pub fn has_event(&self, event: &str) -> bool {
        self.events.contains_key(event)
    }

    /// Whether it takes this term.
    #[must_use]
    pub fn takes(&self, term: &str) -> bool {
        self.format.contains(term)
    }

    /// A capability that is a number.
    #[must_use]
    pub fn cap(&self, name: &str) -> Option<u64> {
        self.caps.get(name)?.parse().ok()
    }
}
