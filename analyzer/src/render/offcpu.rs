//! `contend offcpu` as tables.

use super::info;
use super::style::{Style, count, cut, duration};
use crate::result::OffCpu;
use std::io::{self, Write};

/// Rows of a table unless asked otherwise.
const TOP: usize = 20;

/// Writes the summary and the threads.
pub(crate) fn table(out: &mut dyn Write, result: &OffCpu, color: bool) -> io::Result<()> {
    let style = Style { color };
    let title = format!(
        "{} off the CPU in {} intervals of {} threads",
        ns(result.total_ns),
        count(result.intervals),
        count(result.threads.len() as u64)
    );
    writeln!(out, "{}", style.bold(&title))?;
    let by_state = &result.by_state;
    for (name, value) in [
        ("blocked", by_state.blocked),
        ("preempted", by_state.preempted),
        ("runnable", by_state.runnable),
        ("unknown", by_state.unknown),
    ] {
        if value > 0 {
            writeln!(out, "  {:<10} {:>10}", name, ns(value))?;
        }
    }
    writeln!(out)?;
    let header = format!(
        "  {:<16} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "thread", "tid", "intervals", "total", "p50", "p99", "max"
    );
    writeln!(out, "{}", style.dim(&header))?;
    for row in result.threads.iter().take(TOP) {
        let optional = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), ns);
        writeln!(
            out,
            "  {:<16} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9}",
            cut(row.comm.as_deref().unwrap_or("?"), 16),
            row.tid,
            count(row.intervals),
            ns(row.total_ns),
            optional(row.p50_ns),
            optional(row.p99_ns),
            optional(row.max_ns),
        )?;
    }
    info::quality(out, &result.quality, style)
}

fn ns(value: u64) -> String {
    duration(value as f64 / 1e9)
}
