//! What was there before: threads and mappings of `/proc`.

use super::build_id;
use contend_perfdata::write::{EventSpec, FileIdentity, Mapping, RecordBuffer, Stamp};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Files whose build-ids are kept.
const MAX_FILES: usize = 65_536;

/// A file: device and inode.
type FileKey = (u32, u32, u64);

/// What is known of files, so that each is read once.
#[derive(Debug, Default)]
pub(super) struct Files {
    known: HashMap<FileKey, Option<Vec<u8>>>,
    /// Build-ids by path, for the list in the capture.
    pub(super) named: HashMap<Vec<u8>, Vec<u8>>,
}

impl Files {
    /// Notes the build-id of a path.
    pub(super) fn name(&mut self, path: &[u8], id: &[u8]) {
        if self.named.len() < MAX_FILES && !self.named.contains_key(path) {
            self.named.insert(path.to_vec(), id.to_vec());
        }
    }

    /// The build-id of a mapped file.
    fn build_id(&mut self, pid: u32, key: FileKey, mapping: &Mapping<'_>) -> Option<Vec<u8>> {
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let id = read_build_id(pid, key, mapping);
        if self.known.len() < MAX_FILES {
            self.known.insert(key, id.clone());
        }
        id
    }
}

fn read_build_id(pid: u32, key: FileKey, mapping: &Mapping<'_>) -> Option<Vec<u8>> {
    // Looked at before it is opened: to open a device may do something to it.
    let open = |path: &[u8], is_mapped: bool| {
        let path = Path::new(OsStr::from_bytes(path));
        let facts = std::fs::metadata(path).ok()?;
        if !facts.is_file() || !is_mapped && facts.ino() != key.2 {
            return None;
        }
        let mut options = File::options();
        let options = options.read(true).custom_flags(libc::O_NONBLOCK);
        options.open(path).ok()
    };
    // As the process sees it, which may have another root; as this one does, which `maps`
    // tells of roots that are folders of its own; and what is mapped itself (root only),
    // wherever it is and if it is nowhere.
    let mut inside = format!("/proc/{pid}/root").into_bytes();
    inside.extend_from_slice(mapping.path);
    let end = mapping.start.saturating_add(mapping.len);
    let mapped = format!("/proc/{pid}/map_files/{:x}-{end:x}", mapping.start);
    let file = open(&inside, false)
        .or_else(|| open(mapping.path, false))
        .or_else(|| open(mapped.as_bytes(), true));
    build_id::of_file(&file?)
}

/// Writes what is known of a process; false when it is gone.
pub(super) fn write_process(
    pid: u32,
    event: &EventSpec,
    files: &mut Files,
    into: &mut RecordBuffer,
) -> bool {
    let stamp = |tid: u32| Stamp {
        pid,
        tid,
        ..Stamp::default()
    };
    let comm = |path: String| std::fs::read(path).unwrap_or_default();
    let leader = comm(format!("/proc/{pid}/comm"));
    if leader.is_empty() {
        return false;
    }
    into.comm(event, stamp(pid), leader.trim_ascii_end());
    for tid in numbers(Path::new(&format!("/proc/{pid}/task"))) {
        let name = comm(format!("/proc/{pid}/task/{tid}/comm"));
        if tid != pid && !name.is_empty() {
            into.comm(event, stamp(tid), name.trim_ascii_end());
        }
    }
    // Threads of the kernel have none, and those of others may be hidden.
    let maps = std::fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    for line in maps.split(|&byte| byte == b'\n') {
        if let Some((mut mapping, key)) = mapping(line) {
            if key.2 != 0
                && let Some(id) = files.build_id(pid, key, &mapping)
            {
                files.name(mapping.path, &id);
                mapping.identity = FileIdentity::BuildId(id);
            }
            into.mmap2(event, stamp(pid), &mapping);
        }
    }
    true
}

/// Every process.
pub(super) fn processes() -> Vec<u32> {
    numbers(Path::new("/proc"))
}

fn numbers(folder: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.collect()
}

/// A line of `/proc/PID/maps` that says where code or data of a file is, or code
/// without a file.
fn mapping(line: &[u8]) -> Option<(Mapping<'_>, FileKey)> {
    const MAP_SHARED: u32 = 1;
    const MAP_PRIVATE: u32 = 2;
    let mut rest = line;
    let mut word = || {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|&byte| byte == b' ');
        let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind;
        std::str::from_utf8(word).ok()
    };
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = word()?.split_once('-')?;
    let (start, end) = (hex(start)?, hex(end)?);
    let permissions = word()?.as_bytes();
    let offset = hex(word()?)?;
    let (major, minor) = word()?.split_once(':')?;
    let (major, minor) = (hex(major)? as u32, hex(minor)? as u32);
    let inode: u64 = word()?.parse().ok()?;
    let path = rest.trim_ascii_start();
    let is = |at: usize, letter: u8| u32::from(permissions.get(at) == Some(&letter));
    let protection = is(0, b'r') | is(1, b'w') << 1 | is(2, b'x') << 2;
    let is_code = protection & 4 != 0;
    if !is_code && (inode == 0 || path.is_empty()) {
        return None;
    }
    let mapping = Mapping {
        start,
        len: end.checked_sub(start)?,
        offset,
        protection,
        flags: if is(3, b's') == 1 {
            MAP_SHARED
        } else {
            MAP_PRIVATE
        },
        identity: FileIdentity::Inode(major, minor, inode, 0),
        path: if path.is_empty() { b"//anon" } else { path },
    };
    Some((mapping, (major, minor, inode)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_data_of_files_and_code_without() {
        let code = b"7f0000001000-7f0000003000 r-xp 00001000 fe:01 1234   /usr/lib/a b.so";
        let (found, key) = mapping(code).unwrap();
        assert_eq!(
            (found.start, found.len, found.offset),
            (0x7f00_0000_1000, 0x2000, 0x1000)
        );
        assert_eq!(
            (found.protection, found.flags, key),
            (5, 2, (0xfe, 1, 1234))
        );
        assert_eq!(found.path, b"/usr/lib/a b.so");
        let (data, _) = mapping(b"1000-2000 rw-p 00000000 fe:01 1234 /bin/x").unwrap();
        assert_eq!(data.protection, 3);
        let (made, _) = mapping(b"1000-2000 rwxp 00000000 00:00 0 ").unwrap();
        assert_eq!(made.path, b"//anon");
        assert!(mapping(b"1000-2000 rw-p 00000000 00:00 0 [heap]").is_none());
        assert!(mapping(b"").is_none());
    }

    #[test]
    fn this_process_is_there() {
        let event = EventSpec {
            kind: 1,
            config: 9,
            period: 0,
            sample_type: 0,
            flags: 0,
            clock: 0,
            name: String::new(),
            ids: Vec::new(),
        };
        let mut records = RecordBuffer::new();
        let mut files = Files::default();
        assert!(write_process(
            std::process::id(),
            &event,
            &mut files,
            &mut records
        ));
        assert!(records.bytes().len() > 100);
        assert!(!write_process(u32::MAX, &event, &mut files, &mut records));
    }
}
