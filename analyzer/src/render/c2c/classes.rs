//! The exclusive classes: every sample once.

use super::plural;
use crate::memory::{Class, Level, Op, Snoop, Where};
use crate::render::style::{Style, count, cut};
use crate::result::{C2c, ClassRow};
use crate::stats::percent;
use std::io::{self, Write};

/// Classes with a smaller share of the loads are summed up.
const SMALL_CLASS: f64 = 0.001;

/// Columns of the name of a class: as many as the names need, within limits.
const NAME: std::ops::RangeInclusive<usize> = 44..=62;

pub(super) fn classes(out: &mut dyn Write, result: &C2c, style: Style) -> io::Result<()> {
    let is_spe = result.quality.spe.is_some();
    let names = result.classes.iter();
    let names = names.map(|row| class_text(&row.class, is_spe));
    let name = names.map(|name| name.chars().count()).max().unwrap_or(0);
    let name = name.clamp(*NAME.start(), *NAME.end());
    for (op, title) in [
        (Op::Load, "Loads by who answered"),
        (Op::Store, "Stores"),
        (Op::Prefetch, "Prefetches"),
        (Op::Other, "Other accesses"),
    ] {
        let of_op = result.classes.iter().filter(|row| row.class.op == op);
        let mut rows = joined(of_op, is_spe);
        if rows.is_empty() {
            continue;
        }
        rows.sort_by_key(|row| std::cmp::Reverse(row.count));
        let total: u64 = rows.iter().map(|row| row.count).sum();
        let header = format!(
            "{title:<width$} {:>12} {:>8} {:>11}",
            "samples",
            "share",
            "mean cycles",
            width = name + 2,
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
                "  {:<name$} {:>12} {:>8} {mean:>11}",
                cut(&class_text(&row.class, is_spe), name),
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
                "  {:<name$} {:>12}",
                plural(rest_kinds, "rarer kind", "rarer kinds"),
                count(rest)
            )?;
        }
    }
    writeln!(out)
}

/// Classes with the same words as one: where kinds of cores differ in what they tell,
/// that nobody was asked is known of some samples and not of others.
fn joined<'a>(rows: impl Iterator<Item = &'a ClassRow>, is_spe: bool) -> Vec<ClassRow> {
    let mut all: Vec<ClassRow> = Vec::new();
    for row in rows {
        let text = class_text(&row.class, is_spe);
        match all
            .iter_mut()
            .find(|known| class_text(&known.class, is_spe) == text)
        {
            Some(known) => {
                known.count += row.count;
                known.latency_sum = known.latency_sum.saturating_add(row.latency_sum);
            }
            None => all.push(row.clone()),
        }
    }
    all
}

/// Who answered, in words.
pub(in crate::render) fn class_text(class: &Class, is_spe: bool) -> String {
    // Arm's cores say that the system cache answered, HIP12 that L3 did; nobody tells of
    // copies elsewhere. perf makes a snoop that hit of it
    // (arm_spe__synth_data_source_common in tools/perf/util/arm-spe.c).
    let is_system_cache = is_spe && class.level == Level::L3 && class.snoop == Snoop::Hit;
    let level = match class.level {
        Level::L3 if is_system_cache => "L3 or system cache",
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
        Snoop::Hit if is_system_cache => "",
        Snoop::Hit => ", clean elsewhere",
        Snoop::Miss | Snoop::None | Snoop::Unknown => "",
    };
    format!("{place}{level}{snoop}")
}
