//! `contend c2c` as a table that fits 100 columns.

mod classes;
mod finding;

use super::info;
use super::style::{Style, WIDTH, count, duration, safe, wrap};
use crate::c2c::Verdict;
use crate::memory::Counter;
use crate::result::{C2c, Line};
use crate::stats::Ratio;
use classes::classes;
use finding::{finding, object};
use std::io::{self, Write};

/// Writes the table with at most `top` lines.
pub(crate) fn table(out: &mut dyn Write, result: &C2c, top: usize, color: bool) -> io::Result<()> {
    let style = Style { color };
    head(out, result, style)?;
    classes(out, result, style)?;
    lines(out, result, top, style)?;
    info::quality(out, &result.quality, style)
}

fn head(out: &mut dyn Write, result: &C2c, style: Style) -> io::Result<()> {
    let capture = &result.capture;
    let mut facts = vec![safe(&capture.file)];
    facts.extend(capture.host.as_deref().map(safe));
    facts.extend(capture.cpu.as_deref().map(safe));
    facts.extend(capture.cpus_online.map(|cpus| match capture.nodes.len() {
        0 => format!("{cpus} CPUs"),
        1 => format!("{cpus} CPUs, 1 node"),
        nodes => format!("{cpus} CPUs, {nodes} nodes"),
    }));
    facts.extend(capture.duration_s.map(duration));
    for line in wrap(&facts.join(" · "), WIDTH, 2) {
        writeln!(out, "{}", style.bold(&line))?;
    }

    let counters = &result.perf_counters;
    let accesses = result.quality.memory_samples.unwrap_or(0);
    writeln!(
        out,
        "{} samples, {} memory accesses: {} loads, {} stores",
        count(result.quality.samples),
        count(accesses),
        count(counters.get(Counter::Load)),
        count(counters.get(Counter::Store)),
    )?;
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
    if let Some(threshold) = load_threshold(result) {
        writeln!(
            out,
            "{}",
            style.dim(&format!(
                "loads below {threshold} cycles were not sampled (ldlat): shares are of the slower ones"
            ))
        )?;
    }
    writeln!(out)
}

/// The load latency threshold that an event name or the command tells.
fn load_threshold(result: &C2c) -> Option<u32> {
    let command = result.capture.command.iter();
    let texts = result.compat.events.iter().chain(command);
    let mut found = texts.filter_map(|text| {
        let (_, rest) = text.split_once("ldlat=")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    found.find(|&threshold| threshold > 0)
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

/// A share with two digits where it is small.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 10.0 || percent == 0.0 {
        format!("{percent:.0} %")
    } else if percent >= 1.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.2} %")
    }
}

fn lines(out: &mut dyn Write, result: &C2c, top: usize, style: Style) -> io::Result<()> {
    let is_finding = |line: &&Line| line.verdict != Verdict::Unknown;
    let findings: Vec<&Line> = result.lines.iter().filter(is_finding).collect();
    let title = format!(
        "{} of {} sampled lines are shared; {} with enough samples for a verdict",
        count(result.shared_lines),
        count(result.sampled_lines),
        count(findings.len() as u64),
    );
    writeln!(out, "{}", style.bold(&title))?;
    for line in findings.iter().take(top) {
        writeln!(out)?;
        finding(out, line, result, style)?;
    }
    if findings.len() > top {
        writeln!(out)?;
        writeln!(out, "{} more (--top, --json)", findings.len() - top)?;
    }
    let unclear: Vec<&Line> = result
        .lines
        .iter()
        .filter(|line| !is_finding(line))
        .collect();
    if !unclear.is_empty() {
        writeln!(out)?;
        let text = format!(
            "{} shown lines have too few samples to say",
            count(unclear.len() as u64)
        );
        writeln!(out, "{}", style.bold(&text))?;
        for line in unclear.iter().take(top) {
            let counters = &line.perf_counters;
            writeln!(
                out,
                "  {:<18} {:>5} HITM {:>5} peer {:>8} loads {:>8} stores  {}",
                line.address,
                counters.get(Counter::TotHitm),
                counters.get(Counter::TotPeer),
                counters.get(Counter::Load),
                counters.get(Counter::Store),
                object(line, 30),
            )?;
        }
        if unclear.len() > top {
            writeln!(out, "  {} more (--top, --json)", unclear.len() - top)?;
        }
    }
    Ok(())
}
