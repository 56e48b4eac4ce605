//! What records: one interface for perf's children and for our own collector.

use std::path::PathBuf;

/// Whom to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every process on the machine.
    All,
    /// These processes, with all their threads.
    Pids(Vec<u32>),
}

/// A source of one capture. Sources run side by side: all are started, the
/// workload runs, all are stopped.
pub trait Source {
    /// Its kind as in the manifest: `c2c`, `spe`, `offcpu`, `cpu`.
    fn kind(&self) -> &'static str;

    /// Begins to record and returns once events are being taken.
    ///
    /// # Errors
    /// One line that says what is wrong and what to do; nothing is left running.
    fn start(&mut self) -> anyhow::Result<()>;

    /// What is worth knowing of it once it has started, for people. What [`Source::stop`]
    /// tells has it, too.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether it still records; `false` once it ended by itself.
    ///
    /// Called every few milliseconds: what a source has to do now and then it
    /// does here, without blocking.
    ///
    /// # Errors
    /// When it broke. What was recorded until then is kept and packed.
    fn poll(&mut self) -> anyhow::Result<bool>;

    /// Ends recording and closes the capture. Called once, also after `poll` failed.
    ///
    /// # Errors
    /// When nothing of the capture can be used.
    fn stop(&mut self) -> anyhow::Result<Capture>;
}

/// What a source leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Its kind as in the manifest.
    pub kind: &'static str,
    /// The perf.data file.
    pub file: PathBuf,
    /// The command line that recorded it.
    pub command: Vec<String>,
    /// What the recording program said, kept in the bundle.
    pub messages: Option<PathBuf>,
    /// What was lost or is missing, for people.
    pub notes: Vec<String>,
}
