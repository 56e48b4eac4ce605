//! The `contend-record` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    contend_record::cli::main()
}
