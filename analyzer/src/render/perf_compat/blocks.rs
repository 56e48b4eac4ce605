//! The blocks of counters in front of the tables.

use super::title;
use crate::memory::{Counter, Counters};
use crate::render::style::safe;
use crate::result::C2c;
use std::io::{self, Write};

/// "Trace Event Information": all samples (`print_c2c__display_stats` in
/// `tools/perf/builtin-c2c.c`).
pub(super) fn trace_events(out: &mut dyn Write, counters: &Counters) -> io::Result<()> {
    use Counter::{
        BlkAddr, BlkData, LclDram, LclHitm, LclPeer, LdExcl, LdFbhit, LdIo, LdL1hit, LdL2hit,
        LdMiss, LdNoadrs, LdShared, LdUncache, Load, Locks, Nomap, Noparse, NrEntries, RmtDram,
        RmtHit, RmtHitm, RmtPeer, StL1hit, StL1miss, StNa, StNoadrs, StUncache, Store,
    };
    let of = |counter| counters.get(counter);
    let misses = counters.llc_misses();
    title(out, "            Trace Event Information              ")?;
    counts(
        out,
        &[
            ("Total records", of(NrEntries)),
            ("Locked Load/Store Operations", of(Locks)),
            ("Load Operations", of(Load)),
            ("Loads - uncacheable", of(LdUncache)),
            ("Loads - IO", of(LdIo)),
            ("Loads - Miss", of(LdMiss)),
            ("Loads - no mapping", of(LdNoadrs)),
            ("Load Fill Buffer Hit", of(LdFbhit)),
            ("Load L1D hit", of(LdL1hit)),
            ("Load L2D hit", of(LdL2hit)),
            ("Load LLC hit", counters.llc_hits()),
            ("Load Local HITM", of(LclHitm)),
            ("Load Remote HITM", of(RmtHitm)),
            ("Load Remote HIT", of(RmtHit)),
            ("Load Local DRAM", of(LclDram)),
            ("Load Remote DRAM", of(RmtDram)),
            ("Load MESI State Exclusive", of(LdExcl)),
            ("Load MESI State Shared", of(LdShared)),
            ("Load LLC Misses", misses),
            ("Load access blocked by data", of(BlkData)),
            ("Load access blocked by address", of(BlkAddr)),
            ("Load HIT Local Peer", of(LclPeer)),
            ("Load HIT Remote Peer", of(RmtPeer)),
        ],
    )?;
    for (label, counter) in [
        ("LLC Misses to Local DRAM", LclDram),
        ("LLC Misses to Remote DRAM", RmtDram),
        ("LLC Misses to Remote cache (HIT)", RmtHit),
        ("LLC Misses to Remote cache (HITM)", RmtHitm),
    ] {
        fact(out, label, &share_of_misses(of(counter), misses))?;
    }
    counts(
        out,
        &[
            ("Store Operations", of(Store)),
            ("Store - uncacheable", of(StUncache)),
            ("Store - no mapping", of(StNoadrs)),
            ("Store L1D Hit", of(StL1hit)),
            ("Store L1D Miss", of(StL1miss)),
            ("Store No available memory level", of(StNa)),
            ("No Page Map Rejects", of(Nomap)),
            ("Unable to parse data source", of(Noparse)),
        ],
    )
}

/// "Global Shared Cache Line Event Information": the lines with any HITM or peer
/// snoop (`print_shared_cacheline_info` in `tools/perf/builtin-c2c.c`).
pub(super) fn shared_lines(out: &mut dyn Write, result: &C2c) -> io::Result<()> {
    use Counter::{
        BlkAddr, BlkData, LclHitm, LclPeer, LdFbhit, LdL1hit, LdL2hit, Load, Locks, RmtHitm,
        RmtPeer, StL1hit, StNa, Store,
    };
    let counters = &result.shared_counters;
    let of = |counter| counters.get(counter);
    title(out, "    Global Shared Cache Line Event Information   ")?;
    counts(
        out,
        &[
            ("Total Shared Cache Lines", result.shared_lines),
            ("Load HITs on shared lines", of(Load)),
            ("Fill Buffer Hits on shared lines", of(LdFbhit)),
            ("L1D hits on shared lines", of(LdL1hit)),
            ("L2D hits on shared lines", of(LdL2hit)),
            ("LLC hits on shared lines", counters.llc_hits()),
            (
                "Load hits on peer cache or nodes",
                of(LclPeer) + of(RmtPeer),
            ),
            ("Locked Access on shared lines", of(Locks)),
            ("Blocked Access on shared lines", of(BlkData) + of(BlkAddr)),
            ("Store HITs on shared lines", of(Store)),
            ("Store L1D hits on shared lines", of(StL1hit)),
            ("Store No available memory level", of(StNa)),
            (
                "Total Merged records",
                of(LclHitm) + of(RmtHitm) + of(Store),
            ),
        ],
    )
}

/// "c2c details" (`print_c2c_info` in `tools/perf/builtin-c2c.c`).
pub(super) fn details(out: &mut dyn Write, result: &C2c) -> io::Result<()> {
    title(out, "                 c2c details                     ")?;
    for (index, event) in result.compat.events.iter().enumerate() {
        let label = if index == 0 { "Events" } else { "" };
        fact(out, label, &safe(event))?;
    }
    let sort = match result.sort {
        "rmt" => "Remote HITMs",
        "lcl" => "Local HITMs",
        "peer" => "Peer Snoop",
        _ => "Total HITMs",
    };
    fact(out, "Cachelines sort on", sort)?;
    fact(
        out,
        "Cacheline data grouping",
        &result.compat.coalesce.join(","),
    )
}

fn counts(out: &mut dyn Write, counts: &[(&str, u64)]) -> io::Result<()> {
    for (label, count) in counts {
        fact(out, label, &format!("{count:>10}"))?;
    }
    Ok(())
}

fn fact(out: &mut dyn Write, label: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {label:<34}: {value}")
}

/// Without a miss perf divides 0 by 0, which on x86 prints with its sign.
fn share_of_misses(part: u64, misses: u64) -> String {
    if misses == 0 {
        return format!("{:>10}%", "-nan");
    }
    format!("{:>10.1}%", part as f64 / misses as f64 * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_no_misses_are_perfs() {
        assert_eq!(share_of_misses(0, 0), "      -nan%");
        assert_eq!(share_of_misses(801, 841), "      95.2%");
    }
}
