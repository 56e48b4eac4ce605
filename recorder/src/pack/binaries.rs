//! Which binaries go in: found, proven, and within the limits.

use super::elf::{self, Elf, hex};
use super::limits::Limits;
use super::locate::{From, Located, Outcome, locate};
use super::needs::{File, Identity, Needs, Rank};
use super::{kernel, vdso};
use crate::say::bytes;
use contend_bundle::{BuildIdList, layout};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where distributions put split debug information.
const DEBUG: &str = "/usr/lib/debug";
/// What the kernel calls the library that it maps into every process.
const VDSO: &[u8] = b"[vdso]";
/// Files of one reason that a note names; of the others it has the number.
const NAMED: usize = 20;

/// A binary that is packed.
#[derive(Debug)]
pub(super) struct Binary {
    pub(super) member: String,
    /// As recorded, for people.
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) content: Content,
}

/// Where its bytes are.
#[derive(Debug)]
pub(super) enum Content {
    Path(PathBuf),
    Open(std::fs::File),
    Memory(Vec<u8>),
}

/// What became of the binaries.
#[derive(Debug, Default)]
pub(super) struct Binaries {
    /// Those that are packed, in this order.
    pub(super) packed: Vec<Binary>,
    /// Build-ids of files of which the captures know none.
    pub(super) index: BuildIdList,
    /// What is left out, for people.
    pub(super) notes: Vec<String>,
}

/// Decides.
pub(super) fn choose(needs: &Needs, limits: &Limits, is_same_machine: bool) -> Binaries {
    let mut chosen = Binaries::default();
    let mut missing: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    // By member; how much it is wanted, and the recorded path.
    let mut found: BTreeMap<String, (Rank, String, Located)> = BTreeMap::new();
    for (file, used) in &files(needs) {
        let recorded = needs.build_ids.get(&file.path);
        match locate(file, used, recorded, is_same_machine) {
            Outcome::NoBinary => {}
            Outcome::Missing(why) => {
                missing.entry(why).or_default().insert(text(&file.path));
            }
            Outcome::Here(located) => {
                let id = hex(&located.build_id);
                // What one capture knows of a path another may not.
                let is_known = matches!(file.identity, Identity::BuildId(..))
                    || recorded.is_some() && needs.captures == 1;
                if !is_known {
                    chosen.index.push(&id, &file.path);
                }
                let Some(member) = layout::binary(&id) else {
                    missing
                        .entry("its build-id is none that a bundle can have")
                        .or_default()
                        .insert(text(&file.path));
                    continue;
                };
                let entry = found
                    .entry(member)
                    .or_insert((used.rank, text(&file.path), located));
                entry.0 = entry.0.max(used.rank);
            }
        }
    }
    chosen.vdso(needs, is_same_machine);
    if is_same_machine {
        for (path, id) in kernel::modules(&needs.modules) {
            chosen.path(layout::binary(&hex(&id)), path);
        }
    }
    // What is wanted most first, and of each kind the small ones: then the limit leaves out
    // the fewest.
    let mut ordered: Vec<_> = found.into_iter().collect();
    ordered.sort_by_key(|(_, (rank, _, located))| (Reverse(*rank), located.size));
    let debug: Vec<_> = ordered
        .iter()
        .map(|(member, _)| format!("{member}.debug"))
        .collect();
    for (member, (_, path, Located { size, from, .. })) in ordered {
        let content = match from {
            From::Path(path) => Content::Path(path),
            From::Open(file) => Content::Open(file),
        };
        chosen.packed.push(Binary {
            member,
            path,
            size,
            content,
        });
    }
    for member in debug {
        let path = Path::new(DEBUG).join(&member);
        chosen.path(Some(member), path);
    }
    chosen.limit(limits, &mut missing);
    for (why, paths) in missing {
        chosen.notes.push(list(why, &paths));
    }
    chosen
}

