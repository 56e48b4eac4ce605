//! The result of `contend symbols`.

use super::{CaptureFacts, Quality};
use serde::Serialize;

/// The `contend.symbols/1` document.
#[derive(Clone, Debug, Serialize)]
pub struct Symbols {
    /// `contend.symbols/1`.
    pub schema: &'static str,
    /// The capture.
    pub capture: CaptureFacts,
    /// What was lost or skipped.
    pub quality: Quality,
    /// Binaries in which samples have code or data, the most used first.
    pub binaries: Vec<BinaryFacts>,
}

/// A binary of the recording machine.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BinaryFacts {
    /// Its path there.
    pub path: String,
    /// Its build-id as hex; absent when the capture does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
    /// Samples with code (call chains included) or data in it.
    pub samples: u64,
    /// `found`, `missing`, or `refused`: only other builds are here.
    pub state: &'static str,
    /// Where it is; absent when it is not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What kind of place that is: `bundle`, `symbol-dir`, `perf-cache`, `system`,
    /// `path`, or `kallsyms`, the file of that option.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// Its debug information, when it is a file of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debug: Option<String>,
    /// What its debug information shares with that of others (dwz).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<String>,
    /// Whether there is debug information, and so source lines.
    pub source_lines: bool,
    /// Whether the build-id proves that it is the recorded one.
    pub verified: bool,
    /// What to put into a `--symbol-dir`; absent when it is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// Files with its name that are other builds, and are not used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<OtherBuild>,
}

/// A file that is another build than the recorded one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OtherBuild {
    /// Where it is.
    pub path: String,
    /// Its build-id as hex; absent when it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
}
