//! Finds the binary that a capture means.
//!
//! ```text
//! the bundle     that the capture is in
//! --symbol-dir   .build-id trees, perf's cache, debug trees, plain copies;
//!                tarballs of perf archive
//! ~/.debug       perf's cache
//! /usr/lib/debug .build-id tree
//! the recorded path itself
//! debuginfod     only if the user asks for it
//! ```
//! A file is taken only if its build-id is the recorded one. Where the capture
//! does not know the build-id, only what lies in a folder of `--symbol-dir` under
//! the recorded path or name is taken, because the user said that it is the one.
//! A kernel is never looked for: this machine's is another one.

use super::archive::{Archive, member_of};
use super::debuginfod::{Debuginfod, Wanted};
use super::elf::Elf;
use super::folders::{by_id, by_name, checksum, relative};
use super::image::{Image, Origin};
use super::recorded::Recorded;
use crate::capture::Capture;
use crate::space::{Dso, DsoKind};
use anyhow::{Context, Result, bail, ensure};
use contend_bundle::{Bundle, Extracted, Part};
use rayon::ThreadPool;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where names may come from, as the user says.
#[derive(Clone, Debug, Default)]
pub struct SymbolSources {
    /// Whether names are looked up at all.
    pub enabled: bool,
    /// Folders with binaries, or tarballs of `perf archive`, the first one first.
    pub folders: Vec<PathBuf>,
    /// A copy of `/proc/kallsyms` of the recording machine.
    pub kallsyms: Option<PathBuf>,
    /// Whether the servers of `DEBUGINFOD_URLS` are asked for what is not here.
    pub debuginfod: bool,
}

/// The files that answer for a binary.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The binary.
    pub(crate) image: Image,
    /// Its debug information, when it is a file of its own.
    pub(crate) debug: Option<Image>,
    /// What its debug information shares with that of others (dwz).
    pub(crate) shared: Option<Image>,
    /// Whether there is debug information.
    pub(crate) has_lines: bool,
    /// Whether the build-id proves that it is the recorded one.
    pub(crate) is_proven: bool,
}

/// A file that has the right name and is another build.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Refusal {
    /// Where it is.
    pub(crate) file: String,
    /// Its build-id; absent when it has none.
    pub(crate) build_id: Option<String>,
    /// Whether the user named the place.
    pub(crate) is_named: bool,
}

/// What the search for a binary came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    /// The files, if any are right.
    pub(crate) found: Option<Found>,
    /// Its debug file, when the binary itself is not here: that alone does not
    /// tell which address a place in the binary has.
    pub(crate) debug_only: Option<Image>,
    /// Files that were not taken.
    pub(crate) refused: BTreeSet<Refusal>,
}

/// Looks for binaries.
#[derive(Debug)]
pub(crate) struct Locator {
    sources: SymbolSources,
    /// What the bundle was opened as.
    capture: PathBuf,
    bundle: Option<Arc<Bundle>>,
    /// Inflates archives; absent where there are none.
    pool: Option<Arc<ThreadPool>>,
    /// Where binaries are looked for, in this order.
    roots: Vec<Root>,
    /// Asked for what is in none of them.
    debuginfod: Option<Debuginfod>,
    /// What the recorder itself wrote down.
    recorded: Recorded,
}

/// A place with binaries.
#[derive(Debug)]
pub(super) enum Root {
    Archive(Box<Archive>),
    Folder(PathBuf, Origin),
}

/// What a file turned out to be.
pub(super) struct Examined {
    image: Image,
    pub(super) build_id: Option<Vec<u8>>,
    has_contents: bool,
    has_lines: bool,
    debug_link: Option<(String, u32)>,
    shared_link: Option<(String, Vec<u8>)>,
}

/// Reads the headers of a file; absent when it is no ELF file.
pub(super) fn examine(image: Image) -> Option<Examined> {
    let bytes = image.open().ok()?;
    let elf = Elf::parse(&bytes).ok()?;
    Some(Examined {
        build_id: elf.build_id(),
        has_contents: elf.has_contents(),
        has_lines: elf.has_debug_info(),
        debug_link: elf.debug_link(),
        shared_link: elf.shared_link(),
        image,
    })
}

