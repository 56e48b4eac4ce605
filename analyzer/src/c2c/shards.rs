//! The table of all raw lines in the first pass.
//!
//! Workers turn samples into small events, sort them into bins by the hash of
//! their line, and hand each bin to its shard under a lock once a batch. So
//! there is one table, whatever the number of threads, and a shard's part of it
//! stays in the cache while its bin is worked off.

use super::kinds::{KindId, Kinds};
use super::lines::{RawKey, RawLine};
use contend_perfdata::At;
use hashbrown::HashTable;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many shards the table has: enough that a shard of 100,000 lines fits
/// into a level-2 cache, few enough that the bins of one batch are not tiny.
const SHARDS: usize = 64;

/// How many lines are fetched ahead of their turn.
const AHEAD: usize = 16;

/// One sample on its way to its shard.
#[derive(Clone, Copy, Debug)]
struct Event {
    /// [`RawKey::hash`], which three steps need.
    hash: u64,
    key: RawKey,
    kind: KindId,
    /// Bytes behind the start of the batch.
    offset: u32,
    time: u64,
}

/// The table of all raw lines.
pub(super) struct RawLines {
    shards: Vec<Mutex<HashTable<RawLine>>>,
}

impl RawLines {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// The finished table, a vector of lines for each shard.
    pub(super) fn into_shards(self) -> Vec<Vec<RawLine>> {
        let shards = self.shards.into_iter();
        shards
            .map(|shard| {
                let shard = shard.into_inner().unwrap_or_else(PoisonError::into_inner);
                shard.into_iter().collect()
            })
            .collect()
    }
}

fn lock(shard: &Mutex<HashTable<RawLine>>) -> MutexGuard<'_, HashTable<RawLine>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn add(shard: &mut HashTable<RawLine>, event: &Event, base: u64, kinds: &Kinds) {
    let at = At {
        time: event.time,
        pos: base + u64::from(event.offset),
    };
    let line = shard
        .entry(
            event.hash,
            |line| line.key == event.key,
            |line| line.key.hash(),
        )
        .or_insert_with(|| RawLine::new(event.key, at))
        .into_mut();
    line.first = line.first.min(at);
    line.last_time = line.last_time.max(at.time);
    line.tally.add(&kinds.get(event.kind).line);
}

/// Reads a word of the line of each event, so that the processor fetches all of
/// them at once: a look-up that waits for its line keeps the next one waiting.
fn touch(shard: &HashTable<RawLine>, events: &[Event]) {
    let words = events.iter().map(|event| {
        let mut candidates = shard.iter_hash(event.hash);
        candidates.next().map_or(0, |line| line.last_time)
    });
    std::hint::black_box(words.fold(0, |all, word| all ^ word));
}

/// One worker's bins in front of the table.
pub(super) struct Binner {
    bins: Vec<Vec<Event>>,
    base: u64,
    /// Where flushing begins, so that workers do not queue for the same shard.
    turn: usize,
}

impl Binner {
    pub(super) fn new() -> Self {
        Self {
            bins: vec![Vec::new(); SHARDS],
            base: 0,
            turn: rayon::current_thread_index().unwrap_or(0) * 7,
        }
    }

    /// Begins a batch whose records stand at `base` and behind.
    pub(super) fn begin(&mut self, base: u64) {
        self.base = base;
    }

    #[inline]
    pub(super) fn push(&mut self, key: RawKey, kind: KindId, time: u64, pos: u64) {
        // The high bits of the hash are hashbrown's tags, the low ones its
        // buckets; the shard takes bits between them.
        let hash = key.hash();
        let shard = (hash >> 48) as usize % SHARDS;
        self.bins[shard].push(Event {
            hash,
            key,
            kind,
            offset: (pos - self.base) as u32,
            time,
        });
    }

    /// Hands the bins of the batch to the table.
    pub(super) fn flush(&mut self, table: &RawLines, kinds: &Kinds) {
        self.turn += 1;
        for step in 0..SHARDS {
            let shard = (self.turn + step) % SHARDS;
            let bin = &mut self.bins[shard];
            if bin.is_empty() {
                continue;
            }
            let mut shard = lock(&table.shards[shard]);
            for events in bin.chunks(AHEAD) {
                touch(&shard, events);
                for event in events {
                    add(&mut shard, event, self.base, kinds);
                }
            }
            bin.clear();
        }
    }
}
