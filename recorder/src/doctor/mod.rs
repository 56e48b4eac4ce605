//! What can be captured on this machine, what not and why, and the one thing to
//! change for each.
//!
//! The answer for a command is that of its plan, so `doctor` and the commands
//! cannot disagree; the points below it say where it comes from.

mod points;
mod probe;
mod show;

pub use probe::Probes;
pub use show::{json, text};

use crate::host::Host;
use crate::perf::{Kind, PerfOptions, PerfTool, plan};
use crate::refusal::Refusal;
use crate::source::Target;
use serde::Serialize;
use std::collections::BTreeMap;

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
    /// What was looked at: first the commands `c2c`, `spe`, `offcpu`, `cpu`, then
    /// `perf`, `BTF` and so on.
    pub subject: &'static str,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What it means for which command, where it is not as it should be.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub means: BTreeMap<&'static str, String>,
    /// The one thing to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub todo: Option<String>,
}

impl Finding {
    fn ok(subject: &'static str, found: impl Into<String>) -> Self {
        Self {
            subject,
            state: State::Ok,
            found: found.into(),
            means: BTreeMap::new(),
            todo: None,
        }
    }

    fn limited(subject: &'static str, found: impl Into<String>) -> Self {
        Self {
            state: State::Limited,
            ..Self::ok(subject, found)
        }
    }

    fn failed(subject: &'static str, found: impl Into<String>) -> Self {
        Self {
            state: State::Failed,
            ..Self::ok(subject, found)
        }
    }

    fn means(mut self, commands: &[&'static str], what: &str) -> Self {
        self.means
            .extend(commands.iter().map(|command| (*command, what.to_owned())));
        self
    }

    fn todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = Some(todo.into());
        self
    }
}

/// Looks at everything that recording depends on. Four findings, one a command, come first.
#[must_use]
pub fn examine(host: &Host, tool: Result<&PerfTool, &Refusal>, probes: &Probes) -> Vec<Finding> {
    let points = points::all(host, tool, probes);
    let bpf_works = !points
        .iter()
        .any(|point| point.state == State::Failed && point.means.contains_key("offcpu"));
    let mut findings = vec![
        by_perf(host, tool, Kind::C2c),
        by_perf(host, tool, Kind::Spe),
        offcpu(host, tool, bpf_works),
        by_perf(host, tool, Kind::Cpu),
    ];
    findings.extend(points);
    findings
}

fn by_perf(host: &Host, tool: Result<&PerfTool, &Refusal>, kind: Kind) -> Finding {
    let planned = tool
        .map_err(Refusal::clone)
        .and_then(|tool| plan(host, tool, kind, &Target::All, &PerfOptions::default()));
    match planned {
        Ok(plan) => Finding::ok(kind.name(), plan.events().join(" ")),
        Err(refusal) => refused(kind.name(), refusal),
    }
}

fn refused(subject: &'static str, refusal: Refusal) -> Finding {
    Finding {
        todo: refusal.todo,
        ..Finding::failed(subject, refusal.why)
    }
}

fn offcpu(host: &Host, tool: Result<&PerfTool, &Refusal>, bpf_works: bool) -> Finding {
    if bpf_works {
        return Finding::ok("offcpu", "by the bundled BPF collector");
    }
    let fallback = by_perf(host, tool, Kind::OffCpu);
    match fallback.state {
        State::Failed => Finding {
            todo: fallback.todo,
            ..Finding::failed("offcpu", format!("no BPF, and {}", fallback.found))
        },
        _ => Finding::limited(
            "offcpu",
            "without BPF, by the scheduler's tracepoints through perf: more overhead, no lock addresses, no system calls",
        ),
    }
}
