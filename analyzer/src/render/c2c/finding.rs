//! One line with its verdict, its threads and its rows.

use super::conclusion::verdict_name;
use super::{metric_name, plural};
use crate::memory::{Counter, Counters};
use crate::render::style::{Style, WIDTH, count, cut, cut_path, safe, wrap};
use crate::result::{Access, C2c, Line, Row};
use crate::stats::percent;
use std::cmp::Reverse;
use std::io::{self, Write};

/// Columns of the code.
const CODE: usize = 36;

/// Columns in front of what stands below the head of a line.
const INDENT: usize = 3;

/// Columns that are kept free for "; 123 more".
const MORE: usize = 10;

pub(super) fn finding(
    out: &mut dyn Write,
    line: &Line,
    result: &C2c,
    rows: usize,
    style: Style,
) -> io::Result<()> {
    let verdict = verdict_name(line.verdict);
    let by_cpu = if line.judged_by.is_some() {
        " by CPU"
    } else {
        ""
    };
    let head = format!("#{} {} {verdict}{by_cpu}", line.rank, line.address);
    let share = format!("{} of all {}", percent(line.share), metric_name(result));
    let object = object(line, WIDTH - INDENT);
    let length = [&head, &share, &object].map(|text| text.chars().count() + 2);
    if object.is_empty() {
        writeln!(out, "{}  {share}", style.alarm(&head))?;
    } else if length.iter().sum::<usize>() - 2 <= WIDTH {
        let object = style.dim(&object);
        writeln!(out, "{}  {share}  {object}", style.alarm(&head))?;
    } else {
        writeln!(out, "{}  {share}", style.alarm(&head))?;
        writeln!(out, "{:INDENT$}{}", "", style.dim(&object))?;
    }
    indented(out, &line.why)?;
    let counters = &line.perf_counters;
    let mut facts = vec![
        plural(counters.get(Counter::Load), "load", "loads"),
        plural(counters.get(Counter::Store), "store", "stores"),
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
    let is_peer = result.sort == "peer";
    let signal = if is_peer { "peer" } else { "HITM" };
    let header = format!(
        "   {:<7} {:<CODE$} {signal:>6} {:>7} {:>7} {:>9} {:>10} {:>5}",
        "offset",
        "code",
        "loads",
        "stores",
        format!("mean {signal}"),
        "mean other",
        "CPUs"
    );
    writeln!(out, "{}", style.dim(&header))?;
    for row in busiest(&line.rows, is_peer, rows) {
        writeln!(out, "{}", row_text(row, is_peer, &result.compat.coalesce))?;
    }
    let more = line.rows.len().saturating_sub(rows) as u64;
    if more > 0 {
        let more = plural(more, "more row", "more rows");
        writeln!(out, "   {more} (--rows; --json has all)")?;
    }
    Ok(())
}

/// What rows are about: HITMs, or peer snoops where lines are ordered by them.
fn signal(counters: &Counters, is_peer: bool) -> u64 {
    counters.get(if is_peer {
        Counter::TotPeer
    } else {
        Counter::TotHitm
    })
}

/// The rows with most of the signal, then stores, then loads, in their order.
fn busiest(rows: &[Row], is_peer: bool, number: usize) -> Vec<&Row> {
    let mut chosen: Vec<usize> = (0..rows.len()).collect();
    chosen.sort_by_cached_key(|&index| {
        let counters = &rows[index].perf_counters;
        let stores = counters.get(Counter::Store);
        let loads = counters.get(Counter::Load);
        Reverse((signal(counters, is_peer), stores, loads))
    });
    chosen.truncate(number);
    chosen.sort_unstable();
    chosen.into_iter().map(|index| &rows[index]).collect()
}

fn hitm_text(counters: &Counters) -> String {
    use Counter::{LclHitm, RmtHitm, TotHitm, TotPeer};
    if counters.get(TotHitm) == 0 && counters.get(TotPeer) > 0 {
        return plural(counters.get(TotPeer), "peer snoop", "peer snoops");
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
        let who = match (access.cpu, &access.comm) {
            (Some(cpu), _) => format!("CPU {cpu}"),
            (None, Some(name)) => format!("{}/{}", safe(name), access.tid),
            (None, None) => format!("thread/{}", access.tid),
        };
        let offsets = access.offsets.iter().take(3);
        let offsets: Vec<String> = offsets.map(ToString::to_string).collect();
        let more = if access.offsets.len() > 3 { ",…" } else { "" };
        let thread = format!(" {who} {}× at {}{more}", number(access), offsets.join(","));
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

fn row_text(row: &Row, is_peer: bool, coalesce: &[&str]) -> String {
    let counters = &row.perf_counters;
    let mean =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.0}"));
    let latency = &row.latency;
    let hitm = latency.mean_rmt_hitm.or(latency.mean_lcl_hitm);
    let hitm = hitm.or(latency.mean_rmt_peer).or(latency.mean_lcl_peer);
    let text = format!(
        "   {:<7} {:<CODE$} {:>6} {:>7} {:>7} {:>9} {:>10} {:>5}",
        row.offset.to_string(),
        code(row, coalesce),
        signal(counters, is_peer),
        counters.get(Counter::Load),
        counters.get(Counter::Store),
        mean(hitm),
        mean(latency.mean_load),
        row.cpus,
    );
    cut(&text, WIDTH)
}

/// The code of a row, and the thread or process when rows are told apart by it.
fn code(row: &Row, coalesce: &[&str]) -> String {
    let has_place = row.function.is_some() || row.ip.is_some() || row.dso.is_some();
    let thread = thread(row, coalesce, !has_place);
    let blank = if has_place && !thread.is_empty() {
        " "
    } else {
        ""
    };
    let room = CODE.saturating_sub(thread.chars().count() + blank.len());
    let place = match (&row.function, row.code_offset, row.ip, &row.dso) {
        (Some(name), ..) => function(row, name, room),
        (None, Some(offset), _, Some(dso)) => {
            let offset = format!("+{offset}");
            let dso = dso.rsplit('/').next().unwrap_or(dso);
            format!(
                "{}{offset}",
                cut_path(dso, room.saturating_sub(offset.len()))
            )
        }
        (None, _, Some(ip), _) => ip.to_string(),
        (None, _, None, dso) => cut_path(dso.as_deref().unwrap_or(""), room),
    };
    cut(&format!("{place}{blank}{thread}"), CODE)
}

fn thread(row: &Row, coalesce: &[&str], is_named: bool) -> String {
    let (pid, tid) = (row.pid, row.compat.tid);
    let number = match ["pid", "tid"].map(|field| coalesce.contains(&field)) {
        [true, true] => format!("{pid}/{tid}"),
        [true, false] => format!("pid {pid}"),
        [false, true] => format!("tid {tid}"),
        [false, false] => return String::new(),
    };
    match row.compat.comm.as_str() {
        comm if is_named && !comm.starts_with(':') => format!("{} {number}", cut(comm, 16)),
        _ => number,
    }
}

/// A row's function with its source line.
fn function(row: &Row, name: &str, room: usize) -> String {
    // The line in the function that is named, not in what it has inlined.
    let own = row
        .inlined
        .last()
        .map_or(&row.source, |frame| &frame.source);
    let line = own
        .as_deref()
        .map(|path| path.rsplit('/').next().unwrap_or(path));
    match line.filter(|line| line.chars().count() < room / 2) {
        Some(line) => {
            let left = room - line.chars().count() - 1;
            format!("{} {}", cut(name, left), safe(line))
        }
        None => cut(name, room),
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
        // Memory without a file: the address stands in front already.
        None if object.offset == line.address => cut_path(&object.dso, columns),
        None => format!("{}{offset}", cut_path(&object.dso, room)),
    }
}
