//! The shown lines without a verdict, each with the reason.

use super::conclusion::is_filtered;
use super::finding::object;
use super::plural;
use crate::c2c::{THREADLESS, TOO_FEW, Verdict};
use crate::memory::Counter;
use crate::render::style::{Style, WIDTH, count, cut};
use crate::result::{C2c, Line};
use std::io::{self, Write};

/// Columns of a reason.
const REASON: usize = 32;

pub(super) fn unclear(
    out: &mut dyn Write,
    result: &C2c,
    top: usize,
    style: Style,
) -> io::Result<()> {
    let lines: Vec<&Line> = result
        .lines
        .iter()
        .filter(|line| line.verdict == Verdict::Unknown && result.baseline_latency.is_none())
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let number = lines.len() as u64;
    let has = if number == 1 { "has" } else { "have" };
    let title = format!("{} shown {has} no verdict", plural(number, "line", "lines"));
    writeln!(out)?;
    writeln!(out, "{}", style.bold(&title))?;
    if is_filtered(result) {
        let hint = "the filters left samples out: what other threads did may be missing here";
        writeln!(out, "  {}", style.dim(hint))?;
    }
    for line in lines.iter().take(top) {
        let counters = &line.perf_counters;
        let start = format!(
            "  {:<18} {:>8} loads {:>8} stores  {:<REASON$}",
            line.address.to_string(),
            count(counters.get(Counter::Load)),
            count(counters.get(Counter::Store)),
            reason(&line.why),
        );
        let room = WIDTH.saturating_sub(start.chars().count() + 2);
        let text = format!("{start}  {}", object(line, room));
        writeln!(out, "{}", cut(text.trim_end(), WIDTH))?;
    }
    if lines.len() > top {
        writeln!(out, "  {} more (--top, --json)", lines.len() - top)?;
    }
    Ok(())
}

/// The reason for no verdict in a few words.
fn reason(why: &str) -> String {
    let why = why.replacen("peer-snoop load", "peer snoop", 1);
    let few = why.strip_suffix(TOO_FEW);
    let text = match (few, why.split_once(", but ")) {
        (Some(signal), _) => format!("{signal}too few"),
        (None, Some((signal, rest))) if rest.starts_with("only") => format!("{signal}: few stores"),
        (None, Some((signal, rest))) if rest.ends_with(THREADLESS) => {
            format!("{signal}: threads unknown")
        }
        (None, Some((signal, _))) => format!("{signal}: stores unseen"),
        (None, None) => why.clone(),
    };
    cut(&text, REASON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_short() {
        let few = format!("3 HITM loads: {TOO_FEW}");
        assert_eq!(reason(&few), "3 HITM loads: too few");
        let unseen = "40 HITM loads, but no store of another thread was sampled";
        assert_eq!(reason(unseen), "40 HITM loads: stores unseen");
        let nameless = format!("50 peer-snoop loads, but 50 of them {THREADLESS}");
        assert_eq!(reason(&nameless), "50 peer snoops: threads unknown");
        let one = "10 HITM loads, but only 1 store was sampled on the line";
        assert_eq!(reason(one), "10 HITM loads: few stores");
    }
}
