//! `tests/record/workloads/waits.c`: threads that time their own waits.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a thread of the workload says of itself.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) tid: u64,
    pub(super) name: String,
    pub(super) kind: String,
    /// The address of the lock word, as documents have it.
    pub(super) word: String,
    pub(super) count: u64,
    pub(super) ns: u64,
    /// Who ends its waits; 0 for nobody in particular.
    pub(super) waker: u64,
}

/// Builds it; absent, and said, without a compiler.
pub(super) fn build(folder: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/record/workloads/waits.c");
    let program = folder.join("waits");
    let built = Command::new("gcc")
        .args(["-O2", "-g", "-fno-omit-frame-pointer", "-pthread"])
        .arg(source)
        .arg("-o")
        .arg(&program)
        .status();
    match built {
        Ok(status) => {
            assert!(status.success(), "the workload is not built");
            Some(program)
        }
        Err(error) => {
            eprintln!("skipped: gcc: {error}");
            None
        }
    }
}

/// What it printed.
pub(super) fn rows(text: &str) -> Vec<Row> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("thread "));
    let rows = lines.map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        Row {
            tid: words[0].parse().unwrap(),
            name: words[1].to_owned(),
            kind: words[2].to_owned(),
            word: words[3].to_owned(),
            count: words[4].parse().unwrap(),
            ns: words[5].parse().unwrap(),
            waker: words[7].parse().unwrap(),
        }
    });
    rows.collect()
}
