//! Times, and ways to take stacks, as people type them.

use crate::perf::CallGraph;
use std::time::Duration;

/// Units with their length in nanoseconds, longest name first so that `ms` is not read as `s`.
const UNITS: [(&str, u64); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads `10s`, `1.5s`, `100us`, `2m`; a plain number is in seconds.
///
/// # Errors
/// What is wrong and how it is written.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" => Some(1_000_000_000),
        name => UNITS.iter().find(|unit| unit.0 == name).map(|unit| unit.1),
    };
    let plain = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = digits.parse::<f64>().ok().filter(|_| plain);
    let nanos = number.zip(unit).map(|(number, unit)| number * unit as f64);
    // A thousand years, so that sums of times cannot overflow.
    match nanos {
        Some(nanos) if nanos < 3.2e19 => Ok(Duration::from_secs_f64(nanos / 1e9)),
        _ => Err("write 10s, 500ms, 100us or 2m".into()),
    }
}

/// Bytes of a stack that perf takes with a sample unless told otherwise, and at most
/// (tools/perf/util/callchain.c).
const STACK: u32 = 8192;
const MOST_STACK: u32 = 65_528;

/// Reads `fp`, `dwarf`, `dwarf,4096`, `lbr`, `none`: as perf's `--call-graph`.
///
/// # Errors
/// What can be written.
pub(super) fn call_graph(text: &str) -> Result<CallGraph, String> {
    let (how, bytes) = match text.split_once(',') {
        Some((how, bytes)) => (how, Some(bytes)),
        None => (text, None),
    };
    match (how, bytes) {
        ("none" | "no", None) => Ok(CallGraph::None),
        ("fp", None) => Ok(CallGraph::Fp),
        ("lbr", None) => Ok(CallGraph::Lbr),
        ("dwarf", None) => Ok(CallGraph::Dwarf(STACK)),
        ("dwarf", Some(bytes)) => match bytes.parse() {
            Ok(bytes @ 8..=MOST_STACK) => Ok(CallGraph::Dwarf(bytes / 8 * 8)),
            _ => Err(format!("dwarf takes 8 to {MOST_STACK} bytes of stack")),
        },
        _ => Err("write fp, dwarf, dwarf,BYTES, lbr or none".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_written_as_for_perf() {
        for (text, how) in [
            ("fp", CallGraph::Fp),
            ("none", CallGraph::None),
            ("lbr", CallGraph::Lbr),
            ("dwarf", CallGraph::Dwarf(8192)),
            ("dwarf,4099", CallGraph::Dwarf(4096)),
        ] {
            assert_eq!(call_graph(text), Ok(how), "{text}");
        }
        for text in [
            "",
            "fp,8",
            "dwarf,",
            "dwarf,7",
            "dwarf,65536",
            "dwarf,8,8",
            "x",
        ] {
            assert!(call_graph(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, nanos) in [
            ("0", 0),
            ("10s", 10_000_000_000),
            ("10", 10_000_000_000),
            ("1.5s", 1_500_000_000),
            ("100us", 100_000),
            ("7ns", 7),
            ("250ms", 250_000_000),
            ("2m", 120_000_000_000),
            ("1h", 3_600_000_000_000),
        ] {
            assert_eq!(duration(text).unwrap().as_nanos(), nanos, "{text}");
        }
        for text in [
            "",
            "s",
            "-1s",
            "1 s",
            "1x",
            "1e3s",
            "inf",
            "nan",
            "999999999999h",
            "1..2",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
