//! Options, errors and exit codes.

use std::process::ExitCode;

/// Runs the command that was typed.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::from(2)
}
