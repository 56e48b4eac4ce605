//! Why a bundle cannot be written or read.

use std::io;

/// Why a bundle, or a member of it, cannot be written or read. The texts do not
/// name the bundle itself: the caller, who opened it, does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },

    /// The bytes are no archive of a kind that is read.
    #[error(
        "it is not a tar archive, plain or compressed with zstd, gzip or bzip2; \
         its first bytes are {first:02x?}"
    )]
    NotAnArchive {
        /// The first bytes, at most 8.
        first: Vec<u8>,
    },

    /// An archive without a manifest.
    #[error(
        "{} has no manifest.json, so it is not a capture bundle; \
         a tar of binaries, as `perf archive` makes, holds no capture",
        what
    )]
    NoManifest {
        /// "the archive", "what is left of the cut archive", "the directory".
        what: &'static str,
    },

    /// The manifest is no JSON object of the format.
    #[error("manifest.json of the bundle cannot be understood; was it edited?")]
    Manifest {
        /// What the JSON reader said.
        source: serde_json::Error,
    },

    /// The bundle has a version that does not exist yet.
    #[error(
        "the bundle has format version {found}, and this program reads versions 1 to {known}; \
         use a newer one"
    )]
    Newer {
        /// The version in the manifest.
        found: u32,
        /// The newest version that this crate knows.
        known: u32,
    },

    /// A member name that could leave the directory it is unpacked to.
    #[error(
        "it is refused: member {name:?} at byte {offset} of the tar has an unsafe name ({why})"
    )]
    UnsafeName {
        /// The name, lossy and cut.
        name: String,
        /// Position of the member's header in the inflated tar.
        offset: u64,
        /// Which rule it breaks.
        why: &'static str,
    },

    /// A member that is neither a file nor a directory.
    #[error("it is refused: member {name:?} at byte {offset} of the tar is a {kind}, not a file")]
    UnsafeKind {
        /// Its name.
        name: String,
        /// Position of the member's header in the inflated tar.
        offset: u64,
        /// What it is.
        kind: &'static str,
    },

    /// Two members with one name.
    #[error("it is refused: it has two members {name:?}")]
    Duplicate {
        /// The name.
        name: String,
    },

    /// More members, frames, bytes than a capture has.
    #[error("it is refused: it has more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },

    /// A member that is larger than the caller has use for.
    #[error("member {name} has {size} bytes; at most {limit} are read")]
    MemberTooLarge {
        /// Its name.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// What is allowed.
        limit: u64,
    },

    /// An archive is expected inside, and something else is: a capture, mostly.
    #[error("it holds no tar archive; a perf.data file in it must be unpacked first")]
    NoTar,

    /// A member header that no tar has.
    #[error("the tar is damaged at byte {offset}: {why}")]
    Header {
        /// Position in the inflated tar.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },

    /// Compressed bytes that do not inflate.
    #[error("the compressed data from byte {offset} on is damaged ({why}); copy the bundle again")]
    Damaged {
        /// Position in the compressed file.
        offset: u64,
        /// What is wrong.
        why: String,
    },

    /// No such member.
    #[error("the bundle has no member {name}")]
    Missing {
        /// The name asked for.
        name: String,
    },

    /// A member of which the end is missing.
    #[error("member {name} is cut: {available} of {size} bytes are here; copy the bundle again")]
    Cut {
        /// Its name.
        name: String,
        /// Bytes that are here.
        available: u64,
        /// Bytes that it has.
        size: u64,
    },

    /// A member whose content is not what was packed.
    #[error(
        "member {name} is refused: its SHA-256 is not the one in SHA256SUMS; \
         it was changed or damaged after packing, copy the bundle again"
    )]
    Sum {
        /// Its name.
        name: String,
    },

    /// A line of SHA256SUMS that is no sum.
    #[error("line {line} of SHA256SUMS is no SHA-256 with a member name; copy the bundle again")]
    Sums {
        /// Counted from 1.
        line: usize,
    },

    /// The writer was given a source that ended early.
    #[error("{name} ended after {got} of {stated} bytes; did it shrink while it was packed?")]
    Short {
        /// The member.
        name: String,
        /// The size that its header states.
        stated: u64,
        /// How many bytes came.
        got: u64,
    },

    /// The writer failed before, in the middle of a member.
    #[error("the bundle could not be finished because writing a member failed before")]
    Broken,

    /// The compressor failed.
    #[error("cannot compress: {why}")]
    Compress {
        /// zstd's own words.
        why: &'static str,
    },
}

impl Error {
    /// Turns what the system says into an [`Error`] once it is known what was
    /// tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
