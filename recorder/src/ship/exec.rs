//! Hands the bundle to a command.

use super::follow::{Growing, UntilStopped};
use super::{Arrival, family};
use crate::patient::Patient;
use crate::say::say;
use crate::session::Signals;
use anyhow::{Context, Result, bail};
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How often one looks whether the command ended.
const STEP: Duration = Duration::from_millis(10);

/// Runs the command with the bundle on its standard input. It is run once: only its
/// writer knows whether it may be run twice.
///
/// Ctrl-C ends it: a command that got a part only must not take it for the whole.
pub(super) fn send(
    bundle: &Growing,
    command: &str,
    name: &str,
    signals: &Signals,
) -> Result<Arrival> {
    let calm = signals.count();
    // A bundle that will not be whole is given up also while the command reads nothing of it.
    let is_stopped = || bundle.has_failed() || signals.count() > calm;
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("CONTEND_BUNDLE", name)
        .stdin(Stdio::piped())
        // Standard output is for data of our own.
        .stdout(io::stderr())
        .spawn()
        .context("cannot run sh for exec:")?;
    let input = child.stdin.take().context("sh has no standard input")?;
    let from = UntilStopped {
        from: bundle.from(0),
        signals,
        calm,
    };
    let tell = || say!("the command of exec: reads nothing; Ctrl-C gives it up");
    let copied = Patient::new(&input, &is_stopped, &tell)
        .and_then(|mut patient| io::copy(&mut { from }, &mut patient));
    let why_stopped = || match bundle.has_failed() {
        true => "the bundle was not finished",
        false => "stopped before the command of exec: ended",
    };
    if is_stopped() {
        // First of all, as the end of its input is the end of a whole bundle to it.
        family::kill(&child);
        drop(input);
        let _ = child.wait();
        bail!(why_stopped());
    }
    drop(input);
    let status = loop {
        let status = child.try_wait();
        if let Some(status) = status.context("cannot wait for the command of exec:")? {
            break status;
        }
        if is_stopped() {
            family::kill(&child);
            let _ = child.wait();
            bail!(why_stopped());
        }
        std::thread::sleep(STEP);
    };
    if !status.success() {
        bail!("the command of exec: ended with {status}");
    }
    match copied {
        Ok(_) => Ok(Arrival::Taken("the command ended well".into())),
        Err(error) => Err(error)
            .context("the command of exec: ended well, but did not read all of the bundle"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ship::Tracked;
    use std::io::Write;

    /// As on a full disk.
    #[test]
    fn a_bundle_that_fails_is_not_waited_for_by_a_command_that_reads_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = std::fs::File::options();
        let file = options.read(true).write(true).create_new(true);
        let file = file.open(folder.path().join("x")).unwrap();
        let (mut writer, growing) = Tracked::new(file);
        // More than a pipe holds.
        writer.write_all(&vec![0; 8 << 20]).unwrap();
        let reached = folder.path().join("started");
        let command = format!(": > {}; sleep 1000; :", reached.display());
        let error = std::thread::scope(|scope| {
            let sent = scope.spawn(|| send(&growing, &command, "x", &Signals::none()));
            while !reached.exists() {
                std::thread::sleep(STEP);
            }
            drop(writer);
            sent.join().unwrap().unwrap_err()
        });
        assert_eq!(error.to_string(), "the bundle was not finished");
    }
}