/// The mapped files, and those that captures only know by their build-ids.
fn files(needs: &Needs) -> BTreeMap<File, super::needs::Use> {
    let mut files = needs.files.clone();
    let mapped: BTreeSet<&[u8]> = needs
        .files
        .keys()
        .map(|file| file.path.as_slice())
        .collect();
    for (path, ids) in &needs.build_ids {
        if mapped.contains(path.as_slice()) || needs.modules.contains(path) {
            continue;
        }
        for id in ids {
            let mut bytes = [0; 20];
            let length = id.len().min(20);
            bytes[..length].copy_from_slice(&id[..length]);
            let file = File {
                path: path.clone(),
                identity: Identity::BuildId(bytes, length as u8),
            };
            files.entry(file).or_default();
        }
    }
    files
}

impl Binaries {
    /// The library that is in no file.
    fn vdso(&mut self, needs: &Needs, is_same_machine: bool) {
        let is_needed =
            needs.build_ids.contains_key(VDSO) || needs.files.keys().any(|file| file.path == VDSO);
        let Some(image) = vdso::image().filter(|_| is_needed) else {
            return;
        };
        let Elf::Named(id) = elf::look(image.as_slice()) else {
            return;
        };
        let padded = |recorded: &Vec<u8>| {
            recorded
                .strip_prefix(id.as_slice())
                .is_some_and(|rest| rest.iter().all(|&byte| byte == 0))
        };
        let recorded = needs.build_ids.get(VDSO);
        let is_one = recorded.map_or(is_same_machine, |ids| ids.iter().any(padded));
        if let (Some(member), true) = (layout::binary(&hex(&id)), is_one) {
            if recorded.is_none() {
                self.index.push(&hex(&id), VDSO);
            }
            self.packed.push(Binary {
                member,
                path: text(VDSO),
                size: image.len() as u64,
                content: Content::Memory(image),
            });
        }
    }

    /// A file that is taken by its path, if it is there.
    fn path(&mut self, member: Option<String>, path: PathBuf) {
        let facts = std::fs::metadata(&path)
            .ok()
            .filter(std::fs::Metadata::is_file);
        if let (Some(member), Some(facts)) = (member, facts) {
            self.packed.push(Binary {
                member,
                path: path.to_string_lossy().into_owned(),
                size: facts.len(),
                content: Content::Path(path),
            });
        }
    }

    /// Leaves out what is too large.
    fn limit(&mut self, limits: &Limits, missing: &mut BTreeMap<&str, BTreeSet<String>>) {
        let mut total = 0u64;
        self.packed.retain(|binary| {
            let sized = || format!("{} ({})", binary.path, bytes(binary.size));
            if binary.size > limits.file {
                missing
                    .entry("larger than what is packed of one file")
                    .or_default()
                    .insert(sized());
                return false;
            }
            if total.saturating_add(binary.size) > limits.total {
                missing
                    .entry("beyond what is packed of all files")
                    .or_default()
                    .insert(sized());
                return false;
            }
            total += binary.size;
            true
        });
    }
}

/// A path for people.
fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

fn list(why: &str, paths: &BTreeSet<String>) -> String {
    let names: Vec<_> = paths.iter().take(NAMED).map(String::as_str).collect();
    let more = match paths.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("not packed, {why}: {}{more}", names.join(", "))
}

impl Content {
    /// Opens it. Of a file that lost bytes since, zeros stand for the rest: its size is
    /// written in front of it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn open(self, size: u64) -> std::io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::Memory(bytes) => Box::new(std::io::Cursor::new(bytes)),
            Self::Open(file) => Box::new(at_least(file, size)),
            Self::Path(path) => Box::new(at_least(std::fs::File::open(path)?, size)),
        })
    }
}

/// The bytes of a file from its beginning, wherever its position is.
fn at_least(file: std::fs::File, size: u64) -> impl Read {
    let _ = std::io::Seek::seek(&mut &file, std::io::SeekFrom::Start(0));
    file.chain(std::io::repeat(0)).take(size)
}
