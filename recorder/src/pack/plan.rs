//! What goes into the bundle. All of it is decided in front, while the recorded
//! processes may still be alive: the manifest, which says what is left out, is the
//! first member.

use super::binaries::{Binaries, choose};
use super::jit::{self, List};
use super::limits::Limits;
use super::needs::{Needs, file_name};
use super::redact::Redaction;
use super::{facts, kernel};
use anyhow::Result;
use contend_bundle::layout::CAPTURE_SUFFIX;
use contend_bundle::{CaptureFacts, ClockReading, Manifest, Tool};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A capture that is packed.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// The perf.data file.
    pub file: PathBuf,
    /// The member that it becomes.
    pub member: String,
    /// Its kind as in the manifest, if it is known.
    pub kind: Option<String>,
    /// What recorded it.
    pub command: Vec<String>,
    /// What the recording program said.
    pub messages: Option<PathBuf>,
}

/// What is packed, and how.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// The captures, the main one first.
    pub inputs: Vec<Input>,
    /// The recorder's command line.
    pub command: Vec<String>,
    /// The clocks when the recording began and ended.
    pub clocks: Vec<ClockReading>,
    /// Programs that took part, besides this one.
    pub tools: Vec<Tool>,
    /// What did not work, for people.
    pub notes: Vec<String>,
    /// Whether to leave out binaries.
    pub without_binaries: bool,
    /// Whether to leave out names of machine and people.
    pub redact: bool,
    /// How much is packed.
    pub limits: Limits,
    /// The processes that were to be recorded, where that is not everybody: what they run
    /// goes in before what others run.
    pub main: Vec<u32>,
}

/// A capture with the bytes in it that are blanked.
#[derive(Debug)]
pub(super) struct PlannedCapture {
    pub(super) input: Input,
    pub(super) blanks: Vec<Range<u64>>,
}

/// What will be in the bundle.
#[derive(Debug)]
pub struct Plan {
    pub(super) manifest: Manifest,
    pub(super) captures: Vec<PlannedCapture>,
    pub(super) binaries: Binaries,
    pub(super) lists: Vec<List>,
    /// Whether this is the kernel that was recorded.
    pub(super) with_kernel: bool,
    pub(super) with_kallsyms: bool,
    pub(super) redaction: Redaction,
    pub(super) limits: Limits,
    /// How many of the notes came from the recording, and were said then.
    said: usize,
}

