//! Where a recorded file is on this machine now.
//!
//! ```text
//! /proc/PID/map_files/A-B   what is mapped itself, deleted or replaced or not (root)
//! /proc/PID/exe             the same for the program
//! /proc/PID/root/PATH       as the process sees it: containers
//! PATH                      as this process sees it
//! ```
//! The first that is proven counts: by the recorded build-id; where none was recorded by
//! the inode; where nothing was, only what a living process still has mapped.

use super::elf::{self, Elf};
use super::needs::{File, Place, Use};
use super::proof::Proof;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the kernel appends to the path of a file that has none any more.
const DELETED: &[u8] = b" (deleted)";

/// A binary that is here.
#[derive(Debug)]
pub(super) struct Located {
    /// Its build-id.
    pub(super) build_id: Vec<u8>,
    /// Bytes.
    pub(super) size: u64,
    /// How to read it.
    pub(super) from: From,
}

/// How to read a file later.
#[derive(Debug)]
pub(super) enum From {
    /// By its path.
    Path(PathBuf),
    /// It may have no path by then: its process may end at any moment.
    Open(fs::File),
}

/// What became of a recorded file.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is here.
    Here(Located),
    /// It is no binary, or no file at all: nothing is missing.
    NoBinary,
    /// Not packed, for this reason.
    Missing(&'static str),
}

/// Whether this is memory without a file, whatever name it has.
fn is_anonymous(path: &[u8]) -> bool {
    let starts = |start: &str| path.starts_with(start.as_bytes());
    !starts("/")
        || [
            "//",
            "/dev/",
            "/memfd:",
            "/SYSV",
            "/anon_hugepage",
            "/i915",
            "/drm",
            "/proc/",
            "/sys/",
        ]
        .iter()
        .any(|start| starts(start))
}

/// Looks for a file. `recorded` are the build-ids that captures know for its path, and
/// `is_same_machine` whether paths and inodes mean here what they meant there.
pub(super) fn locate(
    file: &File,
    used: &Use,
    recorded: Option<&BTreeSet<Vec<u8>>>,
    is_same_machine: bool,
) -> Outcome {
    if is_anonymous(&file.path) {
        return Outcome::NoBinary;
    }
    let path = file.path.strip_suffix(DELETED).unwrap_or(&file.path);
    let proof = Proof::new(file, recorded, is_same_machine);
    let mut outcome = Outcome::Missing("it is no longer there");
    let mut is_nothing = false;
    let mut candidates = candidates(path, &used.places, is_same_machine);
    if !proof.build_ids.is_empty() {
        // A build-id proves a file wherever it is, and most are still under their path.
        candidates.sort_by_key(|candidate| candidate.path.starts_with("/proc"));
    }
    for candidate in candidates {
        let open = match open(&candidate.path) {
            Ok(open) => open,
            Err(error) => {
                if error.kind() == std::io::ErrorKind::PermissionDenied && !candidate.is_mapped {
                    outcome = Outcome::Missing("this user may not read it");
                }
                continue;
            }
        };
        let Ok(facts) = open.metadata() else {
            continue;
        };
        if !facts.is_file() {
            continue;
        }
        match elf::look(&open) {
            Elf::No => is_nothing = true,
            Elf::Unnamed => outcome = Outcome::Missing("it has no build-id"),
            Elf::Named(build_id) => match proof.holds(&build_id, &facts, candidate.is_mapped) {
                Ok(()) => {
                    let plain = Path::new(OsStr::from_bytes(path));
                    let from = match is_file(plain, &facts) {
                        true => From::Path(plain.to_owned()),
                        false => From::Open(open),
                    };
                    let size = facts.len();
                    return Outcome::Here(Located {
                        build_id,
                        size,
                        from,
                    });
                }
                Err(why) => outcome = Outcome::Missing(why),
            },
        }
    }
    match outcome {
        // Data files are mapped like libraries.
        Outcome::Missing("it is no longer there") if is_nothing => Outcome::NoBinary,
        outcome => outcome,
    }
}

/// Opens without waiting: a path may have become a pipe.
fn open(path: &Path) -> std::io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    options.open(path)
}

/// A place to look at.
struct Candidate {
    path: PathBuf,
    /// Whether it is what the process has mapped, whatever is under its path now.
    is_mapped: bool,
}

fn candidates(path: &[u8], places: &[Place], is_same_machine: bool) -> Vec<Candidate> {
    let mut found = Vec::new();
    let mut add = |path: PathBuf, is_mapped| found.push(Candidate { path, is_mapped });
    let plain = Path::new(OsStr::from_bytes(path));
    if is_same_machine {
        for place in places {
            let process = PathBuf::from(format!("/proc/{}", place.pid));
            if let Some(range) = mapped_range(&process, path) {
                add(process.join("map_files").join(range), true);
                if is_program(&process, path) {
                    add(process.join("exe"), true);
                }
            }
            let inside = plain.strip_prefix("/").unwrap_or(plain);
            add(process.join("root").join(inside), false);
        }
    }
    add(plain.to_owned(), false);
    found
}

/// Whether this path leads to the file with these facts.
fn is_file(path: &Path, facts: &fs::Metadata) -> bool {
    let is_same = |other: fs::Metadata| (other.dev(), other.ino()) == (facts.dev(), facts.ino());
    fs::metadata(path).is_ok_and(is_same)
}

