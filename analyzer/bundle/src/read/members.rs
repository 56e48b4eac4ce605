//! Finds the members of a tar: header after header, over their contents.

use super::limits::Limits;
use super::stream::{Cursor, Stream};
use crate::error::Error;
use crate::layout;
use crate::tar::{self, BLOCK, Kind, MAX_EXTENSION, Pax};

/// A file in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) available: u64,
    /// Where its content begins in the inflated tar; 0 in a folder.
    pub(super) offset: u64,
}

impl Member {
    /// Its name: a path relative to the bundle, with `/`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size in bytes when it was packed.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many of them are here: fewer than [`Member::size`] where the bundle
    /// is cut.
    pub fn available(&self) -> u64 {
        self.available
    }
}

/// What is done about members that a bundle must not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strangers {
    /// One is enough to refuse the archive: the writer makes none.
    Refuse,
    /// They are passed over: `perf archive` packs links, and nothing but files
    /// that are asked for is read.
    PassOver,
}

/// The members of a tar.
#[derive(Debug)]
pub(super) struct Members {
    /// In their order; names may repeat if strangers are passed over.
    pub(super) list: Vec<Member>,
    /// Why there may be more, if the end of the tar is not here.
    pub(super) damage: Option<String>,
}

/// What extension headers said of the next member.
#[derive(Default)]
struct Ahead {
    pax: Pax,
    long_name: Option<Vec<u8>>,
}

/// Finds all members, up to the end or to where the tar is cut or damaged.
///
/// # Errors
/// When the first header is none, when there are strangers that are to be
/// refused, or more members than the limits allow.
pub(super) fn find(
    stream: &Stream,
    limits: &Limits,
    strangers: Strangers,
) -> Result<Members, Error> {
    let mut cursor = stream.cursor();
    let mut list = Vec::new();
    let mut ahead = Ahead::default();
    let (mut offset, mut count) = (0, 0);
    let damage = loop {
        let header = match next_header(&mut cursor, offset) {
            Ok(Some(header)) => header,
            Ok(None) => break None,
            Err(error @ Error::Io { .. }) => return Err(error),
            // A tar that never began is no tar that ended early.
            Err(Error::Header { .. }) if offset == 0 => {
                return Err(match stream.damage() {
                    Some(why) => Error::Damaged {
                        offset: 0,
                        why: why.to_owned(),
                    },
                    None => Error::NoTar,
                });
            }
            Err(error) => break Some(error.to_string()),
        };
        count += 1;
        if count > limits.members {
            return Err(Error::TooMany {
                what: "members",
                limit: limits.members,
            });
        }
        let at = offset;
        let content = offset + BLOCK as u64;
        let size = match header.kind {
            Kind::File => ahead.pax.size.unwrap_or(header.size),
            // A directory may state a size, but has no content.
            Kind::Directory | Kind::Link(_) => 0,
            _ => header.size,
        };
        let end = tar::padded(size).and_then(|padded| content.checked_add(padded));
        let Some(end) = end else {
            break Some(format!(
                "a member at byte {at} of the tar states {size} bytes"
            ));
        };
        offset = end;
        match header.kind {
            Kind::PaxGlobal | Kind::LongLink => continue,
            Kind::Pax | Kind::LongName => {
                match extension(&mut cursor, content, size, header.kind, &mut ahead) {
                    Ok(()) => continue,
                    Err(error @ Error::Io { .. }) => return Err(error),
                    Err(error) => break Some(error.to_string()),
                }
            }
            Kind::File | Kind::Directory | Kind::Link(_) | Kind::Other(_) => {}
        }
        let Ahead { pax, long_name } = std::mem::take(&mut ahead);
        let name = pax.path.or(long_name).unwrap_or(header.name);
        // Old archives mark a directory by the slash at the end of its name.
        let kind = match header.kind {
            Kind::File if name.ends_with(b"/") => Kind::Directory,
            kind => kind,
        };
        let name = match safe_name(&name, kind, at) {
            Ok(Some(name)) => name,
            Ok(None) => continue,
            Err(_) if strangers == Strangers::PassOver => continue,
            Err(error) => return Err(error),
        };
        list.push(Member {
            name,
            size,
            available: size.min(stream.len().saturating_sub(content)),
            offset: content,
        });
    };
    // What is wrong with the compressed file is the reason of all that follows.
    let damage = stream.damage().map(str::to_owned).or(damage);
    Ok(Members { list, damage })
}

/// The header at `offset`; nothing at the end of the archive.
fn next_header(cursor: &mut Cursor<'_>, offset: u64) -> Result<Option<tar::Header>, Error> {
    let mut block = [0; BLOCK];
    let header = |why| Error::Header { offset, why };
    if cursor.fill_at(offset, &mut block)? < BLOCK {
        return Err(header("it ends without its end mark"));
    }
    if tar::is_end(&block) {
        return Ok(None);
    }
    tar::parse(&block).map(Some).map_err(header)
}

fn extension(
    cursor: &mut Cursor<'_>,
    content: u64,
    size: u64,
    kind: Kind,
    ahead: &mut Ahead,
) -> Result<(), Error> {
    let header = |why| Error::Header {
        offset: content,
        why,
    };
    if size > MAX_EXTENSION {
        return Err(header("an extended header is too large"));
    }
    let mut bytes = vec![0; size as usize];
    if cursor.fill_at(content, &mut bytes)? < bytes.len() {
        return Err(header("it ends in an extended header"));
    }
    if kind == Kind::Pax {
        ahead.pax = tar::parse_pax(&bytes).map_err(header)?;
    } else {
        ahead.long_name = Some(tar::text(&bytes).to_vec());
    }
    Ok(())
}

/// The name of a file, or nothing for a directory, which needs no mention.
fn safe_name(name: &[u8], kind: Kind, offset: u64) -> Result<Option<String>, Error> {
    let shown = || {
        let name = String::from_utf8_lossy(name);
        name.chars().take(80).collect::<String>()
    };
    if let Kind::Link(kind) | Kind::Other(kind) = kind {
        return Err(Error::UnsafeKind {
            name: shown(),
            offset,
            kind,
        });
    }
    let unsafe_name = |why| Error::UnsafeName {
        name: shown(),
        offset,
        why,
    };
    let name = std::str::from_utf8(name).map_err(|_| unsafe_name("not UTF-8"))?;
    // `tar -c .` names everything from `./` on.
    let name = name.strip_prefix("./").unwrap_or(name);
    if kind == Kind::Directory {
        let name = name.strip_suffix('/').unwrap_or(name);
        if !name.is_empty() && name != "." {
            layout::check_name(name).map_err(unsafe_name)?;
        }
        return Ok(None);
    }
    layout::check_name(name).map_err(unsafe_name)?;
    Ok(Some(name.to_owned()))
}
