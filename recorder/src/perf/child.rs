//! A running `perf record`.

use super::plan::Plan;
use crate::source::{Capture, Source};
use std::path::{Path, PathBuf};

/// A `perf record` as a source of the session.
#[derive(Debug)]
pub struct PerfSource {
    plan: Plan,
    folder: PathBuf,
}

impl PerfSource {
    /// Will run `plan` and leave `KIND.perf.data` in `folder`.
    #[must_use]
    pub fn new(plan: Plan, folder: &Path) -> Self {
        Self {
            plan,
            folder: folder.to_owned(),
        }
    }
}

impl Source for PerfSource {
    fn kind(&self) -> &'static str {
        self.plan.kind.name()
    }

    fn start(&mut self) -> anyhow::Result<()> {
        anyhow::bail!("perf is not started in {}", self.folder.display())
    }

    fn poll(&mut self) -> anyhow::Result<bool> {
        Ok(false)
    }

    fn stop(&mut self) -> anyhow::Result<Capture> {
        anyhow::bail!("perf was not started")
    }
}
