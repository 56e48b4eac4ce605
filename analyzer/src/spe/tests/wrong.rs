//! Where perf 7.2 is known to be wrong: one test a point of the captures' list.

use super::{Plain, decoded, difference};
use crate::memory::{Counter, Delta, Level, Op, Snoop, Where};
use contend_perfdata::{CpuMode, DataSrc};

/// Point 1.
#[test]
fn perf_takes_branches_for_memory_samples() {
    let Some(decoded) = decoded("n3-unknown-mixed-ops", 2) else {
        return;
    };
    let branches: Vec<&Plain> = decoded.ops.iter().filter(|op| op.is_branch).collect();
    assert_eq!(branches.len(), 644);
    assert!(
        branches
            .iter()
            .all(|op| !op.is_perf_memory && op.class.is_none())
    );
}

/// Points 2 and 3: of all samples that perf makes, those from partial records are
/// not delivered here, and what was cut off by the end of a chunk does not run into
/// the next one.
#[test]
fn perf_delivers_partial_records_and_merges_cut_ones() {
    let Some(decoded) = decoded("damaged", 2) else {
        return;
    };
    let (only_ours, only_theirs) = difference(&decoded.memory(), &decoded.script());
    let in_both = decoded.script().len() - only_theirs.len();
    // One intact store is a load in perf.
    let intact = decoded.truth["records"].as_u64().unwrap() as usize;
    assert!(in_both >= intact - 1, "{in_both} of {intact}");
    // Counter value 0 as a time.
    const NO_TIME: u64 = 68_626_279_939_317_272;
    let timeless = only_theirs.iter().filter(|line| line.ns == NO_TIME);
    assert!(timeless.count() > 0);
    assert!(decoded.memory().iter().all(|line| line.ns != NO_TIME));
    let merged = only_ours.iter().filter(|line| {
        let is_store = |src: u64| DataSrc(src).op() == DataSrc::OP_STORE;
        let twin = only_theirs
            .iter()
            .find(|other| (other.cpu, other.ns, other.ip) == (line.cpu, line.ns, line.ip));
        is_store(line.data_src) && twin.is_some_and(|twin| !is_store(twin.data_src))
    });
    assert_eq!(merged.count(), 1, "a store that perf takes for a load");
}

/// Point 4.
#[test]
fn modules_below_the_kernel_text_are_kernel_code() {
    for name in ["hip12", "n3-unknown-mixed-ops", "biglittle-no-contexts"] {
        let Some(decoded) = decoded(name, 2) else {
            return;
        };
        let module = 0xffff_8000_7a1f_0000..0xffff_8000_8000_0000;
        let in_module = decoded.ops.iter().filter(|op| module.contains(&op.ip));
        let kernel = in_module.filter(|op| op.mode == CpuMode::Kernel).count() as u64;
        let truth = &decoded.truth["modes"]["of_which_module_below_kernel_text"];
        assert_eq!(Some(kernel), truth.as_u64(), "{name}");
    }
}

/// Point 5.
#[test]
fn a_missing_source_packet_is_no_peer_hit() {
    for (name, loads, counter) in [
        ("hip12", 109, Counter::LclPeer),
        ("ampereone", 25, Counter::LclPeer),
        ("v1-contexts", 0, Counter::LdL1hit),
    ] {
        let Some(decoded) = decoded(name, 2) else {
            return;
        };
        let missing = decoded
            .ops
            .iter()
            .filter(|op| op.is_load && op.code.is_none());
        let missing: Vec<&Plain> = missing.collect();
        if loads > 0 {
            assert_eq!(missing.len(), loads, "{name}");
        }
        assert_eq!(decoded.sums.no_source, missing.len() as u64, "{name}");
        for op in missing {
            let class = op.class.unwrap();
            assert_eq!(
                (class.level, class.snoop),
                (Level::Unknown, Snoop::Unknown),
                "{name}"
            );
            assert!(!class.is_peer());
            // What perf makes of it stays in perf's counters.
            assert_eq!(
                Delta::of(DataSrc(op.data_src), true).get(counter),
                1,
                "{name}"
            );
        }
    }
}

