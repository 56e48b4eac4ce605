//! The captures that the fixtures crate makes, as files.

use contend_fixtures::{Capture, captures, demo};
use std::path::{Path, PathBuf};

/// All synthetic captures, the demo among them.
pub(crate) fn all() -> Vec<Capture> {
    let mut all = captures();
    all.push(demo().capture);
    all
}

/// Writes the plain file of a capture into `folder`.
pub(crate) fn written(capture: &Capture, folder: &Path) -> PathBuf {
    let file = folder.join(format!("{}.perf.data", capture.name));
    std::fs::write(&file, &capture.bytes)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    file
}
