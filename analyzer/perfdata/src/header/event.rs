//! Events and what to call them.

use linux_perf_event_reader::AttrFlags;

use super::attr::Attr;
use super::features::Features;

const HARDWARE: [&str; 10] = [
    "cycles",
    "instructions",
    "cache-references",
    "cache-misses",
    "branches",
    "branch-misses",
    "bus-cycles",
    "stalled-cycles-frontend",
    "stalled-cycles-backend",
    "ref-cycles",
];
const SOFTWARE: [&str; 12] = [
    "cpu-clock",
    "task-clock",
    "page-faults",
    "context-switches",
    "cpu-migrations",
    "minor-faults",
    "major-faults",
    "alignment-faults",
    "emulation-faults",
    "dummy",
    "bpf-output",
    "cgroup-switches",
];
const CACHES: [&str; 7] = [
    "L1-dcache",
    "L1-icache",
    "LLC",
    "dTLB",
    "iTLB",
    "branch",
    "node",
];
const CACHE_OPS: [&str; 3] = ["load", "store", "prefetch"];
const CACHE_OPS_PLURAL: [&str; 3] = ["loads", "stores", "prefetches"];

/// `type` of an event: hardware, software and so on (PERF_TYPE_*).
pub(super) mod kind {
    pub(in crate::header) const HARDWARE: u32 = 0;
    pub(in crate::header) const SOFTWARE: u32 = 1;
    pub(in crate::header) const TRACEPOINT: u32 = 2;
    pub(in crate::header) const HW_CACHE: u32 = 3;
    pub(in crate::header) const RAW: u32 = 4;
    pub(in crate::header) const BREAKPOINT: u32 = 5;
}

/// One event of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventAttr {
    /// What was counted and recorded.
    pub attr: Attr,
    /// The ids that samples and counts of the event have, one a CPU or thread.
    /// Empty in old captures with only one event.
    pub ids: Vec<u64>,
    /// The event as it was asked for, where the capture says so.
    pub name: Option<String>,
}

impl EventAttr {
    /// What to call the event: the name it was asked for, else one made from
    /// the attribute as perf makes them (tools/perf/util/evsel.c,
    /// evsel__name): `cycles:u`, `sched:sched_switch`, `raw 0x1cd`,
    /// `ibs_op/config=0x80000/`.
    ///
    /// perf also adds `H` and `G` for host and guest by a rule that depends on
    /// its version; made names here never have them.
    #[must_use]
    pub fn display_name(&self, features: &Features) -> String {
        match &self.name {
            Some(name) if !name.is_empty() => name.clone(),
            _ => made_name(&self.attr, features),
        }
    }
}

/// Whether a name for the attribute can be made without tables of the capture.
pub(super) fn is_generic(attr: &Attr) -> bool {
    matches!(attr.kind, kind::HARDWARE | kind::SOFTWARE | kind::HW_CACHE)
}

fn made_name(attr: &Attr, features: &Features) -> String {
    let config = attr.config;
    // On hybrid processors the upper half of a generic event's config is the
    // number of the PMU (PERF_PMU_TYPE_SHIFT).
    let (pmu, event) = (config >> 32, config & u64::from(u32::MAX));
    let generic = match attr.kind {
        kind::HARDWARE => named(&HARDWARE, event).map(str::to_owned),
        kind::SOFTWARE => named(&SOFTWARE, config).map(str::to_owned),
        kind::HW_CACHE => cache_name(event),
        _ => None,
    };
    let modifiers = modifiers(attr);
    match (attr.kind, generic) {
        (kind::HARDWARE | kind::HW_CACHE, Some(name)) if pmu != 0 => {
            format!("{}/{name}/{modifiers}", pmu_name(pmu, features))
        }
        (_, Some(name)) if modifiers.is_empty() => name,
        (_, Some(name)) => format!("{name}:{modifiers}"),
        (kind::TRACEPOINT, None) => tracepoint_name(config, features),
        (kind::RAW, None) if modifiers.is_empty() => format!("raw {config:#x}"),
        (kind::RAW, None) => format!("raw {config:#x}:{modifiers}"),
        (kind::BREAKPOINT, None) => breakpoint_name(attr),
        (kind, None) => {
            let pmu = pmu_name(kind.into(), features);
            format!("{pmu}/config={config:#x}/{modifiers}")
        }
    }
}

fn named<'a>(names: &[&'a str], number: u64) -> Option<&'a str> {
    names.get(usize::try_from(number).ok()?).copied()
}

/// tools/perf/util/evsel.c, __evsel__hw_cache_name: cache, operation and
/// result are one byte each.
fn cache_name(config: u64) -> Option<String> {
    let (op, result) = (config >> 8 & 0xff, config >> 16);
    let cache = named(&CACHES, config & 0xff)?;
    match result {
        0 => Some(format!("{cache}-{}", named(&CACHE_OPS_PLURAL, op)?)),
        1 => Some(format!("{cache}-{}-misses", named(&CACHE_OPS, op)?)),
        _ => None,
    }
}

