//! Finds the binary that a capture means.
//!
//! ```text
//! --symbol-dir   .build-id trees, perf's cache, debug trees, plain copies
//! ~/.debug       perf's cache
//! /usr/lib/debug .build-id tree
//! the recorded path itself
//! ```
//! A file is taken only if its build-id is the recorded one. Where the capture
//! does not know the build-id, only what lies in a `--symbol-dir` under the
//! recorded path or name is taken, because the user said that it is the one. A
//! kernel is never looked for: this machine's is another one.

use super::elf::{Elf, open};
use crate::space::{Dso, DsoKind};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// Where names may come from, as the user says.
#[derive(Clone, Debug, Default)]
pub struct SymbolSources {
    /// Whether names are looked up at all.
    pub enabled: bool,
    /// Folders with binaries, the first one first.
    pub folders: Vec<PathBuf>,
    /// A copy of `/proc/kallsyms` of the recording machine.
    pub kallsyms: Option<PathBuf>,
}

/// The files that answer for a binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The binary.
    pub(crate) image: PathBuf,
    /// Its debug information, when it is a file of its own.
    pub(crate) debug: Option<PathBuf>,
    /// What its debug information shares with that of others (dwz).
    pub(crate) shared: Option<PathBuf>,
    /// Whether there is debug information.
    pub(crate) has_lines: bool,
    /// Whether the build-id proves that it is the recorded one.
    pub(crate) is_proven: bool,
}

/// A file that has the right name and is another build.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Refusal {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its build-id; absent when it has none.
    pub(crate) build_id: Option<String>,
    /// Whether the user named its folder.
    pub(crate) is_named: bool,
}

/// What the search for a binary came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    /// The files, if any are right.
    pub(crate) found: Option<Found>,
    /// Its debug file, when the binary itself is not here: that alone does not
    /// tell which address a place in the binary has.
    pub(crate) debug_only: Option<PathBuf>,
    /// Files that were not taken.
    pub(crate) refused: BTreeSet<Refusal>,
}

/// Looks for binaries.
#[derive(Clone, Debug)]
pub(crate) struct Locator {
    folders: Vec<PathBuf>,
    cache: Option<PathBuf>,
    system: PathBuf,
}

/// A file that might be the one.
struct Candidate {
    path: PathBuf,
    is_named: bool,
}

/// What a file turned out to be.
struct Examined {
    build_id: Option<Vec<u8>>,
    has_contents: bool,
    has_lines: bool,
    debug_link: Option<(String, u32)>,
    shared_link: Option<(String, Vec<u8>)>,
}

fn examine(path: &Path) -> Option<Examined> {
    let bytes = open(path).ok()?;
    let elf = Elf::parse(&bytes).ok()?;
    Some(Examined {
        build_id: elf.build_id(),
        has_contents: elf.has_contents(),
        has_lines: elf.has_debug_info(),
        debug_link: elf.debug_link(),
        shared_link: elf.shared_link(),
    })
}

