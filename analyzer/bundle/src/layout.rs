//! Names of members, and which names a bundle may have at all.
//!
//! `docs/formats/bundle.md` lists them with their contents.

/// The first member: what was captured, where and how.
pub const MANIFEST: &str = "manifest.json";
/// The last member: SHA-256 of every other one, as `sha256sum` writes it.
pub const SUMS: &str = "SHA256SUMS";
/// `/proc/kallsyms`.
pub const KALLSYMS: &str = "kallsyms";
/// `/proc/modules`.
pub const MODULES: &str = "modules";
/// `/sys/kernel/btf/vmlinux`.
pub const VMLINUX_BTF: &str = "vmlinux.btf";
/// Build-ids of files of which the captures know none: [`crate::BuildIdList`].
pub const BUILD_ID_LIST: &str = "build-ids";
/// What the name of a capture ends with.
pub const CAPTURE_SUFFIX: &str = ".perf.data";
/// The folder of binaries, by build-id.
pub const BUILD_IDS: &str = ".build-id";

/// Longest name of a member in bytes. The longest of our own are build-ids;
/// `perf archive` writes whole paths.
pub const MAX_NAME: usize = 1024;

/// Shortest and longest build-id in hexadecimal digits: ld makes 16 or 20
/// bytes (`--build-id=md5|uuid|sha1`), lld 8 (`fast`), Go's note is turned into
/// 20, and the kernel reads at most 20 (`BUILD_ID_SIZE_MAX`); 64 leaves room
/// for SHA-256.
const BUILD_ID_DIGITS: std::ops::RangeInclusive<usize> = 8..=64;

/// Where the binary with this build-id stands: `.build-id/ab/cdef…`. Nothing
/// when `build_id` is no build-id in hexadecimal digits; their case does not
/// matter.
pub fn binary(build_id: &str) -> Option<String> {
    let id = build_id_digits(build_id)?;
    let (first, rest) = id.split_at(2);
    Some(format!("{BUILD_IDS}/{first}/{rest}"))
}

/// Where the split debug information of this build-id stands:
/// `.build-id/ab/cdef….debug`, as in `/usr/lib/debug`.
pub fn debug_binary(build_id: &str) -> Option<String> {
    Some(format!("{}.debug", binary(build_id)?))
}

/// Where the symbols of a just-in-time compiler stand: `perf-PID.map`.
pub fn perf_map(pid: u32) -> String {
    format!("perf-{pid}.map")
}

/// Where the dump of a just-in-time compiler stands: `jit-PID.dump`.
pub fn jitdump(pid: u32) -> String {
    format!("jit-{pid}.dump")
}

/// What just-in-time compilers leave for perf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CodeList {
    /// What was where, and when: `jit-PID.dump`.
    Dump,
    /// What was where at the end: `perf-PID.map`.
    Map,
}

/// Whose code a file lists, by the last part of its name, whatever the folder.
pub fn code_list(name: &str) -> Option<(u32, CodeList)> {
    let name = name.rsplit('/').next()?;
    let number = |start, end| -> Option<u32> {
        let digits: &str = name.strip_prefix(start)?.strip_suffix(end)?;
        // `parse` would take a sign.
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| is_number)
    };
    let dump = number("jit-", ".dump").map(|pid| (pid, CodeList::Dump));
    dump.or_else(|| Some((number("perf-", ".map")?, CodeList::Map)))
}

/// Where a fact of `/proc` or `/sys` stands: its path without the first slash.
/// Nothing for a path outside these two or with a name that no member may have.
pub fn fact(path: &str) -> Option<&str> {
    let name = path.strip_prefix('/')?;
    let known = name.starts_with("proc/") || name.starts_with("sys/");
    (known && check_name(name).is_ok()).then_some(name)
}

/// The build-id in lower case, when it is one.
pub(crate) fn build_id_digits(build_id: &str) -> Option<String> {
    let digits = build_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (digits && build_id.len().is_multiple_of(2) && BUILD_ID_DIGITS.contains(&build_id.len()))
        .then(|| build_id.to_ascii_lowercase())
}

/// Whether a member may have this name: relative, inside, printable on one
/// line, and the same file on every system.
///
/// # Errors
/// The rule that the name breaks.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("empty");
    }
    if name.len() > MAX_NAME {
        return Err("too long");
    }
    if name.starts_with('/') {
        return Err("absolute");
    }
    if name.chars().any(char::is_control) {
        return Err("control characters");
    }
    if name.contains('\\') {
        return Err("a backslash");
    }
    if name.as_bytes().get(1) == Some(&b':') {
        return Err("a drive letter");
    }
    for part in name.split('/') {
        match part {
            "" => return Err("an empty part"),
            "." => return Err("a part `.`"),
            ".." => return Err("leads outside"),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_outside_are_no_names() {
        for name in [
            "",
            "/etc/passwd",
            "..",
            "../x",
            "a/../../x",
            "a/..",
            "a//b",
            "a/",
            "./a",
            "a\\b",
            "C:x",
            "a\nb",
            "a\0b",
            "a\u{1b}[2J",
        ] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name(&"a".repeat(MAX_NAME + 1)).is_err());
        for name in [
            "a",
            "..a",
            "a..",
            ".build-id/ab/cd",
            "[vdso]/x",
            "sys/a:b",
            "ä",
        ] {
            assert_eq!(check_name(name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn build_ids_are_spread_by_their_first_byte() {
        assert_eq!(
            binary("ABCDEF0123").as_deref(),
            Some(".build-id/ab/cdef0123")
        );
        assert_eq!(
            debug_binary("abcdef0123").as_deref(),
            Some(".build-id/ab/cdef0123.debug")
        );
        for id in ["", "ab", "abcdef012", "../../etc/passwd", "xyzxyzxyz0"] {
            assert_eq!(binary(id), None, "{id}");
        }
    }

    #[test]
    fn facts_keep_their_path() {
        assert_eq!(fact("/proc/cpuinfo"), Some("proc/cpuinfo"));
        assert_eq!(fact("/proc/../etc/passwd"), None);
        assert_eq!(fact("/etc/passwd"), None);
    }

    #[test]
    fn lists_of_code_are_known_by_their_last_part() {
        assert_eq!(code_list(&perf_map(7)), Some((7, CodeList::Map)));
        assert_eq!(code_list(&jitdump(7)), Some((7, CodeList::Dump)));
        let deep = "home/u/.debug/jit/x/jit-4294967295.dump";
        assert_eq!(code_list(deep), Some((u32::MAX, CodeList::Dump)));
        for name in [
            "",
            "perf-.map",
            "perf-+7.map",
            "perf-7.map.gz",
            "jit-4294967296.dump",
            "jit-7.dump/x",
        ] {
            assert_eq!(code_list(name), None, "{name}");
        }
    }
}