/// The name in `map_files` of a mapping of this file.
fn mapped_range(process: &Path, path: &[u8]) -> Option<String> {
    let maps = fs::read(process.join("maps")).ok()?;
    let line = maps.split(|&byte| byte == b'\n').find(|line| {
        let at = line.iter().position(|&byte| byte == b'/');
        let name = at.map_or(&[][..], |at| &line[at..]);
        name.strip_suffix(DELETED).unwrap_or(name) == path
    })?;
    let range = line.split(|&byte| byte == b' ').next()?;
    // `maps` pads addresses, `map_files` does not.
    let text = std::str::from_utf8(range).ok()?;
    let (start, end) = text.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    Some(format!("{:x}-{:x}", address(start)?, address(end)?))
}

/// Whether this file is the program that the process runs.
fn is_program(process: &Path, path: &[u8]) -> bool {
    let Ok(program) = fs::read_link(process.join("exe")) else {
        return false;
    };
    let name = program.as_os_str().as_bytes();
    name.strip_suffix(DELETED).unwrap_or(name) == path
}

#[cfg(test)]
mod tests {
    use super::super::needs::{Identity, Rank};
    use super::*;

    fn file(path: &Path, identity: Identity) -> File {
        File {
            path: path.as_os_str().as_bytes().to_vec(),
            identity,
        }
    }

    fn program() -> PathBuf {
        std::env::current_exe().unwrap()
    }

    fn identity(id: &[u8]) -> Identity {
        let mut bytes = [0; 20];
        bytes[..id.len()].copy_from_slice(id);
        Identity::BuildId(bytes, id.len() as u8)
    }

    #[test]
    fn a_file_is_taken_by_its_build_id_and_no_other() {
        let path = program();
        let Some(id) = elf::build_id(&path) else {
            eprintln!("skipped: this linker writes no build-id");
            return;
        };
        let used = Use::default();
        match locate(&file(&path, identity(&id)), &used, None, false) {
            Outcome::Here(located) => assert_eq!(located.build_id, id),
            other => panic!("{other:?}"),
        }
        let mut other = id.clone();
        other[0] ^= 1;
        let outcome = locate(&file(&path, identity(&other)), &used, None, true);
        assert!(matches!(outcome, Outcome::Missing(why) if why.contains("another build")));
        // By what a header knows of the path, padded.
        let mut padded = id.clone();
        padded.resize(20, 0);
        let recorded = BTreeSet::from([padded]);
        let outcome = locate(
            &file(&path, Identity::Unknown),
            &used,
            Some(&recorded),
            false,
        );
        assert!(matches!(outcome, Outcome::Here(_)), "{outcome:?}");
    }

    #[test]
    fn without_a_build_id_the_inode_decides() {
        let path = program();
        if elf::build_id(&path).is_none() {
            eprintln!("skipped: this linker writes no build-id");
            return;
        }
        let facts = fs::metadata(&path).unwrap();
        let used = Use::default();
        let outcome = locate(
            &file(&path, Identity::Inode(facts.ino())),
            &used,
            None,
            true,
        );
        assert!(matches!(outcome, Outcome::Here(_)), "{outcome:?}");
        let outcome = locate(
            &file(&path, Identity::Inode(facts.ino() + 1)),
            &used,
            None,
            true,
        );
        assert!(matches!(outcome, Outcome::Missing(_)), "{outcome:?}");
        let outcome = locate(&file(&path, Identity::Unknown), &used, None, true);
        assert!(matches!(outcome, Outcome::Missing(_)), "{outcome:?}");
    }

    #[test]
    fn a_deleted_program_is_taken_from_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sleeper");
        // Not by this process: what it has open for writing is, for a moment, open in every
        // process that another test starts, and cannot be executed.
        let mut copy = std::process::Command::new("cp");
        let copied = copy.arg("/bin/sleep").arg(&path).status();
        assert!(copied.unwrap().success());
        let Some(id) = elf::build_id(&path) else {
            eprintln!("skipped: /bin/sleep has no build-id");
            return;
        };
        let mut child = std::process::Command::new(&path)
            .arg("100")
            .spawn()
            .unwrap();
        fs::remove_file(&path).unwrap();
        let place = Place {
            pid: child.id(),
            start: 0,
            end: u64::MAX,
        };
        let used = Use {
            rank: Rank::Code,
            places: vec![place],
        };
        let gone = locate(&file(&path, identity(&id)), &Use::default(), None, true);
        // Spawning returns when the child begins to exec, and its new mappings take a moment.
        let maps = format!("/proc/{}/maps", child.id());
        for _ in 0..1000 {
            if fs::read_to_string(&maps).is_ok_and(|maps| maps.contains("sleeper")) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let outcome = locate(&file(&path, identity(&id)), &used, None, true);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(matches!(gone, Outcome::Missing(_)), "{gone:?}");
        match outcome {
            Outcome::Here(Located {
                from: From::Open(open),
                ..
            }) => {
                assert_eq!(elf::look(&open), Elf::Named(id));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn memory_without_a_file_is_not_missed() {
        for path in [
            "[heap]",
            "//anon",
            "/memfd:x (deleted)",
            "/dev/zero",
            "",
            "[vdso]",
        ] {
            let outcome = locate(
                &file(Path::new(path), Identity::Unknown),
                &Use::default(),
                None,
                true,
            );
            assert!(matches!(outcome, Outcome::NoBinary), "{path}");
        }
    }
}
