//! The report of `perf c2c report --stdio`, as perf 7.2 prints it.
//!
//! ```text
//! Trace Event Information            \  counters: all samples, shared lines
//! Global Shared Cache Line Event …   /
//! c2c details                           what was recorded, how it is sorted
//! Shared Data Cache Line Table          one row a line
//! Shared Cache Line Distribution Pareto a summary and the rows of each line
//! ```
//!
//! Source of the layout: `perf_c2c__hists_fprintf` in `tools/perf/builtin-c2c.c`
//! and the printers that it calls. `docs/c2c.md` says where the two differ.

mod blocks;
mod columns;
mod lines;
mod pareto;

use super::info;
use super::style::Style;
use crate::result::C2c;
use columns::Columns;
use std::io::{self, Write};

/// Writes the tables.
pub(crate) fn report(out: &mut dyn Write, result: &C2c) -> io::Result<()> {
    blocks::trace_events(out, &result.perf_counters)?;
    writeln!(out)?;
    blocks::shared_lines(out, result)?;
    writeln!(out)?;
    blocks::details(out, result)?;
    writeln!(out)?;
    title(out, "           Shared Data Cache Line Table          ")?;
    writeln!(out, "#")?;
    lines::table(out, result)?;
    writeln!(out)?;
    title(out, "      Shared Cache Line Distribution Pareto      ")?;
    writeln!(out, "#")?;
    pareto::table(out, result)
}

/// Writes what was lost, skipped or missing, which has no place in perf's report.
pub(crate) fn remarks(out: &mut dyn Write, result: &C2c) -> io::Result<()> {
    info::quality(out, &result.quality, Style { color: false })
}

/// Writes a title between its rules.
fn title(out: &mut dyn Write, text: &str) -> io::Result<()> {
    const RULE: &str = "=================================================";
    writeln!(out, "{RULE}\n{text}\n{RULE}")
}

/// Whether columns are about peer snoops and not about HITM.
fn is_peer(result: &C2c) -> bool {
    result.sort == "peer"
}

/// A share as perf computes and prints it: nothing of nothing is 0
/// (`percent` and `PERC_STR` in `tools/perf/builtin-c2c.c`).
fn percent(part: u64, whole: u64) -> String {
    let value = if whole == 0 {
        0.0
    } else {
        100.0 * part as f64 / whole as f64
    };
    format!("{value:.2}%")
}

/// The longest list of memory nodes: perf cuts what is longer.
const NODE_LIST: usize = 29;

/// A list of memory nodes (`set_nodestr` in `tools/perf/builtin-c2c.c`). perf has
/// room for as many numbers as there are nodes and drops larger ones.
fn node_list(result: &C2c, nodes: &[u32]) -> String {
    let count = result.capture.nodes.len();
    let kept = nodes
        .iter()
        .filter(|&&node| count == 0 || (node as usize) < count);
    let mut list = crate::result::cpu_ranges(kept.copied());
    if list.is_empty() {
        list.push_str("N/A");
    }
    list.truncate(NODE_LIST);
    list
}

/// An address as perf prints it.
fn hex(value: u64) -> String {
    format!("{value:#x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_as_printf_does() {
        assert_eq!(percent(1, 3), "33.33%");
        assert_eq!(percent(1, 800), "0.12%");
        assert_eq!(percent(3, 800), "0.38%");
        assert_eq!(percent(0, 0), "0.00%");
    }
}