fn tracepoint_name(id: u64, features: &Features) -> String {
    let data = features.tracing_data.as_ref();
    match data.and_then(|data| data.event(id)) {
        Some(event) => format!("{}:{}", event.system, event.name),
        None => format!("tracepoint:{id}"),
    }
}

fn breakpoint_name(attr: &Attr) -> String {
    let access: String = [(1, 'r'), (2, 'w'), (4, 'x')]
        .iter()
        .filter(|(bit, _)| attr.bp_type & bit != 0)
        .map(|(_, letter)| letter)
        .collect();
    format!("mem:{:#x}:{access}", attr.config1)
}

fn pmu_name(number: u64, features: &Features) -> String {
    let known = |mapping: &&(u32, String)| u64::from(mapping.0) == number;
    match features.pmu_mappings.iter().find(known) {
        Some((_, name)) => name.clone(),
        None => format!("pmu-{number}"),
    }
}

/// tools/perf/util/evsel.c, evsel__add_modifiers, without `H` and `G`.
fn modifiers(attr: &Attr) -> String {
    let excluded = [
        (AttrFlags::EXCLUDE_KERNEL, 'k'),
        (AttrFlags::EXCLUDE_USER, 'u'),
        (AttrFlags::EXCLUDE_HV, 'h'),
    ];
    let mut modifiers = String::new();
    if excluded.iter().any(|(flag, _)| attr.has_flags(*flag)) {
        let counted = excluded.iter().filter(|(flag, _)| !attr.has_flags(*flag));
        modifiers.extend(counted.map(|(_, letter)| letter));
    }
    modifiers.extend(std::iter::repeat_n('p', attr.precise().into()));
    modifiers
}

#[cfg(test)]
mod tests {
    use super::super::tracing::{TracingData, tests::blob};
    use super::*;
    use crate::Endianness::LittleEndian;

    fn name(attr: Attr) -> String {
        let features = Features {
            tracing_data: TracingData::parse(&blob("0.6", LittleEndian)),
            pmu_mappings: vec![(8, "ibs_op".into()), (10, "cpu_core".into())],
            ..Features::default()
        };
        made_name(&attr, &features)
    }

    fn plain(kind: u32, config: u64) -> String {
        name(Attr {
            kind,
            config,
            ..Attr::default()
        })
    }

    #[test]
    fn names_as_perf_makes_them() {
        assert_eq!(plain(0, 0), "cycles");
        assert_eq!(plain(0, 10 << 32 | 1), "cpu_core/instructions/");
        assert_eq!(plain(1, 0), "cpu-clock");
        assert_eq!(plain(1, 10), "bpf-output");
        assert_eq!(plain(2, 317), "sched:sched_switch");
        assert_eq!(plain(2, 9), "tracepoint:9");
        assert_eq!(plain(3, 0x1_0000), "L1-dcache-load-misses");
        assert_eq!(plain(3, 0x0102), "LLC-stores");
        assert_eq!(plain(4, 0x1cd), "raw 0x1cd");
        assert_eq!(plain(8, 0x80000), "ibs_op/config=0x80000/");
        assert_eq!(plain(77, 1), "pmu-77/config=0x1/");
    }

    #[test]
    fn numbers_out_of_range_still_get_a_name() {
        assert_eq!(plain(0, 99), "pmu-0/config=0x63/");
        assert_eq!(plain(1, u64::MAX), "pmu-1/config=0xffffffffffffffff/");
        assert_eq!(plain(3, 0xff_ffff), "pmu-3/config=0xffffff/");
    }

    #[test]
    fn modifiers_follow_the_flags() {
        let user = (AttrFlags::EXCLUDE_KERNEL | AttrFlags::EXCLUDE_HV).bits();
        let attr = Attr {
            flags: user | 2 << 15,
            ..Attr::default()
        };
        assert_eq!(name(attr), "cycles:upp");
        assert_eq!(
            name(Attr {
                kind: 8,
                config: 1,
                ..attr
            }),
            "ibs_op/config=0x1/upp"
        );
        let watch = Attr {
            kind: 5,
            config1: 0x1000,
            bp_type: 3,
            ..Attr::default()
        };
        assert_eq!(name(watch), "mem:0x1000:rw");
    }

    #[test]
    fn the_name_asked_for_wins() {
        let mut event = EventAttr {
            attr: Attr::default(),
            ids: vec![],
            name: Some("x/y/".into()),
        };
        assert_eq!(event.display_name(&Features::default()), "x/y/");
        event.name = Some(String::new());
        assert_eq!(event.display_name(&Features::default()), "cycles");
    }
}
