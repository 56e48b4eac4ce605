//! Every count and sum of the truth files.

use super::{Decoded, INTACT, Plain, decoded};
use contend_perfdata::{CpuMode, OpClass};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Number and sums of latencies, as the truth files have them.
fn latency<'a>(ops: impl Iterator<Item = &'a Plain>) -> Value {
    let (mut n, mut sums, mut largest) = (0, [0; 3], 0);
    for op in ops {
        n += 1;
        for (sum, more) in sums.iter_mut().zip(op.latencies) {
            *sum += more;
        }
        largest = largest.max(op.latencies[0]);
    }
    let [total, issue, translation] = sums;
    json!({"n": n, "total": total, "issue": issue, "translation": translation, "max_total": largest})
}

fn equal(name: &str, what: &str, ours: &Value, truth: &Value, found: &mut Vec<String>) {
    if ours != truth {
        found.push(format!("{name}: {what}: {ours}, truth has {truth}"));
    }
}

/// The truth's name of an operation.
fn op_name(op: &Plain) -> String {
    let way = if op.is_store { "store" } else { "load" };
    match op.op_class {
        OpClass::Atomic => format!("atomic_{way}"),
        OpClass::Exclusive => format!("exclusive_{way}"),
        OpClass::AcquireRelease if op.is_store => "release_store".to_owned(),
        OpClass::AcquireRelease => "acquire_load".to_owned(),
        OpClass::General => format!("{way}_gp"),
        OpClass::SimdFp => format!("{way}_simd_fp"),
        OpClass::Sve => format!("{way}_sve"),
        OpClass::Unspecified => format!("{way}_unspecified"),
        OpClass::MemorySet => "memset".to_owned(),
        other => other.name().to_owned(),
    }
}

