//! Captures against the perf of this machine, and against the truth of whoever
//! made them.
//!
//! perf takes the cache-line size from the machine it runs on, so the comparison
//! needs lines of 64 bytes here. Without perf the tests say so; the truth is
//! checked always.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod distributions;
mod known;
mod latency;
mod lost;
mod made;
mod oracle;
mod planted;
mod sorted;
mod spe_cpus;
mod spe_latency;
mod spe_lines;
mod waiting;

use common::{compare, skipped};
use oracle::Oracle;
use std::path::PathBuf;

/// The captures with a model of a memory system, read by the perf that is here
/// instead of the newer one that made the golden reports.
#[test]
fn realistic_captures_equal_perf() {
    let Some(captures) = common::shared_captures() else {
        return;
    };
    let oracle = match Oracle::new() {
        Ok(oracle) => oracle,
        Err(reason) => return skipped(&reason),
    };
    let folder = captures.join("mem-realistic");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".perf.data"))
        .collect();
    files.sort();
    assert_eq!(files.len(), 6, "{}", folder.display());
    let mut differences = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy();
        differences.extend(oracle.differences(&name, file));
    }
    compare::assert_none("realistic captures", &differences);
}
