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
//! the recorded path or name is taken, because the user said that it is the one;
//! a debug file must be that file's own all the same.
//! A kernel is never looked for: this machine's is another one.

use super::archive::{Archive, member_of};
use super::debuginfod::{Debuginfod, Wanted};
use super::folders::{by_id, by_name};
use super::hunt::{Hunt, Refusal, examine, hex, spellings, unpadded};
use super::image::{Image, Origin};
use super::recorded::Recorded;
use crate::capture::Capture;
use crate::space::{Dso, DsoKind};
use anyhow::{Context, Result, bail, ensure};
use contend_bundle::{Bundle, Extracted, Part};
use rayon::ThreadPool;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where names may come from, as the user says.
#[derive(Clone, Debug, Default)]
pub struct SymbolSources {
    /// Whether names are looked up at all.
    pub enabled: bool,
    /// Folders with binaries, tarballs of `perf archive`, or binaries, the first
    /// one first.
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
    pub(super) roots: Vec<Root>,
    /// Asked for what is in none of them.
    pub(super) debuginfod: Option<Debuginfod>,
    /// What the recorder itself wrote down.
    recorded: Recorded,
}

/// A place with binaries.
#[derive(Debug)]
pub(super) enum Root {
    Archive(Box<Archive>),
    Folder(PathBuf, Origin),
    /// One binary that the user named, and its build-id.
    Program(PathBuf, Option<Vec<u8>>),
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
            if let Some(program) = examine(Image::at(path.clone(), Origin::Named)) {
                let program = Root::Program(path.clone(), program.build_id);
                locator.roots.push(program);
                continue;
            }
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
            Root::Folder(..) | Root::Program(..) => None,
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
        hunt.settle();
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
                Root::Program(path, _) if path.file_name() == recorded.file_name() => {
                    vec![path.clone()]
                }
                _ => Vec::new(),
            };
            let by_name = by_name
                .into_iter()
                .map(|path| Image::at(path, Origin::Named));
            root.by_ids(ids.clone()).chain(by_name)
        });
        in_roots.chain(itself)
    }
}

impl Root {
    /// What stands here under a build-id.
    pub(super) fn by_ids(&self, ids: Vec<String>) -> impl Iterator<Item = Image> + '_ {
        ids.into_iter().flat_map(move |id| {
            let program = match self {
                Self::Program(path, own) => {
                    let is_it = own.as_deref().is_some_and(|own| hex(own) == id);
                    is_it.then(|| Image::at(path.clone(), Origin::Named))
                }
                _ => None,
            };
            let (paths, members) = match self {
                Self::Program(..) => (None, None),
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
            paths.chain(members.into_iter().flatten()).chain(program)
        })
    }
}
