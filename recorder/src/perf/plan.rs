//! The exact command line, and why each part of it.

use super::tool::PerfTool;
use crate::host::Host;
use crate::refusal::Refusal;
use crate::source::Target;
use std::fmt;
use std::path::PathBuf;

/// What is asked of perf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Memory accesses with where their data came from.
    C2c,
    /// Arm SPE with all its packets.
    Spe,
    /// Where threads run.
    Cpu,
    /// Where threads wait, by the scheduler's tracepoints: for want of BPF.
    OffCpu,
}

impl Kind {
    /// Its name in the manifest and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::C2c => "c2c",
            Self::Spe => "spe",
            Self::Cpu => "cpu",
            Self::OffCpu => "offcpu",
        }
    }
}

/// How stacks are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallGraph {
    /// Not at all.
    None,
    /// By frame pointers.
    Fp,
    /// Registers and this many bytes of the stack, unwound by the analyzer.
    Dwarf(u32),
    /// By the last-branch records of Intel's cores.
    Lbr,
}

/// What the user chose himself; `None` leaves it to the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerfOptions {
    /// Samples a second on each CPU (`-F`); for SPE it has no meaning.
    pub frequency: Option<u32>,
    /// Operations between two samples (`-c`), for SPE and IBS.
    pub period: Option<u64>,
    /// Loads that take fewer cycles are not recorded.
    pub ldlat: Option<u32>,
    /// How stacks are taken.
    pub call_graph: Option<CallGraph>,
    /// Most bytes that the capture may have; perf ends then.
    pub max_bytes: Option<u64>,
}

/// A part of the command line, and why it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The arguments.
    pub args: Vec<String>,
    /// Why, in one line.
    pub why: String,
    /// What takes its place, in this order, when the kernel refuses it.
    pub otherwise: Vec<(Vec<String>, String)>,
}

/// What is run, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it records.
    pub kind: Kind,
    /// The program.
    pub perf: PathBuf,
    /// Parts of the command line behind `perf record`, in order.
    pub choices: Vec<Choice>,
    /// What the capture will not tell, and other things to know, for people.
    pub notes: Vec<String>,
}

impl Plan {
    /// The command line, the file that is written left out.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        let mut argv = vec![self.perf.display().to_string(), "record".to_owned()];
        argv.extend(
            self.choices
                .iter()
                .flat_map(|choice| choice.args.iter().cloned()),
        );
        argv
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "{}", self.argv().join(" "))
    }
}

/// Decides how `kind` is recorded on this machine with this perf.
///
/// # Errors
/// When it cannot be recorded here: why, and what to do.
pub fn plan(
    _host: &Host,
    tool: &PerfTool,
    kind: Kind,
    _target: &Target,
    _options: &PerfOptions,
) -> Result<Plan, Refusal> {
    Err(Refusal::that(format!(
        "{} cannot plan {}",
        tool.path.display(),
        kind.name()
    )))
}
