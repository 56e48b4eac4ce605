//! `contend c2c` as a table that fits 100 columns.

use super::info;
use super::style::{Style, count, cut, cut_path, safe};
use crate::c2c::Verdict;
use crate::memory::{Counter, Counters, Level, Op, Snoop, Where};
use crate::result::{Access, C2c, ClassRow, Line, Row};
use crate::stats::Ratio;
use std::io::{self, Write};

/// Columns of a terminal that tables fit into.
const WIDTH: usize = 100;

/// Rows of a line that are printed; the document has all.
const ROWS: usize = 8;

/// Threads of a line that are named; the document has all.
const THREADS: usize = 4;

/// Classes with a smaller share of the loads are summed up.
const SMALL_CLASS: f64 = 0.001;

/// Writes the table with at most `top` lines.
pub(crate) fn table(out: &mut dyn Write, result: &C2c, top: usize, color: bool) -> io::Result<()> {
    let style = Style { color };
    head(out, result, style)?;
    classes(out, result, style)?;
    lines(out, result, top, style)?;
    info::quality(out, &result.quality, style)
}

fn head(out: &mut dyn Write, result: &C2c, style: Style) -> io::Result<()> {
    let capture = &result.capture;
    let mut facts = vec![safe(&capture.file)];
    facts.extend(capture.host.as_deref().map(safe));
    facts.extend(capture.cpu.as_deref().map(safe));
    facts.extend(capture.cpus_online.map(|cpus| match capture.nodes.len() {
        0 => format!("{cpus} CPUs"),
        1 => format!("{cpus} CPUs, 1 node"),
        nodes => format!("{cpus} CPUs, {nodes} nodes"),
    }));
    facts.extend(capture.duration_s.map(|seconds| format!("{seconds:.2} s")));
    writeln!(out, "{}", style.bold(&cut(&facts.join(" · "), WIDTH)))?;

    let counters = &result.perf_counters;
    let accesses = result.quality.memory_samples.unwrap_or(0);
    writeln!(
        out,
        "{} samples, {} memory accesses: {} loads, {} stores",
        count(result.quality.samples),
        count(accesses),
        count(counters.get(Counter::Load)),
        count(counters.get(Counter::Store)),
    )?;
    writeln!(out)?;
    let ratios = &result.ratios;
    let rows = [
        ("HITM per load", &ratios.hitm_per_load),
        ("HITM per LLC miss", &ratios.hitm_per_llc_miss),
        ("remote per HITM", &ratios.remote_per_hitm),
        ("peer snoops per load", &ratios.peer_per_load),
    ];
    for (name, ratio) in rows {
        if let Some(ratio) = ratio {
            writeln!(out, "{name:<21} {}", ratio_text(ratio))?;
        }
    }
    if let Some(threshold) = load_threshold(result) {
        writeln!(
            out,
            "{}",
            style.dim(&format!(
                "loads below {threshold} cycles were not sampled (ldlat): shares are of the slower ones"
            ))
        )?;
    }
    writeln!(out)
}

/// The load latency threshold that an event name or the command tells.
fn load_threshold(result: &C2c) -> Option<u32> {
    let command = result.capture.command.iter();
    let texts = result.compat.events.iter().chain(command);
    let mut found = texts.filter_map(|text| {
        let (_, rest) = text.split_once("ldlat=")?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    found.find(|&threshold| threshold > 0)
}

fn ratio_text(ratio: &Ratio) -> String {
    let Ratio {
        value,
        numerator,
        denominator,
        low,
        high,
    } = *ratio;
    format!(
        "{} ({} of {}; 95 % interval {} to {})",
        percent(value),
        count(numerator),
        count(denominator),
        percent(low),
        percent(high),
    )
}

/// A share with two digits where it is small.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 10.0 || percent == 0.0 {
        format!("{percent:.0} %")
    } else if percent >= 1.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.2} %")
    }
}

