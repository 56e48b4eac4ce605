//! The members of an unpacked bundle.

use super::limits::Limits;
use super::members::Member;
use super::position::FromStart;
use crate::error::Error;
use crate::layout;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Folders in folders that are looked into. Facts of `/sys` stand ten deep.
const DEPTH: usize = 32;
/// Bytes that are read from a member at a time.
const PIECE: usize = 1 << 20;

/// The files under `root`, by name, and what was passed over.
///
/// # Errors
/// When a folder cannot be read, or when there are more files than the limits
/// allow.
pub(super) fn find(root: &Path, limits: &Limits) -> Result<(Vec<Member>, Vec<String>), Error> {
    let mut list = Vec::new();
    let mut notes = Vec::new();
    let mut count = 0;
    let mut folders = vec![(String::new(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let path = path_of(root, &folder);
        let read = || Error::io(format!("cannot read the folder {}", path.display()));
        for entry in path.read_dir().map_err(read())? {
            let entry = entry.map_err(read())?;
            count += 1;
            if count > limits.members {
                return Err(Error::TooMany {
                    what: "files",
                    limit: limits.members,
                });
            }
            // This does not follow links.
            let metadata = entry.metadata().map_err(read())?;
            let file = entry.file_name();
            let file = file.to_string_lossy();
            let name = if folder.is_empty() {
                file.into_owned()
            } else {
                format!("{folder}/{file}")
            };
            if layout::check_name(&name).is_err() {
                notes.push(format!(
                    "{name:?} is no name of a member and was passed over"
                ));
            } else if metadata.is_dir() && depth < DEPTH {
                folders.push((name, depth + 1));
            } else if metadata.is_file() {
                list.push(Member {
                    name,
                    size: metadata.len(),
                    available: metadata.len(),
                    offset: 0,
                });
            } else {
                notes.push(format!("{name} is not a file and was passed over"));
            }
        }
    }
    // The order of a folder is any; that of a bundle is not known any more.
    list.sort_by(|a, b| a.name.cmp(&b.name));
    notes.sort();
    Ok((list, notes))
}

/// Opens a member.
pub(super) fn open(root: &Path, name: &str) -> Result<File, Error> {
    let path = path_of(root, name);
    File::open(&path).map_err(Error::io(format!("cannot open {}", path.display())))
}

/// Hands the bytes of an unpacked member to `take`, as many as there were when
/// the folder was opened.
pub(super) fn copy(
    root: &Path,
    member: &Member,
    take: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let file = open(root, &member.name)?;
    let mut source = FromStart {
        file: &file,
        offset: 0,
    }
    .take(member.size);
    let mut piece = vec![0; PIECE];
    let mut got = 0;
    while got < member.size {
        let count = match source.read(&mut piece) {
            Ok(0) => {
                return Err(Error::Cut {
                    name: member.name.clone(),
                    available: got,
                    size: member.size,
                });
            }
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::io(format!("cannot read {}", member.name))(error)),
        };
        take(&piece[..count])?;
        got += count as u64;
    }
    Ok(())
}

fn path_of(root: &Path, name: &str) -> PathBuf {
    let mut path = root.to_owned();
    path.extend(name.split('/').filter(|part| !part.is_empty()));
    path
}
