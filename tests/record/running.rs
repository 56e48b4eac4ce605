//! A recorder that runs while a test looks on.

use super::support::until;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

/// The process, and the file `log` in its folder, to which it says what it does.
pub(crate) struct Running {
    pub(crate) child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a recorder.
    pub(crate) fn start(folder: &Path, recorder: &mut Command) -> Self {
        let log = folder.join("log");
        recorder.stderr(fs::File::create(&log).unwrap());
        let child = recorder.spawn().unwrap();
        Self { child, log }
    }

    /// What it said until now.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it says something.
    pub(crate) fn until_it_says(&mut self, words: &str) {
        until(words, || {
            let ended = self.child.try_wait().unwrap();
            let said = self.said();
            let is_said = said.contains(words);
            assert!(is_said || ended.is_none(), "{said}");
            is_said
        });
    }

    /// Sends a signal, once.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}
