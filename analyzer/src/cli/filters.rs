//! The filters that were typed, for the library.

use super::args::Filters;
use crate::capture::Capture;
use crate::filter::Filter;
use crate::space::AddressSpace;
use anyhow::{Context, Result, ensure};
use contend_perfdata::cpu_list;
use std::ops::RangeInclusive;

/// What some filters need to know before the first pass.
#[derive(Default)]
pub(super) struct Scout {
    pub(super) space: Option<AddressSpace>,
    pub(super) times: Option<(u64, u64)>,
}

impl Scout {
    /// Walks the capture if there is such a filter.
    pub(super) fn new(capture: &mut Capture, filters: &Filters) -> Result<Self> {
        if filters.time.is_none() && filters.comm.is_empty() {
            return Ok(Self::default());
        }
        let (mut survey, _) = capture.survey()?;
        Ok(Self {
            space: Some(capture.address_space(&mut survey)),
            times: survey.times(),
        })
    }
}

/// The filters of the command line. Names of threads need an address space,
/// times those of the first and the last record.
pub(super) fn filter<'a>(
    filters: &Filters,
    space: Option<&'a AddressSpace>,
    times: Option<(u64, u64)>,
) -> Result<Filter<'a>> {
    let time = match &filters.time {
        Some(text) => Some(time_range(text, times)?),
        None => None,
    };
    let cpus = match &filters.cpu {
        Some(text) => {
            let cpus = cpu_list(text);
            let is_list = |c: char| c.is_ascii_digit() || c == ',' || c == '-';
            ensure!(
                !cpus.is_empty() && text.chars().all(is_list),
                "--cpu {text}: not a list of CPUs such as 0-7,16"
            );
            cpus
        }
        None => Vec::new(),
    };
    let names = (!filters.comm.is_empty()).then(|| filters.comm.clone());
    Ok(Filter {
        pids: filters.pid.clone(),
        tids: filters.tid.clone(),
        cpus,
        comms: names.zip(space),
        time,
    })
}

/// Turns `A..B` into times of the recording clock. Either end may be missing.
fn time_range(text: &str, times: Option<(u64, u64)>) -> Result<RangeInclusive<u64>> {
    let wrong = || format!("--time {text}: not a range such as 1.5..2 or 10%..20%");
    let (from, to) = text.split_once("..").with_context(wrong)?;
    let (first, last) =
        times.with_context(|| format!("--time {text}: the capture's records have no times"))?;
    // `10..20%` is percent of both.
    let is_percent = to.ends_with('%');
    let moment = |text: &str, missing: u64| -> Result<u64> {
        if text.is_empty() {
            return Ok(missing);
        }
        let (number, unit) = match text.strip_suffix('%') {
            Some(number) => (number, (last - first) as f64 / 100.0),
            None if is_percent => (text, (last - first) as f64 / 100.0),
            None => (text, 1e9),
        };
        let number: f64 = number.trim().parse().with_context(wrong)?;
        ensure!(number.is_finite() && number >= 0.0, wrong());
        Ok(first.saturating_add((number * unit).round() as u64))
    };
    let (from, to) = (moment(from, first)?, moment(to, last)?);
    ensure!(from <= to, "--time {text}: the range ends before it begins");
    Ok(from..=to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_percent_from_the_first_record() {
        let times = Some((1_000, 2_000_001_000));
        let range = |text| time_range(text, times).unwrap();
        assert_eq!(range("0.5..1"), 500_001_000..=1_000_001_000);
        assert_eq!(range("10%..20%"), 200_001_000..=400_001_000);
        assert_eq!(range("10..20%"), range("10%..20%"));
        assert_eq!(range("1.."), 1_000_001_000..=2_000_001_000);
        assert_eq!(range("..1"), 1_000..=1_000_001_000);
        for wrong in ["1", "a..b", "2..1", "-1..2", "nan..1"] {
            assert!(time_range(wrong, times).is_err(), "{wrong}");
        }
        assert!(time_range("0..1", None).is_err());
    }
}