/// Point 6.
#[test]
fn remote_memory_is_one_class_and_two_counters() {
    let Some(decoded) = decoded("n1-v1meta", 2) else {
        return;
    };
    let remote = |op: &&Plain| op.code == Some(0xe) && op.is_load && op.events >> 10 & 1 == 1;
    let loads: Vec<&Plain> = decoded.ops.iter().filter(remote).collect();
    let truth = decoded.truth["loads_by_kind"]["remote_dram"]["n"].as_u64();
    assert_eq!(Some(loads.len() as u64), truth);
    for op in loads {
        let class = op.class.unwrap();
        assert_eq!((class.level, class.place), (Level::Dram, Where::Remote));
        let delta = Delta::of(DataSrc(op.data_src), true);
        let counts = [Counter::LclDram, Counter::RmtDram, Counter::LdExcl].map(|c| delta.get(c));
        assert_eq!(counts, [1, 1, 2]);
    }
}

/// Point 7.
#[test]
fn snooped_does_not_hide_remote_peers() {
    let Some(decoded) = decoded("v2-newbits", 2) else {
        return;
    };
    let far = |op: &&Plain| op.code == Some(0xd) && op.is_load;
    let (mut modified, mut clean) = (0, 0);
    for op in decoded.ops.iter().filter(far) {
        let class = op.class.unwrap();
        assert!(class.is_peer() && class.is_remote() && class.level == Level::Cache);
        assert_eq!(
            Delta::of(DataSrc(op.data_src), true).get(Counter::RmtPeer),
            0
        );
        match class.snoop {
            Snoop::Hitm => modified += 1,
            Snoop::Peer => clean += 1,
            other => panic!("{other:?}"),
        }
    }
    let truth = &decoded.truth["loads_by_kind"];
    assert_eq!(
        truth["remote_socket_modified"]["n"].as_u64(),
        Some(modified)
    );
    assert_eq!(truth["remote_socket"]["n"].as_u64(), Some(clean));
}

/// Point 8: the levels of an unlisted core come from its events; here modified
/// lines are told all the same, and lines are ordered by them.
#[test]
fn an_unlisted_core_tells_modified_lines_by_its_events() {
    let Some(decoded) = decoded("n3-unknown-mixed-ops", 2) else {
        return;
    };
    let loads = decoded.ops.iter().filter_map(|op| op.class);
    let hitm = loads.filter(|class| class.op == Op::Load && class.snoop == Snoop::Hitm);
    let kinds = decoded.truth["loads_by_kind"].as_object().unwrap();
    let modified = kinds.iter().filter(|(kind, _)| kind.ends_with("_modified"));
    let truth: u64 = modified.map(|(_, row)| row["n"].as_u64().unwrap()).sum();
    assert_eq!(hitm.count() as u64, truth);
}

/// Point 9.
#[test]
fn records_without_a_time_have_none() {
    let Some(decoded) = decoded("v1-bare", 2) else {
        return;
    };
    assert!(
        decoded
            .ops
            .iter()
            .all(|op| op.time.is_none() && op.tid == -1)
    );
    assert_eq!(decoded.sums.timeless, 3200);
}

/// Point 10.
#[test]
fn a_cut_file_is_read_as_far_as_it_goes() {
    let (Some(cut), Some(whole)) = (decoded("damaged-cut", 2), decoded("damaged", 2)) else {
        return;
    };
    let part = cut.ops.len() as f64 / whole.ops.len() as f64;
    assert!((0.8..1.0).contains(&part), "{part}");
    let buffers = cut.trace.buffers.all.values();
    assert!(buffers.map(|buffer| buffer.cut_bytes).sum::<u64>() > 0);
}

/// Point 11.
#[test]
fn holes_in_the_offsets_are_counted() {
    let Some(decoded) = decoded("damaged", 2) else {
        return;
    };
    let buffers = decoded.trace.buffers.all.values();
    let (gaps, absent) = buffers.fold((0, 0), |(gaps, absent), buffer| {
        (gaps + buffer.gap_bytes, absent + buffer.losses.absent_bytes)
    });
    assert!(gaps > 0 && gaps <= absent, "{gaps} of {absent}");
}

/// Point 12.
#[test]
fn atomics_are_told_and_all_latencies_are_kept() {
    let Some(decoded) = decoded("n3-unknown-mixed-ops", 2) else {
        return;
    };
    let atomics = decoded.ops.iter().filter(|op| op.is_atomic).count() as u64;
    let truth = &decoded.truth["ops"];
    let planted = ["atomic_load", "atomic_store"].map(|op| truth[op].as_u64().unwrap());
    assert_eq!(atomics, planted.iter().sum::<u64>());
    assert_eq!(decoded.sums.atomic, atomics);
    let locked = |op: &&Plain| Delta::of(DataSrc(op.data_src), true).get(Counter::Locks) > 0;
    assert_eq!(
        decoded.ops.iter().filter(locked).count(),
        0,
        "perf counts none as locked"
    );
}
