//! One search for a binary: files are looked at until the right ones are there.
//!
//! `locate` brings the files, the likeliest first; here it is decided which of
//! them are the recorded build.

use super::elf::Elf;
use super::folders::checksum;
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
    /// Of a debug file that is refused for the binary's sake: which binary, and
    /// its build-id. Absent where the recorded build-id decides.
    pub(crate) binary: Option<String>,
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

impl Examined {
    /// Whether a debug file is of this very binary: by its build-id, or by its
    /// checksum where the binary has none. Names alone prove nothing.
    pub(super) fn owns(&self, debug: &Self) -> bool {
        match (&self.build_id, &debug.build_id, &self.debug_link) {
            (Some(own), Some(other), _) => own == other,
            (None, _, Some((_, crc))) => {
                let sum = debug.image.path().and_then(|path| checksum(path).ok());
                sum == Some(*crc)
            }
            (Some(_), None, _) | (None, _, None) => false,
        }
    }
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
    /// Debug files of the right name, where no build-id is recorded.
    unproven: Vec<Examined>,
}

impl<'a> Hunt<'a> {
    pub(super) fn new(wanted: Option<&'a [u8]>) -> Self {
        Self {
            wanted,
            image: None,
            debug: None,
            refused: BTreeSet::new(),
            unproven: Vec::new(),
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
        if !is_right {
            self.refuse(&file, None);
        } else if file.has_contents {
            self.image.get_or_insert(file);
        } else if self.wanted.is_some() {
            self.debug.get_or_insert(file);
        } else {
            self.unproven.push(file);
        }
        is_right
    }

    /// Without a recorded build-id, keeps the debug file that belongs to the
    /// binary, now that all files were looked at.
    pub(super) fn settle(&mut self) {
        let unproven = std::mem::take(&mut self.unproven);
        let Some(image) = self.image.take() else {
            self.debug = self.debug.take().or(unproven.into_iter().next());
            return;
        };
        if !image.has_lines {
            let id = image.build_id.as_deref().map(hex);
            let id = id.as_deref().unwrap_or("none");
            let binary = format!("{} has {id}", image.image);
            for file in unproven {
                if !image.owns(&file) {
                    self.refuse(&file, Some(binary.clone()));
                } else if self.debug.is_none() {
                    self.debug = Some(file);
                }
            }
        }
        self.image = Some(image);
    }

    fn refuse(&mut self, file: &Examined, binary: Option<String>) {
        self.refused.insert(Refusal {
            file: file.image.to_string(),
            build_id: file.build_id.as_deref().map(hex),
            binary,
            is_named: file.image.origin().is_named(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

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

    fn tool(name: &str, args: &[&str]) -> Option<()> {
        let ended = std::process::Command::new(name).args(args).output().ok()?;
        ended.status.success().then_some(())
    }

    /// A stripped program and its debug file, `DIR/prog` and `DIR/prog.debug`.
    fn split_program(folder: &Path, number: u32, id: &str) -> Option<()> {
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        std::fs::create_dir_all(folder).unwrap();
        let source = format!("int main(int c, char **v) {{ return c + {number}; }}");
        std::fs::write(path("a.c"), source).unwrap();
        let (binary, debug) = (path("prog"), path("prog.debug"));
        let id = format!("-Wl,--build-id={id}");
        tool("gcc", &["-O2", "-g", &id, "-o", &binary, &path("a.c")])?;
        tool("objcopy", &["--only-keep-debug", &binary, &debug])?;
        tool("strip", &["--strip-all", &binary])?;
        tool(
            "objcopy",
            &[&format!("--add-gnu-debuglink={debug}"), &binary],
        )
    }

    #[test]
    fn a_debug_file_of_another_build_is_refused_where_no_build_id_is_recorded() {
        use crate::space::{Dso, DsoKind};
        use crate::symbols::{Locator, SymbolSources};
        let dso = Dso {
            name: b"/opt/prog".as_slice().into(),
            kind: DsoKind::File,
            inode: None,
            build_id: None,
        };
        for id in ["sha1", "none"] {
            let scratch = tempfile::tempdir().unwrap();
            let (own, other) = (scratch.path().join("own"), scratch.path().join("other"));
            let made = split_program(&own, 1, id).and_then(|()| split_program(&other, 2, id));
            if made.is_none() {
                eprintln!("skipped: no gcc and binutils");
                return;
            }
            let find = |folder: &Path| {
                Locator::without_capture(&SymbolSources {
                    enabled: true,
                    folders: vec![folder.to_owned()],
                    ..SymbolSources::default()
                })
                .find(&dso)
            };
            let found = find(&own).found.unwrap();
            let debug = own.join("prog.debug").display().to_string();
            assert_eq!(found.debug.map(|image| image.to_string()), Some(debug));
            assert!(found.has_lines && !found.is_proven);

            std::fs::copy(other.join("prog.debug"), own.join("prog.debug")).unwrap();
            let search = find(&own);
            let found = search.found.unwrap();
            assert!(found.debug.is_none() && !found.has_lines, "{id}: {found:?}");
            let refused = search.refused.first().unwrap();
            assert!(refused.file.ends_with("prog.debug"), "{refused:?}");
            assert!(refused.binary.is_some(), "{refused:?}");
        }
    }
}
