//! Synthetic captures against the perf of this machine, and against the truth of
//! whoever made them.
//!
//! perf takes the cache-line size from the machine it runs on, so the comparison
//! needs lines of 64 bytes here. Without perf, or where perf cannot read a file,
//! the test says what it skipped; the truth is checked always.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

use common::compare::{self, Ties};
use common::truth::{self, Documents};
use common::{contend_on, installed_perf, perf_c2c, perf_report, skipped};
use std::path::{Path, PathBuf};

const EVERYTHING: [&str; 4] = ["--no-source", "--show-all", "-c", "iaddr"];

/// Why perf is not asked on this machine.
fn perf_or_reason() -> Result<(u32, u32), String> {
    let version = installed_perf().ok_or("perf is not on PATH")?;
    let line_size =
        std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index0/coherency_line_size");
    match line_size.as_deref().map(str::trim) {
        Ok("64") | Err(_) => Ok(version),
        Ok(other) => Err(format!(
            "perf would use this machine's cache lines of {other} bytes"
        )),
    }
}

/// Every difference between the command and perf on one capture. Nothing when
/// perf does not read it.
fn against_perf(
    name: &str,
    capture: &Path,
    version: (u32, u32),
    differences: &mut Vec<String>,
) -> bool {
    let text = match perf_c2c(capture, &EVERYTHING) {
        Ok(text) => text,
        Err(reason) => {
            skipped(&format!(
                "{name}: perf {}.{} does not read it: {reason}",
                version.0, version.1
            ));
            return false;
        }
    };
    let report = perf_report::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let document = contend_on(capture, &["c2c", "--json", "--show-all"]).json(name);
    let ties = if version < (6, 3) {
        Ties::Free
    } else {
        Ties::Ordered
    };
    let mut found = compare::stats(&document, &report);
    found.extend(compare::shared_block(&document, &report));
    found.extend(compare::tables(&document, &report, ties));
    differences.extend(
        found
            .into_iter()
            .map(|difference| format!("{name}: {difference}")),
    );

    let text =
        perf_c2c(capture, &["--stats"]).unwrap_or_else(|error| panic!("{name}: --stats: {error}"));
    let stats =
        perf_report::parse(&text).unwrap_or_else(|error| panic!("{name}: --stats: {error}"));
    let found = compare::stats(&document, &stats);
    differences.extend(
        found
            .into_iter()
            .map(|difference| format!("{name}: --stats: {difference}")),
    );
    true
}

fn perf_data_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            perf_data_files(&path, found);
        } else if path.to_string_lossy().ends_with(".perf.data") {
            found.push(path);
        }
    }
    found.sort();
}

/// The captures kept in this repository, and those that `CONTEND_SYNTHETIC` names.
fn synthetic_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    perf_data_files(&common::workspace().join("fixtures"), &mut files);
    if let Some(folder) = std::env::var_os("CONTEND_SYNTHETIC") {
        perf_data_files(Path::new(&folder), &mut files);
    }
    assert!(!files.is_empty(), "the repository has captures");
    files
}

#[test]
fn synthetic_captures_equal_perf() {
    let version = match perf_or_reason() {
        Ok(version) => version,
        Err(reason) => return skipped(&reason),
    };
    let mut differences = Vec::new();
    let mut compared = 0;
    for file in synthetic_files() {
        let name = file.file_name().unwrap().to_string_lossy();
        let info = contend_on(&file, &["info", "--json"]).json(&name);
        if info["can"]["c2c"] == true && against_perf(&name, &file, version, &mut differences) {
            compared += 1;
        }
    }
    compare::assert_none("synthetic captures", &differences);
    assert!(compared > 0, "perf read none of them");
}

/// Every capture with a file `NAME.truth.json` beside it.
#[test]
fn synthetic_captures_equal_their_truth() {
    let mut differences = Vec::new();
    let mut compared = 0;
    for file in synthetic_files() {
        let name = file.file_name().unwrap().to_string_lossy();
        let beside = file.with_file_name(name.replace(".perf.data", ".truth.json"));
        let Ok(text) = std::fs::read_to_string(&beside) else {
            continue;
        };
        let truth = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", beside.display()));
        let documents = Documents {
            info: contend_on(&file, &["info", "--json"]).json(&name),
            shown: contend_on(&file, &["c2c", "--json"]).json(&name),
            all: contend_on(&file, &["c2c", "--json", "--show-all"]).json(&name),
        };
        let found = truth::differences(&documents, &truth);
        differences.extend(
            found
                .into_iter()
                .map(|difference| format!("{name}: {difference}")),
        );
        compared += 1;
    }
    compare::assert_none("synthetic captures and their truth", &differences);
    assert!(compared > 0, "no capture has a truth beside it");
}

/// The captures with a model of a memory system, read by the perf that is here
/// instead of the newer one that made the golden reports.
#[test]
fn realistic_captures_equal_perf() {
    let Some(captures) = common::shared_captures() else {
        return;
    };
    let version = match perf_or_reason() {
        Ok(version) => version,
        Err(reason) => return skipped(&reason),
    };
    let mut files = Vec::new();
    perf_data_files(&captures.join("mem-realistic"), &mut files);
    assert!(!files.is_empty());
    let mut differences = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy();
        assert!(
            against_perf(&name, file, version, &mut differences),
            "{name}: perf reads these"
        );
    }
    compare::assert_none("realistic captures", &differences);
}
