//! Hands the bundle to a command.

use super::Arrival;
use super::follow::{Growing, UntilStopped};
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
    let is_stopped = || signals.count() > calm;
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
    if bundle.has_failed() || is_stopped() {
        // First of all, as the end of its input is the end of a whole bundle to it.
        let _ = child.kill();
        drop(input);
        let _ = child.wait();
        bail!(match bundle.has_failed() {
            true => "the bundle was not finished",
            false => "stopped",
        });
    }
    drop(input);
    let status = loop {
        let status = child.try_wait();
        if let Some(status) = status.context("cannot wait for the command of exec:")? {
            break status;
        }
        if is_stopped() {
            let _ = child.kill();
            let _ = child.wait();
            bail!("stopped before the command of exec: ended");
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
