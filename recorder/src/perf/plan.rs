//! The exact command line, and why each part of it.

use super::events::{self, Events, Sampling};
use super::tool::PerfTool;
use super::{quote, rate};
use crate::host::{Host, Reach, Vendor, Version};
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

/// Decides how `kind` is recorded on this machine with this perf.
///
/// An empty list of processes stands for one that is not started yet; the plan
/// then prints `PID` in its place.
///
/// # Errors
/// When it cannot be recorded here: why, and what to do.
pub fn plan(
    host: &Host,
    tool: &PerfTool,
    kind: Kind,
    target: &Target,
    options: &PerfOptions,
) -> Result<Plan, Refusal> {
    let events = events::choose(host, tool, kind, target, options)?;
    permitted(host, target, &events)?;
    let Events {
        choices,
        counters,
        sampling,
        aux,
        whole_cpus,
        mut notes,
    } = events;
    let memory = matches!(kind, Kind::C2c | Kind::Spe);

    let mut parts = vec![whom(target, whole_cpus)];
    parts.extend(choices);
    match sampling {
        Sampling::Frequency if options.period.is_some() && memory => {
            let period = options.period.unwrap_or_default().to_string();
            parts.push(Choice::new(
                ["-c", &period],
                format!("a sample every {period} events, as asked for"),
            ));
        }
        Sampling::Frequency => parts.push(rate::frequency(host, kind, counters, options)),
        Sampling::Period { least, filtered } => {
            parts.push(rate::spe_period(host, least, filtered, options)?)
        }
        Sampling::Each => {}
    }
    if memory {
        parts.extend(memory_fields(host, aux));
    }
    if kind == Kind::OffCpu {
        parts.push(Choice::new(
            ["--switch-events"],
            "each thread's switches in and out as well: tracepoints alone can miss switches from idle",
        ));
    }
    parts.extend(stacks(host, kind, aux, options, &mut notes)?);
    parts.push(build_ids(host, tool));
    if aux {
        notes.push(
            "times stand on perf's own clock: AUX data is converted to it and to no other".into(),
        );
    } else {
        parts.push(Choice::new(
            ["-k", "mono"],
            "CLOCK_MONOTONIC, so that all sources share one time line",
        ));
    }
    if !aux && tool.built_with("zstd") && tool.has("compression-level") {
        parts.push(Choice::new(["-z"], "compressed as it is written"));
    }
    parts.extend(rate::buffers(host, kind, aux, options));
    if kind == Kind::OffCpu && *target == Target::All && tool.has("exclude-perf") {
        parts.push(Choice::new(
            ["--exclude-perf"],
            "perf's own switches would feed on themselves",
        ));
    }
    if let Some(bytes) = options.max_bytes.filter(|_| tool.has("max-size")) {
        let size = format!("{}M", (bytes >> 20).max(1));
        parts.push(Choice::new(
            ["--max-size", &size],
            "recording ends before the disk is full",
        ));
    }
    Ok(Plan {
        kind,
        perf: tool.path.clone(),
        target: target.clone(),
        choices: parts,
        notes,
        control: tool.has("control"),
    })
}

/// Whether this process may open these events at all.
fn permitted(host: &Host, target: &Target, events: &Events) -> Result<(), Refusal> {
    let Some(level) = host.kernel.paranoid else {
        return Err(Refusal::with(
            "this kernel has no perf events (/proc/sys/kernel/perf_event_paranoid is not there)",
            "use a kernel with CONFIG_PERF_EVENTS, or run outside of the container that hides it",
        ));
    };
    if !host.may_record(Reach::Own) {
        return Err(Refusal::with(
            format!("kernel.perf_event_paranoid is {level}: only root may record"),
            "run as root, or give contend-record and perf CAP_PERFMON",
        ));
    }
    if (*target == Target::All || events.whole_cpus) && !host.may_record(Reach::AllCpus) {
        let who = if events.whole_cpus {
            "this event records whole CPUs, which"
        } else {
            "recording all processes"
        };
        return Err(Refusal::with(
            format!(
                "{who} needs root, CAP_PERFMON or a kernel.perf_event_paranoid of 0, it is {level}"
            ),
            if events.whole_cpus {
                "run as root"
            } else {
                "run as root, or record your own program with -p PID or -- COMMAND"
            },
        ));
    }
    Ok(())
}

