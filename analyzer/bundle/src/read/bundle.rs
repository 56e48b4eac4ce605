//! A bundle, packed or unpacked, and its members.

use super::folder;
use super::limits::Limits;
use super::members::{self, Member, Members, Strangers};
use super::spool::{temporary, write_temporary};
use super::stream::Stream;
use crate::error::Error;
use crate::layout;
use crate::manifest::Manifest;
use crate::sums::{self, Sum};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Names that a note lists before it says how many more there are.
const NAMES_IN_NOTE: usize = 3;

/// An open bundle.
///
/// Opening reads the frame headers, the member headers, the manifest and the
/// sums. Contents are inflated when they are asked for, by all threads of the
/// rayon pool that asks.
#[derive(Debug)]
pub struct Bundle {
    source: Source,
    members: Vec<Member>,
    by_name: BTreeMap<String, usize>,
    manifest: Manifest,
    sums: Option<BTreeMap<String, Sum>>,
    notes: Vec<String>,
    whole: bool,
}

#[derive(Debug)]
enum Source {
    Archive(Stream),
    Folder(PathBuf),
}

/// A member as a file of its own, for reads at any position.
#[derive(Debug)]
pub struct Extracted {
    /// The file, at an unknown position. Of a packed bundle a temporary one
    /// without a name, which goes away with this.
    pub file: File,
    /// Bytes in it.
    pub length: u64,
    /// Bytes of the member that are missing because the bundle is cut or
    /// damaged there.
    pub missing: u64,
    /// What a reader of the file should know, for people: why bytes are
    /// missing.
    pub note: Option<String>,
}

