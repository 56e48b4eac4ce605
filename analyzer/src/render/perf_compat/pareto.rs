//! "Shared Cache Line Distribution Pareto": each line with its rows.
//!
//! The widths of most columns are fixed. Those of texts are found line by line
//! (`hists__calc_col_len` in `tools/perf/util/hist.c`) among all rows of the
//! line, hidden ones too, and capped; the header has those of the first line.

use super::columns::{Align, Column, Upper};
use super::{Columns, NODE_LIST, hex, is_peer, node_list, percent};
use crate::memory::Counter;
use crate::render::style::safe;
use crate::result::{C2c, Line, Row};
use std::io::{self, Write};

/// The widest a text column gets (`SYMBOL_WIDTH` in
/// `tools/perf/builtin-c2c.c`).
const TEXT_WIDTH: usize = 30;

/// `[.] 0x` and 16 digits.
const ADDRESS_WIDTH: usize = 22;

/// Of a binary beside an address without a symbol
/// (`hists__set_unres_dso_col_len`).
const UNRESOLVED_OBJECT: usize = 16;

/// perf's name of a binary that it does not know.
const UNKNOWN: &str = "[unknown]";

const RULE: &str = "  ----------------------------------------------------------------------";

/// Writes the table (`print_pareto` and `print_cacheline` in
/// `tools/perf/builtin-c2c.c`).
pub(super) fn table(out: &mut dyn Write, result: &C2c) -> io::Result<()> {
    let layout = Layout::new(result);
    for (index, line) in result.lines.iter().enumerate() {
        let columns = layout.columns(line);
        if index == 0 {
            columns.header(out)?;
        } else {
            writeln!(out)?;
        }
        writeln!(out, "{RULE}")?;
        layout.summary(out, line)?;
        writeln!(out, "{RULE}")?;
        for row in &line.rows {
            columns.row(out, &layout.cells(line, row))?;
        }
    }
    Ok(())
}

/// What is the same for all lines. The columns of `--coalesce` are those of
/// `build_cl_output` in `tools/perf/builtin-c2c.c`.
struct Layout<'a> {
    result: &'a C2c,
    is_peer: bool,
    pid: bool,
    tid: bool,
    iaddr: bool,
    object: bool,
    /// As with perf's `--no-source`, there is no column when no row has one.
    source: bool,
    node_width: usize,
}

impl<'a> Layout<'a> {
    fn new(result: &'a C2c) -> Self {
        let has = |field| result.compat.coalesce.contains(&field);
        let rows = || result.lines.iter().flat_map(|line| &line.rows);
        let shown = rows().map(|row| node_list(result, &row.compat.memory_nodes).len());
        let hidden = result
            .lines
            .iter()
            .map(|line| line.compat.hidden.memory_nodes.min(NODE_LIST));
        Self {
            result,
            is_peer: is_peer(result),
            pid: has("pid"),
            tid: has("tid"),
            iaddr: has("iaddr"),
            object: has("iaddr") || has("dso"),
            source: has("iaddr") && rows().any(|row| row.source.is_some()),
            node_width: shown.chain(hidden).max().unwrap_or(0).max(4),
        }
    }

    /// Counters of the columns of percentages: remote, local, stores.
    fn counters(&self) -> [Counter; 5] {
        let [remote, local] = if self.is_peer {
            [Counter::RmtPeer, Counter::LclPeer]
        } else {
            [Counter::RmtHitm, Counter::LclHitm]
        };
        [
            remote,
            local,
            Counter::StL1hit,
            Counter::StL1miss,
            Counter::StNa,
        ]
    }

    fn columns(&self, line: &Line) -> Columns {
        let over = |upper, lower, width| Column::new(Upper::Text(upper), lower, width);
        let covered = |lower, width| Column::new(Upper::Covered, lower, width);
        let text = |upper, lower, width| over(upper, lower, width).aligned(Align::Left);
        let widths = Widths::of(line);
        let [metric, remote, local, slow, fast] = if self.is_peer {
            ["-- Peer Snoop --", "Rmt", "Lcl", "rmt peer", "lcl peer"]
        } else {
            [
                "----- HITM -----",
                "RmtHitm",
                "LclHitm",
                "rmt hitm",
                "lcl hitm",
            ]
        };
        let mut columns = Columns::default();
        columns.extend([
            over("", "Num", 5),
            over(metric, remote, 7),
            covered(local, 7),
            over("------- Store Refs ------", "L1 Hit", 7),
            covered("L1 Miss", 7),
            covered("N/A", 7),
            over("--------- Data address ---------", "Offset", 18),
            covered("Node", self.node_width),
            covered("PA cnt", 6),
        ]);
        if self.pid {
            columns.push(over("", "Pid", 7));
        }
        if self.tid {
            columns.push(text("", "Tid", widths.thread));
        }
        if self.iaddr {
            columns.push(over("", "Code address", 18));
        }
        columns.extend([
            over("---------- cycles ----------", slow, 8),
            covered(fast, 8),
            covered("load", 8),
            over("Total", "records", 7),
            over("cpu", "cnt", 8),
        ]);
        if self.iaddr {
            columns.push(text("", "Symbol", widths.symbol));
        }
        if self.object {
            columns.push(text("Shared", "Object", widths.object));
        }
        if self.source {
            columns.push(text("", "Source:Line", widths.source));
        }
        columns.push(over("", "Node", 4).aligned(Align::Ragged));
        columns
    }

