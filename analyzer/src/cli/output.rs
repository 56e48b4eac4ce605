//! Where output goes, in which form, and how errors are worded.

use super::args::{Color, Common};
use crate::render::safe;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

/// Prints to standard output, or writes the whole file or nothing.
pub(super) fn write(
    common: &Common,
    render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    write_to(file(common), render)
}

/// Where the picture goes and where the text, of commands that have both: the
/// picture goes to a file whose name ends in `.svg`, and then the text to
/// standard output.
pub(super) fn places(common: &Common) -> (Option<&Path>, Option<&Path>) {
    let file = file(common);
    match file.filter(|path| is_picture(path)) {
        Some(picture) => (Some(picture), None),
        None => (None, file),
    }
}

fn is_picture(path: &Path) -> bool {
    let end = path.extension();
    end.is_some_and(|end| end.eq_ignore_ascii_case("svg"))
}

/// Refuses a picture of a command that draws none: a table in a file of that name
/// would be taken for a broken picture.
pub(super) fn has_no_picture(common: &Common, command: &str) -> Result<()> {
    let picture = file(common).filter(|path| is_picture(path));
    ensure!(
        picture.is_none(),
        "{command} draws no picture; name a file that does not end in .svg (latency, offcpu and \
         oncpu draw)"
    );
    Ok(())
}

/// Writes to a file, or else to standard output.
pub(super) fn write_to(
    file: Option<&Path>,
    render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    match file {
        Some(path) => {
            let written = if is_special(path) {
                write_into(path, render)
            } else {
                write_file(path, render)
            };
            written.with_context(|| cannot_write(path))
        }
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            render(&mut out)?;
            out.flush()?;
            Ok(())
        }
    }
}

/// The file to write; `-` is standard output.
fn file(common: &Common) -> Option<&Path> {
    let path = common.output.as_deref();
    path.filter(|path| *path != Path::new("-"))
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// Refuses what must not be written, before there is any work.
pub(super) fn check(common: &Common) -> Result<()> {
    let Some(path) = file(common) else {
        return Ok(());
    };
    ensure!(!path.is_dir(), "{}: it is a directory", cannot_write(path));
    ensure!(
        !is_of_capture(path, &common.capture),
        "{}: it is the capture",
        cannot_write(path)
    );
    if path.is_file() {
        // Renaming asks for the folder's permission only.
        let opened = File::options().write(true).open(path);
        opened.with_context(|| cannot_write(path))?;
    }
    Ok(())
}

/// Whether a path is the capture or, when that is a directory, a file of it.
fn is_of_capture(path: &Path, capture: &Path) -> bool {
    let capture = if cfg!(unix) && capture == Path::new("-") {
        Path::new("/dev/stdin")
    } else {
        capture
    };
    if capture.is_dir() {
        let files = capture.read_dir().into_iter().flatten().flatten();
        return files
            .map(|file| file.path())
            .any(|file| is_same(path, &file));
    }
    is_same(path, capture)
}

/// Whether two paths lead to one file. Devices such as the terminal may be both
/// input and output.
#[cfg(unix)]
fn is_same(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (a.metadata(), b.metadata()) {
        (Ok(a), Ok(b)) => a.is_file() && (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
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

/// Writes beside the file and renames, so that nobody sees half of it. A file
/// that is there keeps its permissions.
fn write_file(path: &Path, render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".contend-");
    usual_permissions(&mut builder);
    let file = builder
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(|error| without_name(&error))?;
    {
        let mut out = BufWriter::new(file.as_file());
        render(&mut out)?;
        out.flush()?;
    }
    if let Ok(known) = path.metadata() {
        file.as_file().set_permissions(known.permissions())?;
    }
    file.persist(path).map_err(|failed| failed.error)?;
    Ok(())
}

/// Temporary files are private; what the user asked for is as readable as what
/// the shell would have made, which takes the umask off this.
#[cfg(unix)]
fn usual_permissions(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(PermissionsExt::from_mode(0o666));
}

#[cfg(not(unix))]
fn usual_permissions(_builder: &mut tempfile::Builder<'_, '_>) {}

/// An error without the name of the temporary file, which nobody asked for.
fn without_name(error: &io::Error) -> io::Error {
    match error.kind() {
        kind @ io::ErrorKind::NotFound => io::Error::new(kind, "there is no such folder"),
        kind => io::Error::from(kind),
    }
}

/// Prints a document.
pub(super) fn json(common: &Common, document: &impl Serialize) -> Result<()> {
    json_to(file(common), document)
}

/// Writes a document to a file, or else prints it.
pub(super) fn json_to(file: Option<&Path>, document: &impl Serialize) -> Result<()> {
    write_to(file, |out| {
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
            file(common).is_none() && io::stdout().is_terminal() && !is_dumb && !is_refused
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

/// An error with its causes in one line, safe for a terminal: it may quote the
/// capture.
pub(super) fn one_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    safe(&text.replace(['\n', '\r'], " "))
}

/// What clap says of a wrong use, in one line: the usage is in the help.
pub(super) fn wrong_use(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let said = lines.take_while(|line| {
        !line.starts_with("Usage:") && !line.starts_with("For more information")
    });
    let said = said
        // "use '-- --option'" would make a path of an option.
        .filter(|line| !line.is_empty() && !line.contains(" as a value, use "))
        .map(|line| match line.strip_prefix("tip: ") {
            Some(tip) => format!("({tip})"),
            None => line.to_owned(),
        });
    let line = said.collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    let line = line.replace("invalid digit found in string", "not a whole number");
    safe(&format!("{line}; see --help"))
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
        let text = "error: unexpected argument '--no-symbols' found\n\n  tip: to pass \
                    '--no-symbols' as a value, use '-- --no-symbols'\n\nUsage: contend\n";
        assert_eq!(
            wrong_use(text),
            "unexpected argument '--no-symbols' found; see --help"
        );
    }

    #[test]
    fn control_characters_of_captures_stay_out_of_errors() {
        let error = anyhow::anyhow!("a\x1b[2J\nb");
        assert_eq!(one_line(&error), "a\u{fffd}[2J b");
    }
}
