//! Below which latency the hardware was told to sample nothing.

use super::metric::{Hardware, pmu};
use contend_perfdata::{EventAttr, Features};

/// Options of events that set a threshold.
const OPTIONS: [&str; 2] = ["ldlat=", "min_latency="];

/// What is known of an event's threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Threshold {
    /// So many cycles, as they were asked for.
    Cycles(u64),
    /// There is none: latencies of all sizes were sampled.
    Absent,
    /// Nothing tells.
    #[default]
    Unknown,
}

impl Threshold {
    /// The cycles; absent where there is no threshold or nothing tells.
    pub(super) fn cycles(self) -> Option<u64> {
        match self {
            Self::Cycles(cycles) => Some(cycles),
            Self::Absent | Self::Unknown => None,
        }
    }

    /// Whether there is one; absent where nothing tells.
    pub(super) fn is_there(self) -> Option<bool> {
        match self {
            Self::Cycles(_) => Some(true),
            Self::Absent => Some(false),
            Self::Unknown => None,
        }
    }
}

/// Event codes with a load latency threshold in `config1`: `MEM_TRANS_RETIRED.LOAD_LATENCY`,
/// the one of Nehalem and Westmere, and that of Gracemont and later small cores
/// (`arch/x86/events/intel/core.c`).
const INTEL_LOADS: [u64; 3] = [0x1cd, 0x100b, 0x5d0];

/// Those of stores, which have none: of Sandy Bridge and Ivy Bridge, of Haswell and later,
/// and of Gracemont and later small cores.
const INTEL_STORES: [u64; 3] = [0x2cd, 0x82d0, 0x6d0];

/// The part of `config` that is the event and its unit mask.
const EVENT: u64 = 0xffff;

/// The threshold is this wide: `MSR_PEBS_LD_LAT_THRESHOLD`.
const INTEL_WIDTH: u64 = 0xffff;

/// That of `ibs_op/ldlat=/` in `config1`, and of `arm_spe/min_latency=/` in `config2`
/// (`arch/x86/events/amd/ibs.c`, `drivers/perf/arm_spe_pmu.c`).
const TWELVE_BITS: u64 = 0xfff;

/// The threshold of an event, by its name or else by its attribute.
pub(super) fn threshold(event: &EventAttr, features: &Features) -> Threshold {
    let name = event.display_name(features);
    let named = OPTIONS.iter().find_map(|option| {
        let (_, rest) = name.split_once(option)?;
        number(rest)
    });
    if let Some(cycles) = named.filter(|&cycles| cycles > 0) {
        return Threshold::Cycles(cycles);
    }
    let attr = &event.attr;
    let or_absent = |cycles| match cycles {
        0 => Threshold::Absent,
        cycles => Threshold::Cycles(cycles),
    };
    match Hardware::of(event, features) {
        Hardware::Spe => or_absent(attr.config2 & TWELVE_BITS),
        Hardware::Ibs => or_absent(attr.config1 & TWELVE_BITS),
        Hardware::Pebs | Hardware::Unknown => {
            let is_core = pmu(event, features).is_none_or(|pmu| pmu.starts_with("cpu"));
            let code = attr.config & EVENT;
            match attr.config1 & INTEL_WIDTH {
                _ if !is_core => Threshold::Unknown,
                _ if INTEL_STORES.contains(&code) => Threshold::Absent,
                // Processors have a least threshold of their own.
                0 => Threshold::Unknown,
                cycles if INTEL_LOADS.contains(&code) => Threshold::Cycles(cycles),
                _ => Threshold::Unknown,
            }
        }
        Hardware::Power => Threshold::Unknown,
    }
}

/// The number that a text begins with, decimal or hexadecimal as in event options.
fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(rest) => (rest, 16),
        None => (text, 10),
    };
    let end = digits.find(|c: char| !c.is_digit(radix));
    u64::from_str_radix(&digits[..end.unwrap_or(digits.len())], radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use contend_perfdata::Attr;

    fn of(name: &str, kind: u32, configs: [u64; 3], cpuid: &str) -> Threshold {
        let [config, config1, config2] = configs;
        let event = EventAttr {
            attr: Attr {
                kind,
                config,
                config1,
                config2,
                ..Attr::default()
            },
            ids: Vec::new(),
            name: Some(name.to_owned()),
        };
        let features = Features {
            cpuid: Some(cpuid.to_owned()),
            pmu_mappings: vec![(4, "cpu".into()), (11, "ibs_op".into())],
            ..Features::default()
        };
        threshold(&event, &features)
    }

    #[test]
    fn names_and_attributes_tell_thresholds() {
        use Threshold::{Absent, Cycles, Unknown};
        let intel = "GenuineIntel,6,106,6";
        let named = |name| of(name, 4, [0; 3], intel);
        assert_eq!(named("cpu/mem-loads,ldlat=30/P"), Cycles(30));
        assert_eq!(named("cpu/mem-loads,ldlat=0x40/P"), Cycles(64));
        assert_eq!(named("x:ldlat=64:precise=2"), Cycles(64));
        assert_eq!(named("ldlat="), Unknown);
        assert_eq!(named("ldlat=99999999999999999999999"), Unknown);
        let known = |name, configs| of(name, 4, configs, intel);
        assert_eq!(known("cpu/mem-loads/pp", [0x1cd, 3, 0]), Cycles(3));
        assert_eq!(known("cpu/mem-loads/pp", [0x1cd, 0, 0]), Unknown);
        assert_eq!(known("cpu/mem-stores/P", [0x82d0, 0, 0]), Absent);
        // Another event may have anything there.
        assert_eq!(known("raw", [0x1b7, 0x3f8, 0]), Unknown);
        let amd = "AuthenticAMD,25,17,1";
        assert_eq!(of("ibs_op//", 11, [0, 0, 0], amd), Absent);
        assert_eq!(of("mem-ldst", 11, [0, 128, 0], amd), Cycles(128));
        let spe = "arm_spe_0/ts_enable=1,load_filter=1,min_latency=30/";
        assert_eq!(of(spe, 12, [0; 3], "0x410fd0c0"), Cycles(30));
        assert_eq!(of("arm_spe_0//u", 12, [7, 1, 10], "0x410fd0c0"), Cycles(10));
        assert_eq!(of("arm_spe_0//u", 12, [7, 1, 0], "0x410fd0c0"), Absent);
    }
}
