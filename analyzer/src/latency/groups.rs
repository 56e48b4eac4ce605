//! The groups of one worker, and those of all.

use super::access::Access;
use super::key::{GroupKey, Keys, RawGroup, Valid};
use super::sums::Sums;
use crate::stats::Histogram;
use contend_perfdata::At;
use foldhash::HashMap;
use std::sync::{Mutex, PoisonError};

/// So many groups are shown: the rest is summed up.
pub(super) const MOST_GROUPS: usize = 1000;

/// A worker keeps histograms while it has so many groups at most. With more of them
/// another walk makes those of the shown ones.
const MOST_HISTOGRAMS: usize = 8192;

/// How many groups, and raw groups, all workers keep for themselves together: a quarter
/// of a gigabyte of them. Each has to find again what it has handed over.
const MOST_KEPT: usize = 1 << 20;

/// But each worker this many.
const LEAST_KEPT: usize = 1 << 16;

/// How many accesses are gathered before their groups are looked up: enough for the
/// processor to have as many groups on their way as it can.
const BLOCK: usize = 64;

/// How many parts the shared table has, each with a lock.
const SHARDS: usize = 64;

/// Entries of the cache in front of the raw groups.
const CACHE_SLOTS: usize = 4096;

/// Groups that nobody wants have this number.
const UNWANTED: u32 = u32::MAX;

/// The shown groups by what they are made of.
pub(super) type Shown = HashMap<GroupKey, u32>;

/// A raw group whose group is known.
#[derive(Clone, Copy, Debug)]
struct Known {
    raw: RawGroup,
    since: At,
    group: u32,
}

/// The groups of one worker.
pub(super) struct OwnGroups {
    cache: Vec<Option<Known>>,
    known: HashMap<RawGroup, (At, u32)>,
    numbers: HashMap<GroupKey, u32>,
    keys: Vec<GroupKey>,
    sums: Vec<Sums>,
    /// One for each group; given up when there are more than [`MOST_HISTOGRAMS`].
    histograms: Option<Vec<Histogram>>,
    /// Accesses with their baselines that are not in their groups yet.
    block: Vec<(Access, u64)>,
    most_kept: usize,
}

/// The sums of all workers that have many groups.
pub(super) struct SharedGroups {
    shards: Vec<Mutex<HashMap<GroupKey, Sums>>>,
    hashing: foldhash::fast::RandomState,
}

