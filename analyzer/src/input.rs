//! Opens what the user names: a file, a directory of `perf record --threads`,
//! a bundle, packed or not, or standard input.

mod bundle;

pub(crate) use bundle::tells_of_unread;

use anyhow::{Context, Result, bail};
use contend_bundle::Bundle;
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
    /// A capture in a bundle, packed or unpacked.
    Bundle,
}

impl Form {
    /// The name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "perf.data",
            Self::Pipe => "pipe",
            Self::Directory => "dir",
            Self::Bundle => "bundle",
        }
    }
}

/// Which capture of a bundle is meant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which<'a> {
    /// The first of one of these kinds of the manifest, or the first of all if there is
    /// none.
    Kinds(&'a [&'a str]),
    /// The one of this name, whatever kinds are called.
    Member(&'a str),
}

/// An open capture and where it came from.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) data: PerfData,
    pub(crate) form: Form,
    /// The bundle that the capture is in.
    pub(crate) bundle: Option<Arc<Bundle>>,
    /// What to know of the container, for people.
    pub(crate) notes: Vec<String>,
}

/// Opens the capture at `path`; `-` is standard input, which is copied to a
/// temporary file because captures are read more than once. Of a bundle the capture that
/// `which` says is read. Bundles are inflated by the threads of the current rayon pool.
///
/// # Errors
/// One line that says what the path is and why it is no capture.
pub(crate) fn open(path: &Path, which: Which<'_>) -> Result<Input> {
    let cannot_read = || format!("cannot read {}", path.display());
    if path == Path::new("-") {
        return from_file(spool(io::stdin().lock())?, which).with_context(cannot_read);
    }
    let metadata = path.metadata().with_context(|| cannot_open(path))?;
    if metadata.is_dir() {
        if bundle::is_unpacked(path) {
            return bundle::open_unpacked(path, which).with_context(cannot_read);
        }
        let (data, threads) = directory(path)?;
        let data = PerfData::open_directory(data, threads).with_context(cannot_read)?;
        return Ok(Input::plain(data));
    }
    let mut file = File::open(path).with_context(|| cannot_open(path))?;
    if !metadata.is_file() {
        // A named pipe or a process substitution of the shell.
        file = spool(file)?;
    }
    from_file(file, which).with_context(cannot_read)
}

/// A regular file: a bundle by its first bytes, or else a perf.data.
fn from_file(file: File, which: Which<'_>) -> Result<Input> {
    let source = FileSource::new(file.try_clone()?)?;
    if bundle::is_packed(&source)? {
        return bundle::open_packed(file, which);
    }
    Ok(Input::plain(PerfData::open(Arc::new(source))?))
}

impl Input {
    /// A capture in no bundle.
    fn plain(data: PerfData) -> Self {
        let form = if data.is_directory() {
            Form::Directory
        } else if data.is_pipe() {
            Form::Pipe
        } else {
            Form::File
        };
        Self {
            data,
            form,
            bundle: None,
            notes: Vec::new(),
        }
    }
}

fn cannot_open(path: &Path) -> String {
    format!("cannot open {}", path.display())
}

fn file(path: &Path) -> Result<Arc<dyn Source>> {
    let file = File::open(path).with_context(|| cannot_open(path))?;
    let source = FileSource::new(file).with_context(|| cannot_open(path))?;
    Ok(Arc::new(source))
}

fn spool(mut stream: impl io::Read) -> Result<File> {
    let mut file = tempfile::tempfile().context("cannot make a temporary file for the capture")?;
    io::copy(&mut stream, &mut file).context("cannot copy the capture to a temporary file")?;
    file.rewind().context("cannot read the temporary file")?;
    Ok(file)
}

type Sources = (Arc<dyn Source>, Vec<Arc<dyn Source>>);

/// The files of a directory: `data`, then `data.0`, `data.1` and so on.
fn directory(path: &Path) -> Result<Sources> {
    let data = path.join("data");
    if !data.is_file() {
        bail!(
            "cannot read {}: it is a directory without a file `data`, so not one that \
             `perf record --threads` wrote, and without `manifest.json`, so no bundle; \
             name the perf.data file itself",
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
