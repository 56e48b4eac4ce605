//! Files below a root folder: `/` on the machine, a recorded tree in tests.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// No file of facts is longer than this; of what is, the rest is left out. The
/// longest in practice is `/proc/cpuinfo`, about 1.5 KiB for each CPU.
const LONGEST: u64 = 4 << 20;

/// Reads `/proc` and `/sys` below a root folder.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Where `path` (without a leading slash) is.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    /// The text of a file without white space at its ends; `None` when it
    /// cannot be read.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let mut bytes = Vec::new();
        File::open(self.at(path))
            .ok()?
            .take(LONGEST)
            .read_to_end(&mut bytes)
            .ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// A file that holds one decimal number.
    pub(super) fn number<N: std::str::FromStr>(&self, path: &str) -> Option<N> {
        self.text(path)?.parse().ok()
    }

    /// Names in a folder, sorted; none when it cannot be read.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.at(folder))
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }
}

/// The CPUs of a list as the kernel writes it (`0-3,8,10-11`,
/// Documentation/admin-guide/cputopology.rst); what is no number is passed over.
pub(super) fn cpu_list(text: &str) -> Vec<u32> {
    /// More than any kernel is built for (`NR_CPUS` of 8192).
    const MOST: u32 = 1 << 16;
    let mut cpus = Vec::new();
    for part in text.trim().split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(from), Ok(to)) = (from.trim().parse::<u32>(), to.trim().parse::<u32>()) {
            cpus.extend(from..=to.min(MOST));
        }
    }
    cpus
}

#[cfg(test)]
mod tests {
    use super::cpu_list;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(cpu_list("0-3,8,10-11\n"), [0, 1, 2, 3, 8, 10, 11]);
        assert_eq!(cpu_list(""), [0u32; 0]);
        assert_eq!(cpu_list("0-4294967295").len(), (1 << 16) + 1);
    }
}
