//! The table.

use super::histogram::histogram;
use super::name::{has_models, heading, lost, name, short, thresholds};
use super::scale::Division;
use crate::render::style::{Style, WIDTH, count, cut_middle, many, wrap};
use crate::render::{heads, info};
use crate::result::LatencyReport;
use crate::stats::percent;
use std::io::{self, Write};

/// Groups unless asked otherwise: what fits a screen.
const TOP: usize = 20;

/// Columns of the name of a group, and lines that it may take.
const NAME: usize = 36;
const NAME_LINES: usize = 3;

/// Writes the table.
pub(crate) fn table(
    out: &mut dyn Write,
    result: &LatencyReport,
    top: Option<usize>,
    division: Division,
    color: bool,
) -> io::Result<()> {
    let style = Style { color };
    head(out, result, style)?;
    histogram(out, result, division, style)?;
    groups(out, result, top.unwrap_or(TOP), style)?;
    info::quality(out, &result.quality, style)
}

fn head(out: &mut dyn Write, result: &LatencyReport, style: Style) -> io::Result<()> {
    let capture = &result.capture;
    heads::machine(out, capture, &result.quality, style)?;
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
    let with_latency = result.groups.iter().filter(|group| group.latency.count > 0);
    for group in with_latency.clone().take(top) {
        let latency = &group.latency;
        let names = name_lines(&name(&group.key, with_model));
        let value = |value: Option<u64>| value.map_or("-".to_owned(), short_cycles);
        let mean = latency.mean.map_or("-".to_owned(), short_mean);
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
    let with_latency = with_latency.count();
    let hidden = with_latency.saturating_sub(top) as u64;
    if hidden > 0 {
        writeln!(out, "{:>16} more (--top; --json has them)", count(hidden))?;
    }
    let without = (result.groups.len() - with_latency) as u64;
    if without > 0 {
        writeln!(
            out,
            "{:>16} of accesses without a latency (--json has them)",
            many(without, "group")
        )?;
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

/// The name of a group in the lines that it may take: broken between words, words that are
/// too long anywhere. Of what is still too long the middle is left out.
fn name_lines(name: &str) -> Vec<String> {
    const INDENT: usize = 2;
    let break_up = |name: &str| {
        let mut words = Vec::new();
        for word in name.split(' ') {
            let word: Vec<char> = word.chars().collect();
            let parts = word.chunks(NAME - INDENT);
            words.extend(parts.map(|part| part.iter().collect::<String>()));
        }
        wrap(&words.join(" "), NAME, INDENT)
    };
    let lines = break_up(name);
    if lines.len() <= NAME_LINES {
        return lines;
    }
    let room = (1..NAME * NAME_LINES).rev();
    let mut shorter = room.map(|room| break_up(&cut_middle(name, room)));
    shorter
        .find(|lines| lines.len() <= NAME_LINES)
        .unwrap_or_default()
}

/// A mean in a table: of small ones a decimal too.
fn short_mean(mean: f64) -> String {
    match mean < 9.95 {
        true => format!("{mean:.1}"),
        false => short_cycles(mean.round() as u64),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses differ at their ends.
    #[test]
    fn names_keep_what_tells_them_apart() {
        assert_eq!(
            name_lines("[kernel.kallsyms]+0xffffffffa423a4fe [k]"),
            ["[kernel.kallsyms]+0xffffffffa423a4", "  fe [k]"]
        );
        assert_eq!(name_lines("queue_pop in app"), ["queue_pop in app"]);
        let long = format!("{} in libservice.so", "Table<Key>::".repeat(40));
        let lines = name_lines(&long);
        assert_eq!(lines.len(), NAME_LINES);
        assert!(lines.iter().all(|line| line.chars().count() <= NAME));
        assert!(lines[0].starts_with("Table<Key>"), "{lines:?}");
        assert!(lines[2].ends_with("libservice.so"), "{lines:?}");
    }

    #[test]
    fn means_of_a_few_cycles_have_a_decimal() {
        assert_eq!(
            [2.25, 9.94, 9.96, 123.5].map(short_mean),
            ["2.2", "9.9", "10", "124"]
        );
    }
}
