//! `contend c2c`.

use super::args::{C2cArguments, CoalesceBy, SortBy};
use super::filters::{Scout, filter};
use super::open::open;
use super::output;
use super::progress::Progress;
use super::refusal::refusal;
use crate::c2c::{self, Coalesce, Options, Sort};
use crate::capture::Capture;
use crate::render::{self, c2c::Limits};
use crate::result::C2c;
use anyhow::{Result, bail, ensure};
use std::io;

/// The line size of nearly every machine, for captures that do not tell theirs.
const USUAL_LINE: u64 = 64;

/// Lines in the table unless asked otherwise: what fits a screen.
const TOP: usize = 10;

/// Rows of a line unless asked otherwise.
const ROWS: usize = 8;

pub(super) fn run(arguments: &C2cArguments) -> Result<()> {
    let common = &arguments.common;
    output::check(common)?;
    output::has_no_picture(common, "c2c")?;
    let mut capture = open(common, &["c2c", "spe"])?;
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
    ensure!(
        !(arguments.perf_compat && arguments.sort == Some(SortBy::Latency)),
        "--sort latency: perf has no such order (--perf-compat)"
    );
    let line_size = line_size(arguments.line_size, capture, &mut warnings)?;
    let scout = Scout::new(capture, &arguments.filters)?;
    let filter = filter(&arguments.filters, scout.space.as_ref(), scout.times)?;
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

/// The bytes of a cache line: what was typed, or what the capture says, or else the
/// usual.
pub(super) fn line_size(
    typed: Option<u64>,
    capture: &Capture,
    warnings: &mut Vec<String>,
) -> Result<u64> {
    let is_valid = |size: u64| size.is_power_of_two() && (16..=4096).contains(&size);
    if let Some(size) = typed {
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
        SortBy::Latency => Sort::Latency,
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
