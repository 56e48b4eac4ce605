//! The table of all raw lines in the first pass.
//!
//! Every worker has a table of its own, so that it takes no lock for a sample,
//! and empties it into a shared one when it gets large: memory follows the
//! number of lines, not that of threads.

use super::kinds::{KindId, Kinds};
use super::lines::{RawKey, RawLine};
use contend_perfdata::At;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::sync::{Mutex, PoisonError};

/// How many parts the shared table has, each with a lock.
const SHARDS: usize = 64;

/// How many lines a worker keeps for itself: 8 MiB of them.
const OWN_LINES: usize = 1 << 17;

/// How many samples are gathered before their lines are looked up.
const BLOCK: usize = 32;

type Table = HashTable<RawLine>;

/// The table that workers share.
pub(super) struct RawLines {
    shards: Vec<Mutex<Table>>,
}

fn shard_of(hash: u64) -> usize {
    // The high bits of the hash are hashbrown's tags, the low ones its buckets;
    // the shard takes bits between them.
    (hash >> 48) as usize % SHARDS
}

impl RawLines {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Takes all lines of a worker.
    fn take(&self, own: &mut Table) {
        let mut lines: Vec<RawLine> = own.drain().collect();
        lines.sort_unstable_by_key(|line| shard_of(line.key.hash()));
        let mut lines = lines.into_iter().peekable();
        while let Some(line) = lines.peek() {
            let number = shard_of(line.key.hash());
            let shard = &self.shards[number];
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(line) = lines.next_if(|line| shard_of(line.key.hash()) == number) {
                let same = |known: &RawLine| known.key == line.key;
                match shard.entry(line.key.hash(), same, |line| line.key.hash()) {
                    Entry::Occupied(mut known) => known.get_mut().merge(&line),
                    Entry::Vacant(empty) => drop(empty.insert(line)),
                }
            }
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

/// One sample on its way to its line.
#[derive(Clone, Copy, Debug, Default)]
struct Event {
    /// [`RawKey::hash`].
    hash: u64,
    key: RawKey,
    kind: KindId,
    at: At,
}

/// What one worker has gathered.
pub(super) struct Gathered {
    block: [Event; BLOCK],
    /// How many of the block are there.
    filled: usize,
    own: Table,
}

impl Gathered {
    pub(super) fn new() -> Self {
        Self {
            block: [Event::default(); BLOCK],
            filled: 0,
            own: Table::new(),
        }
    }

    /// Notes a sample; true when [`Self::file`] has to be called.
    #[inline]
    pub(super) fn push(&mut self, key: RawKey, kind: KindId, at: At) -> bool {
        // Callers file a full block before they push more.
        self.block[self.filled % BLOCK] = Event {
            hash: key.hash(),
            key,
            kind,
            at,
        };
        self.filled += 1;
        self.filled >= BLOCK
    }

    /// Files what was noted.
    #[inline]
    pub(super) fn file(&mut self, kinds: &Kinds, table: &RawLines) {
        let events = &self.block[..self.filled.min(BLOCK)];
        touch(&self.own, events);
        for event in events {
            let line = self
                .own
                .entry(
                    event.hash,
                    |line| line.key == event.key,
                    |line| line.key.hash(),
                )
                .or_insert_with(|| RawLine::new(event.key, event.at))
                .into_mut();
            line.first = line.first.min(event.at);
            line.last_time = line.last_time.max(event.at.time);
            line.tally.add(&kinds.get(event.kind).line);
        }
        self.filled = 0;
        if self.own.len() > OWN_LINES {
            table.take(&mut self.own);
        }
    }

    /// Hands everything to the shared table.
    pub(super) fn finish(&mut self, table: &RawLines) {
        debug_assert!(self.filled == 0, "every batch ends with a call of file");
        table.take(&mut self.own);
    }
}

/// Reads a word of the line of each event, so that the processor fetches all of
/// them at once: a look-up that waits for its line keeps the next one waiting.
fn touch(lines: &Table, events: &[Event]) {
    let words = events.iter().map(|event| {
        let mut candidates = lines.iter_hash(event.hash);
        candidates.next().map_or(0, |line| line.last_time)
    });
    std::hint::black_box(words.fold(0, |all, word| all ^ word));
}
