//! `contend c2c` as a table that fits 100 columns.

pub(super) mod classes;
mod conclusion;
mod finding;
mod unclear;

use super::heads;
use super::info;
use super::style::{Style, WIDTH, count, wrap};
use crate::c2c::Verdict;
use crate::memory::{Counter, Counters};
use crate::result::{C2c, Line};
use crate::stats::{Ratio, percent};
use classes::classes;
use conclusion::conclusion;
use finding::finding;
use std::io::{self, Write};
use unclear::unclear;

/// How much of the result the table shows.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Lines of each kind.
    pub(crate) lines: usize,
    /// Rows of a line.
    pub(crate) rows: usize,
}

/// Writes the table.
pub(crate) fn table(
    out: &mut dyn Write,
    result: &C2c,
    limits: Limits,
    color: bool,
) -> io::Result<()> {
    let style = Style { color };
    head(out, result, style)?;
    classes(out, result, style)?;
    lines(out, result, limits, style)?;
    info::quality(out, &result.quality, style)
}

fn head(out: &mut dyn Write, result: &C2c, style: Style) -> io::Result<()> {
    let capture = &result.capture;
    heads::machine(out, capture, &result.quality, style)?;
    let counters = &result.perf_counters;
    let accesses = result.quality.memory_samples.unwrap_or(0);
    writeln!(
        out,
        "{}, {}: {}, {}",
        plural(result.quality.samples, "sample", "samples"),
        plural(accesses, "memory access", "memory accesses"),
        plural(counters.get(Counter::Load), "load", "loads"),
        plural(counters.get(Counter::Store), "store", "stores"),
    )?;
    writeln!(out)?;
    for line in wrap(&conclusion(result), WIDTH, 2) {
        writeln!(out, "{}", style.bold(&line))?;
    }
    writeln!(out)?;
    let ratios = &result.ratios;
    let rows = [
        ("HITM per load", &ratios.hitm_per_load),
        ("HITM per LLC miss", &ratios.hitm_per_llc_miss),
        ("remote per HITM", &ratios.remote_per_hitm),
        ("peer snoops per load", &ratios.peer_per_load),
    ];
    for (name, ratio) in rows {
        if let Some(ratio) = ratio {
            writeln!(out, "{name:<21} {}", ratio_text(ratio))?;
        }
    }
    let untold = [
        ("hitm_per_load", "HITM", "a line was modified elsewhere"),
        ("peer_per_load", "peer snoops", "another core answered"),
    ];
    for (name, sign, what) in untold {
        if ratios.not_told.contains(&name) {
            writeln!(
                out,
                "{sign:<21} not told: these cores do not say whether {what}"
            )?;
        }
    }
    if let Some((threshold, option)) = load_threshold(result) {
        writeln!(
            out,
            "{}",
            style.dim(&format!(
                "loads below {threshold} cycles were not sampled ({option}): shares are of the slower ones"
            ))
        )?;
    }
    writeln!(out)
}

/// The latency threshold that an event name or the command tells, and the option that
/// set it: Intel's or that of Arm SPE.
fn load_threshold(result: &C2c) -> Option<(u32, &'static str)> {
    let command = result.capture.command.iter();
    let texts = result.compat.events.iter().chain(command);
    let mut found = texts.flat_map(|text| {
        ["ldlat", "min_latency"]
            .into_iter()
            .filter_map(move |option| {
                let (_, rest) = text.split_once(option)?;
                let rest = rest.strip_prefix('=')?;
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                Some((digits.parse().ok()?, option))
            })
    });
    found.find(|&(threshold, _)| threshold > 0)
}

fn ratio_text(ratio: &Ratio) -> String {
    let Ratio {
        value,
        numerator,
        denominator,
        low,
        high,
    } = *ratio;
    format!(
        "{} ({} of {}; 95 % interval {} to {})",
        percent(value),
        count(numerator),
        count(denominator),
        percent(low),
        percent(high),
    )
}

/// What lines are ordered by, in words.
fn metric_name(result: &C2c) -> &'static str {
    match result.sort {
        "rmt" => "remote HITM",
        "lcl" => "local HITM",
        "peer" => "peer snoops",
        "latency" => "excess latency",
        _ => "HITM",
    }
}

/// What lines are ordered by.
fn by_metric(sort: &str, counters: &Counters) -> u64 {
    counters.get(match sort {
        "rmt" => Counter::RmtHitm,
        "lcl" => Counter::LclHitm,
        "peer" => Counter::TotPeer,
        _ => Counter::TotHitm,
    })
}

/// Whether lines are ordered by latency, for want of anything better.
fn is_by_latency(result: &C2c) -> bool {
    result.baseline_latency.is_some()
}

/// The shown lines with a verdict.
fn findings(result: &C2c) -> Vec<&Line> {
    let lines = result.lines.iter();
    // By latency nothing has a verdict, and all there is to show is who it was.
    lines
        .filter(|line| line.verdict != Verdict::Unknown || is_by_latency(result))
        .collect()
}

/// A count with its noun.
fn plural(number: u64, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{} {noun}", count(number))
}

fn lines(out: &mut dyn Write, result: &C2c, limits: Limits, style: Style) -> io::Result<()> {
    let findings = findings(result);
    let title = if is_by_latency(result) {
        format!(
            "{} of {} by excess latency",
            count(findings.len() as u64),
            plural(result.sampled_lines, "sampled line", "sampled lines")
        )
    } else {
        shared_title(result, findings.len())
    };
    writeln!(out, "{}", style.bold(&title))?;
    for line in findings.iter().take(limits.lines) {
        writeln!(out)?;
        finding(out, line, result, limits.rows, style)?;
    }
    if findings.len() > limits.lines {
        writeln!(out)?;
        writeln!(
            out,
            "{} more (--top, --json)",
            findings.len() - limits.lines
        )?;
    }
    unclear(out, result, limits.lines, style)
}

/// How many lines are shared.
fn shared_title(result: &C2c, findings: usize) -> String {
    format!(
        "{} of {} {} shared; {} with enough samples for a verdict",
        count(result.shared_lines),
        plural(result.sampled_lines, "sampled line", "sampled lines"),
        if result.shared_lines == 1 || result.sampled_lines == 1 {
            "is"
        } else {
            "are"
        },
        count(findings as u64),
    )
}
