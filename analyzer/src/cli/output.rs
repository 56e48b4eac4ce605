//! Where output goes, in which form, and how errors are worded.

use super::args::{Color, Common};
use anyhow::{Context, Result};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

/// Prints to standard output, or writes the whole file or nothing.
pub(super) fn write(
    common: &Common,
    render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    match &common.output {
        Some(path) => {
            let written = if is_special(path) {
                write_into(path, render)
            } else {
                write_file(path, render)
            };
            written.with_context(|| format!("cannot write {}", path.display()))
        }
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            render(&mut out)?;
            out.flush()?;
            Ok(())
        }
    }
}

/// Whether something stands there that is no file: a device, a pipe, a link. It
/// is written into, not replaced.
fn is_special(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|known| !known.is_file())
}

fn write_into(path: &Path, render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    render(&mut out)?;
    out.flush()?;
    Ok(())
}

/// Writes beside the file and renames, so that nobody sees half of it.
fn write_file(path: &Path, render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let file = tempfile::Builder::new()
        .prefix(".contend-")
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    {
        let mut out = BufWriter::new(file.as_file());
        render(&mut out)?;
        out.flush()?;
    }
    let file: File = file.persist(path)?;
    set_usual_permissions(&file)
}

/// Temporary files are private; what the user asked for is as readable as what
/// the shell would have made.
#[cfg(unix)]
fn set_usual_permissions(file: &File) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(PermissionsExt::from_mode(0o644))?;
    Ok(())
}

#[cfg(not(unix))]
fn set_usual_permissions(_file: &File) -> Result<()> {
    Ok(())
}

/// Prints a document.
pub(super) fn json(common: &Common, document: &impl Serialize) -> Result<()> {
    write(common, |out| {
        serde_json::to_writer_pretty(&mut *out, document).map_err(io::Error::from)?;
        writeln!(out)
    })
}

/// Whether the table may use colour.
pub(super) fn color(common: &Common) -> bool {
    match common.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
            let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            common.output.is_none() && io::stdout().is_terminal() && !is_dumb && !is_refused
        }
    }
}

/// Whether the reader of the output went away, which is no error.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// An error with its causes in one line.
pub(super) fn one_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    text.replace(['\n', '\r'], " ")
}

/// What clap says of a wrong use, in one line: the usage is in the help.
pub(super) fn wrong_use(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let said = lines.take_while(|line| {
        !line.starts_with("Usage:") && !line.starts_with("For more information")
    });
    let said = said
        .filter(|line| !line.is_empty())
        .map(|line| match line.strip_prefix("tip: ") {
            Some(tip) => format!("({tip})"),
            None => line.to_owned(),
        });
    let line = said.collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("{line}; see --help")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_use_is_said_in_one_line() {
        let text = "error: unexpected argument '--jsn' found\n\n  tip: a similar argument \
                    exists: '--json'\n\nUsage: contend c2c --json <CAPTURE>\n\nFor more \
                    information, try '--help'.\n";
        assert_eq!(
            wrong_use(text),
            "unexpected argument '--jsn' found (a similar argument exists: '--json'); see --help"
        );
    }
}
