//! The member `build-ids`: which build-ids files had of which the captures know none.

use crate::layout;

/// The most bytes that a reader takes of it: a hundred thousand files have 10 MB.
pub const MAX_BUILD_ID_LIST: u64 = 32 << 20;

/// Build-ids by path, as `perf buildid-list` prints them: lines of digits, a space, and
/// the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildIdList {
    entries: Vec<(String, Vec<u8>)>,
}

impl BuildIdList {
    /// Adds a file. What cannot be a line, or is no build-id, is left out.
    pub fn push(&mut self, build_id: &str, path: &[u8]) {
        if let Some(id) = layout::build_id_digits(build_id)
            && !path.is_empty()
            && !path.contains(&b'\n')
        {
            self.entries.push((id, path.to_vec()));
        }
    }

    /// Build-ids in hexadecimal digits, and paths as captures have them.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries
            .iter()
            .map(|(id, path)| (id.as_str(), path.as_slice()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of the member.
    pub fn build(&self) -> Vec<u8> {
        let line = |(id, path): &(String, Vec<u8>)| [id.as_bytes(), b" ", path, b"\n"].concat();
        self.entries.iter().flat_map(line).collect()
    }

    /// Reads the member. Lines that are none are passed over.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut list = Self::default();
        for line in bytes.split(|&byte| byte == b'\n') {
            let space = line.iter().position(|&byte| byte == b' ');
            if let Some(at) = space
                && let Ok(id) = std::str::from_utf8(&line[..at])
            {
                list.push(id, &line[at + 1..]);
            }
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_as_it_was_written() {
        let mut list = BuildIdList::default();
        list.push("ABCDEF0123456789", b"/usr/bin/a b");
        list.push("abcdef0123456789", b"[vdso]");
        list.push("abcdef0123456789", b"/\xff");
        list.push("no build-id", b"/x");
        list.push("abcdef0123456789", b"/x\ny");
        assert_eq!(list.entries().count(), 3);
        let bytes = list.build();
        assert!(bytes.starts_with(b"abcdef0123456789 /usr/bin/a b\n"));
        assert_eq!(BuildIdList::parse(&bytes), list);
    }

    #[test]
    fn other_lines_are_passed_over() {
        let list = BuildIdList::parse(b"\n \nabcdef01\n../../x /y\nabcdef0123 /z\n\xff\xff /q");
        assert_eq!(
            list.entries().collect::<Vec<_>>(),
            [("abcdef0123", &b"/z"[..])]
        );
    }
}
