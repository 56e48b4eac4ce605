//! Threads, and how long they were off the CPU at once.

use super::{ns, or_dash};
use crate::render::heads::{heading, more, percent};
use crate::render::style::{Style, count, cut};
use crate::result::{LengthBucket, OffCpu};
use std::io::{self, Write};

/// Eighths of a character, for bars.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Writes a row for each thread; where asked for with its lengths, a line for each.
pub(super) fn threads(
    out: &mut dyn Write,
    result: &OffCpu,
    rows: usize,
    with_lengths: bool,
    style: Style,
) -> io::Result<()> {
    heading(out, "Threads", style)?;
    let header = format!(
        "  {:<16} {:>8} {:>9} {:>9} {:>7} {:>9} {:>9} {:>9}  lengths",
        "thread", "tid", "intervals", "total", "blocked", "p50", "p99", "max"
    );
    writeln!(out, "{}", style.dim(header.trim_end()))?;
    for row in result.threads.iter().take(rows) {
        writeln!(
            out,
            "  {:<16} {:>8} {:>9} {:>9} {:>7} {:>9} {:>9} {:>9}  {}",
            cut(row.comm.as_deref().unwrap_or("?"), 16),
            row.tid,
            count(row.intervals),
            ns(row.total_ns),
            percent(row.by_state.blocked, row.total_ns),
            or_dash(row.p50_ns),
            or_dash(row.p99_ns),
            or_dash(row.max_ns),
            spark(&row.histogram),
        )?;
        if with_lengths {
            for bucket in &row.histogram {
                let largest = row.histogram.iter().map(|bucket| bucket.count).max();
                let width = (bucket.count * 40).div_ceil(largest.unwrap_or(1).max(1));
                writeln!(
                    out,
                    "  {:>25} {:>9}  {}",
                    format!("from {}", ns(bucket.low_ns)),
                    count(bucket.count),
                    "▇".repeat(width as usize),
                )?;
            }
        }
    }
    more(out, result.threads.len(), rows)
}

/// How many intervals have which length, from 1 µs to 1 s by powers of four.
fn spark(histogram: &[LengthBucket]) -> String {
    const COLUMNS: usize = 11;
    let mut columns = [0u64; COLUMNS];
    for bucket in histogram {
        let power = bucket.low_ns.checked_ilog2().unwrap_or(0) as usize;
        let column = power.saturating_sub(10) / 2;
        columns[column.min(COLUMNS - 1)] += bucket.count;
    }
    let largest = columns.iter().copied().max().unwrap_or(0).max(1);
    let bars = columns.iter().map(|&count| match count {
        0 => ' ',
        count => BARS[(count * 7).div_ceil(largest) as usize],
    });
    let text: String = bars.collect();
    text.trim_end().to_owned()
}
