//! The commands that record.

use super::concerns::{self, living, lost_without_bpf, of_perf};
use super::options::Record;
use super::{Place, command_line, no_target, print};
use crate::deliver::deliver;
use crate::host::Host;
use crate::offcpu::{OffCpu, Options};
use crate::pack::{Input, Job, Plan as PackPlan};
use crate::perf::{Kind, PerfSource, PerfTool, plan};
use crate::refusal::Refusal;
use crate::say::say;
use crate::session::{Asked, Folder, Planned, Recorded, Signals, WithFallback, Workload, record};
use crate::source::{Capture, Source, Target};
use anyhow::Result;
use contend_bundle::Tool;
use contend_bundle::layout::CAPTURE_SUFFIX;
use std::cell::LazyCell;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    C2c,
    Spe,
    OffCpu,
    Cpu,
    All,
}

impl What {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::C2c => "c2c",
            Self::Spe => "spe",
            Self::OffCpu => "offcpu",
            Self::Cpu => "cpu",
            Self::All => "all",
        }
    }

    /// What that is, the main one first.
    fn kinds(self) -> Vec<Kind> {
        match self {
            Self::C2c => vec![Kind::C2c],
            Self::Spe => vec![Kind::Spe],
            Self::OffCpu => vec![Kind::OffCpu],
            Self::Cpu => vec![Kind::Cpu],
            // On Arm, c2c records by SPE, and nobody else can at the same time.
            Self::All => vec![Kind::Cpu, Kind::OffCpu, Kind::C2c],
        }
    }
}

/// What the sources are made of.
struct Means {
    what: What,
    asked: Record,
    host: Host,
    /// Looked for when something wants it: to ask perf what it can do takes longer than
    /// to load the collector.
    tool: LazyCell<Tooling, Box<dyn FnOnce() -> Tooling>>,
}

type Tooling = std::result::Result<PerfTool, Refusal>;

impl Means {
    fn perf(&self, kind: Kind, target: &Target) -> Result<crate::perf::Plan> {
        let tool = (*self.tool).as_ref().map_err(Clone::clone)?;
        let options = of_perf(self.what, kind, &self.asked);
        Ok(plan(&self.host, tool, kind, target, &options)?)
    }

    fn source(&self, kind: Kind, target: &Target, folder: &Path) -> Result<Box<dyn Source>> {
        let plan = self.perf(kind, target)?;
        Ok(Box::new(PerfSource::new(plan, folder)))
    }

    /// The collector, and perf for where it does not work.
    fn waits(self: &Rc<Self>, options: Options, target: &Target, folder: &Path) -> Box<dyn Source> {
        let file = folder.join(format!("{}{CAPTURE_SUFFIX}", Kind::OffCpu.name()));
        let options = Options {
            target: target.clone(),
            ..options
        };
        let collector = OffCpu::new(options, file, command_line());
        let (means, target, folder) = (Rc::clone(self), target.clone(), folder.to_owned());
        let perf = move || means.source(Kind::OffCpu, &target, &folder);
        let instead = format!(
            "perf's sched_switch instead, which costs more, knows no locks and may lose events{}",
            without(&self.asked)
        );
        Box::new(WithFallback::new(
            Box::new(collector),
            Box::new(perf),
            instead,
        ))
    }
}

/// What of the options is lost with the collector, for people.
fn without(asked: &Record) -> String {
    match lost_without_bpf(asked).as_slice() {
        [] => String::new(),
        options => format!("; without effect: {}", options.join(", ")),
    }
}

pub(super) fn run(what: What, asked: &Record) -> Result<ExitCode> {
    concerns::check(what, asked)?;
    if what.kinds().contains(&Kind::OffCpu) {
        waits(asked).check()?;
    }
    if asked.pid.is_empty() && !asked.all_cpus && asked.workload.is_empty() {
        no_target()?;
    }
    let means = Rc::new(Means {
        what,
        asked: asked.clone(),
        host: Host::read(Path::new("/")),
        tool: LazyCell::new({
            let perf = asked.perf.clone();
            Box::new(move || PerfTool::find(perf.as_deref()))
        }),
    });
    if asked.print {
        return show(what, asked, &means);
    }
    let place = Place::new(&asked.output, what.name())?;
    let signals = Signals::take();
    let workload = match asked.workload.as_slice() {
        [] => None,
        command => Some(Workload::prepare(command, place.file.is_none())?),
    };
    let target = match (asked.all_cpus, asked.pid.as_slice()) {
        (true, _) => Some(Target::All),
        (false, []) => None,
        (false, pids) => Some(Target::Pids(living(pids)?)),
    };
    let name = place.file.as_deref().and_then(Path::file_name).map_or_else(
        || format!("contend-{}", what.name()),
        |name| {
            name.to_string_lossy()
                .trim_end_matches(".tar.zst")
                .to_owned()
        },
    );
    let folder = Folder::create(&place.folder(), &name)?;
    let session = Asked {
        target: target.clone(),
        workload,
        time: asked.time,
        folder: folder.path(),
    };
    let recorded = match record(session, planned(what, asked, &means), &signals) {
        Ok(recorded) => recorded,
        Err(error) => {
            folder.discard();
            return Err(error);
        }
    };
    let Recorded {
        captures,
        clocks,
        notes,
        mut workload,
    } = recorded;
    let captured: Vec<_> = captures.iter().map(|capture| capture.kind).collect();
    let captured = captured.join(", ");
    let main = match (&workload, &target) {
        (Some(workload), _) => vec![workload.pid()],
        (None, Some(Target::Pids(pids))) => pids.clone(),
        (None, _) => Vec::new(),
    };
    let plan = PackPlan::new(Job {
        main,
        ..job(captures, clocks, notes, asked, &means)
    });
    // Now everything of it that may go away with it was found.
    if let Some(workload) = &mut workload
        && let Err(error) = workload.end()
    {
        say!("{error:#}");
    }
    let kept = folder.path().to_owned();
    let plan = plan.map_err(|error| {
        error.context(format!(
            "cannot pack; the captures are safe in {}",
            kept.display()
        ))
    })?;
    say!("packing {captured}");
    deliver(plan, &place.delivery(Some(kept)), &signals)?;
    Ok(ExitCode::SUCCESS)
}

