//! What can be captured on this machine, what not and why, and the one thing to
//! change for each.

use crate::host::Host;
use crate::perf::PerfTool;
use crate::refusal::Refusal;
use serde::Serialize;
use std::path::Path;

/// What only trying tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// Whether the kernel loads a BPF program of ours, or why not.
    pub bpf: Option<Result<(), String>>,
    /// Bytes that can still be written where captures go.
    pub free_bytes: Option<u64>,
}

impl Probes {
    /// Tries, on the running machine: `folder` is where captures go.
    #[must_use]
    pub fn try_here(_folder: &Path) -> Self {
        Self::default()
    }
}

/// How a point stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Something will be missing from captures.
    Limited,
    /// A command cannot work.
    Failed,
}

/// One point that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `perf`, `memory samples`, `BTF` …
    pub subject: &'static str,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What it means for which command: `c2c`, `spe`, `offcpu`, `cpu`.
    pub means: Vec<(&'static str, String)>,
    /// The one thing to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
}

/// Looks at everything that recording depends on.
#[must_use]
pub fn examine(_host: &Host, _tool: Result<&PerfTool, &Refusal>, _probes: &Probes) -> Vec<Finding> {
    Vec::new()
}

/// The findings for people.
#[must_use]
pub fn text(_findings: &[Finding]) -> String {
    String::new()
}

/// The document of `doctor --json`.
#[must_use]
pub fn json(_host: &Host, _findings: &[Finding]) -> String {
    String::new()
}
