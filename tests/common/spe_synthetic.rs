//! The synthetic captures of Arm SPE that were made outside this project, with what was
//! planted in them.

use super::{read_maybe_xz, shared_captures, unpacked};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// All of them.
pub(crate) const NAMES: [&str; 10] = [
    "n1-v1meta",
    "v1-contexts",
    "v1-bare",
    "v2-newbits",
    "n3-unknown-mixed-ops",
    "ampereone",
    "hip12",
    "biglittle-no-contexts",
    "damaged",
    "damaged-cut",
];

/// Their folder, and one for those that have to be unpacked.
pub(crate) struct SpeSynthetic {
    folder: PathBuf,
    scratch: tempfile::TempDir,
}

impl SpeSynthetic {
    /// Absent, and said so, where the captures are not here.
    pub(crate) fn open() -> Option<Self> {
        Some(Self {
            folder: shared_captures()?.join("spe-synthetic"),
            scratch: tempfile::tempdir().unwrap(),
        })
    }

    /// A capture as a file.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        let plain = self.folder.join(format!("{name}.perf.data"));
        match plain.exists() {
            true => plain,
            false => {
                let packed = self.folder.join(format!("{name}.perf.data.xz"));
                unpacked(&packed, self.scratch.path())
            }
        }
    }

    /// What was planted in it.
    pub(crate) fn truth(&self, name: &str) -> Value {
        let truth = read_maybe_xz(&self.folder.join(format!("{name}.truth.json")));
        serde_json::from_slice(&truth).unwrap()
    }

    /// A folder for what a test makes of them.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }
}
