//! The exact command line, with why each part of it is there.

use super::quote;
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

impl Choice {
    pub(super) fn new<'a>(args: impl IntoIterator<Item = &'a str>, why: impl Into<String>) -> Self {
        let args = args.into_iter().map(str::to_owned).collect();
        Self {
            args,
            why: why.into(),
            otherwise: Vec::new(),
        }
    }

    pub(super) fn or<'a>(
        mut self,
        args: impl IntoIterator<Item = &'a str>,
        why: impl Into<String>,
    ) -> Self {
        self.otherwise
            .push((args.into_iter().map(str::to_owned).collect(), why.into()));
        self
    }
}

/// What is run, and why.
///
/// Printed, it is the command line as a shell takes it and a line for each
/// choice in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it records.
    pub kind: Kind,
    /// The program.
    pub perf: PathBuf,
    /// Whom it records, as asked for; the command line may reach further.
    pub target: Target,
    /// Parts of the command line behind `perf record`, in order.
    pub choices: Vec<Choice>,
    /// What the capture will not tell, and other things to know, for people.
    pub notes: Vec<String>,
    /// Whether this perf can be told through a pipe, and answers when it records.
    pub control: bool,
}

impl Plan {
    /// The command line. The session adds the file that is written, and the pipe
    /// through which perf says that it records.
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

    /// The events alone.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        let events = self
            .choices
            .iter()
            .filter(|choice| choice.args.first().is_some_and(|arg| arg == "-e"));
        events
            .filter_map(|choice| choice.args.get(1).cloned())
            .collect()
    }

    /// The name of the file that is written.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.perf.data", self.kind.name())
    }

    /// Puts the next stand-in in the place of what was refused, an option or an event
    /// (`-e`); what changed, for people, or `None` when nothing is left to try.
    pub(super) fn fall_back(&mut self, refused: &str) -> Option<String> {
        let choice = self.choices.iter_mut().find(|choice| {
            choice.args.first().is_some_and(|arg| arg == refused) && !choice.otherwise.is_empty()
        })?;
        let (args, why) = choice.otherwise.remove(0);
        let note = format!(
            "{} was refused; {} instead: {why}",
            quote::line(&choice.args),
            quote::line(&args)
        );
        choice.args = args;
        choice.why = why;
        self.notes.push(note.clone());
        Some(note)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let argv = self.argv();
        writeln!(to, "{} -o {}", quote::line(&argv), self.file_name())?;
        for choice in &self.choices {
            writeln!(to, "#   {}: {}", quote::line(&choice.args), choice.why)?;
            for (args, why) in &choice.otherwise {
                writeln!(
                    to,
                    "#     if the kernel refuses that, {}: {why}",
                    quote::line(args)
                )?;
            }
        }
        for note in &self.notes {
            writeln!(to, "# note: {note}")?;
        }
        Ok(())
    }
}
