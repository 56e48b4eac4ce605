//! The off-CPU collector, against a workload's own clock and other readers.

mod child;
mod killed;
mod rights;
mod truth;

use crate::support::{can_collect, skipped};
use std::path::PathBuf;

/// The analyzer, which a build of the whole workspace leaves beside this test.
fn contend() -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let path = test.parent()?.parent()?.join("contend");
    if !path.is_file() {
        skipped(&format!("{} is not there", path.display()));
        return None;
    }
    Some(path)
}
