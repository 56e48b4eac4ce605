//! Symbols of code that programs made while they ran: lists and dumps that their
//! compilers leave for perf.

use super::needs::Needs;
use contend_bundle::layout::{self, CodeList};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A list or dump, and the member that it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List {
    pub(super) member: String,
    pub(super) path: PathBuf,
}

/// Those of the processes of a capture. A process in a container has a number of its own
/// there, by which its compiler names the file, and folders of its own.
pub(super) fn lists(needs: &Needs) -> Vec<List> {
    let mut found = Vec::new();
    for &pid in &needs.pids {
        let inside = number_inside(pid).unwrap_or(pid);
        let names = [
            PathBuf::from(format!("/proc/{pid}/root/tmp/perf-{inside}.map")),
            PathBuf::from(format!("/tmp/perf-{pid}.map")),
        ];
        let path = names.into_iter().find(|path| is_plain(path));
        found.extend(path.map(|path| List {
            member: layout::perf_map(pid),
            path,
        }));
    }
    // A dump is known because its writer maps a page of it, just so that it is recorded.
    for (file, used) in &needs.files {
        let path = Path::new(OsStr::from_bytes(&file.path));
        let name = path.file_name().and_then(OsStr::to_str);
        let Some((_, CodeList::Dump)) = name.and_then(layout::code_list) else {
            continue;
        };
        for place in &used.places {
            let inside = path.strip_prefix("/").unwrap_or(path);
            let names = [
                Path::new(&format!("/proc/{}/root", place.pid)).join(inside),
                path.to_owned(),
            ];
            let path = names.into_iter().find(|path| is_plain(path));
            let member = layout::jitdump(place.pid);
            if let Some(path) = path
                && !found.iter().any(|list| list.member == member)
            {
                found.push(List { member, path });
            }
        }
    }
    found
}

/// A file itself: a link in `/tmp` may lead to what its maker may not read.
fn is_plain(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|facts| facts.is_file())
}

/// The number of a process in its innermost container (`NSpid` of `proc(5)`).
fn number_inside(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_outside_of_containers_has_its_own_number() {
        let pid = std::process::id();
        assert!(number_inside(pid).is_some());
    }

    #[test]
    fn lists_are_found_by_process_and_links_are_not_followed() {
        // A number that no process of this machine has.
        let pid = 4_190_000_000 + std::process::id() % 1_000_000;
        let path = PathBuf::from(format!("/tmp/perf-{pid}.map"));
        let mut needs = Needs::default();
        needs.pids.insert(pid);
        fs::write(&path, "1000 10 made\n").unwrap();
        let found = lists(&needs);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        let linked = lists(&needs);
        fs::remove_file(&path).unwrap();
        let member = format!("perf-{pid}.map");
        assert_eq!(found, [List { member, path }]);
        assert!(linked.is_empty());
    }
}