impl Plan {
    /// Reads the captures and looks for what they need.
    ///
    /// # Errors
    /// A capture that cannot be read, or cannot be redacted.
    pub fn new(job: Job) -> Result<Self> {
        crate::descriptors::raise();
        let mut host = facts::host();
        let mut redaction = Redaction::new(job.redact, host.name.as_deref());
        let mut needs = Needs::of(&job.main);
        let mut captures = Vec::new();
        let mut notes = job.notes;
        let said = notes.len();
        for mut input in job.inputs {
            match needs.add(&input.file) {
                Ok(kind) => input.kind = input.kind.or(kind.map(str::to_owned)),
                Err(error) if captures.is_empty() && input.kind.is_none() => return Err(error),
                // One that the analyzer, too, will say is damaged is packed all the same.
                Err(error) => notes.push(format!("{error:#}")),
            }
            let blanks = redaction.ranges(&input.file)?;
            captures.push(PlannedCapture { input, blanks });
        }
        // A capture of another machine must not tell that one's name either.
        for (name, ..) in &needs.machines {
            redaction.also(name);
        }
        notes.append(&mut needs.notes);
        let other = other_machine(&needs, &host);
        let is_same_machine = other.is_none();
        if let Some(other) = other {
            notes.push(format!(
                "recorded {other}, packed elsewhere: no kernel symbols, and only binaries whose build-id was recorded"
            ));
        }
        let with_kallsyms = is_same_machine && kernel::shows_addresses();
        if is_same_machine && !with_kallsyms {
            notes.push(
                "no kernel symbols: /proc/kallsyms shows no addresses to this user; pack as root, or sysctl kernel.kptr_restrict=0"
                    .into(),
            );
        }
        let mut binaries = match job.without_binaries {
            true => Binaries::default(),
            false => choose(&needs, &job.limits, is_same_machine),
        };
        if job.without_binaries {
            notes.push("binaries were left out, as asked".into());
        }
        notes.append(&mut binaries.notes);
        let mut lists = jit::lists(&needs);
        // Decided here, so that the manifest, which is in front, tells of it.
        lists.retain(|list| {
            let size = std::fs::metadata(&list.path).map_or(0, |facts| facts.len());
            let fits = size <= job.limits.code_list;
            if !fits {
                notes.push(format!(
                    "not packed, larger than what is packed of a list of made code: {} ({})",
                    list.path.display(),
                    crate::say::bytes(size)
                ));
            }
            fits
        });
        if redaction.is_on() {
            host.name = None;
            notes.push("host name, command lines and user names were left out, as asked; paths and thread names in captures stay".into());
        }
        let mut tools = vec![Tool {
            name: "contend-record".into(),
            version: env!("CARGO_PKG_VERSION").into(),
        }];
        tools.extend(job.tools);
        let known: BTreeSet<_> = tools.iter().map(|tool| tool.version.clone()).collect();
        for version in needs
            .recorders
            .iter()
            .filter(|version| !known.contains(*version))
        {
            tools.push(Tool {
                name: "perf".into(),
                version: version.clone(),
            });
        }
        let facts = |capture: &PlannedCapture| CaptureFacts {
            member: capture.input.member.clone(),
            kind: capture.input.kind.clone(),
            command: redaction.command(&capture.input.command),
        };
        let manifest = Manifest {
            created_ns: crate::session::realtime_ns(),
            host,
            command: redaction.command(&job.command),
            clocks: job.clocks,
            tools,
            captures: captures.iter().map(facts).collect(),
            notes: notes.iter().map(|note| redaction.text(note)).collect(),
            ..Manifest::default()
        };
        Ok(Self {
            manifest,
            captures,
            binaries,
            lists,
            with_kernel: is_same_machine,
            with_kallsyms,
            redaction,
            limits: job.limits,
            said,
        })
    }

    /// What packing leaves out, for people.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        self.manifest.notes.get(self.said..).unwrap_or_default()
    }

    /// How many binaries go in.
    #[must_use]
    pub fn binaries(&self) -> usize {
        self.binaries.packed.len()
    }
}

/// What the captures were recorded on, if that is not this machine with this kernel.
fn other_machine(needs: &Needs, host: &contend_bundle::HostFacts) -> Option<String> {
    let same = |theirs: &str, ours: &Option<String>| {
        theirs.is_empty() || ours.as_deref().is_none_or(|ours| ours == theirs)
    };
    needs.machines.iter().find_map(|(name, release, arch)| {
        let is_same =
            same(name, &host.name) && same(release, &host.kernel) && same(arch, &host.arch);
        (!is_same).then(|| format!("on {name} with kernel {release} ({arch})"))
    })
}

/// The member of a capture that is packed by its file's name. `taken` are those that are
/// there already.
#[must_use]
pub fn member_name(path: &Path, taken: &[String]) -> String {
    let name = file_name(path);
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(100)
        .collect();
    let stem = [CAPTURE_SUFFIX, ".data"]
        .iter()
        .find_map(|end| plain.strip_suffix(end))
        .unwrap_or(&plain);
    let stem = match stem.trim_start_matches('.') {
        "" | "perf" => "capture",
        stem => stem,
    };
    let mut member = format!("{stem}{CAPTURE_SUFFIX}");
    let mut number = 1;
    while taken.contains(&member) {
        number += 1;
        member = format!("{stem}-{number}{CAPTURE_SUFFIX}");
    }
    member
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_are_named_after_their_files() {
        let mut taken = Vec::new();
        for (path, member) in [
            ("/x/perf.data", "capture.perf.data"),
            ("perf.data", "capture-2.perf.data"),
            ("c2c.perf.data", "c2c.perf.data"),
            ("my run.data", "my_run.perf.data"),
            ("..", "capture-3.perf.data"),
            ("perf.data.old", "perf.data.old.perf.data"),
        ] {
            let found = member_name(Path::new(path), &taken);
            assert_eq!(found, member);
            assert!(contend_bundle::layout::check_name(&found).is_ok());
            taken.push(found);
        }
    }
}