impl Bundle {
    /// Opens the bundle at `path`, a file or a folder.
    ///
    /// # Errors
    /// What it is instead of a bundle, or why it is refused.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, Error> {
        let open = || Error::io("cannot open it");
        if path.metadata().map_err(open())?.is_dir() {
            return Self::from_folder(path, limits);
        }
        Self::from_file(File::open(path).map_err(open())?, limits)
    }

    /// Opens a packed bundle. The file is read at positions, so it must be a
    /// regular one.
    ///
    /// # Errors
    /// As [`Bundle::open`].
    pub fn from_file(file: File, limits: &Limits) -> Result<Self, Error> {
        let stream = Stream::open(file, limits)?;
        let Members { list, damage } = members::find(&stream, limits, Strangers::Refuse)?;
        let mut notes = Vec::new();
        if let Some(why) = &damage {
            let mut note = format!("the bundle is cut or damaged: {why}");
            if let Some(cut) = list.iter().find(|member| member.available < member.size) {
                note += &format!(
                    "; of {} only {} of {} bytes are here",
                    cut.name, cut.available, cut.size
                );
            }
            notes.push(note + "; what is behind it is missing");
        }
        Self::build(Source::Archive(stream), list, notes, limits)
    }

    /// Opens an unpacked bundle. Links in it are not followed.
    fn from_folder(path: &Path, limits: &Limits) -> Result<Self, Error> {
        let (list, notes) = folder::find(path, limits)?;
        Self::build(Source::Folder(path.to_owned()), list, notes, limits)
    }

    fn build(
        source: Source,
        members: Vec<Member>,
        notes: Vec<String>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let mut by_name = BTreeMap::new();
        for (index, member) in members.iter().enumerate() {
            if by_name.insert(member.name.clone(), index).is_some() {
                return Err(Error::Duplicate {
                    name: member.name.clone(),
                });
            }
        }
        let mut bundle = Self {
            whole: match &source {
                Source::Archive(_) => notes.is_empty(),
                Source::Folder(_) => true,
            },
            source,
            members,
            by_name,
            manifest: Manifest::default(),
            sums: None,
            notes,
        };
        bundle.take_manifest(limits)?;
        bundle.take_sums(limits)?;
        Ok(bundle)
    }

    fn take_manifest(&mut self, limits: &Limits) -> Result<(), Error> {
        if self.member(layout::MANIFEST).is_none() {
            return Err(Error::NoManifest {
                what: match &self.source {
                    Source::Folder(_) => "the directory",
                    Source::Archive(_) if self.whole => "the archive",
                    Source::Archive(_) => "what is left of the cut archive",
                },
            });
        }
        self.manifest = Manifest::parse(&self.read(layout::MANIFEST, limits.manifest)?)?;
        Ok(())
    }

    fn take_sums(&mut self, limits: &Limits) -> Result<(), Error> {
        let whole = self
            .member(layout::SUMS)
            .is_some_and(|member| member.available == member.size);
        if !whole {
            self.whole = false;
            self.notes.push(
                "SHA256SUMS is not here, so nothing tells whether members are as they were packed"
                    .into(),
            );
            return Ok(());
        }
        let sums = sums::parse(&self.read(layout::SUMS, limits.sums)?)?;
        let missing = sums.keys().filter(|name| self.member(name).is_none());
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        let missing = list(&missing);
        let strange = self.members.iter().map(Member::name);
        let strange = strange.filter(|&name| name != layout::SUMS && !sums.contains_key(name));
        let strange = list(&strange.collect::<Vec<_>>());
        if let Some(names) = missing {
            self.whole = false;
            self.notes
                .push(format!("SHA256SUMS lists what is not here: {names}"));
        }
        if let Some(names) = strange {
            self.notes.push(format!(
                "SHA256SUMS does not list, so cannot vouch for: {names}"
            ));
        }
        self.sums = Some(sums);
        // The manifest was read before its sum was known.
        self.read(layout::MANIFEST, limits.manifest)?;
        Ok(())
    }

    /// What the bundle says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// All members, in their order; those of a folder by name.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member of this name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.by_name
            .get(name)
            .and_then(|&index| self.members.get(index))
    }

    /// Names of the captures: those that the manifest lists, in its order, then
    /// all others that end in `.perf.data`.
    pub fn captures(&self) -> impl Iterator<Item = &str> {
        let listed = self.manifest.captures.iter();
        let listed = listed.filter_map(|capture| self.member(&capture.member));
        let others = self.members.iter().filter(|member| {
            let mut listed = self.manifest.captures.iter();
            member.name.ends_with(layout::CAPTURE_SUFFIX)
                && listed.all(|capture| capture.member != member.name)
        });
        // A manifest may list one twice.
        let mut seen = HashSet::new();
        let names = listed.chain(others).map(Member::name);
        names.filter(move |&name| seen.insert(name))
    }

    /// What a reader should know, for people: what is missing, and what cannot
    /// be vouched for.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether all members are here, by the end of the tar and by its sums.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Reads a member of at most `limit` bytes into memory and checks its sum.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::MemberTooLarge`], [`Error::Cut`],
    /// [`Error::Damaged`] or [`Error::Sum`], or when it cannot be read.
    pub fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let member = self.existing(name)?;
        if member.size > limit {
            return Err(Error::MemberTooLarge {
                name: name.to_owned(),
                size: member.size,
                limit,
            });
        }
        if member.available < member.size {
            return Err(Error::Cut {
                name: name.to_owned(),
                available: member.available,
                size: member.size,
            });
        }
        let mut bytes = Vec::new();
        self.copy(member, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// The binary with this build-id (hexadecimal digits), if it is here. That
    /// it has this build-id is for the caller to check.
    ///
    /// # Errors
    /// As [`Bundle::read`], apart from [`Error::Missing`].
    pub fn binary(&self, build_id: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        self.read_optional(layout::binary(build_id), limit)
    }

    /// The split debug information of this build-id, if it is here.
    ///
    /// # Errors
    /// As [`Bundle::binary`].
    pub fn debug_binary(&self, build_id: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        self.read_optional(layout::debug_binary(build_id), limit)
    }

    fn read_optional(&self, name: Option<String>, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        match name.filter(|name| self.member(name).is_some()) {
            Some(name) => self.read(&name, limit).map(Some),
            None => Ok(None),
        }
    }

    /// Gives a member as a file that can be read at any position: for captures,
    /// which are read more than once and by several threads. Of a packed
    /// bundle it is inflated into a temporary file without a name; of an
    /// unpacked one it is the file itself. The sum is checked on the way.
    ///
    /// Of a member that is cut, or has a damaged frame in it, it gives what is
    /// in front, and says what is missing.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Sum`], or when a file cannot be read or
    /// written.
    pub fn extract(&self, name: &str) -> Result<Extracted, Error> {
        let member = self.existing(name)?;
        let (file, length, copied) = match &self.source {
            Source::Folder(root) => {
                self.copy(member, &mut |_| Ok(()))?;
                (folder::open(root, name)?, member.size, Ok(()))
            }
            Source::Archive(_) => {
                let mut file = temporary()?;
                let mut length = 0;
                let copied = self.copy(member, &mut |piece| {
                    length += piece.len() as u64;
                    write_temporary(&mut file, piece)
                });
                (file, length, copied)
            }
        };
        let why = match copied {
            Ok(()) if length == member.size => None,
            Ok(()) => Some("the bundle is cut".to_owned()),
            Err(error @ Error::Damaged { .. }) => Some(error.to_string()),
            Err(error) => return Err(error),
        };
        let missing = member.size - length;
        Ok(Extracted {
            file,
            length,
            missing,
            note: why.map(|why| {
                format!(
                    "{missing} of {} bytes of {name} are missing: {why}",
                    member.size
                )
            }),
        })
    }

    /// Reads everything and compares it with the sums; gives what is wrong,
    /// nothing for a bundle that is as it was packed.
    pub fn verify(&self) -> Vec<Error> {
        let missing = |name: &str| Error::Missing {
            name: name.to_owned(),
        };
        let mut wrong = Vec::new();
        match &self.sums {
            None => wrong.push(missing(layout::SUMS)),
            Some(sums) => {
                let names = sums.keys().filter(|name| self.member(name).is_none());
                wrong.extend(names.map(|name| missing(name)));
            }
        }
        for member in &self.members {
            if member.available < member.size {
                wrong.push(Error::Cut {
                    name: member.name.clone(),
                    available: member.available,
                    size: member.size,
                });
            } else if let Err(error) = self.copy(member, &mut |_| Ok(())) {
                wrong.push(error);
            }
        }
        wrong
    }

    fn existing(&self, name: &str) -> Result<&Member, Error> {
        self.member(name).ok_or_else(|| Error::Missing {
            name: name.to_owned(),
        })
    }

    /// Hands what is here of a member to `take`, and checks the sum behind it
    /// if it is whole.
    fn copy(
        &self,
        member: &Member,
        take: &mut (dyn FnMut(&[u8]) -> Result<(), Error> + Send),
    ) -> Result<(), Error> {
        let sum = self.sums.as_ref().and_then(|sums| sums.get(&member.name));
        let mut hash = Sha256::new();
        let mut take = |piece: &[u8]| {
            if sum.is_some() {
                hash.update(piece);
            }
            take(piece)
        };
        match &self.source {
            Source::Archive(stream) => {
                stream.copy(member.offset..member.offset + member.available, &mut take)?;
            }
            Source::Folder(root) => folder::copy(root, member, &mut take)?,
        }
        match sum {
            Some(sum) if member.available == member.size && hash.finalize()[..] != sum[..] => {
                Err(Error::Sum {
                    name: member.name.clone(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// Some names and how many more; nothing if there are none.
fn list(names: &[&str]) -> Option<String> {
    let shown = names.iter().take(NAMES_IN_NOTE).copied();
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => None,
        count if count > NAMES_IN_NOTE => {
            Some(format!("{shown} and {} more", count - NAMES_IN_NOTE))
        }
        _ => Some(shown),
    }
}