/// Writes a build-id as its usual text.
pub(super) fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |mut text, byte| {
        // A string takes every text.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A build-id without what an old recorder added: those write 20 bytes whatever
/// its length, the rest being zeros.
fn unpadded(id: &[u8]) -> &[u8] {
    let shorter = [8, 16].into_iter().find_map(|length| {
        let (own, rest) = id.split_at_checked(length)?;
        (!rest.is_empty() && rest.iter().all(|&byte| byte == 0)).then_some(own)
    });
    shorter.unwrap_or(id)
}

/// Under which names files with this build-id may stand.
fn spellings(id: &[u8]) -> Vec<String> {
    let own = unpadded(id);
    let padded = (own != id).then(|| hex(id));
    [hex(own)].into_iter().chain(padded).collect()
}

/// Whether two build-ids are one, the recorded one perhaps padded.
pub(super) fn is_same_id(recorded: &[u8], own: &[u8]) -> bool {
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
    /// A search in the capture's bundle, in what the user named and in the usual
    /// places of this machine.
    ///
    /// # Errors
    /// When what the user named is not there or is no archive.
    pub(crate) fn new(sources: &SymbolSources, capture: &Capture) -> Result<Self> {
        let threads = capture.pool().current_num_threads();
        let mut locator = Self::open(sources, capture.path(), capture.bundle().cloned(), threads)?;
        if sources.enabled {
            locator.recorded = Recorded::new(&capture.header().features.symbol_files);
        }
        Ok(locator)
    }

    /// A search for what is in no capture.
    #[cfg(test)]
    pub(super) fn without_capture(sources: &SymbolSources) -> Self {
        Self::open(sources, Path::new(""), None, 1).expect("the folders are there")
    }

    fn open(
        sources: &SymbolSources,
        capture: &Path,
        bundle: Option<Arc<Bundle>>,
        threads: usize,
    ) -> Result<Self> {
        let mut locator = Self {
            sources: sources.clone(),
            capture: capture.to_owned(),
            bundle,
            pool: None,
            roots: Vec::new(),
            debuginfod: None,
            recorded: Recorded::default(),
        };
        if !sources.enabled {
            return Ok(locator);
        }
        let is_archive = |path: &PathBuf| path.exists() && !path.is_dir();
        if locator.bundle.is_some() || sources.folders.iter().any(is_archive) {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            locator.pool = Some(Arc::new(pool.build().context("cannot start threads")?));
        }
        if let (Some(bundle), Some(pool)) = (&locator.bundle, &locator.pool) {
            let archive = Archive::of_bundle(Arc::clone(bundle), capture, Arc::clone(pool));
            locator.roots.push(Root::Archive(Box::new(archive)));
        }
        for path in &sources.folders {
            let root = match &locator.pool {
                Some(pool) if is_archive(path) => {
                    let opened = Archive::open(path, Arc::clone(pool));
                    let what = || format!("cannot use --symbol-dir {}", path.display());
                    Root::Archive(Box::new(opened.with_context(what)?))
                }
                _ => {
                    let no_such = "no such folder, and no archive of binaries";
                    ensure!(path.is_dir(), "--symbol-dir {}: {no_such}", path.display());
                    Root::Folder(path.clone(), Origin::Named)
                }
            };
            locator.roots.push(root);
        }
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
        let cache = home.map(|home| Path::new(&home).join(".debug"));
        let cache = cache.map(|path| Root::Folder(path, Origin::Cache));
        locator.roots.extend(cache);
        let system = PathBuf::from("/usr/lib/debug");
        locator.roots.push(Root::Folder(system, Origin::System));
        if sources.debuginfod {
            locator.debuginfod = Some(Debuginfod::from_environment()?);
        }
        Ok(locator)
    }

    /// What the user said.
    pub(crate) fn sources(&self) -> &SymbolSources {
        &self.sources
    }

    /// Where binaries are looked for, the first place first.
    pub(super) fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The bundle that the capture is in.
    pub(super) fn bundle(&self) -> Option<&Bundle> {
        self.bundle.as_deref()
    }

    /// What the recorder itself wrote down.
    pub(super) fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// Takes a member out of the bundle.
    ///
    /// # Errors
    /// When there is none, or as [`Bundle::extract`].
    pub(super) fn extract(&self, member: &str) -> Result<Extracted> {
        let (Some(bundle), Some(pool)) = (&self.bundle, &self.pool) else {
            bail!("the capture is in no bundle");
        };
        Ok(pool.install(|| bundle.extract(member))?)
    }

    /// Where a member of the bundle is, for people.
    pub(super) fn shown(&self, member: &str) -> String {
        member_of(&self.capture, member)
    }

    /// What was wrong with the places themselves so far, for people.
    pub(crate) fn remarks(&self) -> BTreeSet<String> {
        let archives = self.roots.iter().filter_map(|root| match root {
            Root::Archive(archive) => Some(archive.remarks()),
            Root::Folder(..) => None,
        });
        let servers = self.debuginfod.iter().map(Debuginfod::remarks);
        archives.chain(servers).flatten().collect()
    }

    /// Finds the files of a binary.
    pub(crate) fn find(&self, dso: &Dso) -> Search {
        if !matches!(dso.kind, DsoKind::File | DsoKind::Vdso) {
            return Search::default();
        }
        let name = dso.display_name();
        let recorded = Path::new(name.as_ref());
        let wanted = dso.build_id.as_ref().map(|id| id.as_bytes());
        let mut hunt = Hunt::new(wanted);
        for candidate in self.candidates(recorded, wanted) {
            hunt.consider(candidate);
            if hunt.has_lines() || hunt.image.is_some() && hunt.debug.is_some() {
                break;
            }
        }
        if hunt.image.is_none() {
            self.ask(&mut hunt, Wanted::Executable);
        }
        if let (Some(file), None) = (&hunt.image, &hunt.debug)
            && !file.has_lines
        {
            hunt.debug = self.by_link(recorded, file);
        }
        if hunt.image.is_some() && !hunt.has_lines() && hunt.debug.is_none() {
            self.ask(&mut hunt, Wanted::Debuginfo);
        }
        if hunt.has_lines() {
            hunt.debug = None;
        }
        let Hunt {
            image,
            debug,
            refused,
            ..
        } = hunt;
        let mut search = Search {
            refused,
            ..Search::default()
        };
        let lines = debug.as_ref().or(image.as_ref());
        let shared = lines.and_then(|file| {
            let (name, id) = file.shared_link.as_ref()?;
            self.shared(&file.image, name, id)
        });
        let has_lines = lines.is_some_and(|file| file.has_lines);
        let debug = debug.map(|file| file.image);
        let Some(image) = image else {
            search.debug_only = debug;
            return search;
        };
        search.found = Some(Found {
            image: image.image,
            debug,
            shared,
            has_lines,
            is_proven: wanted.is_some(),
        });
        search
    }

    /// Looks into the cache of debuginfod, and asks its servers if that does not
    /// have it.
    fn ask(&self, hunt: &mut Hunt<'_>, wanted: Wanted) {
        let (Some(servers), Some(id)) = (&self.debuginfod, hunt.wanted) else {
            return;
        };
        let id = unpadded(id);
        if !hunt.consider(servers.cached(&hex(id), wanted)) {
            servers.fetch(id, wanted).map(|image| hunt.consider(image));
        }
    }

    /// What may be the binary or its debug file, the likeliest first. Members of
    /// archives are taken out when it is their turn.
    fn candidates<'a>(
        &'a self,
        recorded: &'a Path,
        wanted: Option<&[u8]>,
    ) -> impl Iterator<Item = Image> + 'a {
        let ids = wanted.map_or_else(Vec::new, spellings);
        let itself = (!ids.is_empty() && recorded.is_absolute())
            .then(|| Image::at(recorded.to_owned(), Origin::Recorded));
        let in_roots = self.roots.iter().flat_map(move |root| {
            let by_name = match root {
                Root::Folder(folder, Origin::Named) => by_name(folder, recorded),
                _ => Vec::new(),
            };
            let by_name = by_name
                .into_iter()
                .map(|path| Image::at(path, Origin::Named));
            root.by_ids(ids.clone()).chain(by_name)
        });
        in_roots.chain(itself)
    }

    /// The debug file that a binary names (`.gnu_debuglink`), where gdb looks for
    /// it. It is proven by its build-id, or by its checksum where the binary has
    /// no build-id.
    fn by_link(&self, recorded: &Path, file: &Examined) -> Option<Examined> {
        let (name, crc) = file.debug_link.as_ref()?;
        let name = Path::new(name).file_name()?;
        let folder = relative(recorded.parent()?)?;
        let own = file.image.path();
        let mut images = Vec::new();
        let mut add = |path: PathBuf, origin| {
            if own != Some(&path) {
                images.push(Image::at(path, origin));
            }
        };
        if let Some(beside) = own.and_then(Path::parent) {
            let origin = file.image.origin();
            add(beside.join(name), origin);
            add(beside.join(".debug").join(name), origin);
        }
        for root in &self.roots {
            match root {
                Root::Folder(root, Origin::Named) => {
                    let debug = root.join("usr/lib/debug");
                    add(debug.join(&folder).join(name), Origin::Named);
                    add(root.join(&folder).join(name), Origin::Named);
                    let beside = root.join(&folder).join(".debug");
                    add(beside.join(name), Origin::Named);
                    add(root.join(name), Origin::Named);
                }
                Root::Folder(root, Origin::System) => {
                    add(root.join(&folder).join(name), Origin::System);
                }
                _ => {}
            }
        }
        images.into_iter().find_map(|image| {
            let found = examine(image)?;
            let is_right = match (&file.build_id, &found.build_id) {
                (Some(own), Some(other)) => own == other,
                (Some(_), None) => false,
                (None, _) => checksum(found.image.path()?).ok()? == *crc,
            };
            is_right.then_some(found)
        })
    }

    /// The file with what several debug files share.
    fn shared(&self, debug: &Image, name: &str, id: &[u8]) -> Option<Image> {
        let beside = debug.path().and_then(|path| {
            let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            Some(Image::at(real.parent()?.join(name), debug.origin()))
        });
        let in_roots = self.roots.iter().flat_map(|root| {
            let by_name = match root {
                Root::Folder(root, origin) => {
                    let inside = relative(Path::new(name)).map(|name| root.join(name));
                    let alone = Path::new(name).file_name().map(|name| root.join(name));
                    let paths = inside.into_iter().chain(alone);
                    paths.map(|path| Image::at(path, *origin)).collect()
                }
                Root::Archive(_) => Vec::new(),
            };
            root.by_ids(vec![hex(id)]).chain(by_name)
        });
        let servers = self.debuginfod.iter().flat_map(|servers| {
            let cached = servers.cached(&hex(id), Wanted::Debuginfo);
            let fetched = std::iter::once_with(|| servers.fetch(id, Wanted::Debuginfo));
            [cached].into_iter().chain(fetched.flatten())
        });
        let images = beside.into_iter().chain(in_roots).chain(servers);
        let mut files = images.filter_map(examine);
        let found = files.find(|file| file.build_id.as_deref() == Some(id))?;
        Some(found.image)
    }
}

