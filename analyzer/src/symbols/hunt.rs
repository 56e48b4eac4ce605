//! One search for a binary: files are looked at until the right ones are there.
//!
//! `locate` brings the files, the likeliest first; here it is decided which of
//! them are the recorded build.

use super::elf::Elf;
use super::image::{Image, Origin};
use std::collections::BTreeSet;
use std::fmt::Write;

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

/// What a file turned out to be.
pub(super) struct Examined {
    pub(super) image: Image,
    pub(super) build_id: Option<Vec<u8>>,
    pub(super) has_contents: bool,
    pub(super) has_lines: bool,
    pub(super) debug_link: Option<(String, u32)>,
    pub(super) shared_link: Option<(String, Vec<u8>)>,
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
pub(super) fn unpadded(id: &[u8]) -> &[u8] {
    let shorter = [8, 16].into_iter().find_map(|length| {
        let (own, rest) = id.split_at_checked(length)?;
        (!rest.is_empty() && rest.iter().all(|&byte| byte == 0)).then_some(own)
    });
    shorter.unwrap_or(id)
}

/// Under which names files with this build-id may stand.
pub(super) fn spellings(id: &[u8]) -> Vec<String> {
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

/// A search that is going on.
pub(super) struct Hunt<'a> {
    pub(super) wanted: Option<&'a [u8]>,
    pub(super) image: Option<Examined>,
    pub(super) debug: Option<Examined>,
    pub(super) refused: BTreeSet<Refusal>,
}

impl<'a> Hunt<'a> {
    pub(super) fn new(wanted: Option<&'a [u8]>) -> Self {
        Self {
            wanted,
            image: None,
            debug: None,
            refused: BTreeSet::new(),
        }
    }

    /// Whether the binary itself has debug information.
    pub(super) fn has_lines(&self) -> bool {
        self.image.as_ref().is_some_and(|file| file.has_lines)
    }

    /// Takes a file if it is the right build. Whether it is.
    pub(super) fn consider(&mut self, candidate: Image) -> bool {
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
