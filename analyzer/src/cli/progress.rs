//! The line on a terminal that tells how far a long run has come.

use super::args::Common;
use crate::capture::{Capture, Meter};
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// Runs shorter than this show nothing.
const PATIENCE: Duration = Duration::from_millis(500);

const INTERVAL: Duration = Duration::from_millis(100);

/// Shows progress until it is dropped, on standard error.
pub(super) struct Progress {
    shown: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Starts to show how far the walks through a capture have come, if there
    /// is a terminal and the user did not ask for quiet.
    pub(super) fn start(common: &Common, capture: &Capture) -> Self {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if common.quiet || is_dumb || !io::stderr().is_terminal() {
            return Self { shown: None };
        }
        let meter = capture.meter();
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new().spawn(move || {
            let mut wait = PATIENCE;
            let mut has_shown = false;
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                wait = INTERVAL;
                has_shown = true;
                show(&text(&meter));
            }
            if has_shown {
                show("");
            }
        });
        // Without a thread there is no progress to see, and nothing else is lost.
        let shown = thread.ok().map(|thread| (stop, thread));
        Self { shown }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.shown.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

/// Replaces the line; nobody can be told when this fails.
fn show(text: &str) {
    let mut out = io::stderr().lock();
    let _ = write!(out, "\r\x1b[K{text}");
    let _ = out.flush();
}

fn text(meter: &Meter) -> String {
    let (walk, done, total) = meter.state();
    let percent = (100 * done).checked_div(total).unwrap_or(100).min(100);
    let mebibytes = total >> 20;
    format!("pass {walk}: {percent} % of {mebibytes} MiB")
}
