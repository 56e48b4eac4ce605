//! "Shared Data Cache Line Table".

use super::columns::{Column, Upper};
use super::{Columns, hex, is_peer, node_list, percent};
use crate::memory::{Counter, Counters};
use crate::result::{C2c, Line};
use std::io::{self, Write};

/// Writes the table: one row a shown line. Columns and widths are those of
/// `perf_c2c__report` and the dimensions in `tools/perf/builtin-c2c.c`.
pub(super) fn table(out: &mut dyn Write, result: &C2c) -> io::Result<()> {
    let columns = columns(result);
    columns.header(out)?;
    let whole = metric(result.sort, &result.perf_counters);
    for line in &result.lines {
        columns.row(out, &cells(result, line, whole))?;
    }
    Ok(())
}

fn columns(result: &C2c) -> Columns {
    let nodes = result
        .lines
        .iter()
        .map(|line| node_list(result, &line.node).len());
    let node_width = nodes.max().unwrap_or(0).max(4);
    let (upper, lower) = match result.sort {
        "rmt" => ("Rmt", "Hitm"),
        "lcl" => ("Lcl", "Hitm"),
        "peer" => ("Peer", "Snoop"),
        _ => ("Tot", "Hitm"),
    };
    let loads = if is_peer(result) {
        ["------- Load Peer -------", "Local", "Remote"]
    } else {
        ["------- Load Hitm -------", "LclHitm", "RmtHitm"]
    };
    let [loads, local, remote] = loads;
    let covered = |lower, width| Column::new(Upper::Covered, lower, width);
    let over = |upper, lower, width| Column::new(Upper::Text(upper), lower, width);
    let mut columns = Columns::default();
    columns.extend([
        over("", "Index", 5),
        over("----------- Cacheline ----------", "Address", 18),
        covered("Node", node_width),
        covered("PA cnt", 6),
        over(upper, lower, 7),
        over(loads, "Total", 7),
        covered(local, 7),
        covered(remote, 7),
        over("Total", "records", 7),
        over("Total", "Loads", 7),
        over("Total", "Stores", 7),
        over("--------- Stores --------", "L1Hit", 7),
        covered("L1Miss", 7),
        covered("N/A", 7),
        over("----- Core Load Hit -----", "FB", 7),
        covered("L1", 7),
        covered("L2", 7),
        over("- LLC Load Hit --", "LclHit", 8),
        covered("LclHitm", 7),
        over("- RMT Load Hit --", "RmtHit", 8),
        covered("RmtHitm", 7),
        over("--- Load Dram ----", "Lcl", 8),
        covered("Rmt", 8),
    ]);
    columns
}

fn cells(result: &C2c, line: &Line, whole: u64) -> Vec<String> {
    use Counter::{
        LclDram, LclHitm, LclPeer, LdFbhit, LdL1hit, LdL2hit, LdLlchit, RmtDram, RmtHit, RmtHitm,
        RmtPeer, StL1hit, StL1miss, StNa, Store,
    };
    let counters = &line.perf_counters;
    let (local, remote) = if is_peer(result) {
        (counters.get(LclPeer), counters.get(RmtPeer))
    } else {
        (counters.get(LclHitm), counters.get(RmtHitm))
    };
    let mut cells = vec![
        line.rank.to_string(),
        hex(line.address.0),
        node_list(result, &line.node),
        line.compat.replayed.pa_count.to_string(),
        percent(metric(result.sort, counters), whole),
    ];
    let sums = [
        local + remote,
        local,
        remote,
        counters.total_records(),
        counters.total_loads(),
    ];
    cells.extend(sums.map(|sum| sum.to_string()));
    let counts = [
        Store, StL1hit, StL1miss, StNa, LdFbhit, LdL1hit, LdL2hit, LdLlchit, LclHitm, RmtHit,
        RmtHitm, LclDram, RmtDram,
    ];
    cells.extend(counts.map(|counter| counters.get(counter).to_string()));
    cells
}

/// What lines are sorted by (`percent_costly_snoop` in
/// `tools/perf/builtin-c2c.c`).
fn metric(sort: &str, counters: &Counters) -> u64 {
    use Counter::{LclHitm, LclPeer, RmtHitm, RmtPeer};
    let summed: &[Counter] = match sort {
        "rmt" => &[RmtHitm],
        "lcl" => &[LclHitm],
        "peer" => &[LclPeer, RmtPeer],
        _ => &[LclHitm, RmtHitm],
    };
    summed.iter().map(|&counter| counters.get(counter)).sum()
}
