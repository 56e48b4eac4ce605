//! Why a capture cannot be read at all.
//!
//! Damage inside a capture is not here: it is a [`Note`](crate::Note), and
//! reading goes on.

use std::io;

/// Why a source is not a capture that can be read. One line each, without the
/// name of the file, which the caller knows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a read.
    #[error("reading at offset {offset} failed: {source}")]
    Io {
        /// Where in the file, in bytes.
        offset: u64,
        /// What the operating system said.
        source: io::Error,
    },
    /// There are no bytes.
    #[error("the file is empty")]
    Empty,
    /// The first eight bytes are no magic number of perf.data.
    #[error("not a perf.data file{}", guess(magic))]
    NotPerfData {
        /// The first eight bytes; zeros where the file is shorter.
        magic: [u8; 8],
    },
    /// The magic number is right, but the file ends inside the file header.
    #[error("the perf.data header is cut off: {have} of {need} bytes are there")]
    HeaderTooShort {
        /// How many bytes the file has.
        have: u64,
        /// How many bytes the header takes.
        need: u64,
    },
}

/// What the first bytes look like instead, as the end of a message.
fn guess(magic: &[u8; 8]) -> String {
    const KNOWN: [(&[u8], &str); 12] = [
        (b"\x1f\x8b", "a gzip archive: unpack it first"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive: unpack it first"),
        (b"\xfd7zXZ\0", "an xz archive: unpack it first"),
        (b"BZh", "a bzip2 archive: unpack it first"),
        (b"PK\x03\x04", "a zip archive: unpack it first"),
        (b"\x7fELF", "an ELF binary"),
        (b"\x17\x08\x44tra", "a trace.dat file of trace-cmd"),
        (b"JiTD", "a jitdump file"),
        (b"DTiJ", "a jitdump file"),
        (
            b"version ",
            "text; perhaps a Git LFS pointer whose content was not fetched",
        ),
        (
            b"# ",
            "text; perhaps the output of `perf script` or `perf report`",
        ),
        (b"{", "JSON text"),
    ];
    if let Some((_, what)) = KNOWN.iter().find(|(start, _)| magic.starts_with(start)) {
        return format!("; it looks like {what}");
    }
    let is_text = |&byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    // Shorter files are filled up with zeros.
    let Some(last) = magic.iter().rposition(|&byte| byte != 0) else {
        return "; it begins with zeros".to_owned();
    };
    let begin = &magic[..=last];
    if begin.iter().all(is_text) {
        "; it looks like text".to_owned()
    } else {
        format!("; it begins with {}", begin.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(magic: &[u8; 8]) -> String {
        Error::NotPerfData { magic: *magic }.to_string()
    }

    #[test]
    fn frequent_wrong_inputs_are_named() {
        for (magic, word) in [
            (b"\x1f\x8b\x08\0\0\0\0\0", "gzip"),
            (b"\x28\xb5\x2f\xfd\0\0\0\0", "zstd"),
            (b"\xfd7zXZ\0\0\x04", "xz"),
            (b"\x7fELF\x02\x01\x01\0", "ELF"),
            (b"swapper ", "text"),
            (b"version ", "Git LFS"),
            (b"\0\0\0\0\0\0\0\0", "zeros"),
            (b"\x01\x02\x03\x04\n\x06\x07\xff", "\\x01\\x02\\x03\\x04\\n"),
        ] {
            let message = message(magic);
            assert!(message.contains(word), "{message}");
            assert_eq!(message.lines().count(), 1);
        }
    }
}