/// Writes a build-id as its usual text.
fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |mut text, byte| {
        // A string takes every text.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether two build-ids are one: old recorders write 20 bytes whatever its
/// length, the rest being zeros.
fn is_same_id(recorded: &[u8], own: &[u8]) -> bool {
    let (short, long) = if own.len() <= recorded.len() {
        (own, recorded)
    } else {
        (recorded, own)
    };
    short.len() >= 4
        && long.starts_with(short)
        && (short.len() == long.len()
            || (own.len() < recorded.len() && long[short.len()..].iter().all(|&byte| byte == 0)))
}

impl Locator {
    /// A search in the user's folders and in the usual places of this machine.
    pub(crate) fn new(sources: &SymbolSources) -> Self {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
        Self {
            folders: sources.folders.clone(),
            cache: home.map(|home| Path::new(&home).join(".debug")),
            system: PathBuf::from("/usr/lib/debug"),
        }
    }

    /// Finds the files of a binary.
    pub(crate) fn find(&self, dso: &Dso) -> Search {
        let mut search = Search::default();
        if !matches!(dso.kind, DsoKind::File | DsoKind::Vdso) {
            return search;
        }
        let name = dso.display_name();
        let recorded = Path::new(name.as_ref());
        let wanted = dso.build_id.as_ref().map(|id| id.as_bytes());
        let mut image: Option<(PathBuf, Examined)> = None;
        let mut debug: Option<(PathBuf, Examined)> = None;
        for candidate in self.candidates(recorded, wanted) {
            let Some(file) = examine(&candidate.path) else {
                continue;
            };
            let is_right = match (wanted, &file.build_id) {
                (Some(wanted), Some(own)) => is_same_id(wanted, own),
                (Some(_), None) => false,
                (None, _) => candidate.is_named,
            };
            if !is_right {
                search.refused.insert(Refusal {
                    path: candidate.path,
                    build_id: file.build_id.as_deref().map(hex),
                    is_named: candidate.is_named,
                });
                continue;
            }
            let place = if file.has_contents {
                &mut image
            } else {
                &mut debug
            };
            place.get_or_insert((candidate.path, file));
            let is_complete = image.as_ref().is_some_and(|(_, file)| file.has_lines);
            if is_complete || image.is_some() && debug.is_some() {
                break;
            }
        }
        if let (Some((path, file)), None) = (&image, &debug)
            && !file.has_lines
        {
            debug = self.by_link(recorded, path, file);
        }
        if image.as_ref().is_some_and(|(_, file)| file.has_lines) {
            debug = None;
        }
        let lines = debug.as_ref().or(image.as_ref());
        let shared = lines.and_then(|(path, file)| {
            let (name, id) = file.shared_link.as_ref()?;
            self.shared(path, name, id)
        });
        let has_lines = lines.is_some_and(|(_, file)| file.has_lines);
        let (image, debug) = match (image, debug) {
            (Some((image, _)), debug) => (image, debug.map(|(path, _)| path)),
            (None, debug) => {
                search.debug_only = debug.map(|(path, _)| path);
                return search;
            }
        };
        search.found = Some(Found {
            image,
            debug,
            shared,
            has_lines,
            is_proven: wanted.is_some(),
        });
        search
    }

    /// Where the binary may be, the likeliest place first.
    fn candidates(&self, recorded: &Path, wanted: Option<&[u8]>) -> Vec<Candidate> {
        let mut list = Vec::new();
        let mut add = |paths: Vec<PathBuf>, is_named| {
            list.extend(paths.into_iter().map(|path| Candidate { path, is_named }));
        };
        for folder in &self.folders {
            if let Some(id) = wanted {
                add(by_id(folder, id), true);
            }
            add(by_name(folder, recorded), true);
        }
        if let Some(id) = wanted {
            if let Some(cache) = &self.cache {
                add(by_id(cache, id), false);
            }
            add(by_id(&self.system, id), false);
            if recorded.is_absolute() {
                add(vec![recorded.to_owned()], false);
            }
        }
        list
    }

    /// The debug file that a binary names (`.gnu_debuglink`), where gdb looks for
    /// it. It is proven by its build-id, or by its checksum where the binary has
    /// no build-id.
    fn by_link(
        &self,
        recorded: &Path,
        image: &Path,
        file: &Examined,
    ) -> Option<(PathBuf, Examined)> {
        let (name, crc) = file.debug_link.as_ref()?;
        let name = Path::new(name).file_name()?;
        let beside = image.parent()?;
        let folder = relative(recorded.parent()?)?;
        let mut paths = vec![beside.join(name), beside.join(".debug").join(name)];
        for root in &self.folders {
            paths.push(root.join("usr/lib/debug").join(&folder).join(name));
            paths.push(root.join(&folder).join(name));
            paths.push(root.join(&folder).join(".debug").join(name));
            paths.push(root.join(name));
        }
        paths.push(self.system.join(&folder).join(name));
        paths
            .into_iter()
            .filter(|path| path != image)
            .find_map(|path| {
                let found = examine(&path)?;
                let is_right = match (&file.build_id, &found.build_id) {
                    (Some(own), Some(other)) => own == other,
                    (Some(_), None) => false,
                    (None, _) => checksum(&path).ok()? == *crc,
                };
                is_right.then_some((path, found))
            })
    }

    /// The file with what several debug files share.
    fn shared(&self, debug: &Path, name: &str, id: &[u8]) -> Option<PathBuf> {
        let mut paths = Vec::new();
        let real = debug.canonicalize().unwrap_or_else(|_| debug.to_owned());
        paths.extend(real.parent().map(|folder| folder.join(name)));
        let folders = self.folders.iter();
        for root in folders.chain(&self.cache).chain([&self.system]) {
            paths.extend(by_id(root, id));
            paths.extend(relative(Path::new(name)).map(|name| root.join(name)));
            paths.extend(Path::new(name).file_name().map(|name| root.join(name)));
        }
        paths
            .into_iter()
            .find(|path| examine(path).is_some_and(|file| file.build_id.as_deref() == Some(id)))
    }
}

/// Places in a folder that the build-id names: the tree that distributions and
/// gdb use, perf's cache and archives, the cache of debuginfod.
fn by_id(folder: &Path, id: &[u8]) -> Vec<PathBuf> {
    let text = hex(id);
    let Some((first, rest)) = text.split_at_checked(2) else {
        return Vec::new();
    };
    let mut paths = Vec::new();
    for tree in [".build-id", "usr/lib/debug/.build-id", ""] {
        let entry = folder.join(tree).join(first).join(rest);
        paths.push(entry.join("elf"));
        paths.push(entry.join("debug"));
        paths.push(entry.join("vdso"));
        paths.push(entry.clone());
        paths.push(folder.join(tree).join(first).join(format!("{rest}.debug")));
    }
    paths.push(folder.join(&text).join("executable"));
    paths.push(folder.join(&text).join("debuginfo"));
    paths
}

/// Places in a folder that the recorded path names: a copy of the recording
/// machine's tree, its debug tree, or the file alone.
fn by_name(folder: &Path, recorded: &Path) -> Vec<PathBuf> {
    let with_suffix = |path: &Path| {
        let mut text = path.as_os_str().to_owned();
        text.push(".debug");
        PathBuf::from(text)
    };
    let mut paths = Vec::new();
    if let Some(path) = relative(recorded) {
        let copy = folder.join(&path);
        paths.push(with_suffix(&folder.join("usr/lib/debug").join(&path)));
        paths.push(with_suffix(&copy));
        paths.insert(0, copy);
    }
    if let Some(name) = recorded.file_name() {
        let alone = folder.join(name);
        paths.push(with_suffix(&alone));
        paths.push(folder.join(".debug").join(with_suffix(Path::new(name))));
        paths.push(alone);
    }
    paths
}

/// A path without its root; absent when it leaves the folder that it is put
/// into: paths in captures are anybody's.
fn relative(path: &Path) -> Option<PathBuf> {
    let parts = path.components().filter(|part| *part != Component::RootDir);
    parts
        .map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect()
}

/// The CRC-32 of a whole file, as `.gnu_debuglink` has it.
fn checksum(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let mut sum = crc32fast::Hasher::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(sum.finalize()),
            read => sum.update(&piece[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded_build_ids_are_the_short_ones() {
        assert!(is_same_id(&[1, 2, 3, 4, 0, 0], &[1, 2, 3, 4]));
        assert!(is_same_id(&[1, 2, 3, 4], &[1, 2, 3, 4]));
        assert!(!is_same_id(&[1, 2, 3, 4, 5, 0], &[1, 2, 3, 4]));
        assert!(!is_same_id(&[1, 2, 3, 4], &[1, 2, 3, 4, 0]));
        assert!(!is_same_id(&[0; 20], &[0]));
    }

    #[test]
    fn recorded_paths_stay_in_the_folder() {
        assert_eq!(relative(Path::new("/usr/bin/x")), Some("usr/bin/x".into()));
        assert_eq!(relative(Path::new("/usr/../../etc/x")), None);
        assert_eq!(
            by_name(Path::new("d"), Path::new("/..")),
            Vec::<PathBuf>::new()
        );
    }
}
