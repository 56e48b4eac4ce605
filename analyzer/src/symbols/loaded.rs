//! Where the kernel's modules were, from a copy of `/proc/modules`.
//!
//! ```text
//! kvm 1130496 1 kvm_intel, Live 0xffffffffc0a41000
//! ```

use std::collections::BTreeMap;
use std::io::Read;

/// As much of a list of modules as is read, in bytes; usual ones have 10 to 20 KB.
const LARGEST_MODULES: u64 = 16 << 20;

/// Where modules were: first address and size in bytes, by their names in brackets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Loaded(BTreeMap<String, (u64, u64)>);

impl Loaded {
    /// Reads what is there of it. Restricted copies have no addresses.
    pub(super) fn read(from: impl Read) -> Self {
        let mut text = Vec::new();
        // What was read before an error is as good as a shorter list.
        drop(from.take(LARGEST_MODULES).read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().filter_map(|line| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let [name, size, _, _, _, address, ..] = words[..] else {
                return None;
            };
            let start = u64::from_str_radix(address.strip_prefix("0x")?, 16).ok()?;
            let name = format!("[{}]", name.replace('-', "_"));
            (start != 0).then_some((name, (start, size.parse().ok()?)))
        });
        Self(lines.collect())
    }

    /// Whether a module was loaded to another place than that of the capture's
    /// mapping, which is at `start`: unloaded and loaded again in between.
    pub(super) fn is_elsewhere(&self, module: &str, start: u64) -> bool {
        let known = self.0.get(module);
        known.is_some_and(|&(first, size)| !(first..first.saturating_add(size)).contains(&start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_was_loaded_again_is_elsewhere() {
        let list = "kvm 4096 1 kvm_intel, Live 0xffffffffc0000000\n\
                    xfs 4096 0 - Live 0x0000000000000000\nodd\n";
        let loaded = Loaded::read(list.as_bytes());
        assert!(!loaded.is_elsewhere("[kvm]", 0xffff_ffff_c000_0000));
        assert!(loaded.is_elsewhere("[kvm]", 0xffff_ffff_c000_1000));
        // Nothing is known of these.
        assert!(!loaded.is_elsewhere("[xfs]", 0xffff_ffff_c000_1000));
        assert!(!loaded.is_elsewhere("[odd]", 0xffff_ffff_c000_1000));
    }
}