/// A search that is going on.
struct Hunt<'a> {
    wanted: Option<&'a [u8]>,
    image: Option<Examined>,
    debug: Option<Examined>,
    refused: BTreeSet<Refusal>,
}

impl<'a> Hunt<'a> {
    fn new(wanted: Option<&'a [u8]>) -> Self {
        Self {
            wanted,
            image: None,
            debug: None,
            refused: BTreeSet::new(),
        }
    }

    /// Whether the binary itself has debug information.
    fn has_lines(&self) -> bool {
        self.image.as_ref().is_some_and(|file| file.has_lines)
    }

    /// Takes a file if it is the right build. Whether it is.
    fn consider(&mut self, candidate: Image) -> bool {
        let Some(file) = examine(candidate) else {
            return false;
        };
        let origin = file.image.origin();
        let is_right = match (self.wanted, &file.build_id) {
            (Some(wanted), Some(own)) => is_same_id(wanted, own),
            (Some(_), None) => false,
            (None, _) => origin == Origin::Named,
        };
        if is_right {
            let place = if file.has_contents {
                &mut self.image
            } else {
                &mut self.debug
            };
            place.get_or_insert(file);
        } else {
            self.refused.insert(Refusal {
                file: file.image.to_string(),
                build_id: file.build_id.as_deref().map(hex),
                is_named: origin.is_named(),
            });
        }
        is_right
    }
}

impl Root {
    /// What stands here under a build-id.
    fn by_ids(&self, ids: Vec<String>) -> impl Iterator<Item = Image> + '_ {
        ids.into_iter().flat_map(move |id| {
            let (paths, members) = match self {
                Self::Folder(folder, origin) => {
                    let paths = by_id(folder, &id).into_iter();
                    let images = paths.map(|path| Image::at(path, *origin));
                    (Some(images), None)
                }
                Self::Archive(archive) => {
                    let parts = [Part::Binary, Part::Debug].into_iter();
                    let images = parts.filter_map(move |part| archive.image(&id, part));
                    (None, Some(images))
                }
            };
            let paths = paths.into_iter().flatten();
            paths.chain(members.into_iter().flatten())
        })
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
    fn padded_build_ids_are_looked_for_by_the_short_name_too() {
        let mut id = [0xab; 20];
        assert_eq!(spellings(&id), ["ab".repeat(20)]);
        id[16..].fill(0);
        let short = "ab".repeat(16);
        assert_eq!(spellings(&id), [short.clone(), format!("{short}00000000")]);
        assert_eq!(spellings(&[0xab; 8]), ["ab".repeat(8)]);
    }
}
