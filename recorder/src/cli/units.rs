//! Times as people type them.

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

#[cfg(test)]
mod tests {
    use super::*;

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
