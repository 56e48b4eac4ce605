//! Opens what the user names: a file, a directory of `perf record --threads`,
//! or standard input.

use anyhow::{Context, Result, bail};
use contend_perfdata::{FileSource, PerfData, Source};
use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a capture came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A perf.data file.
    File,
    /// A perf.data file or stream that was written to a pipe.
    Pipe,
    /// A directory with a file for each recording thread.
    Directory,
}

impl Form {
    /// The name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "perf.data",
            Self::Pipe => "pipe",
            Self::Directory => "dir",
        }
    }
}

/// Opens the capture at `path`; `-` is standard input, which is copied to a
/// temporary file because captures are read more than once.
///
/// # Errors
/// One line that says what the path is and why it is no capture.
pub(crate) fn open(path: &Path) -> Result<(PerfData, Form)> {
    let opened = if path == Path::new("-") {
        PerfData::open(Arc::new(spool(io::stdin().lock())?))
    } else {
        let metadata = path
            .metadata()
            .with_context(|| format!("cannot open {}", path.display()))?;
        if metadata.is_dir() {
            let (data, threads) = directory(path)?;
            PerfData::open_directory(data, threads)
        } else if metadata.is_file() {
            PerfData::open(file(path)?)
        } else {
            // A named pipe or a process substitution of the shell.
            let stream = File::open(path).with_context(|| cannot_open(path))?;
            PerfData::open(Arc::new(spool(stream)?))
        }
    };
    let data = opened.with_context(|| format!("cannot read {}", path.display()))?;
    let form = if data.is_directory() {
        Form::Directory
    } else if data.is_pipe() {
        Form::Pipe
    } else {
        Form::File
    };
    Ok((data, form))
}

fn cannot_open(path: &Path) -> String {
    format!("cannot open {}", path.display())
}

fn file(path: &Path) -> Result<Arc<dyn Source>> {
    let file = File::open(path).with_context(|| cannot_open(path))?;
    let source = FileSource::new(file).with_context(|| cannot_open(path))?;
    Ok(Arc::new(source))
}

fn spool(mut stream: impl io::Read) -> Result<FileSource> {
    let mut file = tempfile::tempfile().context("cannot make a temporary file for the capture")?;
    io::copy(&mut stream, &mut file).context("cannot copy the capture to a temporary file")?;
    file.rewind().context("cannot read the temporary file")?;
    FileSource::new(file).context("cannot read the temporary file")
}

type Sources = (Arc<dyn Source>, Vec<Arc<dyn Source>>);

/// The files of a directory: `data`, then `data.0`, `data.1` and so on.
fn directory(path: &Path) -> Result<Sources> {
    let data = path.join("data");
    if !data.is_file() {
        bail!(
            "cannot read {}: it is a directory without a file `data`, so not one that \
             `perf record --threads` wrote; name the perf.data file itself",
            path.display()
        );
    }
    let mut threads: Vec<(u32, PathBuf)> = Vec::new();
    for entry in path.read_dir().with_context(|| cannot_open(path))? {
        let entry = entry.with_context(|| cannot_open(path))?;
        let name = entry.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix("data."))
            .and_then(|number| number.parse().ok());
        if let Some(number) = number {
            // Opening a named pipe would wait for its writer, perhaps for ever.
            let path = entry.path();
            if !path.is_file() {
                bail!(
                    "cannot read {}: not a regular file, as those of a recording with \
                     `perf record --threads` are",
                    path.display()
                );
            }
            threads.push((number, path));
        }
    }
    threads.sort();
    let threads = threads.iter().map(|(_, path)| file(path));
    Ok((file(&data)?, threads.collect::<Result<_>>()?))
}
