//! First pass: counters by raw line, before anything is known of mappings.
//!
//! Workers turn samples into small events, sort them into bins by the hash of
//! their line, and hand each bin to its shard under a lock once a batch. So
//! there is one table, whatever the number of threads, and a shard's part of it
//! stays in the cache while its bin is worked off.

use super::kinds::{KindId, Kinds};
use crate::memory::{Counter, Counters, Delta};
use contend_perfdata::{At, MemorySample};
use hashbrown::HashTable;
use std::hash::Hasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many shards the table has: enough that a shard of 100,000 lines fits
/// into a level-2 cache, few enough that the bins of one batch are not tiny.
const SHARDS: usize = 64;

/// The counters that the first pass keeps for every line: what decides which
/// lines are shared and shown, and what perf sums over all shared lines.
pub(super) const LINE_COUNTERS: [Counter; 14] = [
    Counter::NrEntries,
    Counter::Load,
    Counter::LdFbhit,
    Counter::LdL1hit,
    Counter::LdL2hit,
    Counter::LdLlchit,
    Counter::LclHitm,
    Counter::RmtHitm,
    Counter::LclPeer,
    Counter::RmtPeer,
    Counter::Locks,
    Counter::Store,
    Counter::StL1hit,
    Counter::StNa,
];
const BLOCKED: usize = LINE_COUNTERS.len();
const MAPPED_IF_KNOWN: usize = BLOCKED + 1;
const LINE_COUNTS: usize = MAPPED_IF_KNOWN + 1;

/// The counters of a line in the first pass. They would need a capture of
/// hundreds of gigabytes on one line to overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LineCounts([u32; LINE_COUNTS]);

impl LineCounts {
    /// What one sample adds.
    pub(super) fn of(delta: &Delta) -> Self {
        let mut counts = [0; LINE_COUNTS];
        for (count, counter) in counts.iter_mut().zip(LINE_COUNTERS) {
            *count = u32::from(delta.get(counter));
        }
        let blocked = delta.get(Counter::BlkData) + delta.get(Counter::BlkAddr);
        counts[BLOCKED] = u32::from(blocked);
        counts[MAPPED_IF_KNOWN] = u32::from(delta.can_be_nomap());
        Self(counts)
    }

    #[inline]
    pub(super) fn add(&mut self, other: &Self) {
        for (total, more) in self.0.iter_mut().zip(&other.0) {
            *total = total.wrapping_add(*more);
        }
    }

    /// Adds to a full set of counters, apart from what is no counter there.
    pub(super) fn add_to(&self, counters: &mut Counters) {
        for (&count, counter) in self.0.iter().zip(LINE_COUNTERS) {
            counters.add(counter, u64::from(count));
        }
        // Only ever shown as one sum.
        counters.add(Counter::BlkData, u64::from(self.0[BLOCKED]));
    }

    pub(super) fn get(&self, counter: Counter) -> u64 {
        let place = LINE_COUNTERS.iter().position(|&known| known == counter);
        place.map_or(0, |place| u64::from(self.0[place]))
    }

    /// How many samples perf would look up in the mappings.
    pub(super) fn looked_up(&self) -> u64 {
        u64::from(self.0[MAPPED_IF_KNOWN])
    }

    /// perf's test for a shared line: any HITM or peer snoop.
    pub(super) fn is_shared(&self) -> bool {
        use Counter::{LclHitm, LclPeer, RmtHitm, RmtPeer};
        [LclHitm, RmtHitm, LclPeer, RmtPeer]
            .iter()
            .any(|&counter| self.get(counter) > 0)
    }
}

/// A line as a sample names it: by virtual address, process and CPU mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RawKey {
    /// The address of the line's first byte (AVMA).
    pub(super) line: u64,
    /// The process; addresses of kernel mode carry it too.
    pub(super) pid: i32,
    /// `misc & 7` of the sample.
    pub(super) mode: u8,
}

impl RawLine {
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

impl RawKey {
    pub(super) fn new(sample: &MemorySample, misc: u16, line_size: u64) -> Self {
        Self {
            line: sample.addr & !(line_size - 1),
            pid: sample.pid,
            mode: (misc & 7) as u8,
        }
    }

    #[inline]
    fn hash(&self) -> u64 {
        let mut hasher = rustc_hash::FxHasher::default();
        hasher.write_u64(self.line ^ u64::from(self.mode));
        hasher.write_u32(self.pid.cast_unsigned());
        hasher.finish()
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

/// One sample on its way to its shard.
#[derive(Clone, Copy, Debug)]
struct Event {
    key: RawKey,
    kind: KindId,
    /// Bytes behind the start of the batch.
    offset: u32,
    time: u64,
}

#[derive(Default)]
pub(super) struct Shard {
    index: HashTable<u32>,
    pub(super) lines: Vec<RawLine>,
}

impl Shard {
    fn add(&mut self, event: &Event, base: u64, kinds: &Kinds) {
        let hash = event.key.hash();
        let lines = &mut self.lines;
        let at = At {
            time: event.time,
            pos: base + u64::from(event.offset),
        };
        let found = self
            .index
            .find(hash, |&line| lines[line as usize].key == event.key)
            .copied();
        let line = match found {
            Some(line) => &mut lines[line as usize],
            None => {
                let line = lines.len() as u32;
                lines.push(RawLine {
                    key: event.key,
                    first: at,
                    last_time: at.time,
                    counts: LineCounts::default(),
                });
                self.index
                    .insert_unique(hash, line, |&line| lines[line as usize].key.hash());
                &mut lines[line as usize]
            }
        };
        line.first = line.first.min(at);
        line.last_time = line.last_time.max(at.time);
        line.counts.add(&kinds.get(event.kind).line);
    }
}

/// The table of all raw lines.
pub(super) struct RawLines {
    shards: Vec<Mutex<Shard>>,
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
                shard.lines
            })
            .collect()
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
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
        let shard = (key.hash() >> 48) as usize % SHARDS;
        self.bins[shard].push(Event {
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
            for event in bin.drain(..) {
                shard.add(&event, self.base, kinds);
            }
        }
    }
}