fn whom(target: &Target, whole_cpus: bool) -> Choice {
    match target {
        Target::All => Choice::new(["-a"], "every process"),
        Target::Pids(_) if whole_cpus => Choice::new(
            ["-a"],
            "every process: before Linux 6.2 IBS records whole CPUs only",
        ),
        Target::Pids(pids) if pids.is_empty() => Choice::new(
            ["-p", "PID"],
            "the program, once it is started, with what it starts",
        ),
        Target::Pids(pids) => {
            let list: Vec<String> = pids.iter().map(u32::to_string).collect();
            Choice::new(
                ["-p", &list.join(",")],
                "these processes with all threads, and what they start",
            )
        }
    }
}

/// What a sample of memory must hold beside the usual.
fn memory_fields(host: &Host, aux: bool) -> Vec<Choice> {
    let mut fields = vec![Choice::new(
        ["-d"],
        "the data address, and mappings of data beside those of code",
    )];
    if aux {
        return fields;
    }
    fields.push(Choice::new(["-W"], "latency in cycles"));
    if host.may_record(Reach::Kernel) {
        fields.push(Choice::new(
            ["--phys-data"],
            "the physical address: one line in several processes is one line, and nodes are known",
        ));
    }
    fields.push(Choice::new(
        ["--sample-cpu"],
        "which CPU, also when only some processes are recorded",
    ));
    fields
}

fn stacks(
    host: &Host,
    kind: Kind,
    aux: bool,
    options: &PerfOptions,
    notes: &mut Vec<String>,
) -> Result<Option<Choice>, Refusal> {
    let memory = matches!(kind, Kind::C2c | Kind::Spe);
    let chosen = options.call_graph.unwrap_or(if memory {
        CallGraph::None
    } else {
        CallGraph::Fp
    });
    if aux && chosen != CallGraph::None {
        notes.push("SPE takes no stacks: --call-graph is left out".into());
        return Ok(None);
    }
    Ok(match chosen {
        CallGraph::None => None,
        CallGraph::Fp => Some(Choice::new(
            ["--call-graph", "fp"],
            "stacks by frame pointers, cheap; code without them needs --call-graph dwarf",
        )),
        CallGraph::Dwarf(bytes) => Some(Choice::new(
            ["--call-graph", &format!("dwarf,{bytes}")],
            format!("registers and {bytes} bytes of stack a sample, unwound when analyzed"),
        )),
        CallGraph::Lbr
            if host.cpu.vendor == Vendor::Intel
                && host
                    .core_pmus()
                    .iter()
                    .any(|pmu| pmu.caps.contains_key("branches")) =>
        {
            Some(Choice::new(
                ["--call-graph", "lbr"],
                "stacks by the last-branch records of the CPU",
            ))
        }
        CallGraph::Lbr => {
            return Err(Refusal::with(
                format!(
                    "{} has no last-branch records for stacks here",
                    host.cpu.name
                ),
                "use --call-graph fp or dwarf",
            ));
        }
    })
}

/// Binaries that only data addresses lie in must have their build-ids too: `perf
/// record` by itself notes those of binaries that samples' code lies in.
fn build_ids(host: &Host, tool: &PerfTool) -> Choice {
    // PERF_RECORD_MISC_MMAP_BUILD_ID came with Linux 5.12, in the kernel and in perf.
    if tool.has("buildid-mmap")
        && (host.kernel.version >= Version(5, 12) || host.kernel.is_backported())
    {
        Choice::new(["--buildid-mmap"], "each mapping carries its build-id: also libraries that only data lies in, and no second pass at the end")
            .or(["--buildid-all", "-N"], "build-ids of all mapped files, read at the end")
    } else {
        Choice::new(
            ["--buildid-all", "-N"],
            "build-ids of all mapped files, also of those that only data lies in; nothing is copied to ~/.debug",
        )
    }
}
