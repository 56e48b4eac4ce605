//! The table of raw lines that the workers of the first pass share.

use super::counts::LineCounts;
use super::lines::{Hashing, RawLine};
use hashbrown::HashTable;
use std::sync::{Mutex, PoisonError};

/// How many parts the table has, each with a lock.
const SHARDS: usize = 64;

/// All raw lines.
pub(super) struct RawLines {
    shards: Vec<Mutex<Shard>>,
    hashing: Hashing,
}

/// A part of them: the lines stand close together, since a hash table of lines
/// would be half empty.
#[derive(Default)]
struct Shard {
    places: HashTable<u32>,
    lines: Vec<RawLine>,
}

impl RawLines {
    pub(super) fn new() -> Self {
        Self {
            hashing: Hashing::default(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// How all tables hash lines.
    pub(super) fn hashing(&self) -> Hashing {
        self.hashing.clone()
    }

    /// Adds what a worker knows of a line; returns what all workers have added of
    /// it so far.
    pub(super) fn add(&self, line: RawLine) -> LineCounts {
        let hash = line.key.hash_with(&self.hashing);
        // The high bits of the hash are hashbrown's tags, the low ones its
        // buckets; the shard takes bits between them.
        let shard = &self.shards[(hash >> 48) as usize % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let Shard { places, lines } = &mut *shard;
        let is_same = |&place: &u32| lines[place as usize].key == line.key;
        match places.find(hash, is_same) {
            Some(&place) => {
                let known = &mut lines[place as usize];
                known.merge(&line);
                known.counts
            }
            None => {
                let place = lines.len() as u32;
                let counts = line.counts;
                lines.push(line);
                places.insert_unique(hash, place, |&place| {
                    lines[place as usize].key.hash_with(&self.hashing)
                });
                counts
            }
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