    /// The line between the rules: counts, where rows have shares.
    fn summary(&self, out: &mut dyn Write, line: &Line) -> io::Result<()> {
        write!(out, "  {:>5}", line.rank)?;
        for counter in self.counters() {
            write!(out, "  {:>7}", line.perf_counters.get(counter))?;
        }
        writeln!(out, "  {:>18}", hex(line.address.0))
    }

    fn cells(&self, line: &Line, row: &Row) -> Vec<String> {
        let compat = &row.compat;
        let mut cells = vec![String::new()];
        let shares = self.counters().map(|counter| {
            percent(
                row.perf_counters.get(counter),
                line.perf_counters.get(counter),
            )
        });
        cells.extend(shares);
        cells.push(hex(row.offset.0));
        cells.push(node_list(self.result, &compat.memory_nodes));
        cells.push(compat.replayed.pa_count.to_string());
        if self.pid {
            cells.push(row.pid.to_string());
        }
        if self.tid {
            cells.push(thread(row));
        }
        if self.iaddr {
            cells.push(hex(row.ip.map_or(0, |ip| ip.0)));
        }
        let [rmt_hitm, lcl_hitm, rmt_peer, lcl_peer, load] = compat.replayed.means;
        let means = if self.is_peer {
            [rmt_peer, lcl_peer, load]
        } else {
            [rmt_hitm, lcl_hitm, load]
        };
        cells.extend(means.map(|mean| format!("{mean:.0}")));
        cells.push(row.perf_counters.total_records().to_string());
        cells.push(row.cpus.to_string());
        if self.iaddr {
            cells.push(symbol(row));
        }
        if self.object {
            cells.push(object(row));
        }
        if self.source {
            cells.push(source(row));
        }
        let nodes = row.nodes.iter().map(|node| format!("{node:>2}"));
        cells.push(nodes.collect::<Vec<_>>().join(" "));
        cells
    }
}

/// Widths of the texts of one line's rows.
struct Widths {
    symbol: usize,
    object: usize,
    source: usize,
    thread: usize,
}

impl Widths {
    fn of(line: &Line) -> Self {
        let hidden = &line.compat.hidden;
        let mut widths = Self {
            symbol: hidden.symbol,
            object: hidden.object,
            source: hidden.source.max("Source:Line".len()),
            thread: hidden.comm + TID_WIDTH,
        };
        let is_unresolved = |row: &Row| row.function.is_none();
        if hidden.unnamed > 0 || line.rows.iter().any(is_unresolved) {
            widths.symbol = ADDRESS_WIDTH;
            widths.object = widths.object.max(UNRESOLVED_OBJECT);
        }
        for row in &line.rows {
            for (widest, width) in [
                (&mut widths.symbol, symbol(row).len()),
                (&mut widths.object, object(row).len()),
                (&mut widths.source, source(row).len()),
                (&mut widths.thread, thread(row).len()),
            ] {
                *widest = width.max(*widest);
            }
        }
        let all = [
            &mut widths.symbol,
            &mut widths.object,
            &mut widths.source,
            &mut widths.thread,
        ];
        for width in all {
            *width = TEXT_WIDTH.min(*width);
        }
        widths
    }
}

/// Of a thread's number and the colon behind it.
const TID_WIDTH: usize = 8;

/// Number and name (`hist_entry__thread_snprintf` in `tools/perf/util/sort.c`).
fn thread(row: &Row) -> String {
    format!("{:>7}:{}", row.compat.tid, safe(&row.compat.comm))
}

/// The function, or what stands for it when its name is not known: the address
/// inside the mapping (`_hist_entry__sym_snprintf` in `tools/perf/util/sort.c`).
fn symbol(row: &Row) -> String {
    let level = row.compat.level;
    match &row.function {
        Some(function) => format!("[{level}] {}", safe(function)),
        // C's %#x writes no prefix before zero.
        None if row.compat.code_offset == 0 => format!("[{level}] {:<18}", "0".repeat(16)),
        None => format!("[{level}] {:#018x}", row.compat.code_offset),
    }
}

fn object(row: &Row) -> String {
    match &row.compat.object {
        Some(object) => safe(object),
        None => UNKNOWN.to_owned(),
    }
}

/// File and line, or what perf prints where it finds none
/// (`get_srcline` in `tools/perf/util/srcline.c`).
fn source(row: &Row) -> String {
    match (&row.source, &row.compat.object) {
        (Some(source), _) => safe(source.rsplit('/').next().unwrap_or(source)),
        (None, Some(object)) => format!("{}[{:x}]", safe(object), row.compat.code_offset),
        (None, None) => "??:0".to_owned(),
    }
}
