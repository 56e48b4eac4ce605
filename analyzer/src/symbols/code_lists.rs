//! Where the lists and dumps of just-in-time compilers are.
//!
//! ```text
//! the bundle     perf-PID.map, jit-PID.dump
//! --symbol-dir   of a folder: DIR/x, DIR/tmp/x, the recorded path below DIR;
//!                of an archive: by the last part of the name
//! ```
//! Nothing else is looked into. In `/tmp` of the machine that reads are other
//! programs with the same numbers.

use super::archive::Archive;
use super::folders::relative;
use super::image::Origin;
use super::locate::{Locator, Root};
use super::regular::open_regular;
use crate::space::AddressSpace;
use contend_bundle::layout::{CodeList, code_list};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Seek};
use std::path::{Path, PathBuf};

/// How many entries of a folder are looked at.
const MOST_ENTRIES: usize = 1 << 20;

/// A list or a dump.
#[derive(Debug)]
pub(super) enum CodeFile<'a> {
    Path(PathBuf),
    Member(&'a Archive, String),
}

/// A list or a dump that is being read.
pub(super) type Opened = BufReader<File>;

/// The files of one process. The first place that has one wins, as with binaries.
#[derive(Debug, Default)]
pub(super) struct CodeFiles<'a> {
    pub(super) dump: Option<CodeFile<'a>>,
    pub(super) list: Option<CodeFile<'a>>,
}

/// Finds the files of the capture's processes.
pub(super) fn find<'a>(space: &AddressSpace, locator: &'a Locator) -> BTreeMap<i32, CodeFiles<'a>> {
    let mut all: BTreeMap<i32, CodeFiles<'a>> = BTreeMap::new();
    let mut add = |name: &str, file: CodeFile<'a>| {
        let known = code_list(name).and_then(|(pid, kind)| {
            let pid = i32::try_from(pid).ok()?;
            space.has_process(pid).then_some((pid, kind))
        });
        let Some((pid, kind)) = known else { return };
        let files = all.entry(pid).or_default();
        let place = match kind {
            CodeList::Dump => &mut files.dump,
            CodeList::Map => &mut files.list,
        };
        place.get_or_insert(file);
    };
    // Compilers map their dumps, so that the capture knows where they were.
    let recorded: Vec<PathBuf> = space
        .dsos()
        .filter(|dso| dso.name.ends_with(b".dump"))
        .filter_map(|dso| relative(Path::new(dso.display_name().as_ref())))
        .collect();
    for root in locator.roots() {
        match root {
            Root::Archive(archive) => {
                for name in archive.code_lists() {
                    add(name, CodeFile::Member(archive, name.to_owned()));
                }
            }
            Root::Folder(folder, Origin::Named) => {
                for path in in_folder(folder, &recorded) {
                    let name = path.file_name().and_then(|name| name.to_str());
                    if let Some(name) = name.map(str::to_owned) {
                        add(&name, CodeFile::Path(path));
                    }
                }
            }
            Root::Folder(..) | Root::Program(..) => {}
        }
    }
    all
}

fn in_folder(folder: &Path, recorded: &[PathBuf]) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in [folder.to_owned(), folder.join("tmp")] {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        paths.extend(entries.take(MOST_ENTRIES).map(|entry| entry.path()));
    }
    let recorded = recorded.iter().map(|path| folder.join(path));
    paths.extend(recorded.filter(|path| path.is_file()));
    paths.sort();
    paths.dedup();
    paths
}

impl CodeFile<'_> {
    /// Opens it, and gives what people should know of it.
    ///
    /// # Errors
    /// When it is no regular file or cannot be read.
    pub(super) fn open(&self) -> io::Result<(Opened, Option<String>)> {
        let (file, note) = match self {
            Self::Path(path) => (open_regular(path)?, None),
            Self::Member(archive, name) => {
                let taken = archive.code_list(name).map_err(io::Error::other)?;
                let mut file = taken.file;
                file.rewind()?;
                (file, taken.note)
            }
        };
        Ok((BufReader::with_capacity(1 << 16, file), note))
    }
}

impl fmt::Display for CodeFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Member(archive, name) => f.write_str(&archive.shown(name)),
        }
    }
}
