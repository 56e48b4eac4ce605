//! Which latency of an access is looked at, and what it means on which hardware.

use crate::event_kind::EventKind;
use contend_perfdata::{EventAttr, Features, Weight};

/// A latency that hardware notes of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The main weight of a sample; of Arm SPE, the total latency.
    Weight,
    /// The second part of a weight of three parts.
    InsLat,
    /// The third part of a weight of three parts.
    RetireLat,
    /// Until the operation was issued (Arm SPE).
    Issue,
    /// Of the translation of the address (Arm SPE).
    Translation,
}

impl Metric {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Weight,
        Self::InsLat,
        Self::RetireLat,
        Self::Issue,
        Self::Translation,
    ];

    /// The name of the option.
    pub fn name(self) -> &'static str {
        match self {
            Self::Weight => "weight",
            Self::InsLat => "ins_lat",
            Self::RetireLat => "retire_lat",
            Self::Issue => "issue",
            Self::Translation => "translation",
        }
    }

    /// The latency in a weight; 0 where the hardware gave none.
    #[inline]
    pub(super) fn of(self, weight: Weight) -> u64 {
        match self {
            Self::Weight => weight.weight,
            Self::InsLat => weight.ins_lat.unwrap_or(0).into(),
            Self::RetireLat => weight.retire_lat.unwrap_or(0).into(),
            Self::Issue | Self::Translation => 0,
        }
    }
}

/// What samples memory accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hardware {
    /// Intel's precise events with load latency.
    Pebs,
    /// AMD's instruction-based sampling of operations.
    Ibs,
    /// Power's marked instructions.
    Power,
    /// Arm's statistical profiling extension.
    Spe,
    /// The capture does not tell.
    Unknown,
}

/// What a metric means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) unit: &'static str,
    pub(crate) text: &'static str,
}

