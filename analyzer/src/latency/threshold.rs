//! Below which latency the hardware was told to sample nothing.

use super::metric::{Hardware, pmu};
use contend_perfdata::{EventAttr, Features};

/// Options of events that set a threshold.
const OPTIONS: [&str; 2] = ["ldlat=", "min_latency="];

/// Event codes with a load latency threshold in `config1`: `MEM_TRANS_RETIRED.LOAD_LATENCY`,
/// the one of Nehalem and Westmere, and that of Gracemont and later small cores
/// (`arch/x86/events/intel/core.c`).
const INTEL_LOADS: [u64; 3] = [0x1cd, 0x100b, 0x5d0];

/// The part of `config` that is the event and its unit mask.
const EVENT: u64 = 0xffff;

/// The threshold is this wide: `MSR_PEBS_LD_LAT_THRESHOLD`.
const INTEL_WIDTH: u64 = 0xffff;

/// That of `ibs_op/ldlat=/` in `config1`, and of `arm_spe/min_latency=/` in `config2`
/// (`arch/x86/events/amd/ibs.c`, `drivers/perf/arm_spe_pmu.c`).
const TWELVE_BITS: u64 = 0xfff;

/// The threshold of an event in cycles, as it was asked for; absent where everything
/// was sampled or nothing tells.
pub(super) fn threshold(event: &EventAttr, features: &Features) -> Option<u64> {
    let name = event.display_name(features);
    let named = OPTIONS.iter().find_map(|option| {
        let (_, rest) = name.split_once(option)?;
        number(rest)
    });
    let attr = &event.attr;
    let told = named.or_else(|| match Hardware::of(event, features) {
        Hardware::Spe => Some(attr.config2 & TWELVE_BITS),
        Hardware::Ibs => Some(attr.config1 & TWELVE_BITS),
        Hardware::Pebs | Hardware::Unknown => {
            let is_core = pmu(event, features).is_none_or(|pmu| pmu.starts_with("cpu"));
            let is_load = INTEL_LOADS.contains(&(attr.config & EVENT));
            (is_core && is_load).then_some(attr.config1 & INTEL_WIDTH)
        }
        Hardware::Power => None,
    });
    told.filter(|&cycles| cycles > 0)
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

    fn of(name: &str, kind: u32, configs: [u64; 3], cpuid: &str) -> Option<u64> {
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
        let intel = "GenuineIntel,6,106,6";
        assert_eq!(of("cpu/mem-loads,ldlat=30/P", 4, [0; 3], intel), Some(30));
        assert_eq!(of("cpu/mem-loads,ldlat=0x40/P", 4, [0; 3], intel), Some(64));
        assert_eq!(of("x:ldlat=64:precise=2", 4, [0; 3], intel), Some(64));
        assert_eq!(of("cpu/mem-loads/pp", 4, [0x1cd, 3, 0], intel), Some(3));
        assert_eq!(of("cpu/mem-stores/P", 4, [0x82d0, 0, 0], intel), None);
        // Another event may have anything there.
        assert_eq!(of("raw", 4, [0x1b7, 0x3f8, 0], intel), None);
        let amd = "AuthenticAMD,25,17,1";
        assert_eq!(of("ibs_op//", 11, [0, 0, 0], amd), None);
        assert_eq!(of("mem-ldst", 11, [0, 128, 0], amd), Some(128));
        let spe = "arm_spe_0/ts_enable=1,load_filter=1,min_latency=30/";
        assert_eq!(of(spe, 12, [0; 3], "0x410fd0c0"), Some(30));
        assert_eq!(of("arm_spe_0//u", 12, [7, 1, 10], "0x410fd0c0"), Some(10));
        assert_eq!(of("ldlat=", 4, [0; 3], intel), None);
        assert_eq!(of("ldlat=99999999999999999999999", 4, [0; 3], intel), None);
    }
}
