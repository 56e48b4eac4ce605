//! A file that may answer for a binary, wherever it lies.
//!
//! One on the disk has a path; a member of an archive is a copy without a name.
//! Both can be opened as often as needed, by several threads at a time.

use super::elf::{Bytes, ElfError, open, open_source};
use contend_perfdata::FileSource;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// In the bundle that the capture is in.
    Bundle,
    /// In a `--symbol-dir`, a folder or an archive.
    Named,
    /// In perf's cache.
    Cache,
    /// Among the debug files of this machine.
    System,
    /// At the recorded path on this machine.
    Recorded,
    /// The file of `--kallsyms`.
    Kallsyms,
}

impl Origin {
    /// The name in documents.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Named => "symbol-dir",
            Self::Cache => "perf-cache",
            Self::System => "system",
            Self::Recorded => "path",
            Self::Kallsyms => "kallsyms",
        }
    }

    /// Whether the user named the place: what is wrong there is worth a word.
    pub(super) fn is_named(self) -> bool {
        matches!(self, Self::Bundle | Self::Named)
    }
}

#[derive(Clone)]
enum Content {
    Path(PathBuf),
    Copy(Arc<FileSource>),
}

/// A file that can be opened more than once.
#[derive(Clone)]
pub(crate) struct Image {
    shown: String,
    origin: Origin,
    content: Content,
}

impl Image {
    /// The file at a path.
    pub(crate) fn at(path: PathBuf, origin: Origin) -> Self {
        Self {
            shown: path.display().to_string(),
            origin,
            content: Content::Path(path),
        }
    }

    /// A copy of a member of an archive.
    pub(super) fn copy(shown: String, origin: Origin, copy: Arc<FileSource>) -> Self {
        Self {
            shown,
            origin,
            content: Content::Copy(copy),
        }
    }

    /// Opens it for [`super::elf::Elf::parse`].
    ///
    /// # Errors
    /// When it is no regular file or cannot be opened.
    pub(crate) fn open(&self) -> Result<Bytes, ElfError> {
        match &self.content {
            Content::Path(path) => open(path),
            Content::Copy(copy) => Ok(open_source(Arc::clone(copy))),
        }
    }

    /// Where it lies, if it has a path.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.content {
            Content::Path(path) => Some(path),
            Content::Copy(_) => None,
        }
    }

    /// Where it was found.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({}, {})", self.shown, self.origin.name())
    }
}
