//! Hands the bundle to a command.

use super::Arrival;
use super::follow::Growing;
use anyhow::{Context, Result, bail};
use std::io;
use std::process::{Command, Stdio};

/// Runs the command with the bundle on its standard input. It is run once: only its
/// writer knows whether it may be run twice.
pub(super) fn send(bundle: &Growing, command: &str, name: &str) -> Result<Arrival> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .env("CONTEND_BUNDLE", name)
        .stdin(Stdio::piped())
        // Standard output is for data of our own.
        .stdout(io::stderr())
        .spawn()
        .context("cannot run sh for exec:")?;
    let mut input = child.stdin.take().context("sh has no standard input")?;
    let copied = io::copy(&mut bundle.from(0), &mut input);
    drop(input);
    if bundle.has_failed() {
        let _ = child.kill();
        let _ = child.wait();
        bail!("the bundle was not finished");
    }
    let status = child
        .wait()
        .context("cannot wait for the command of exec:")?;
    if !status.success() {
        bail!("the command of exec: ended with {status}");
    }
    match copied {
        Ok(_) => Ok(Arrival::Taken("the command ended well".into())),
        Err(error) => Err(error)
            .context("the command of exec: ended well, but did not read all of the bundle"),
    }
}
