//! Binaries by build-id, out of an archive that is no bundle.

use super::bundle::Extracted;
use super::limits::Limits;
use super::members::{self, Member, Members, Strangers};
use super::spool::{temporary, write_temporary};
use super::stream::Stream;
use crate::error::Error;
use crate::layout::{self, BUILD_IDS};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// What an archive can hold for a build-id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Part {
    /// The file that was mapped.
    Binary,
    /// Split debug information.
    Debug,
    /// The kernel's symbols, as `/proc/kallsyms` had them.
    Kallsyms,
}

/// The binaries in a tarball of `perf archive`, in a bundle, or in any other
/// tar of a build-id cache.
///
/// A file is known by where it stands: `.build-id/ab/cdef…` (and `.debug`
/// behind it), or `…/BUILD-ID/elf` (`debug`, `vdso`, `kallsyms`), which is how
/// perf's cache stores them (`build_id_cache__cachedir`, tools/perf/util/
/// build-id.c), or `…/BUILD-ID`, which is how perf did before 4.11. The links
/// beside them say nothing more and are passed over.
#[derive(Debug)]
pub struct Binaries {
    stream: Stream,
    limit: u64,
    by_id: BTreeMap<(String, Part), Member>,
    notes: Vec<String>,
}

impl Binaries {
    /// Opens the archive at `path`.
    ///
    /// # Errors
    /// Why it is none or is refused. One without binaries is no error.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("cannot open it"))?;
        Self::from_file(file, limits)
    }

    /// Opens an archive. The file is read at positions, so it must be a regular
    /// one.
    ///
    /// # Errors
    /// As [`Binaries::open`].
    pub fn from_file(file: File, limits: &Limits) -> Result<Self, Error> {
        let stream = Stream::open(file, limits)?;
        let Members { list, damage } = members::find(&stream, limits, Strangers::PassOver)?;
        let mut by_id = BTreeMap::new();
        for member in list {
            if let Some(key) = classify(&member.name) {
                // The same build-id twice is the same binary twice.
                by_id.entry(key).or_insert(member);
            }
        }
        let notes = damage.map(|why| {
            format!("the archive is cut or damaged: {why}; binaries behind it are missing")
        });
        Ok(Self {
            stream,
            limit: limits.binary,
            by_id,
            notes: notes.into_iter().collect(),
        })
    }

    /// What is there, by build-id in lower-case hexadecimal digits.
    pub fn parts(&self) -> impl Iterator<Item = (&str, Part)> {
        self.by_id.keys().map(|(id, part)| (id.as_str(), *part))
    }

    /// What a reader should know, for people.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether a part of this build-id (hexadecimal digits of any case) is here.
    pub fn has(&self, build_id: &str, part: Part) -> bool {
        let key = (build_id.to_ascii_lowercase(), part);
        self.by_id.contains_key(&key)
    }

    /// Gives a part of this build-id (hexadecimal digits of any case) as a
    /// temporary file without a name, and the name that it has in the archive,
    /// if it is here. That it has this build-id is for the caller to check.
    ///
    /// # Errors
    /// As [`Binaries::read`].
    pub fn extract(
        &self,
        build_id: &str,
        part: Part,
    ) -> Result<Option<(String, Extracted)>, Error> {
        let Some(member) = self.whole(build_id, part)? else {
            return Ok(None);
        };
        let mut file = temporary()?;
        self.stream.copy(range(member), &mut |piece| {
            write_temporary(&mut file, piece)
        })?;
        let extracted = Extracted {
            file,
            length: member.size,
            missing: 0,
            note: None,
        };
        Ok(Some((member.name.clone(), extracted)))
    }

    /// Reads a part of this build-id (hexadecimal digits of any case) into
    /// memory, if it is here. That it has this build-id is for the caller to
    /// check.
    ///
    /// # Errors
    /// [`Error::Cut`], [`Error::Damaged`], [`Error::MemberTooLarge`] beyond
    /// [`Limits::binary`], or when it cannot be read.
    pub fn read(&self, build_id: &str, part: Part) -> Result<Option<Vec<u8>>, Error> {
        let Some(member) = self.whole(build_id, part)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        self.stream.copy(range(member), &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(Some(bytes))
    }

    /// The member with a part of this build-id, if it is here, as far as it
    /// should be and not too large.
    fn whole(&self, build_id: &str, part: Part) -> Result<Option<&Member>, Error> {
        let key = (build_id.to_ascii_lowercase(), part);
        let Some(member) = self.by_id.get(&key) else {
            return Ok(None);
        };
        let &Member {
            size, available, ..
        } = member;
        let name = || member.name.clone();
        if size > self.limit {
            return Err(Error::MemberTooLarge {
                name: name(),
                size,
                limit: self.limit,
            });
        }
        if available < size {
            return Err(Error::Cut {
                name: name(),
                available,
                size,
            });
        }
        Ok(Some(member))
    }
}

