//! Captures of the fixtures crate, whose accesses are listed as they were planted.

use super::{Group, Groups, document, word, words};
use crate::common::{compare, synthetic};
use contend_fixtures::{Access, Planted};
use std::path::Path;

/// There are this many, so that a test that compares none does not pass.
const CAPTURES: usize = 17;

/// Zero is no latency outside Arm SPE.
fn given(latency: u64) -> Option<u64> {
    (latency > 0).then_some(latency)
}

/// What one class is made of: what the cores of one kind say of one intent. Whether the
/// hardware calls a prefetch a load too makes no other class.
fn class(access: &Planted) -> (Access, u64) {
    match access.access {
        Access::PrefetchLoad | Access::Prefetch => (Access::Prefetch, 0),
        other => (other, access.data_src),
    }
}

/// How code without a name is called: the name of the file, and the place in it.
/// The kernel's is at its address.
fn function(access: &Planted) -> String {
    let Some(code) = &access.code else {
        return "[unknown]".to_owned();
    };
    if code.name == "[kernel.kallsyms]_text" {
        return format!("[kernel.kallsyms]+{:#x}", access.ip);
    }
    let file = code.name.rsplit('/').next().unwrap();
    format!("{file}+{:#x}", code.offset)
}

/// The line of an access: of an object, or of an address that is mapped nowhere.
fn line(access: &Planted, line_size: u64) -> (u16, Option<usize>, u64) {
    let object = access.data.as_ref().map(|data| data.object);
    let position = access
        .data
        .as_ref()
        .map_or(access.address, |data| data.offset);
    (access.mode, object, position / line_size)
}

fn differences(
    name: &str,
    file: &Path,
    planted: &[Planted],
    line_size: u64,
    metric: &str,
) -> Vec<String> {
    let latency = |access: &Planted| match metric {
        "weight" => given(access.weight),
        _ => access.instruction.and_then(given),
    };
    let mut found = Vec::new();
    let mut by = |by: &str, key: &dyn Fn(&Planted) -> String, fields: &[&str]| {
        let mut groups = Groups::new();
        for access in planted {
            let name = key(access);
            let group: &mut Group = groups.of(name.clone());
            group.add(latency(access));
            group.names.insert(name);
        }
        let document = document(file, by, metric);
        let what = format!("{name} {metric} by {by}");
        found.extend(groups.differences(&what, &document, |key| words(key, fields)));
    };
    by(
        "thread",
        &|access| format!("{} {}", access.pid, access.tid),
        &["pid", "tid"],
    );
    by("cpu", &|access| access.cpu.to_string(), &["cpu"]);
    by(
        "node",
        &|access| format!("{} {}", word(access.node), word(access.memory_node)),
        &["node", "memory_node"],
    );
    by("function", &function, &["function"]);

    let mut sources: Groups<(Access, u64)> = Groups::new();
    let mut lines = Groups::new();
    for access in planted {
        let latency = latency(access);
        sources.of(class(access)).add(latency);
        let group = lines.of(line(access, line_size));
        group.add(latency);
        let address = access.address & !(line_size - 1);
        group.name_if_slowest(latency, format!("{} {address:#x}", access.pid));
    }
    let what = format!("{name} {metric}");
    found.extend(sources.differences(
        &format!("{what} by source"),
        &document(file, "source", metric),
        |key| words(key, &["op", "level", "snoop", "where"]),
    ));
    found.extend(lines.differences(
        &format!("{what} by line"),
        &document(file, "line", metric),
        |key| words(key, &["pid", "address"]),
    ));
    found
}

/// Percentiles, counts and sums of every group.
#[test]
fn every_group_of_every_planted_capture_is_a_sort() {
    let scratch = tempfile::tempdir().unwrap();
    let all = synthetic::all();
    assert_eq!(all.len(), CAPTURES);
    let mut found = Vec::new();
    let mut with_parts = 0;
    for capture in &all {
        let file = synthetic::written(capture, scratch.path());
        let memory = capture.truth.memory_samples;
        assert_eq!(capture.planted.len() as u64, memory, "{}", capture.name);
        let mut check = |metric| {
            let (planted, line_size) = (&capture.planted, capture.truth.line_size);
            found.extend(differences(capture.name, &file, planted, line_size, metric));
        };
        check("weight");
        if capture
            .planted
            .iter()
            .any(|access| access.instruction.is_some())
        {
            with_parts += 1;
            check("ins_lat");
        }
    }
    assert!(
        with_parts > 5,
        "{with_parts} captures have weights of parts"
    );
    compare::assert_none("planted latencies", &found);
}
