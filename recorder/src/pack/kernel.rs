//! What names and types of the kernel need.

use super::elf::{Elf, in_host_notes, look};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where the kernel lists its symbols.
pub(super) const KALLSYMS: &str = "/proc/kallsyms";
/// Lines that are looked at to see whether addresses are shown: the first symbols of x86
/// are at zero in any case.
const LINES: usize = 20_000;

/// Whether this user sees addresses in `/proc/kallsyms`.
pub(super) fn shows_addresses() -> bool {
    let Ok(file) = File::open(KALLSYMS) else {
        return false;
    };
    let mut lines = BufReader::new(file);
    let mut line = Vec::new();
    for _ in 0..LINES {
        line.clear();
        if !matches!(lines.read_until(b'\n', &mut line), Ok(1..)) {
            break;
        }
        let mut parts = line.split(|&byte| byte == b' ');
        let address = parts.next().unwrap_or_default();
        let is_text = matches!(parts.next(), Some(b"T" | b"t"));
        if is_text && address.iter().any(|&digit| digit != b'0') {
            return true;
        }
    }
    false
}

/// The modules whose files are what is loaded: path and build-id.
pub(super) fn modules(paths: &BTreeSet<Vec<u8>>) -> Vec<(PathBuf, Vec<u8>)> {
    let loaded = |path: &Path| -> Option<Vec<u8>> {
        let name = path.file_stem()?.to_str()?.replace('-', "_");
        let notes = format!("/sys/module/{name}/notes/.note.gnu.build-id");
        in_host_notes(&std::fs::read(notes).ok()?)
    };
    let modules = paths.iter().filter_map(|path| {
        let path = Path::new(OsStr::from_bytes(path));
        let id = loaded(path)?;
        let found = look(&File::open(path).ok()?);
        (found == Elf::Named(id.clone())).then(|| (path.to_owned(), id))
    });
    modules.collect()
}