fn classes(out: &mut dyn Write, result: &C2c, style: Style) -> io::Result<()> {
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

fn lines(out: &mut dyn Write, result: &C2c, top: usize, style: Style) -> io::Result<()> {
    let is_finding = |line: &&Line| line.verdict != Verdict::Unknown;
    let findings: Vec<&Line> = result.lines.iter().filter(is_finding).collect();
    let title = format!(
        "{} of {} sampled lines are shared; {} with enough samples for a verdict",
        count(result.shared_lines),
        count(result.sampled_lines),
        count(findings.len() as u64),
    );
    writeln!(out, "{}", style.bold(&title))?;
    for line in findings.iter().take(top) {
        writeln!(out)?;
        finding(out, line, result, style)?;
    }
    if findings.len() > top {
        writeln!(out)?;
        writeln!(out, "{} more (--top, --json)", findings.len() - top)?;
    }
    let unclear: Vec<&Line> = result
        .lines
        .iter()
        .filter(|line| !is_finding(line))
        .collect();
    if !unclear.is_empty() {
        writeln!(out)?;
        let text = format!(
            "{} shown lines have too few samples to say",
            count(unclear.len() as u64)
        );
        writeln!(out, "{}", style.bold(&text))?;
        for line in unclear.iter().take(top) {
            let counters = &line.perf_counters;
            writeln!(
                out,
                "  {:<18} {:>5} HITM {:>5} peer {:>8} loads {:>8} stores  {}",
                line.address,
                counters.get(Counter::TotHitm),
                counters.get(Counter::TotPeer),
                counters.get(Counter::Load),
                counters.get(Counter::Store),
                object(line, 30),
            )?;
        }
        if unclear.len() > top {
            writeln!(out, "  {} more (--top, --json)", unclear.len() - top)?;
        }
    }
    Ok(())
}

fn finding(out: &mut dyn Write, line: &Line, result: &C2c, style: Style) -> io::Result<()> {
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
    writeln!(out, "   {}", cut(&line.why, WIDTH - 3))?;
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
    writeln!(out, "   {}", cut(&facts.join(" · "), WIDTH - 3))?;
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

fn threads(
    out: &mut dyn Write,
    title: &str,
    accesses: &[Access],
    number: fn(&Access) -> u64,
) -> io::Result<()> {
    if accesses.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = accesses
        .iter()
        .take(THREADS)
        .map(|access| {
            let name = access.comm.as_deref().unwrap_or("thread");
            let offsets: Vec<String> = access
                .offsets
                .iter()
                .take(3)
                .map(ToString::to_string)
                .collect();
            let more = if access.offsets.len() > 3 { ",…" } else { "" };
            format!(
                "{}/{} {}× at {}{more}",
                safe(name),
                access.tid,
                number(access),
                offsets.join(",")
            )
        })
        .collect();
    let more = accesses.len().saturating_sub(THREADS);
    let mut text = named.join("; ");
    if more > 0 {
        text += &format!("; {more} more");
    }
    writeln!(out, "   {title}: {}", cut(&text, WIDTH - 5 - title.len()))
}

fn row_text(row: &Row) -> String {
    let counters = &row.perf_counters;
    let code = match (&row.function, row.ip, &row.dso) {
        (Some(function), ..) => cut(function, 36),
        (None, Some(ip), Some(dso)) => {
            let address = ip.to_string();
            let room = 36usize.saturating_sub(address.len() + 1);
            let dso = dso.rsplit('/').next().unwrap_or(dso);
            format!("{address} {}", cut_path(dso, room))
        }
        (None, Some(ip), None) => ip.to_string(),
        (None, None, dso) => cut_path(dso.as_deref().unwrap_or(""), 36),
    };
    let mean =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.0}"));
    let latency = &row.latency;
    let hitm = latency.mean_rmt_hitm.or(latency.mean_lcl_hitm);
    let hitm = hitm.or(latency.mean_rmt_peer).or(latency.mean_lcl_peer);
    let signal = counters
        .get(Counter::TotHitm)
        .max(counters.get(Counter::TotPeer));
    format!(
        "   {:<7} {code:<36} {signal:>6} {:>7} {:>7} {:>9} {:>7} {:>5}",
        row.offset.to_string(),
        counters.get(Counter::Load),
        counters.get(Counter::Store),
        mean(hitm),
        mean(latency.mean_load),
        row.cpus,
    )
}

fn object(line: &Line, columns: usize) -> String {
    match &line.object {
        Some(object) => {
            let offset = format!("+{}", object.offset);
            let name = object.name.as_deref().unwrap_or(&object.dso);
            let room = columns.saturating_sub(offset.len());
            format!("{}{offset}", cut_path(name, room))
        }
        None => String::new(),
    }
}
