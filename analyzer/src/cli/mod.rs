//! The command line: what was typed, and what to do with it.

mod args;
mod c2c;
mod filters;
mod info;
mod latency;
mod offcpu;
mod oncpu;
mod open;
mod output;
mod progress;
mod refusal;
mod symbols;

use anyhow::Result;
use args::{Arguments, Command};
use clap::Parser;
use clap::error::ErrorKind;
use std::process::ExitCode;

/// The exit status for errors; 1 is for checks that were asked for and failed.
const FAILURE: u8 = 2;

/// Runs the command.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors and go to standard output.
            if !error.use_stderr() {
                let _ = error.print();
                return ExitCode::SUCCESS;
            }
            // Without a command the help is the answer.
            if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
                let _ = error.print();
            } else {
                eprintln!("contend: {}", output::wrong_use(&error.to_string()));
            }
            return ExitCode::from(FAILURE);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("contend: {}", output::one_line(&error));
            ExitCode::from(FAILURE)
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Info(command) => info::run(command),
        Command::C2c(command) => c2c::run(command),
        Command::Latency(command) => latency::run(command),
        Command::Offcpu(command) => offcpu::run(command),
        Command::Oncpu(command) => oncpu::run(command),
        Command::Symbols(command) => symbols::run(command),
    }
}