impl SharedGroups {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hashing: foldhash::fast::RandomState::default(),
        }
    }

    fn add(&self, key: GroupKey, sums: &Sums) {
        use std::hash::BuildHasher;
        let shard = self.hashing.hash_one(key) as usize % SHARDS;
        let mut shard = self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        shard.entry(key).or_default().merge(sums);
    }

    /// All groups, in no particular order.
    pub(super) fn into_groups(self) -> impl Iterator<Item = (GroupKey, Sums)> {
        let shards = self.shards.into_iter();
        shards.flat_map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl OwnGroups {
    /// No groups, of one of so many workers.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            cache: vec![None; CACHE_SLOTS],
            known: HashMap::default(),
            numbers: HashMap::default(),
            keys: Vec::new(),
            sums: Vec::new(),
            histograms: Some(Vec::new()),
            block: Vec::with_capacity(BLOCK),
            most_kept: (MOST_KEPT / workers.max(1)).max(LEAST_KEPT),
        }
    }

    /// So many groups that are known before.
    pub(super) fn shown(workers: usize, count: usize) -> Self {
        Self {
            sums: vec![Sums::default(); count],
            histograms: Some(vec![Histogram::default(); count]),
            ..Self::new(workers)
        }
    }

    /// Adds an access to its group, if that is among the wanted ones. Behind the last
    /// one of a batch comes [`Self::end_batch`].
    #[inline]
    pub(super) fn add(
        &mut self,
        access: &Access,
        baseline: u64,
        keys: &Keys<'_>,
        wanted: Option<&Shown>,
    ) {
        self.block.push((*access, baseline));
        if self.block.len() == BLOCK {
            self.take(keys, wanted);
        }
    }

    /// Adds the accesses of the block: a step for all of them, then the next step, so
    /// that the processor fetches many groups at once.
    #[inline(never)]
    fn take(&mut self, keys: &Keys<'_>, wanted: Option<&Shown>) {
        let block = std::mem::take(&mut self.block);
        let mut numbers = [None; BLOCK];
        for (number, (access, _)) in numbers.iter_mut().zip(&block) {
            let raw = keys.raw(access);
            *number = match self.cache[slot(raw)] {
                Some(known) if known.raw == raw => {
                    (known.since <= access.at).then_some(known.group)
                }
                _ => match self.known.get(&raw) {
                    Some(&(since, group)) if since <= access.at => {
                        self.cache[slot(raw)] = Some(Known { raw, since, group });
                        Some(group)
                    }
                    _ => None,
                },
            };
        }
        for (number, (access, _)) in numbers.iter_mut().zip(&block) {
            if number.is_none() {
                *number = Some(self.look_up(access, keys, wanted));
            }
        }
        // A word of both lines of each group, so that all of them are on their way
        // before the first is waited for.
        let words = numbers.iter().flatten().map(|&number| {
            let sums = self.sums.get(number as usize);
            sums.map_or(0, Sums::touch)
        });
        std::hint::black_box(words.fold(0, |all, word| all ^ word));
        let added = numbers.iter().flatten().zip(&block);
        for (&number, (access, baseline)) in added.clone() {
            if number != UNWANTED {
                self.sums[number as usize].add(access, *baseline);
            }
        }
        if let Some(histograms) = &mut self.histograms {
            for (&number, (access, _)) in added {
                if let Some(latency) = access.latency
                    && number != UNWANTED
                {
                    histograms[number as usize].add(latency);
                }
            }
        }
        self.block = block;
        self.block.clear();
    }

    #[inline(never)]
    fn look_up(&mut self, access: &Access, keys: &Keys<'_>, wanted: Option<&Shown>) -> u32 {
        let (key, valid) = keys.group(access);
        let group = self.number(key, wanted);
        let since = match valid {
            Valid::Once => return group,
            Valid::Since(since) => since,
            Valid::Always => At { time: 0, pos: 0 },
        };
        let raw = keys.raw(access);
        self.known.insert(raw, (since, group));
        self.cache[slot(raw)] = Some(Known { raw, since, group });
        group
    }

    fn number(&mut self, key: GroupKey, wanted: Option<&Shown>) -> u32 {
        if let Some(wanted) = wanted {
            return wanted.get(&key).copied().unwrap_or(UNWANTED);
        }
        *self.numbers.entry(key).or_insert_with(|| {
            let number = self.keys.len() as u32;
            self.keys.push(key);
            self.sums.push(Sums::default());
            if let Some(histograms) = &mut self.histograms {
                if number as usize == MOST_HISTOGRAMS {
                    self.histograms = None;
                } else {
                    histograms.push(Histogram::default());
                }
            }
            number
        })
    }

    /// Adds what is left of a batch, and hands the groups to the shared table when they
    /// got many.
    pub(super) fn end_batch(
        &mut self,
        keys: &Keys<'_>,
        wanted: Option<&Shown>,
        shared: &SharedGroups,
    ) {
        self.take(keys, wanted);
        let is_large = self.keys.len().max(self.known.len()) > self.most_kept;
        if is_large && self.histograms.is_none() {
            self.hand_over(shared);
        } else if is_large {
            // Few groups of many raw ones, or shown ones among many.
            self.known.clear();
            self.cache.fill(None);
        }
    }

    fn hand_over(&mut self, shared: &SharedGroups) {
        for (key, sums) in self.keys.drain(..).zip(self.sums.drain(..)) {
            shared.add(key, &sums);
        }
        self.known.clear();
        self.numbers.clear();
        self.cache.fill(None);
    }

    /// The histograms of the groups that were known before.
    pub(super) fn into_histograms(self) -> Vec<Histogram> {
        self.histograms.unwrap_or_default()
    }

    /// Gives everything away: the sums to the shared table, and the histograms, if
    /// there is one for each group.
    pub(super) fn finish(mut self, shared: &SharedGroups) -> Option<Vec<(GroupKey, Histogram)>> {
        let histograms = self.histograms.take();
        let histograms =
            histograms.map(|histograms| self.keys.iter().copied().zip(histograms).collect());
        self.hand_over(shared);
        histograms
    }
}

/// The place of a raw group in the cache.
#[inline]
fn slot(raw: RawGroup) -> usize {
    let mixed = raw.0 ^ raw.1.rotate_left(32);
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52) as usize % CACHE_SLOTS
}
