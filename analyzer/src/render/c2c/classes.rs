//! The exclusive classes: every sample once.

use super::percent;
use crate::memory::{Level, Op, Snoop, Where};
use crate::render::style::{Style, count};
use crate::result::{C2c, ClassRow};
use std::io::{self, Write};

/// Classes with a smaller share of the loads are summed up.
const SMALL_CLASS: f64 = 0.001;

pub(super) fn classes(out: &mut dyn Write, result: &C2c, style: Style) -> io::Result<()> {
    for (op, title) in [
        (Op::Load, "Loads by who answered"),
        (Op::Store, "Stores"),
        (Op::Prefetch, "Prefetches"),
        (Op::Other, "Other accesses"),
    ] {
        let mut rows: Vec<&ClassRow> = result
            .classes
            .iter()
            .filter(|row| row.class.op == op)
            .collect();
        if rows.is_empty() {
            continue;
        }
        rows.sort_by_key(|row| std::cmp::Reverse(row.count));
        let total: u64 = rows.iter().map(|row| row.count).sum();
        let header = format!(
            "{title:<46} {:>12} {:>8} {:>12}",
            "samples", "share", "mean cycles"
        );
        writeln!(out, "{}", style.bold(&header))?;
        let (mut rest, mut rest_kinds) = (0, 0);
        for row in rows {
            let share = row.count as f64 / total as f64;
            if share < SMALL_CLASS && !row.class.is_hitm() {
                rest += row.count;
                rest_kinds += 1;
                continue;
            }
            let mean = row.latency_sum as f64 / row.count as f64;
            let mean = if row.latency_sum == 0 {
                "-".to_owned()
            } else {
                format!("{mean:.0}")
            };
            let text = format!(
                "  {:<44} {:>12} {:>8} {mean:>12}",
                class_text(row),
                count(row.count),
                percent(share),
            );
            if row.class.is_hitm() {
                writeln!(out, "{}", style.alarm(&text))?;
            } else {
                writeln!(out, "{text}")?;
            }
        }
        if rest > 0 {
            writeln!(
                out,
                "  {:<44} {:>12}",
                format!("{rest_kinds} rarer kinds"),
                count(rest)
            )?;
        }
    }
    writeln!(out)
}

fn class_text(row: &ClassRow) -> String {
    let class = &row.class;
    let level = match class.level {
        Level::L0 => "L0",
        Level::L1 => "L1",
        Level::Lfb => "line fill buffer",
        Level::L2 => "L2",
        Level::L2Mhb => "L2 miss buffer",
        Level::L3 => "L3",
        Level::L4 => "L4",
        Level::Msc => "memory-side cache",
        Level::Cache => "cache",
        Level::Dram => "memory",
        Level::Pmem => "persistent memory",
        Level::Cxl => "CXL memory",
        Level::Io => "I/O",
        Level::Uncached => "uncached",
        Level::L1Miss => "missed L1",
        Level::Unknown => "not told",
    };
    let place = match class.place {
        Where::SameNode => "another core of the node, ",
        Where::SameSocket => "another node of the socket, ",
        Where::Remote => "another node, ",
        Where::OtherSocket => "another socket, ",
        Where::OtherBoard => "another board, ",
        Where::Local | Where::Unknown => "",
    };
    let snoop = match class.snoop {
        Snoop::Hitm => ", modified there (HITM)",
        Snoop::Forward => ", forwarded clean",
        Snoop::Peer => ", from a peer",
        Snoop::Hit => ", clean elsewhere",
        Snoop::Miss | Snoop::None | Snoop::Unknown => "",
    };
    format!("{place}{level}{snoop}")
}
