//! What the running kernel is, and where it is.

use super::build_id;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

/// What `uname` says.
#[derive(Clone, Debug, Default)]
pub(super) struct Uname {
    pub(super) host: String,
    pub(super) release: String,
    pub(super) machine: String,
}

impl Uname {
    pub(super) fn get() -> Self {
        // SAFETY: all zeros is a value of this struct of bytes.
        let mut name: libc::utsname = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a whole struct.
        if unsafe { libc::uname(&raw mut name) } != 0 {
            return Self::default();
        }
        let text = |field: &[libc::c_char]| {
            let bytes = field.iter().map(|&byte| byte as u8);
            let bytes: Vec<u8> = bytes.take_while(|&byte| byte != 0).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Self {
            host: text(&name.nodename),
            release: text(&name.release),
            machine: text(&name.machine),
        }
    }
}

/// Code of the kernel: its own, or a module's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KernelMap {
    pub(super) start: u64,
    pub(super) len: u64,
    /// What perf writes here: the address that the map is known by.
    pub(super) offset: u64,
    /// As perf names it.
    pub(super) path: String,
    pub(super) build_id: Option<Vec<u8>>,
}

/// The kernel and its modules; empty when it hides its addresses.
pub(super) fn maps() -> Vec<KernelMap> {
    let Some((start, end)) = File::open("/proc/kallsyms")
        .ok()
        .and_then(|file| text_of(BufReader::with_capacity(1 << 16, file)))
    else {
        return Vec::new();
    };
    let notes = std::fs::read("/sys/kernel/notes").unwrap_or_default();
    let mut maps = vec![KernelMap {
        start,
        len: end - start,
        offset: start,
        path: "[kernel.kallsyms]_text".to_owned(),
        build_id: build_id::in_notes(&notes),
    }];
    let modules = std::fs::read_to_string("/proc/modules").unwrap_or_default();
    let files = module_files(&Uname::get().release);
    maps.extend(modules.lines().filter_map(|line| module(line, &files)));
    maps
}

/// First and last address of the kernel's own code.
fn text_of(symbols: impl BufRead) -> Option<(u64, u64)> {
    let mut start = None;
    for line in symbols.lines() {
        let line = line.ok()?;
        let mut words = line.split_ascii_whitespace();
        let (Some(address), _, Some(name)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let address = || u64::from_str_radix(address, 16).ok().filter(|&at| at != 0);
        match name {
            "_text" => start = Some(address()?),
            // arm64 has vectors and the like in front of it.
            "_stext" if start.is_none() => start = Some(address()?),
            "_etext" => {
                let start = start?;
                return address().filter(|&end| end > start).map(|end| (start, end));
            }
            _ => {}
        }
    }
    None
}

/// A line of `/proc/modules`: name, bytes, users, by whom, state, address.
fn module(line: &str, files: &[(String, PathBuf)]) -> Option<KernelMap> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let name = *words.first()?;
    let len = words.get(1)?.parse().ok()?;
    let start = u64::from_str_radix(words.get(5)?.strip_prefix("0x")?, 16).ok()?;
    if start == 0 {
        return None;
    }
    let file = files.iter().find(|(known, _)| known == name);
    let path = match file {
        Some((_, path)) => path.to_string_lossy().into_owned(),
        None => format!("[{name}]"),
    };
    let notes = format!("/sys/module/{name}/notes/.note.gnu.build-id");
    let notes = std::fs::read(notes).unwrap_or_default();
    Some(KernelMap {
        start,
        len,
        offset: 0,
        path,
        build_id: build_id::in_notes(&notes),
    })
}

/// Modules and where their files are, from `modules.dep`.
fn module_files(release: &str) -> Vec<(String, PathBuf)> {
    let folder = PathBuf::from("/lib/modules").join(release);
    let list = std::fs::read_to_string(folder.join("modules.dep")).unwrap_or_default();
    let files = list.lines().filter_map(|line| {
        let path = line.split(':').next()?;
        let file = path.rsplit('/').next()?;
        let name = file.split(".ko").next()?;
        Some((name.replace('-', "_"), folder.join(path)))
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_from_text_to_etext() {
        let symbols = "ffff0000 T _stext\nffff0000 T _text\nffff1000 t x\nffff8000 T _etext\n";
        assert_eq!(
            text_of(symbols.as_bytes()),
            Some((0xffff_0000, 0xffff_8000))
        );
        let hidden = "0000 T _text\n0000 T _etext\n";
        assert_eq!(text_of(hidden.as_bytes()), None);
    }

    #[test]
    fn modules_are_known_by_their_files() {
        let files = vec![(
            "nf_nat".to_owned(),
            PathBuf::from("/lib/modules/6.1/nf-nat.ko"),
        )];
        let map = module("nf_nat 57344 1 x, Live 0xffffffffc0a00000", &files).unwrap();
        assert_eq!((map.start, map.len), (0xffff_ffff_c0a0_0000, 57344));
        assert_eq!(map.path, "/lib/modules/6.1/nf-nat.ko");
        assert_eq!(module("x 1 0 - Live 0x0000000000000000", &files), None);
    }
}
