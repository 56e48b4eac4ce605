//! `contend c2c`.

use super::args::{C2cArguments, CoalesceBy, Filters, SortBy};
use super::output;
use super::progress::Progress;
use super::refusal::refusal;
use crate::c2c::{self, Coalesce, Options, Sort};
use crate::capture::Capture;
use crate::filter::Filter;
use crate::render::{self, c2c::Limits};
use crate::result::C2c;
use crate::space::AddressSpace;
use anyhow::{Context, Result, bail, ensure};
use contend_perfdata::cpu_list;
use std::io;
use std::ops::RangeInclusive;

/// The line size of nearly every machine, for captures that do not tell theirs.
const USUAL_LINE: u64 = 64;

/// Lines in the table unless asked otherwise: what fits a screen.
const TOP: usize = 10;

/// Rows of a line unless asked otherwise.
const ROWS: usize = 8;

pub(super) fn run(arguments: &C2cArguments) -> Result<()> {
    let common = &arguments.common;
    output::check(common)?;
    let threads = usize::from(common.threads.unwrap_or(0));
    let mut capture = Capture::open(&common.capture, threads, common.chunk_size)?;
    let progress = Progress::start(common, &capture);
    let result = analyze(arguments, &mut capture);
    drop(progress);
    let mut result = result?;
    if common.json {
        result.lines.truncate(arguments.top.unwrap_or(usize::MAX));
        return output::json(common, &result);
    }
    if arguments.perf_compat {
        output::write(common, |out| render::perf_compat::report(out, &result))?;
        if !common.quiet {
            // Nobody can be told that standard error does not work.
            drop(render::perf_compat::remarks(&mut io::stderr(), &result));
        }
        return Ok(());
    }
    let color = output::color(common);
    let limits = Limits {
        lines: arguments.top.unwrap_or(TOP),
        rows: arguments.rows.unwrap_or(ROWS),
    };
    output::write(common, |out| {
        render::c2c::table(out, &result, limits, color)
    })
}

fn analyze(arguments: &C2cArguments, capture: &mut Capture) -> Result<C2c> {
    let mut warnings = Vec::new();
    let line_size = line_size(arguments, capture, &mut warnings)?;
    let scout = Scout::new(capture, &arguments.filters)?;
    let filter = filter(&arguments.filters, &scout)?;
    let options = Options {
        sort: arguments.sort.map(sort),
        coalesce: coalesce(&arguments.coalesce),
        show_all: arguments.show_all,
        line_size,
        filter,
        replay: arguments.perf_compat,
    };
    let is_default_sort = arguments.sort.is_none();
    let analysis = c2c::analyze(capture, options)?;
    if analysis.memory_samples() == 0 {
        bail!("{}", refusal(capture, &analysis, &arguments.filters)?);
    }
    if capture.header().features.numa_topology.is_empty() {
        warnings.push("the capture does not tell which CPU is in which NUMA node".to_owned());
    }
    let mut sources = arguments.symbols.sources();
    sources.enabled = !arguments.no_symbols;
    let mut result = c2c::report(capture, analysis, line_size, &sources)?;
    result.quality.warnings.extend(warnings);
    if is_default_sort && result.lines.is_empty() && has_peers_only(&result) {
        result
            .quality
            .warnings
            .push("no HITM, but peer snoops: `--sort peer` orders lines by them".to_owned());
    }
    Ok(result)
}

fn has_peers_only(result: &C2c) -> bool {
    use crate::memory::Counter::{TotHitm, TotPeer};
    result.perf_counters.get(TotHitm) == 0 && result.perf_counters.get(TotPeer) > 0
}

fn line_size(
    arguments: &C2cArguments,
    capture: &Capture,
    warnings: &mut Vec<String>,
) -> Result<u64> {
    let is_valid = |size: u64| size.is_power_of_two() && (16..=4096).contains(&size);
    if let Some(size) = arguments.line_size {
        ensure!(
            is_valid(size),
            "--line-size {size}: a cache line is a power of two from 16 to 4096 bytes"
        );
        return Ok(size);
    }
    match capture.header().features.cache_line_size().map(u64::from) {
        Some(size) if is_valid(size) => Ok(size),
        Some(size) => {
            warnings.push(format!(
                "the capture says that a cache line has {size} bytes; {USUAL_LINE} are assumed"
            ));
            Ok(USUAL_LINE)
        }
        None => {
            warnings.push(format!(
                "the capture does not tell the size of a cache line; {USUAL_LINE} bytes are \
                 assumed (--line-size)"
            ));
            Ok(USUAL_LINE)
        }
    }
}

fn sort(by: SortBy) -> Sort {
    match by {
        SortBy::Tot => Sort::Total,
        SortBy::Rmt => Sort::Remote,
        SortBy::Lcl => Sort::Local,
        SortBy::Peer => Sort::Peer,
    }
}

/// The fields in the order in which they were named, each once.
fn coalesce(fields: &[CoalesceBy]) -> Vec<Coalesce> {
    let mut chosen = Vec::new();
    for field in fields {
        let field = match field {
            CoalesceBy::Iaddr => Coalesce::Iaddr,
            CoalesceBy::Pid => Coalesce::Pid,
            CoalesceBy::Tid => Coalesce::Tid,
            CoalesceBy::Dso => Coalesce::Dso,
        };
        if !chosen.contains(&field) {
            chosen.push(field);
        }
    }
    chosen
}

/// What some filters need to know before the first pass.
#[derive(Default)]
pub(super) struct Scout {
    space: Option<AddressSpace>,
    times: Option<(u64, u64)>,
}

impl Scout {
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

pub(super) fn filter<'a>(filters: &Filters, scout: &'a Scout) -> Result<Filter<'a>> {
    let time = match &filters.time {
        Some(text) => Some(time_range(text, scout.times)?),
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
        comms: names.zip(scout.space.as_ref()),
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
