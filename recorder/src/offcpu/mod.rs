//! The off-CPU collector: who waited, how long, for what, and who woke them.
//!
//! ```text
//! BPF programs ──ring buffer──┐
//! side band (mmap, comm, fork) ┼─ collector thread → perf.data, whole at every moment
//! /proc, once                 ─┘
//! ```
//! The programs are in `recorder/bpf`, the file in `docs/formats/offcpu.md`.
//!
//! # Memory
//! The ring buffer (8 MiB, and up to 64 MiB on many CPUs), 256 KiB of side band a
//! CPU, 1 MiB of records that wait to be written, what is known of binaries (at most
//! 65,536 of them), and the kernel's types while the programs are loaded. In the
//! kernel, a thread that is recorded takes 2.2 KiB, twice that with `wakers`.

mod build_id;
mod collector;
mod counters;
mod detail;
mod events;
mod kernel;
mod kernel_types;
mod load;
mod output;
mod patch;
mod proc;
mod raw;
mod sideband;

pub use load::why_not;

use crate::source::{Capture, Source, Target};
use anyhow::{Context, Result, anyhow, bail, ensure};
use collector::Collector;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

/// What is recorded, and of whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// Shorter intervals are counted, not written.
    pub min_block: Duration,
    /// Whose time; their children are followed.
    pub target: Target,
    /// Only these threads (Linux thread ids); empty for all.
    pub tids: Vec<u32>,
    /// Only threads of these names; empty for all.
    pub comms: Vec<String>,
    /// Only threads in this cgroup (a directory of the cgroup v2 tree) and below.
    pub cgroup: Option<PathBuf>,
    /// Stacks of programs.
    pub user_stacks: bool,
    /// Stacks in the kernel.
    pub kernel_stacks: bool,
    /// Stacks of who wakes a thread.
    pub wakers: bool,
}

impl Options {
    /// Whether these threads can be chosen, before anything is recorded: a filter that does
    /// not work must not end in a recording of everybody.
    ///
    /// # Errors
    /// Which cannot, and why.
    pub fn check(&self) -> Result<()> {
        for tid in &self.tids {
            let is_there = std::path::Path::new(&format!("/proc/{tid}")).exists();
            ensure!(is_there, "--tid {tid}: there is no such thread");
        }
        ensure!(
            self.tids.len() <= load::MAX_TIDS,
            "--tid takes {} threads at most",
            load::MAX_TIDS
        );
        ensure!(
            self.comms.len() <= load::MAX_COMMS,
            "--comm takes {} names at most",
            load::MAX_COMMS
        );
        if let Some(path) = &self.cgroup {
            load::cgroup_of(path).map_err(|error| anyhow!("--cgroup {error:#}"))?;
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            min_block: Duration::from_micros(100),
            target: Target::All,
            tids: Vec::new(),
            comms: Vec::new(),
            cgroup: None,
            user_stacks: true,
            kernel_stacks: true,
            wakers: false,
        }
    }
}

/// Records time off the CPU by BPF into a perf.data file.
#[derive(Debug)]
pub struct OffCpu {
    options: Options,
    file: PathBuf,
    command: Vec<String>,
    collector: Option<Collector>,
}

impl OffCpu {
    /// Prepares to record into `file`; `command` is what the capture names as the
    /// command line.
    #[must_use]
    pub fn new(options: Options, file: PathBuf, command: Vec<String>) -> Self {
        Self {
            options,
            file,
            command,
            collector: None,
        }
    }
}

impl Source for OffCpu {
    fn kind(&self) -> &'static str {
        "offcpu"
    }

    fn start(&mut self) -> Result<()> {
        if self.collector.is_some() {
            bail!("off-CPU collector: it was started already");
        }
        crate::descriptors::raise();
        // The kernel takes as long to list its symbols as the programs to load.
        let kernel = std::thread::spawn(kernel::maps);
        let programs = load::Programs::load(&self.options)?;
        let file = File::create(&self.file)
            .with_context(|| format!("{}: cannot be written", self.file.display()))?;
        let started = Collector::start(programs, kernel, &self.options, file, &self.command);
        match started {
            Ok(collector) => self.collector = Some(collector),
            Err(error) => {
                // Nothing was recorded; the file would only look as if.
                let _ = std::fs::remove_file(&self.file);
                return Err(error);
            }
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<bool> {
        match &self.collector {
            Some(collector) => collector.poll(&self.file),
            None => Ok(false),
        }
    }

    fn stop(&mut self) -> Result<Capture> {
        let Some(collector) = self.collector.take() else {
            bail!("off-CPU collector: it was not started");
        };
        let notes = collector.stop(&self.file)?;
        Ok(Capture {
            kind: self.kind(),
            file: self.file.clone(),
            command: self.command.clone(),
            messages: None,
            notes,
        })
    }
}