/// What is packed of a recording.
fn job(
    captures: Vec<Capture>,
    clocks: Vec<contend_bundle::ClockReading>,
    mut notes: Vec<String>,
    asked: &Record,
    means: &Means,
) -> Job {
    let mut inputs = Vec::new();
    for capture in captures {
        notes.extend(
            capture
                .notes
                .iter()
                .map(|note| format!("{}: {note}", capture.kind)),
        );
        inputs.push(Input {
            file: capture.file,
            member: format!("{}{CAPTURE_SUFFIX}", capture.kind),
            kind: Some(capture.kind.into()),
            command: capture.command,
            messages: capture.messages,
        });
    }
    let perf = (*means.tool).as_ref().ok().map(|tool| Tool {
        name: "perf".into(),
        version: tool.version_text.clone(),
    });
    Job {
        inputs,
        command: command_line(),
        clocks,
        tools: perf.into_iter().collect(),
        notes,
        without_binaries: asked.output.no_binaries,
        redact: asked.output.redact,
        ..Job::default()
    }
}

/// The sources of a command, the main one first.
fn planned(what: What, asked: &Record, means: &Rc<Means>) -> Vec<Planned> {
    let source = |kind: Kind| {
        let means = Rc::clone(means);
        let options = waits(asked);
        Planned {
            kind: kind.name(),
            make: Box::new(move |target: &Target, folder: &Path| match kind {
                Kind::OffCpu => Ok(means.waits(options, target, folder)),
                _ => means.source(kind, target, folder),
            }),
        }
    };
    what.kinds().into_iter().map(source).collect()
}

/// What the collector is asked for; whom it records is not known yet.
fn waits(asked: &Record) -> Options {
    let usual = Options::default();
    Options {
        min_block: asked.min_block.unwrap_or(usual.min_block),
        tids: asked.tid.clone(),
        comms: asked.comm.clone(),
        cgroup: asked.cgroup.clone(),
        user_stacks: !asked.kernel_stacks,
        kernel_stacks: !asked.user_stacks,
        wakers: asked.wakers,
        ..usual
    }
}

/// The exact commands and events. Exit 2 if none of what was asked for can be recorded.
fn show(what: What, asked: &Record, means: &Means) -> Result<ExitCode> {
    let target = match (asked.all_cpus, asked.pid.as_slice()) {
        (true, _) => Target::All,
        // Also none at all: the number of a workload is not known yet.
        (false, pids) => Target::Pids(pids.to_vec()),
    };
    let mut text = String::new();
    let mut refused = Vec::new();
    for kind in what.kinds() {
        if kind == Kind::OffCpu {
            match crate::offcpu::why_not() {
                None => {
                    text.push_str(&collector(&waits(asked), &target));
                    continue;
                }
                Some(why) => text.push_str(&format!(
                    "# the BPF collector does not work here: {why}{}\n",
                    without(asked)
                )),
            }
        }
        match means.perf(kind, &target) {
            Ok(plan) => text.push_str(&plan.to_string()),
            Err(error) => refused.push((kind, error)),
        }
    }
    if text.is_empty()
        && let Some((_, error)) = refused.pop()
    {
        return Err(error);
    }
    for (kind, error) in refused {
        text.push_str(&format!("# {} is not recorded: {error:#}\n", kind.name()));
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Whom the collector records, for people.
fn threads(options: &Options, target: &Target) -> String {
    let list = |numbers: &[u32]| {
        let numbers: Vec<_> = numbers.iter().map(u32::to_string).collect();
        numbers.join(", ")
    };
    let mut text = match target {
        Target::All => "every process".to_owned(),
        Target::Pids(pids) if pids.is_empty() => "the program and what it starts".to_owned(),
        Target::Pids(pids) => format!("process {} and what they start", list(pids)),
    };
    if !options.tids.is_empty() {
        text += &format!("; only thread {}", list(&options.tids));
    }
    if !options.comms.is_empty() {
        text += &format!("; only threads named {}", options.comms.join(", "));
    }
    if let Some(cgroup) = &options.cgroup {
        text += &format!("; only in cgroup {}", cgroup.display());
    }
    text
}

/// What the collector does, for people.
fn collector(options: &Options, target: &Target) -> String {
    let stacks = match (options.user_stacks, options.kernel_stacks) {
        (true, true) => "of program and kernel",
        (true, false) => "of the program",
        (false, true) => "of the kernel",
        (false, false) => "none",
    };
    let wakers = if options.wakers {
        "who wakes whom, and where"
    } else {
        "who wakes whom"
    };
    format!(
        "# offcpu: the bundled BPF collector, on tp_btf/sched_switch and sched_waking -o offcpu.perf.data\n\
         #   waits of {:?} and more; stacks: {stacks}; {wakers}; system calls and lock words\n\
         #   of {}\n",
        options.min_block,
        threads(options, target)
    )
}
