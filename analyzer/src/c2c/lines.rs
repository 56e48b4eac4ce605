//! Lines as samples name them, before anything is known of mappings.

use super::counts::LineCounts;
use contend_perfdata::{At, MemorySample};
use std::hash::{BuildHasher, Hash, Hasher};

/// How lines are hashed: with a seed of this run, so that no capture can be made
/// whose lines all meet in one place of a table.
pub(super) type Hashing = foldhash::fast::RandomState;

/// A line as a sample names it: by virtual address, process and CPU mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RawKey {
    /// The address of the line's first byte (AVMA).
    pub(crate) line: u64,
    /// The process; addresses of kernel mode carry it too.
    pub(crate) pid: i32,
    /// `misc & 7` of the sample.
    pub(crate) mode: u8,
}

impl RawKey {
    #[inline]
    pub(super) fn new(sample: &MemorySample, misc: u16, line_size: u64) -> Self {
        Self {
            line: sample.addr & !(line_size - 1),
            pid: sample.pid,
            mode: (misc & 7) as u8,
        }
    }

    #[inline]
    pub(super) fn hash_with(&self, hashing: &Hashing) -> u64 {
        hashing.hash_one(self)
    }
}

impl Hash for RawKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Two words: three fields would take a step more.
        state.write_u64(self.line);
        state.write_u64(u64::from(self.pid.cast_unsigned()) << 8 | u64::from(self.mode));
    }
}

/// One raw line.
#[derive(Clone, Debug)]
pub(super) struct RawLine {
    pub(super) key: RawKey,
    /// Its first sample.
    pub(super) first: At,
    /// The time of its last sample, in ns.
    pub(super) last_time: u64,
    pub(super) counts: LineCounts,
}

impl RawLine {
    /// A line without counts.
    pub(super) fn new(key: RawKey, first: At) -> Self {
        Self {
            key,
            first,
            last_time: first.time,
            counts: LineCounts::default(),
        }
    }

    /// Adds what another worker knows of the same line.
    pub(super) fn merge(&mut self, other: &Self) {
        self.file(other.key, other.first);
        self.last_time = self.last_time.max(other.last_time);
        self.counts.add(&other.counts);
    }

    /// Moves the first and last moment so that they include `at`; the key is that
    /// of the first sample.
    pub(super) fn file(&mut self, key: RawKey, at: At) {
        if at < self.first {
            self.first = at;
            self.key = key;
        }
        self.last_time = self.last_time.max(at.time);
    }
}