fn count_by<K: Ord>(ops: &[Plain], key: impl Fn(&Plain) -> Option<K>) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    for key in ops.iter().filter_map(key) {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn operations(decoded: &Decoded, found: &mut Vec<String>) {
    let Decoded {
        name, truth, ops, ..
    } = decoded;
    let count = |wanted: fn(&Plain) -> bool| json!(ops.iter().filter(|op| wanted(op)).count());
    for (what, ours) in [
        ("records", count(|_| true)),
        ("loads", count(|op| op.is_load)),
        ("stores", count(|op| op.is_store)),
        ("branches", count(|op| op.is_branch)),
        (
            "others",
            count(|op| !op.is_load && !op.is_store && !op.is_branch),
        ),
        ("perf_memory_records", count(|op| op.is_perf_memory)),
        ("with_physical_address", count(|op| op.phys_addr != 0)),
    ] {
        equal(name, what, &ours, &truth[what], found);
    }
    equal(
        name,
        "ops",
        &json!(count_by(ops, |op| Some(op_name(op)))),
        &truth["ops"],
        found,
    );
    equal(
        name,
        "kernel records",
        &count(|op| op.mode == CpuMode::Kernel),
        &truth["modes"]["kernel"],
        found,
    );
    let mut bits: BTreeMap<String, u64> = BTreeMap::new();
    for bit in 0..64 {
        let with = ops.iter().filter(|op| op.events >> bit & 1 == 1).count();
        if with > 0 {
            bits.insert(bit.to_string(), with as u64);
        }
    }
    equal(
        name,
        "event_bits",
        &json!(bits),
        &truth["event_bits"],
        found,
    );
}

fn latencies(decoded: &Decoded, found: &mut Vec<String>) {
    let Decoded {
        name, truth, ops, ..
    } = decoded;
    for (what, wanted) in [
        (
            "store_latency",
            (|op: &Plain| op.is_store) as fn(&Plain) -> bool,
        ),
        ("branch_latency", |op| op.is_branch),
        ("other_latency", |op| {
            !op.is_load && !op.is_store && !op.is_branch
        }),
    ] {
        let ours = latency(ops.iter().filter(|op| wanted(op)));
        equal(name, what, &ours, &truth[what], found);
    }
    // The truth has them by core and source; several CPUs have one core.
    let cores: BTreeMap<&str, &str> = BTreeMap::from([
        ("n1", "Neoverse N1"),
        ("v1", "Neoverse V1"),
        ("v2", "Neoverse V2"),
        ("n3", "Neoverse N3"),
        ("ampereone", "AmpereOne"),
        ("hip12", "HIP12"),
        ("x4", "Cortex-X4"),
        ("a720", "Cortex-A720"),
        ("a520", "Cortex-A520"),
    ]);
    let mut rows = 0;
    for row in truth["loads_by_source"].as_array().unwrap() {
        let core = cores[row["cpu_model"].as_str().unwrap()];
        let source = row["source"].as_str().unwrap();
        let is_it = |op: &&Plain| {
            let code = op
                .code
                .map_or("none".to_owned(), |code| format!("{code:#x}"));
            op.is_load && op.core == core && code == source
        };
        let what = format!("loads of {core} from {source}");
        equal(
            name,
            &what,
            &latency(ops.iter().filter(is_it)),
            &row["latency"],
            found,
        );
        let remote = ops
            .iter()
            .filter(is_it)
            .filter(|op| op.events >> 10 & 1 == 1)
            .count();
        equal(
            name,
            &what,
            &json!(remote),
            &row["with_remote_event"],
            found,
        );
        rows += number(&row["latency"]["n"]);
    }
    equal(
        name,
        "loads of all sources",
        &json!(rows),
        &truth["loads"],
        found,
    );
}

/// Threads, CPUs and times.
fn places(decoded: &Decoded, found: &mut Vec<String>) {
    let Decoded {
        name, truth, ops, ..
    } = decoded;
    for row in truth["tids"].as_array().unwrap() {
        let is_it = |op: &&Plain| {
            (json!(op.tid), json!(op.pid)) == (row["tid"].clone(), row["pid"].clone())
        };
        let of_thread: Vec<&Plain> = ops.iter().filter(is_it).collect();
        let memory = of_thread.iter().filter(|op| op.is_perf_memory).count();
        let what = format!("thread {}", row["tid"]);
        equal(name, &what, &json!(of_thread.len()), &row["records"], found);
        equal(name, &what, &json!(memory), &row["perf_memory"], found);
    }
    let by_cpu = count_by(ops, |op| Some(op.cpu));
    for row in truth["per_cpu"].as_array().unwrap() {
        let cpu = number(&row["cpu"]) as u32;
        let ours = by_cpu.get(&cpu).copied().unwrap_or(0);
        equal(
            name,
            &format!("CPU {cpu}"),
            &json!(ours),
            &row["records"],
            found,
        );
        if ours > 0 {
            let midr = decoded.trace.core(cpu).midr.unwrap();
            equal(
                name,
                "midr",
                &json!(format!("{:#x}", midr.0)),
                &row["midr"],
                found,
            );
        }
    }
    let times = ops.iter().filter_map(|op| op.time);
    let first = times.clone().min().unwrap_or(0);
    equal(name, "first_ns", &json!(first), &truth["first_ns"], found);
    equal(
        name,
        "last_ns",
        &json!(times.max().unwrap_or(0)),
        &truth["last_ns"],
        found,
    );
}

#[test]
fn intact_captures_hold_what_was_planted() {
    let mut found = Vec::new();
    for name in INTACT {
        let Some(decoded) = decoded(name, 2) else {
            return;
        };
        operations(&decoded, &mut found);
        latencies(&decoded, &mut found);
        if name != "v1-bare" {
            places(&decoded, &mut found);
        }
        let stats = &decoded.sums.stats;
        let damage = [
            stats.damaged,
            stats.skipped_bytes,
            stats.cut,
            stats.cut_bytes,
        ];
        equal(
            name,
            "damage",
            &json!(damage),
            &json!([0, 0, 0, 0]),
            &mut found,
        );
        equal(
            name,
            "chunks",
            &json!(decoded.capture.data().aux().chunks.len()),
            &decoded.truth["container"]["auxtrace_chunks"],
            &mut found,
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Between what is intact and that plus what was damaged, where damage cannot be
/// seen because bytes of a payload changed.
#[test]
fn damaged_captures_hold_what_is_intact() {
    for name in ["damaged", "damaged-cut"] {
        let Some(decoded) = decoded(name, 2) else {
            return;
        };
        let Decoded { truth, ops, .. } = &decoded;
        let intact = number(&truth["records"]) as usize;
        let damaged = number(&truth["losses"]["records_damaged"]) as usize;
        let delivered = ops.len() - intact;
        let counted = decoded.sums.stats.damaged as usize;
        assert!(ops.len() >= intact, "{name}");
        assert!(
            delivered + counted <= damaged,
            "{name}: {delivered} and {counted} of {damaged}"
        );
        assert!(counted > 0, "{name}");
        // A record cut off exactly at its end is whole.
        let cut = number(&truth["losses"]["records_cut_at_chunk_end"]);
        assert!((1..=cut).contains(&decoded.sums.stats.cut), "{name}");
        let by_name = count_by(ops, |op| Some(op_name(op)));
        for (op, count) in truth["ops"].as_object().unwrap() {
            let ours = by_name.get(op).copied().unwrap_or(0);
            assert!(
                (number(count)..=number(count) + damaged as u64).contains(&ours),
                "{name}: {ours} {op}, truth has {count}"
            );
        }
    }
}

/// Bytes of a time that changed do not stretch the recording by years.
#[test]
fn times_outside_the_recording_are_damage() {
    const SECOND: u64 = 1_000_000_000;
    for name in INTACT.into_iter().chain(["damaged", "damaged-cut"]) {
        let Some(decoded) = decoded(name, 2) else {
            return;
        };
        let Decoded { truth, sums, .. } = &decoded;
        let damaged = number(&truth["losses"]["records_damaged"]);
        assert_eq!(sums.odd_times > 0, damaged > 0, "{name}");
        assert!(sums.odd_times <= damaged.min(sums.timeless), "{name}");
        let Some((first, last)) = sums.times() else {
            assert_eq!(truth["timestamps"], false, "{name}");
            continue;
        };
        assert!(first + SECOND >= number(&truth["first_ns"]), "{name}");
        assert!(last <= number(&truth["last_ns"]) + SECOND, "{name}");
    }
}

/// Losses of the buffers.
#[test]
fn losses_are_those_that_were_planted() {
    let Some(decoded) = decoded("damaged", 1) else {
        return;
    };
    let Decoded { truth, trace, .. } = &decoded;
    let container = &truth["container"];
    let sum = |of: fn(&super::super::loss::Buffer) -> u64| -> u64 {
        trace.buffers.all.values().map(of).sum()
    };
    for (what, ours, truth) in [
        (
            "AUX records",
            sum(|b| b.losses.aux_records),
            &container["aux_records"],
        ),
        ("chunks", sum(|b| b.chunks), &container["auxtrace_chunks"]),
        ("bytes", sum(|b| b.bytes), &container["aux_bytes"]),
        (
            "truncated",
            sum(|b| b.losses.truncated),
            &container["truncated"],
        ),
        ("partial", sum(|b| b.losses.partial), &container["partial"]),
        (
            "collisions",
            sum(|b| b.losses.collisions),
            &container["collision"],
        ),
        (
            "absent",
            sum(|b| b.losses.absent),
            &truth["losses"]["chunks_announced_but_absent"],
        ),
    ] {
        assert_eq!(&json!(ours), truth, "{what}");
    }
    let spans = trace.buffers.spans.iter();
    let truncated: u64 = spans.map(|(.., losses)| losses.truncated).sum();
    assert_eq!(&json!(truncated), &container["truncated"], "over time");
}

#[test]
fn any_number_of_threads_finds_the_same() {
    for name in ["n3-unknown-mixed-ops", "damaged"] {
        let (Some(one), Some(many)) = (decoded(name, 1), decoded(name, 5)) else {
            return;
        };
        assert!(one.ops == many.ops && one.sums == many.sums, "{name}");
    }
}
