//! Captures recorded on real hardware, by others, against perf 7.2's report.

use crate::common::compare::{self, Ties, assert_none};
use crate::common::{contend_on, perf_report, shared_captures, unpacked};

fn equals_golden(name: &str, file: &str) {
    let Some(captures) = shared_captures() else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let capture = unpacked(&captures.join("mem").join(file), scratch.path());
    let golden = |kind: &str| {
        let path = captures.join(format!("golden/{name}.{kind}.perf7.2.txt"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        perf_report::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };

    let document = contend_on(&capture, &["c2c", "--json", "--show-all"]).json(name);
    let stats = golden("c2c-stats");
    assert_none(
        &format!("{name}, stats"),
        &compare::stats(&document, &stats),
    );
    assert_none(
        &format!("{name}, shared lines"),
        &compare::shared_block(&document, &stats),
    );
    let tables = golden("c2c");
    assert!(!tables.lines.is_empty());
    assert_none(
        &format!("{name}, tables"),
        &compare::tables(&document, &tables, Ties::Ordered),
    );

    // What is shown by default is the part of it that perf shows by default.
    let document = contend_on(&capture, &["c2c", "--json"]).json(name);
    assert_none(
        &format!("{name}, stats by default"),
        &compare::stats(&document, &stats),
    );
    let shown = document["lines"].as_array().unwrap().len();
    let expected = tables.lines.iter().filter(|line| line.share >= 0.1).count();
    assert_eq!(shown, expected, "{name}: lines shown by default");
}

#[test]
fn amd_epyc_ibs() {
    equals_golden(
        "amd-epyc9254-ibs-c2c-ring",
        "amd-epyc9254-ibs-c2c-ring.perf.data.xz",
    );
}

#[test]
fn intel_skylake_load_latency() {
    equals_golden(
        "intel-skx-load-latency-weight-struct",
        "intel-skx-load-latency-weight-struct.perf.data",
    );
}

#[test]
fn intel_ivy_bridge_four_sockets() {
    equals_golden(
        "intel-ivbep-4socket-mem-loads",
        "intel-ivbep-4socket-mem-loads.perf.data",
    );
}
