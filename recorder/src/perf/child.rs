//! A running `perf record`.

use super::messages::{self, Fault};
use super::plan::Plan;
use super::process::{Begun, Process};
use crate::source::{Capture, Source, Target};
use anyhow::{Context, bail};
use std::fs::File;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// Reading the mappings of tens of thousands of threads takes perf some seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// A `perf record` as a source of the session.
#[derive(Debug)]
pub struct PerfSource {
    plan: Plan,
    file: PathBuf,
    messages: PathBuf,
    process: Option<Process>,
    /// How it ended, if it did by itself.
    status: Option<ExitStatus>,
}

impl PerfSource {
    /// Will run `plan` and leave `KIND.perf.data` in `folder`, and what perf says beside
    /// it in `KIND.perf.txt`.
    ///
    /// perf ends when the thread that calls [`Source::start`] does (`prctl(2)`,
    /// `PR_SET_PDEATHSIG`): it must be one that lasts as long as the session.
    #[must_use]
    pub fn new(plan: Plan, folder: &Path) -> Self {
        let file = folder.join(plan.file_name());
        let messages = folder.join(format!("{}.perf.txt", plan.kind.name()));
        Self {
            plan,
            file,
            messages,
            process: None,
            status: None,
        }
    }

    /// The plan, as far as it was changed by what the kernel refused.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    fn said(&self) -> String {
        /// perf says a few lines; its usage has 8 KiB.
        const MOST: u64 = 1 << 20;
        let mut text = Vec::new();
        if let Ok(file) = File::open(&self.messages) {
            // What cannot be read is not there to be told.
            let _ = file.take(MOST).read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    fn argv(&self) -> Vec<String> {
        let mut argv = self.plan.argv();
        argv.extend(["-o".to_owned(), self.file.display().to_string()]);
        argv
    }

    /// Runs perf once: `Err(fault)` when it ended before it recorded.
    fn run(&mut self) -> anyhow::Result<Result<(), Fault>> {
        let mut process = Process::start(&self.argv(), self.plan.control, &self.messages)
            .with_context(|| format!("{} does not start", self.plan.perf.display()))?;
        match process.begun(PATIENCE)? {
            Begun::Recording => {
                self.process = Some(process);
                Ok(Ok(()))
            }
            // A process that was gone at once leaves a whole, if small, capture.
            Begun::Ended(status) if status.success() => {
                self.status = Some(status);
                Ok(Ok(()))
            }
            Begun::Ended(_) => Ok(Err(messages::fault(&self.said()))),
            Begun::Silent => {
                process.end()?;
                bail!(
                    "perf does not begin to record within {} s: {}",
                    PATIENCE.as_secs(),
                    messages::essence(&self.said())
                )
            }
        }
    }
}

impl Source for PerfSource {
    fn kind(&self) -> &'static str {
        self.plan.kind.name()
    }

    fn start(&mut self) -> anyhow::Result<()> {
        if matches!(&self.plan.target, Target::Pids(pids) if pids.is_empty()) {
            bail!("{}: no process to record", self.kind());
        }
        loop {
            let Err(fault) = self.run()? else {
                return Ok(());
            };
            let option = match fault {
                Fault::Event => "-e",
                Fault::BuildIds => "--buildid-mmap",
                Fault::Other => "",
            };
            if self.plan.fall_back(option).is_none() {
                bail!("{}: {}", self.kind(), messages::essence(&self.said()));
            }
        }
    }

    fn remarks(&self) -> Vec<String> {
        self.plan.notes.clone()
    }

    fn poll(&mut self) -> anyhow::Result<bool> {
        let Some(process) = &mut self.process else {
            return Ok(false);
        };
        let Some(status) = process.ended()? else {
            return Ok(true);
        };
        self.process = None;
        self.status = Some(status);
        if status.success() {
            return Ok(false);
        }
        // As `stop` says it once more, for the notes.
        bail!("{}: {}", how(status), messages::essence(&self.said()))
    }

    fn stop(&mut self) -> anyhow::Result<Capture> {
        let mut notes = Vec::new();
        if let Some(mut process) = self.process.take() {
            let status = process.end()?;
            // perf ends its work and then raises the signal that it got.
            if !status.success() && status.signal() != Some(libc::SIGINT) {
                notes.push(format!(
                    "{}: {}",
                    how(status),
                    messages::essence(&self.said())
                ));
            }
        } else if let Some(status) = self.status.filter(|status| !status.success()) {
            notes.push(format!(
                "{}: {}",
                how(status),
                messages::essence(&self.said())
            ));
        }
        let said = self.said();
        match written(&self.file) {
            Written::Nothing => bail!("{}: perf left no capture: {}", self.kind(), messages::essence(&said)),
            Written::Open => notes.push("the capture is partial: perf could not finish its file; it is read as far as it goes".into()),
            Written::Closed => {}
        }
        notes.extend(
            messages::losses(&said)
                .iter()
                .map(|line| format!("perf: {line}")),
        );
        notes.splice(0..0, self.plan.notes.iter().cloned());
        let mut command = self.plan.argv();
        command.extend(["-o".to_owned(), self.plan.file_name()]);
        Ok(Capture {
            kind: self.kind(),
            file: self.file.clone(),
            command,
            messages: (!said.is_empty()).then(|| self.messages.clone()),
            notes,
        })
    }
}

/// How perf ended, when not as it should.
fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(libc::SIGKILL), _) => "perf was killed".to_owned(),
        (Some(signal), _) => format!("perf ended by signal {signal}"),
        (_, Some(code)) => format!("perf ended with status {code}"),
        _ => "perf ended".to_owned(),
    }
}

enum Written {
    /// No file, or not even its header.
    Nothing,
    /// Without the size of its data: perf writes that at the end.
    Open,
    /// Whole.
    Closed,
}

/// Looks into the header of a perf.data file
/// (tools/perf/Documentation/perf.data-file-format.txt): magic, size, size of an
/// attribute, then offset and size of the attributes and of the data.
fn written(file: &Path) -> Written {
    const DATA_SIZE: usize = 48;
    let mut header = [0; DATA_SIZE + 8];
    let read = File::open(file).and_then(|mut file| file.read_exact(&mut header));
    if read.is_err() || &header[..8] != b"PERFILE2" {
        return Written::Nothing;
    }
    if header[DATA_SIZE..].iter().all(|byte| *byte == 0) {
        Written::Open
    } else {
        Written::Closed
    }
}
