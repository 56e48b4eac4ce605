//! Options, errors and exit codes.

mod concerns;
mod options;
mod recording;
mod units;

use crate::deliver::{Delivery, deliver, ship_file};
use crate::doctor::{self, Probes};
use crate::host::Host;
use crate::pack::{Input, Job, Plan, member_name};
use crate::perf::PerfTool;
use crate::say::say;
use crate::session::Signals;
use crate::ship::Destination;
use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use options::{Command, Options, Output};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Runs the command that was typed.
#[must_use]
pub fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // A closed pipe is no reason for anything.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match run(options.command) {
        Ok(code) => code,
        Err(error) => {
            // One line, whatever other programs put into their messages.
            let text = format!("{error:#}").replace(['\n', '\r'], " ");
            say!("{text}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Doctor { json, perf } => examine(json, perf.as_deref()),
        Command::C2c(record) => recording::run(recording::What::C2c, &record),
        Command::Spe(record) => recording::run(recording::What::Spe, &record),
        Command::Offcpu(record) => recording::run(recording::What::OffCpu, &record),
        Command::Cpu(record) => recording::run(recording::What::Cpu, &record),
        Command::All(record) => recording::run(recording::What::All, &record),
        Command::Pack { files, output } => pack(&files, &output),
        Command::Ship {
            bundle,
            destination,
        } => {
            let to = Destination::parse(&destination)?;
            ship_file(&bundle, &to, &Signals::take())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Tells what can be recorded here. What cannot is an answer and no error.
fn examine(json: bool, perf: Option<&Path>) -> Result<ExitCode> {
    let host = Host::read(Path::new("/"));
    let tool = PerfTool::find(perf);
    let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let findings = doctor::examine(&host, tool.as_ref(), &Probes::try_here(&here));
    let text = match json {
        true => doctor::json(&host, &findings),
        false => doctor::text(&findings),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn pack(files: &[PathBuf], output: &Output) -> Result<ExitCode> {
    let place = Place::new(output, "pack")?;
    let signals = Signals::take();
    let mut members = Vec::new();
    for file in files {
        ensure!(
            !file.is_dir(),
            "{} is a folder of perf record --threads, which bundles cannot hold: record without --threads",
            file.display()
        );
        members.push(member_name(file, &members));
    }
    let inputs = files.iter().zip(members).map(|(file, member)| Input {
        file: file.clone(),
        member,
        messages: messages_beside(file),
        ..Input::default()
    });
    let plan = Plan::new(Job {
        inputs: inputs.collect(),
        command: command_line(),
        without_binaries: output.no_binaries,
        redact: output.redact,
        ..Job::default()
    })?;
    deliver(plan, &place.delivery(None), &signals)?;
    Ok(ExitCode::SUCCESS)
}

/// What perf said, where a recorder that was killed left it.
fn messages_beside(capture: &Path) -> Option<PathBuf> {
    let name = capture.file_name()?.to_str()?;
    let stem = name.strip_suffix(contend_bundle::layout::CAPTURE_SUFFIX)?;
    let text = capture.with_file_name(format!("{stem}.perf.txt"));
    text.is_file().then_some(text)
}

/// Where the bundle goes, checked before anything is recorded.
#[derive(Debug)]
struct Place {
    /// `None` for standard output.
    file: Option<PathBuf>,
    ship: Option<Destination>,
    is_named: bool,
}

impl Place {
    fn new(output: &Output, what: &str) -> Result<Self> {
        let ship = output.ship.as_deref().map(Destination::parse).transpose()?;
        let file = match output.output.as_deref() {
            Some(path) if path == Path::new("-") => {
                ensure!(ship.is_none(), "--ship sends a file: leave out -o -");
                ensure!(
                    !std::io::stdout().is_terminal(),
                    "-o - would write the bundle to the terminal: redirect it"
                );
                None
            }
            Some(path) => Some(path.to_owned()),
            None => Some(format!("contend-{what}-{}.tar.zst", date()).into()),
        };
        if let Some(path) = &file {
            let folder = folder_of(path);
            ensure!(
                folder.is_dir(),
                "-o {}: there is no folder {}",
                path.display(),
                folder.display()
            );
            ensure!(
                !path.is_dir(),
                "-o {} is a folder: name a file in it",
                path.display()
            );
            // It would be replaced, also where that is a device.
            ensure!(
                path.is_file() || path.symlink_metadata().is_err(),
                "-o {} is no regular file: -o - writes to standard output, for pipes",
                path.display()
            );
        }
        Ok(Self {
            file,
            ship,
            is_named: output.output.is_some(),
        })
    }

    /// Where the captures are until they are packed: beside the bundle.
    fn folder(&self) -> PathBuf {
        match &self.file {
            Some(path) => folder_of(path),
            None => std::env::temp_dir(),
        }
    }

    fn delivery(self, captures: Option<PathBuf>) -> Delivery {
        Delivery {
            is_temporary: self.ship.is_some() && !self.is_named,
            file: self.file,
            ship: self.ship,
            captures,
        }
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => ".".into(),
    }
}

/// What was typed.
fn command_line() -> Vec<String> {
    std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}

/// Now, for names of files: `20261125-013000` in UTC.
fn date() -> String {
    let seconds = crate::session::realtime_ns().unwrap_or(0) / 1_000_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days as i64);
    format!(
        "{year:04}{month:02}{day:02}-{:02}{:02}{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// The date of a day since 1970-01-01, by counting in years that begin in March and in
/// eras of 400 of them.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Data goes to standard output; a reader that went away ends the printing quietly.
fn print(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Ends with an error if nothing says whom to record.
fn no_target() -> Result<()> {
    bail!("whom to record? -a for the whole machine, -p PID, or -- COMMAND")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_consistent() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }

    #[test]
    fn days_have_dates() {
        // As `date -u -d @SECONDS` has them.
        for (days, date) in [
            (0, (1970, 1, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (19_722, (2023, 12, 31)),
            (20_782, (2026, 11, 25)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(civil(days), date, "{days}");
        }
    }
}
