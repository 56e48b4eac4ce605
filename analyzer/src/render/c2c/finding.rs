//! One line with its verdict, its threads and its rows.

use super::percent;
use crate::c2c::Verdict;
use crate::memory::{Counter, Counters};
use crate::render::style::{Style, WIDTH, count, cut, cut_path, safe, wrap};
use crate::result::{Access, C2c, Line, Row};
use std::io::{self, Write};

/// Rows of a line that are printed; the document has all.
const ROWS: usize = 8;

/// Columns of a function or another place in the code.
const CODE: usize = 36;

/// Columns in front of what stands below the head of a line.
const INDENT: usize = 3;

/// Columns that are kept free for "; 123 more".
const MORE: usize = 10;

pub(super) fn finding(
    out: &mut dyn Write,
    line: &Line,
    result: &C2c,
    style: Style,
) -> io::Result<()> {
    let verdict = match line.verdict {
        Verdict::FalseSharing => "false sharing",
        Verdict::TrueSharing => "true sharing",
        Verdict::Mixed => "true and false sharing",
        Verdict::ReadMostly => "read mostly",
        Verdict::Unknown => "unknown",
    };
    let metric = if result.sort == "peer" {
        "peer snoops"
    } else {
        "HITM"
    };
    let head = format!("#{} {} {verdict}", line.rank, line.address);
    writeln!(
        out,
        "{}  {} of all {metric}  {}",
        style.alarm(&head),
        percent(line.share),
        style.dim(&object(line, 40)),
    )?;
    indented(out, &line.why)?;
    let counters = &line.perf_counters;
    let mut facts = vec![
        format!("{} loads", count(counters.get(Counter::Load))),
        format!("{} stores", count(counters.get(Counter::Store))),
        hitm_text(counters),
    ];
    if let (Some(p50), Some(p99)) = (line.latency.p50, line.latency.p99) {
        facts.push(format!("latency p50 {p50}, p99 {p99} cycles"));
    }
    if !line.node.is_empty() {
        let nodes: Vec<String> = line.node.iter().map(u32::to_string).collect();
        facts.push(format!("memory of node {}", nodes.join(",")));
    }
    indented(out, &facts.join(" · "))?;
    threads(out, "writers", &line.writers, |access| access.stores)?;
    threads(out, "readers", &line.readers, |access| access.loads)?;
    let header = format!(
        "   {:<7} {:<36} {:>6} {:>7} {:>7} {:>9} {:>7} {:>5}",
        "offset", "code", "HITM", "loads", "stores", "mean HITM", "mean", "CPUs"
    );
    writeln!(out, "{}", style.dim(&header))?;
    for row in line.rows.iter().take(ROWS) {
        writeln!(out, "{}", row_text(row))?;
    }
    let more = line.rows.len().saturating_sub(ROWS) + line.hidden_rows;
    if more > 0 {
        writeln!(out, "   {more} more rows")?;
    }
    Ok(())
}

fn hitm_text(counters: &Counters) -> String {
    use Counter::{LclHitm, RmtHitm, TotHitm, TotPeer};
    if counters.get(TotHitm) == 0 && counters.get(TotPeer) > 0 {
        return format!("{} peer snoops", count(counters.get(TotPeer)));
    }
    format!(
        "{} HITM ({} local, {} remote)",
        count(counters.get(TotHitm)),
        count(counters.get(LclHitm)),
        count(counters.get(RmtHitm))
    )
}

/// A text below the head of a line, on as many lines as it needs.
fn indented(out: &mut dyn Write, text: &str) -> io::Result<()> {
    for line in wrap(text, WIDTH - INDENT, 2) {
        writeln!(out, "{:INDENT$}{line}", "")?;
    }
    Ok(())
}

/// The busiest threads, as many as fit.
fn threads(
    out: &mut dyn Write,
    title: &str,
    accesses: &[Access],
    number: fn(&Access) -> u64,
) -> io::Result<()> {
    if accesses.is_empty() {
        return Ok(());
    }
    let mut text = format!("{:INDENT$}{title}:", "");
    let mut named = 0;
    for access in accesses {
        let name = access.comm.as_deref().unwrap_or("thread");
        let offsets = access.offsets.iter().take(3);
        let offsets: Vec<String> = offsets.map(ToString::to_string).collect();
        let more = if access.offsets.len() > 3 { ",…" } else { "" };
        let thread = format!(
            " {}/{} {}× at {}{more}",
            safe(name),
            access.tid,
            number(access),
            offsets.join(",")
        );
        if named > 0 && text.chars().count() + 1 + thread.chars().count() > WIDTH - MORE {
            break;
        }
        if named > 0 {
            text.push(';');
        }
        text += &thread;
        named += 1;
    }
    let more = accesses.len() - named;
    if more > 0 {
        text += &format!("; {more} more");
    }
    writeln!(out, "{}", cut(&text, WIDTH))
}

fn row_text(row: &Row) -> String {
    let counters = &row.perf_counters;
    let code = code(row);
    let mean =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.0}"));
    let latency = &row.latency;
    let hitm = latency.mean_rmt_hitm.or(latency.mean_lcl_hitm);
    let hitm = hitm.or(latency.mean_rmt_peer).or(latency.mean_lcl_peer);
    let signal = counters
        .get(Counter::TotHitm)
        .max(counters.get(Counter::TotPeer));
    format!(
        "   {:<7} {code:<CODE$} {signal:>6} {:>7} {:>7} {:>9} {:>7} {:>5}",
        row.offset.to_string(),
        counters.get(Counter::Load),
        counters.get(Counter::Store),
        mean(hitm),
        mean(latency.mean_load),
        row.cpus,
    )
}

/// A row's function and source line, or the place in its binary.
fn code(row: &Row) -> String {
    let file = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    match (&row.function, row.ip, &row.dso) {
        (Some(function), ..) => {
            // The line in the function that is named, not in what it has inlined.
            let own = row
                .inlined
                .last()
                .map_or(&row.source, |frame| &frame.source);
            let line = own.as_deref().map(file);
            match line.filter(|line| line.chars().count() < CODE / 2) {
                Some(line) => {
                    let room = CODE - line.chars().count() - 1;
                    format!("{} {}", cut(function, room), safe(&line))
                }
                None => cut(function, CODE),
            }
        }
        (None, Some(ip), Some(dso)) => {
            let name = match dso.split_once(']') {
                Some(("[kernel.kallsyms", _)) => "[kernel]".to_owned(),
                _ => file(dso),
            };
            let place = match row.code_offset {
                Some(offset) => format!("+{offset:#x}"),
                None => format!("+{ip}"),
            };
            let room = CODE.saturating_sub(place.len());
            format!("{}{place}", cut_path(&name, room))
        }
        (None, Some(ip), None) => ip.to_string(),
        (None, None, dso) => cut_path(dso.as_deref().unwrap_or(""), CODE),
    }
}

/// What the line belongs to, as far as it is known.
pub(super) fn object(line: &Line, columns: usize) -> String {
    let Some(object) = &line.object else {
        return String::new();
    };
    let offset = format!("+{}", object.offset);
    let room = columns.saturating_sub(offset.len());
    match &object.name {
        Some(name) => {
            let file = object.dso.rsplit('/').next().unwrap_or(&object.dso);
            let name = cut(name, room);
            let left = room.saturating_sub(name.chars().count() + " in ".len());
            format!("{name}{offset} in {}", cut_path(file, left.max(12)))
        }
        None => format!("{}{offset}", cut_path(&object.dso, room)),
    }
}