/// Where the bytes of a member are in the tar.
fn range(member: &Member) -> std::ops::Range<u64> {
    member.offset..member.offset + member.size
}

/// Digits that a folder or file must have to be taken for a build-id where
/// nothing else says so: 16 bytes, the shortest of ld's.
const BARE_DIGITS: usize = 32;

/// Whose binary stands under this name, and which part of it.
fn classify(name: &str) -> Option<(String, Part)> {
    let parts: Vec<&str> = name.rsplit('/').collect();
    match *parts {
        [rest, first, BUILD_IDS, ..] => {
            let (rest, part) = match rest.strip_suffix(".debug") {
                Some(rest) => (rest, Part::Debug),
                None => (rest, Part::Binary),
            };
            spread(first, rest).map(|id| (id, part))
        }
        [leaf, rest, first, BUILD_IDS, ..] => Some((spread(first, rest)?, leaf_part(leaf)?)),
        [leaf, id, ..] if leaf_part(leaf).is_some() => Some((bare(id)?, leaf_part(leaf)?)),
        [id, "[kernel.kallsyms]" | "[guest.kernel.kallsyms]", ..] => {
            Some((bare(id)?, Part::Kallsyms))
        }
        [id, ..] => Some((bare(id)?, Part::Binary)),
        [] => None,
    }
}

fn spread(first: &str, rest: &str) -> Option<String> {
    if first.len() != 2 {
        return None;
    }
    layout::build_id_digits(&format!("{first}{rest}"))
}

fn bare(id: &str) -> Option<String> {
    layout::build_id_digits(id).filter(|id| id.len() >= BARE_DIGITS)
}

fn leaf_part(leaf: &str) -> Option<Part> {
    match leaf {
        "elf" | "vdso" => Some(Part::Binary),
        "debug" => Some(Part::Debug),
        "kallsyms" => Some(Part::Kallsyms),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_are_known_by_where_they_stand() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        let (first, rest) = id.split_at(2);
        for (name, part) in [
            (format!(".build-id/{first}/{rest}"), Part::Binary),
            (format!(".debug/.build-id/{first}/{rest}"), Part::Binary),
            (
                format!("usr/lib/debug/.build-id/{first}/{rest}.debug"),
                Part::Debug,
            ),
            (format!(".build-id/{first}/{rest}/elf"), Part::Binary),
            (format!("usr/bin/ls/{id}/elf"), Part::Binary),
            (format!("usr/bin/ls/{id}/debug"), Part::Debug),
            (format!("[vdso]/{id}/vdso"), Part::Binary),
            (format!("[kernel.kallsyms]/{id}/kallsyms"), Part::Kallsyms),
            (format!("[kernel.kallsyms]/{id}"), Part::Kallsyms),
            (format!("usr/bin/ls/{}", id.to_uppercase()), Part::Binary),
        ] {
            assert_eq!(classify(&name), Some((id.to_owned(), part)), "{name}");
        }
        for name in [
            format!("usr/bin/ls/{id}/probes"),
            format!(".build-id/{first}x/{rest}"),
            ".build-id/ab/xyz".into(),
            "perf.data".into(),
            "deadbeef/elf".into(),
            "usr/bin/deadbeef".into(),
        ] {
            assert_eq!(classify(&name), None, "{name}");
        }
    }
}