/// A row: on this hardware this metric means this.
type Row = (Hardware, Metric, &'static str);

/// Kernel files are those of Linux 7.2: `arch/x86/events/intel/ds.c` and the chapter
/// "Load latency performance monitoring facility" of Intel's SDM (volume 3);
/// `arch/x86/events/amd/ibs.c` and "IBS op data 3" of AMD's PPR;
/// `arch/powerpc/perf/isa207-common.c`; "Counter packet" of the Arm ARM, chapter
/// D18. What is not in the table is not measured by that hardware.
const MEANINGS: &[Row] = &[
    (
        Hardware::Pebs,
        Metric::Weight,
        "load to use: core cycles from the first dispatch of a load until its data was there, \
         time in queues and repeated attempts included; of stores on Sapphire Rapids and later",
    ),
    (
        Hardware::Pebs,
        Metric::InsLat,
        "instruction latency: core cycles from dispatch to completion (Ice Lake and later)",
    ),
    (
        Hardware::Pebs,
        Metric::RetireLat,
        "retire latency: core cycles between the retirement before this one and this one \
         (Sapphire Rapids and later)",
    ),
    (
        Hardware::Ibs,
        Metric::Weight,
        "data cache miss latency: core cycles from the L1 miss of a load until its data was there; \
         loads that hit L1, and stores, have none",
    ),
    (
        Hardware::Ibs,
        Metric::InsLat,
        "tag to retire: core cycles from when the operation was tagged until it retired, of the \
         same loads that missed L1",
    ),
    (
        Hardware::Power,
        Metric::Weight,
        "threshold counter: cycles between the two stages of the marked instruction that the \
         event selects; a mantissa and a power of four, so coarse where it is large",
    ),
    (
        Hardware::Power,
        Metric::InsLat,
        "finish cycles: from issue to finish of the marked instruction (Power10 and later)",
    ),
    (
        Hardware::Power,
        Metric::RetireLat,
        "dispatch cycles: from dispatch to issue of the marked instruction (Power10 and later)",
    ),
    (
        Hardware::Spe,
        Metric::Weight,
        "total latency: core cycles from dispatch of the operation to its completion",
    ),
    (
        Hardware::Spe,
        Metric::Issue,
        "issue latency: core cycles from dispatch of the operation until it was issued",
    ),
    (
        Hardware::Spe,
        Metric::Translation,
        "translation latency: core cycles that the translation of the data address took",
    ),
    (
        Hardware::Unknown,
        Metric::Weight,
        "what the recording machine gave as weight, core cycles on all hardware that is known",
    ),
    (
        Hardware::Unknown,
        Metric::InsLat,
        "the second part of the weight, core cycles on all hardware that is known",
    ),
    (
        Hardware::Unknown,
        Metric::RetireLat,
        "the third part of the weight, core cycles on all hardware that is known",
    ),
];

impl Hardware {
    /// What samples the accesses of an event: by the PMU where it is one that does
    /// nothing else, or else by the processor.
    pub(crate) fn of(event: &EventAttr, features: &Features) -> Self {
        if EventKind::of(event, features) == EventKind::Spe {
            return Self::Spe;
        }
        let pmu = pmu(event, features).unwrap_or_default();
        if pmu.starts_with("ibs_") || event.display_name(features).starts_with("ibs_") {
            return Self::Ibs;
        }
        let cpu = features.cpuid.as_deref().unwrap_or_default();
        let arch = features.arch.as_deref().unwrap_or_default();
        let model = features.cpu_desc.as_deref().unwrap_or_default();
        if cpu.starts_with("AuthenticAMD") || cpu.starts_with("HygonGenuine") {
            Self::Ibs
        } else if cpu.starts_with("GenuineIntel") || model.starts_with("Intel") {
            Self::Pebs
        } else if arch.starts_with("ppc") {
            Self::Power
        } else {
            Self::Unknown
        }
    }

    /// What a metric means; absent when this hardware does not measure it.
    pub(crate) fn meaning(self, metric: Metric) -> Option<Meaning> {
        let row = MEANINGS.iter().find(|row| (row.0, row.1) == (self, metric));
        row.map(|&(.., text)| Meaning {
            unit: "cycles",
            text,
        })
    }
}

/// The PMU of an event, by the capture's list.
pub(super) fn pmu<'a>(event: &EventAttr, features: &'a Features) -> Option<&'a str> {
    let mut known = features.pmu_mappings.iter();
    let found = known.find(|(kind, _)| *kind == event.attr.kind);
    found.map(|(_, name)| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use contend_perfdata::Attr;

    fn event(name: &str, kind: u32) -> EventAttr {
        EventAttr {
            attr: Attr {
                kind,
                ..Attr::default()
            },
            ids: Vec::new(),
            name: Some(name.to_owned()),
        }
    }

    #[test]
    fn hardware_is_told_by_pmu_name_or_processor() {
        let intel = Features {
            cpuid: Some("GenuineIntel,6,106,6".into()),
            pmu_mappings: vec![(4, "cpu".into()), (11, "ibs_op".into())],
            ..Features::default()
        };
        let of = |name, kind, features: &Features| Hardware::of(&event(name, kind), features);
        assert_eq!(of("cpu/mem-loads/P", 4, &intel), Hardware::Pebs);
        assert_eq!(of("renamed", 11, &intel), Hardware::Ibs);
        let none = Features::default();
        assert_eq!(of("ibs_op//", 9, &none), Hardware::Ibs);
        assert_eq!(of("arm_spe_0//", 9, &none), Hardware::Spe);
        assert_eq!(of("mem", 4, &none), Hardware::Unknown);
        let power = Features {
            arch: Some("ppc64le".into()),
            ..Features::default()
        };
        assert_eq!(of("mem", 4, &power), Hardware::Power);
    }

    #[test]
    fn each_metric_has_one_meaning_and_every_hardware_a_main_one() {
        for (number, row) in MEANINGS.iter().enumerate() {
            let same = MEANINGS
                .iter()
                .filter(|other| (other.0, other.1) == (row.0, row.1));
            assert_eq!(same.count(), 1, "row {number}");
        }
        for hardware in [
            Hardware::Pebs,
            Hardware::Ibs,
            Hardware::Power,
            Hardware::Spe,
            Hardware::Unknown,
        ] {
            assert!(hardware.meaning(Metric::Weight).is_some());
        }
        assert_eq!(Hardware::Ibs.meaning(Metric::RetireLat), None);
        assert_eq!(Hardware::Pebs.meaning(Metric::Issue), None);
    }
}
