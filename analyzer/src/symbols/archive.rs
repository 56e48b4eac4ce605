//! Binaries out of an archive: the bundle of the capture, or a tarball of
//! `perf archive`.
//!
//! Nothing is unpacked but what is asked for, and that once: into a file without
//! a name, which goes away with the archive.

use super::image::{Image, Origin};
use contend_bundle::{Binaries, Bundle, Error, Extracted, Limits, Member, Part, layout};
use contend_perfdata::FileSource;
use rayon::ThreadPool;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

enum Holds {
    Bundle(Arc<Bundle>),
    Binaries(Binaries),
}

/// An open archive.
pub(super) struct Archive {
    path: PathBuf,
    origin: Origin,
    holds: Holds,
    pool: Arc<ThreadPool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: BTreeMap<(String, Part), Option<Image>>,
    remarks: BTreeSet<String>,
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Archive({})", self.path.display())
    }
}

impl Archive {
    /// The bundle of a capture, which is at `path`. `pool` must be no pool in
    /// which binaries are looked for: see [`Archive::extract`].
    pub(super) fn of_bundle(bundle: Arc<Bundle>, path: &Path, pool: Arc<ThreadPool>) -> Self {
        Self::new(Holds::Bundle(bundle), path, Origin::Bundle, pool)
    }

    /// Opens the archive at `path`.
    ///
    /// # Errors
    /// Why it is none or is refused.
    pub(super) fn open(path: &Path, pool: Arc<ThreadPool>) -> Result<Self, Error> {
        let binaries = pool.install(|| Binaries::open(path, &Limits::default()))?;
        Ok(Self::new(
            Holds::Binaries(binaries),
            path,
            Origin::Named,
            pool,
        ))
    }

    fn new(holds: Holds, path: &Path, origin: Origin, pool: Arc<ThreadPool>) -> Self {
        let mut state = State::default();
        if let Holds::Binaries(binaries) = &holds {
            let notes = binaries.notes().iter();
            state
                .remarks
                .extend(notes.map(|note| format!("{}: {note}", path.display())));
            if binaries.parts().next().is_none() {
                let what = "it has no binaries under their build-ids";
                state.remarks.insert(format!("{}: {what}", path.display()));
            }
        }
        Self {
            path: path.to_owned(),
            origin,
            holds,
            pool,
            state: Mutex::new(state),
        }
    }

    /// What stands for a build-id here. That it has this build-id is for the
    /// caller to check.
    pub(super) fn image(&self, id: &str, part: Part) -> Option<Image> {
        let key = (id.to_owned(), part);
        let mut state = self.state();
        if let Some(known) = state.taken.get(&key) {
            return known.clone();
        }
        let image = match self.extract(id, part) {
            Ok(Some((name, extracted))) => {
                let shown = member_of(&self.path, &name);
                state.remarks.extend(
                    extracted
                        .note
                        .map(|note| format!("{}: {note}", self.path.display())),
                );
                let copy = FileSource::new(extracted.file).ok();
                copy.map(|copy| Image::copy(shown, self.origin, Arc::new(copy)))
            }
            Ok(None) => None,
            Err(error) => {
                state
                    .remarks
                    .insert(format!("{}: {error}", self.path.display()));
                None
            }
        };
        state.taken.insert(key, image.clone());
        image
    }

    /// What could not be read so far, for people.
    pub(super) fn remarks(&self) -> BTreeSet<String> {
        self.state().remarks.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a member out on a thread that is in no pool. A thread of a pool that
    /// waits does other work of its pool, and that may ask for the lock that it
    /// holds.
    fn extract(&self, id: &str, part: Part) -> Result<Option<(String, Extracted)>, Error> {
        if !self.has(id, part) {
            return Ok(None);
        }
        std::thread::scope(|scope| {
            let work = || self.pool.install(|| self.extract_here(id, part));
            let ended = scope.spawn(work).join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn extract_here(&self, id: &str, part: Part) -> Result<Option<(String, Extracted)>, Error> {
        match &self.holds {
            Holds::Bundle(bundle) => {
                let name = member(id, part);
                let Some(name) = name else { return Ok(None) };
                let limit = Limits::default().binary;
                match bundle.member(&name).map(Member::size) {
                    Some(size) if size > limit => Err(Error::MemberTooLarge { name, size, limit }),
                    Some(_) => bundle.extract(&name).map(|taken| Some((name, taken))),
                    None => Ok(None),
                }
            }
            Holds::Binaries(binaries) => binaries.extract(id, part),
        }
    }

    fn has(&self, id: &str, part: Part) -> bool {
        match &self.holds {
            Holds::Bundle(bundle) => {
                member(id, part).is_some_and(|name| bundle.member(&name).is_some())
            }
            Holds::Binaries(binaries) => binaries.has(id, part),
        }
    }
}

/// A member of the archive at `path` as people know it: a file, if the bundle is
/// unpacked.
pub(super) fn member_of(path: &Path, name: &str) -> String {
    if path.is_dir() {
        return path.join(name).display().to_string();
    }
    format!("{}:{name}", path.display())
}

/// Where a bundle has a part of this build-id.
fn member(id: &str, part: Part) -> Option<String> {
    match part {
        Part::Binary => layout::binary(id),
        Part::Debug => layout::debug_binary(id),
        _ => None,
    }
}
