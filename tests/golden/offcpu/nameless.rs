//! A capture whose program is in no collection.

use crate::common::{contend_on, shared_captures};
use serde_json::Value;

/// Switches, their records, zstd and copies of stacks, without any build-id: what
/// is missing is named, and the times and the kernel's frames are there all the
/// same. The numbers are those of the switches and switch records that
/// `perf script --show-switch-events --ns` prints.
#[test]
fn a_program_that_is_in_no_collection_is_asked_for() {
    let Some(shared) = shared_captures() else {
        return;
    };
    let path = shared.join("offcpu/perf518-schedswitch-switchevents-zstd-dwarf.perf.data");
    let document = contend_on(&path, &["offcpu", "--json"]).json("perf518");
    assert_eq!(document["source"], "sched_switch+switch_records");
    assert_eq!(
        (&document["intervals"], &document["open"]),
        (&9.into(), &0.into())
    );
    let total = document["total_ns"].as_u64().unwrap();
    assert!(total.abs_diff(193_894) <= 9, "{total}");
    let missing = document["quality"]["missing_binaries"].as_array().unwrap();
    let of = |end: &str| {
        missing
            .iter()
            .find(|it| it["path"].as_str().unwrap().ends_with(end))
    };
    // perf noted no build-ids.
    for end in ["/parallel_static_gcc", "[kernel.kallsyms]"] {
        let wanted = of(end).unwrap_or_else(|| panic!("{end}: {missing:?}"));
        assert_eq!(wanted.get("build_id"), None, "{wanted}");
    }
    for stack in document["stacks"].as_array().unwrap() {
        let kernel = stack["kernel_from"].as_u64().unwrap() as usize;
        let frames = stack["frames"].as_array().unwrap();
        let is_kernel = |frame: &Value| frame.as_str().unwrap().starts_with("[kernel.kallsyms]+0x");
        assert!(
            frames.len() > kernel && frames[kernel..].iter().all(is_kernel),
            "{stack}"
        );
    }
    let text = contend_on(&path, &["offcpu"]).text();
    for wanted in [
        "parallel_static_gcc is not here (no build-id: record with --buildid-all)",
        "[kernel.kallsyms] is not here (its build-id was not recorded)",
        "--kallsyms FILE",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
}
