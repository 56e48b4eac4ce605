//! The table.

use super::name::{has_models, heading, lost, name, short, thresholds};
use crate::render::heads::processor;
use crate::render::info;
use crate::render::style::{Style, WIDTH, count, cut, duration, safe, wrap};
use crate::result::{Distribution, LatencyReport};
use crate::stats::percent;
use std::io::{self, Write};

/// Groups unless asked otherwise: what fits a screen.
const TOP: usize = 20;

/// Columns of the name of a group, and lines that it may take.
const NAME: usize = 36;
const NAME_LINES: usize = 3;

/// Columns of the longest bar.
const BAR: usize = 50;

/// Writes the table.
pub(crate) fn table(
    out: &mut dyn Write,
    result: &LatencyReport,
    top: Option<usize>,
    color: bool,
) -> io::Result<()> {
    let style = Style { color };
    head(out, result, style)?;
    histogram(out, result, style)?;
    groups(out, result, top.unwrap_or(TOP), style)?;
    info::quality(out, &result.quality, style)
}

fn head(out: &mut dyn Write, result: &LatencyReport, style: Style) -> io::Result<()> {
    let capture = &result.capture;
    let mut facts = vec![safe(&capture.file)];
    facts.extend(capture.host.as_deref().map(safe));
    facts.extend(processor(capture, &result.quality).as_deref().map(safe));
    facts.extend(capture.cpus_online.map(|cpus| format!("{cpus} CPUs")));
    facts.extend(capture.duration_s.map(duration));
    for line in wrap(&facts.join(" · "), WIDTH, 2) {
        writeln!(out, "{}", style.bold(&line))?;
    }
    let total = &result.total;
    let accesses = format!(
        "{} samples, {} memory accesses: {} with a latency, {} without",
        count(result.quality.samples),
        count(total.count + total.without),
        count(total.count),
        count(total.without),
    );
    writeln!(out, "{accesses}")?;
    writeln!(out)?;
    let mut lines = vec![format!("{}: {}", result.metric, result.meaning)];
    lines.push(thresholds(result));
    lines.push(lost(result));
    for line in lines.iter().flat_map(|line| wrap(line, WIDTH, 2)) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)
}

/// The distribution of all accesses by powers of two.
fn histogram(out: &mut dyn Write, result: &LatencyReport, style: Style) -> io::Result<()> {
    let mut powers: Vec<(u32, u64)> = Vec::new();
    for bucket in &result.total.buckets {
        // Buckets do not cross powers of two.
        let power = bucket.low.max(1).ilog2();
        match powers.last_mut() {
            Some((last, count)) if *last == power => *count += bucket.count,
            _ => powers.push((power, bucket.count)),
        }
    }
    let most = powers.iter().map(|(_, count)| *count).max().unwrap_or(1);
    let header = format!("{:>21}  {:>12}  share", result.unit, "samples");
    writeln!(out, "{}", style.dim(&header))?;
    let (Some(first), Some(last)) = (powers.first(), powers.last()) else {
        return Ok(());
    };
    for power in first.0..=last.0 {
        let found = powers.iter().find(|(known, _)| *known == power);
        let number = found.map_or(0, |(_, count)| *count);
        let low = 1u64 << power;
        let range = match power {
            // Of Arm SPE 0 is a latency.
            0 if result.total.min == Some(0) => "0-1".to_owned(),
            0 => "1".to_owned(),
            _ => format!("{}-{}", count(low), count(low + (low - 1))),
        };
        let share = number as f64 / result.total.count as f64;
        // What is there is seen.
        let eighths = (number as f64 / most as f64 * 8.0 * BAR as f64).ceil() as usize;
        writeln!(
            out,
            "{}",
            format!(
                "{range:>21}  {:>12}  {:>8}  {}",
                count(number),
                percent(share),
                bar(eighths)
            )
            .trim_end()
        )?;
    }
    let Distribution {
        p50,
        p90,
        p99,
        p999,
        max,
        mean,
        ..
    } = result.total;
    let value = |value: Option<u64>| value.map_or("-".to_owned(), count);
    writeln!(
        out,
        "mean {:.0} · p50 {} · p90 {} · p99 {} · p99.9 {} · max {} {}",
        mean.unwrap_or(0.0),
        value(p50),
        value(p90),
        value(p99),
        value(p999),
        value(max),
        result.unit,
    )?;
    writeln!(out)
}

/// A bar of so many eighths of a column.
fn bar(eighths: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8])
}

fn groups(out: &mut dyn Write, result: &LatencyReport, top: usize, style: Style) -> io::Result<()> {
    let header = format!(
        "{:>6} {:>8} {:>10} {:>6} {:>6} {:>6} {:>6} {:>7}  {}",
        "lost",
        "share",
        "samples",
        "mean",
        "p50",
        "p90",
        "p99",
        "max",
        heading(result.by),
    );
    writeln!(out, "{}", style.bold(&header))?;
    let with_model = has_models(result);
    for group in result.groups.iter().take(top) {
        let latency = &group.latency;
        let mut names = wrap(&name(&group.key, with_model), NAME, 2);
        if names.len() > NAME_LINES {
            let rest = names.split_off(NAME_LINES - 1).join(" ");
            names.push(cut(&rest, NAME));
        }
        let value = |value: Option<u64>| value.map_or("-".to_owned(), short_cycles);
        let mean = latency
            .mean
            .map_or("-".to_owned(), |mean| short_cycles(mean.round() as u64));
        writeln!(
            out,
            "{:>6} {:>8} {:>10} {mean:>6} {:>6} {:>6} {:>6} {:>7}  {}",
            short(latency.lost_estimated.unwrap_or(latency.lost)),
            percent(group.share),
            short_count(latency.count),
            value(latency.p50),
            value(latency.p90),
            value(latency.p99),
            value(latency.max),
            names[0],
        )?;
        for more in &names[1..] {
            writeln!(out, "{:>width$}{more}", "", width = WIDTH - NAME)?;
        }
    }
    let hidden = result.groups.len().saturating_sub(top) as u64;
    if hidden > 0 {
        writeln!(out, "{:>16} more (--top; --json has them)", count(hidden))?;
    }
    if let Some(rest) = &result.rest {
        let line = format!(
            "{:>16} groups more lost {} in {} samples: only the first {} have a distribution",
            count(rest.groups),
            percent(rest.share),
            count(rest.count),
            count(result.groups.len() as u64),
        );
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Latencies in a table: whole below a million.
fn short_cycles(value: u64) -> String {
    if value < 100_000 {
        value.to_string()
    } else {
        short(value.into())
    }
}

/// Counts in a table: whole as long as they fit.
fn short_count(value: u64) -> String {
    let text = count(value);
    if text.len() <= 10 {
        text
    } else {
        short(value.into())
    }
}
