//! Where in a folder a binary may be.

use super::regular::open_regular;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// Places in a folder that the build-id names: the tree that distributions and
/// gdb use, perf's cache and archives, the cache of debuginfod.
pub(super) fn by_id(folder: &Path, id: &str) -> Vec<PathBuf> {
    let Some((first, rest)) = id.split_at_checked(2) else {
        return Vec::new();
    };
    let mut paths = Vec::new();
    for tree in [".build-id", "usr/lib/debug/.build-id", ""] {
        let entry = folder.join(tree).join(first).join(rest);
        paths.push(entry.join("elf"));
        paths.push(entry.join("debug"));
        paths.push(entry.join("vdso"));
        paths.push(entry.clone());
        paths.push(folder.join(tree).join(first).join(format!("{rest}.debug")));
    }
    paths.push(folder.join(id).join("executable"));
    paths.push(folder.join(id).join("debuginfo"));
    paths
}

/// Places in a folder that the recorded path names: a copy of the recording
/// machine's tree, its debug tree, or the file alone.
pub(super) fn by_name(folder: &Path, recorded: &Path) -> Vec<PathBuf> {
    let with_suffix = |path: &Path| {
        let mut text = path.as_os_str().to_owned();
        text.push(".debug");
        PathBuf::from(text)
    };
    let mut paths = Vec::new();
    if let Some(path) = relative(recorded) {
        let copy = folder.join(&path);
        paths.push(with_suffix(&folder.join("usr/lib/debug").join(&path)));
        paths.push(with_suffix(&copy));
        paths.insert(0, copy);
    }
    if let Some(name) = recorded.file_name() {
        let alone = folder.join(name);
        paths.push(with_suffix(&alone));
        paths.push(folder.join(".debug").join(with_suffix(Path::new(name))));
        paths.push(alone);
    }
    paths
}

/// A path without its root; absent when it leaves the folder that it is put
/// into: paths in captures are anybody's.
pub(super) fn relative(path: &Path) -> Option<PathBuf> {
    let parts = path.components().filter(|part| *part != Component::RootDir);
    parts
        .map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect()
}

/// The CRC-32 of a whole file, as `.gnu_debuglink` has it.
pub(super) fn checksum(path: &Path) -> io::Result<u32> {
    let mut file = open_regular(path)?;
    let mut sum = crc32fast::Hasher::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(sum.finalize()),
            read => sum.update(&piece[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_paths_stay_in_the_folder() {
        assert_eq!(relative(Path::new("/usr/bin/x")), Some("usr/bin/x".into()));
        assert_eq!(relative(Path::new("/usr/../../etc/x")), None);
        assert_eq!(
            by_name(Path::new("d"), Path::new("/..")),
            Vec::<PathBuf>::new()
        );
    }
}
