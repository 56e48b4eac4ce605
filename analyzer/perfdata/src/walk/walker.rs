//! Runs a consumer over every batch of a capture on all threads of a pool.

use super::batch::Batch;
use super::inflate::Inflate;
use super::plain::Plain;
use crate::source::Source;
use linux_perf_event_reader::Endianness;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Bytes of a chunk unless asked otherwise: 4 MiB reads into a reused buffer
/// were the fastest of 1 to 16 MiB in `cargo bench -p contend-perfdata`.
pub const DEFAULT_CHUNK: usize = 4 << 20;

/// Smaller chunks than this only repeat the overlap between neighbours.
const SMALLEST_CHUNK: usize = 4 << 10;

/// A run of records in a source.
#[derive(Clone)]
pub struct Segment {
    /// Where the bytes are.
    pub source: Arc<dyn Source>,
    /// Which bytes hold records.
    pub range: Range<u64>,
    /// The place of the first record: later segments have larger bases.
    pub base: u64,
    /// Whether the records stand inside `COMPRESSED` records.
    pub compressed: bool,
    /// How many bytes behind `range` belong to its last record, as payload.
    pub payload: u64,
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("range", &self.range)
            .field("base", &self.base)
            .field("compressed", &self.compressed)
            .finish_non_exhaustive()
    }
}

/// Why the walk along a segment ended before its last byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WalkDamage {
    /// The byte of the source at which the walk ended.
    pub offset: u64,
    /// How many bytes of the segment stand behind it and were not read.
    pub lost_bytes: u64,
    /// What was found there.
    pub what: &'static str,
}

impl fmt::Display for WalkDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            offset,
            lost_bytes,
            what,
        } = self;
        write!(f, "{what} at byte {offset}")?;
        match lost_bytes {
            // What is missing there was never in the file.
            0 => Ok(()),
            1 => write!(f, ": 1 byte not read"),
            lost => write!(f, ": {lost} bytes not read"),
        }
    }
}

/// What was found in the segment with this base.
pub(super) type DamageAt = (u64, WalkDamage);

/// What the walk could not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalkReport {
    /// One entry for each segment that ended early, in the order of their bases,
    /// and so of the files of a directory.
    pub damage: Vec<WalkDamage>,
}

impl WalkReport {
    /// How many bytes were not read, in all segments.
    pub fn lost_bytes(&self) -> u64 {
        self.damage.iter().map(|damage| damage.lost_bytes).sum()
    }
}

/// The records of a capture, ready to be walked as often as needed.
#[derive(Debug)]
pub struct Walker {
    segments: Vec<Segment>,
    endian: Endianness,
    chunk: usize,
    /// Where the chunks of plain segments begin, proved by the first walk.
    cuts: OnceLock<Vec<u64>>,
}

impl Walker {
    /// A walker over `segments`, cut into chunks of about `chunk` bytes.
    pub fn new(segments: Vec<Segment>, endian: Endianness, chunk: usize) -> Self {
        Self {
            segments,
            endian,
            chunk: chunk.max(SMALLEST_CHUNK).next_multiple_of(8),
            cuts: OnceLock::new(),
        }
    }

    /// How many bytes of the sources hold records.
    pub fn total_bytes(&self) -> u64 {
        let lengths = self.segments.iter().map(|segment| {
            let Range { start, end } = segment.range;
            end.saturating_sub(start)
        });
        lengths.sum()
    }

    /// Calls `each` with every batch. Every thread of `pool` makes one state
    /// with `start`, keeps it for all its batches, and gives it back; the
    /// states come in no particular order and which batches went into which is
    /// not determined.
    ///
    /// # Errors
    /// The first error of reading a source. Damage in the data is no error: the
    /// walk of that segment ends there and the report says so.
    pub fn walk<S: Send>(
        &self,
        pool: &rayon::ThreadPool,
        start: impl Fn() -> S + Sync,
        each: impl Fn(&mut S, &Batch) + Sync,
    ) -> io::Result<(Vec<S>, WalkReport)> {
        self.walk_some(pool, |_| true, start, each)
    }

    /// As [`Walker::walk`], but only of the batches whose [`Batch::first_pos`] is
    /// `wanted`. After a first walk the others are not even read, unless they
    /// stand in a compressed stream.
    ///
    /// # Errors
    /// As [`Walker::walk`].
    pub fn walk_some<S: Send>(
        &self,
        pool: &rayon::ThreadPool,
        wanted: impl Fn(u64) -> bool + Sync,
        start: impl Fn() -> S + Sync,
        each: impl Fn(&mut S, &Batch) + Sync,
    ) -> io::Result<(Vec<S>, WalkReport)> {
        let plain = Plain::new(&self.segments, self.endian, self.chunk, self.cuts.get());
        let inflate = Mutex::new(Inflate::new(&self.segments, self.endian, self.chunk));
        let error = Mutex::new(None);
        let states = pool.broadcast(|_| {
            let mut state = start();
            let mut batch = Batch::new(self.endian);
            let outcome = (|| {
                while plain.next(&mut batch, &wanted)? {
                    each(&mut state, &batch);
                }
                loop {
                    let more = lock(&inflate).next(&mut batch)?;
                    if !more {
                        return Ok::<(), io::Error>(());
                    }
                    if wanted(batch.first_pos()) {
                        each(&mut state, &batch);
                    }
                }
            })();
            if let Err(cause) = outcome {
                lock(&error).get_or_insert(cause);
            }
            state
        });
        if let Some(error) = error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let (cuts, mut damage) = plain.finish();
        // A second walk finds the same cuts; only the first one stores them.
        let _ = self.cuts.set(cuts);
        let inflate = inflate.into_inner().unwrap_or_else(PoisonError::into_inner);
        damage.extend(inflate.finish());
        // Offsets of different files say nothing about their order.
        damage.sort_unstable();
        let damage = damage.into_iter().map(|(_, damage)| damage).collect();
        Ok((states, WalkReport { damage }))
    }
}

/// Locks a mutex whose data stays valid when a holder panics: every critical
/// section here leaves it consistent, and the panic itself reaches the caller
/// through the pool.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_says_what_was_not_read_where_something_was_not() {
        let said = |lost_bytes| {
            let damage = WalkDamage {
                offset: 7,
                lost_bytes,
                what: "the record is damaged",
            };
            damage.to_string()
        };
        assert_eq!(
            [0, 1, 20].map(said),
            [
                "the record is damaged at byte 7",
                "the record is damaged at byte 7: 1 byte not read",
                "the record is damaged at byte 7: 20 bytes not read"
            ]
        );
    }
}
