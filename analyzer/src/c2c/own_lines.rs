//! The lines that one worker of the first pass has met.
//!
//! Every worker has a table of its own, so that it takes no lock for a sample,
//! and hands lines to the shared table when they get hot or the table gets
//! large: memory follows the number of lines, not that of samples or threads.

use super::counts::{LineCounts, LineDelta};
use super::early::HotSet;
use super::lines::{Hashing, RawKey, RawLine};
use super::shards::RawLines;
use super::tally::add_bytes;
use contend_perfdata::At;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::sync::Arc;

/// How many lines a worker keeps for itself: 8 MiB of them.
const MOST_LINES: usize = 1 << 17;

/// How many samples are gathered before their lines are looked up: enough for
/// the processor to have as many lines on their way as it can.
pub(super) const BLOCK: usize = 64;

/// A line whose counters hold this many samples is handed over: one sample adds
/// at most 2 to any of them.
const HOT: u8 = 127;

/// A line with small counters. Its size is that of a cache line: one is touched
/// for every sample.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct OwnLine {
    key: RawKey,
    first: At,
    last_time: u64,
    /// The first one counts samples.
    recent: LineDelta,
    /// The number of the line among the hot ones, from 1 up; 0 for others.
    hot: u16,
}

const _: () = assert!(size_of::<OwnLine>() == 64);

impl OwnLine {
    #[inline]
    fn add(&mut self, at: At, delta: &LineDelta) {
        // Samples mostly come in the order of time.
        if at.time > self.last_time {
            self.last_time = at.time;
        } else {
            self.first = self.first.min(at);
        }
        add_bytes(&mut self.recent, delta);
    }

    fn to_raw(&self) -> RawLine {
        RawLine {
            key: self.key,
            first: self.first,
            last_time: self.last_time,
            counts: LineCounts::from(self.recent),
        }
    }
}

/// Where a line probably is, and the hash of its key.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    hash: u64,
    number: u32,
}

/// What one worker has gathered.
pub(super) struct OwnLines {
    /// Numbers of lines. They stand apart from the lines, which stand close
    /// together: in one table half of the pages and lines of the cache would be
    /// of empty places.
    index: HashTable<u32>,
    lines: Vec<OwnLine>,
    hashing: Hashing,
    /// Lines that were handed over for their many samples, with all that is in
    /// the shared table of them.
    busy: Vec<(RawKey, LineCounts)>,
    /// The hot lines; of those that are here, `lines` has their numbers.
    hot: Option<Arc<HotSet>>,
}

impl OwnLines {
    /// No lines; `hashing` is that of the shared table.
    pub(super) fn new(hashing: Hashing) -> Self {
        Self {
            index: HashTable::new(),
            lines: Vec::new(),
            hashing,
            busy: Vec::new(),
            hot: None,
        }
    }

    /// Makes [`Self::add`] tell which samples are of these lines, a later version
    /// of those that it knows; absent when it is to tell none any more.
    pub(super) fn tell(&mut self, hot: Option<Arc<HotSet>>) {
        let version = |hot: &Option<Arc<HotSet>>| hot.as_ref().map(|hot| hot.version());
        if version(&hot) == version(&self.hot) {
            return;
        }
        match &hot {
            Some(hot) => hot.lines().for_each(|(key, number)| {
                let hash = key.hash_with(&self.hashing);
                let lines = &mut self.lines;
                let is_it = |&place: &u32| lines[place as usize].key == *key;
                if let Some(&place) = self.index.find(hash, is_it) {
                    lines[place as usize].hot = number + 1;
                }
            }),
            None => {
                self.busy = Vec::new();
                self.lines.iter_mut().for_each(|line| line.hot = 0);
            }
        }
        self.hot = hot;
    }

    /// Gives away which lines got many samples since the last call.
    pub(super) fn take_busy(&mut self) -> impl Iterator<Item = (RawKey, LineCounts)> {
        self.busy.drain(..)
    }

    /// Guesses the place of the line of a sample.
    #[inline]
    pub(super) fn guess(&self, key: &RawKey) -> Place {
        let hash = key.hash_with(&self.hashing);
        let first = self.index.iter_hash(hash).next();
        Place {
            hash,
            number: first.map_or(0, |&number| number),
        }
    }

    /// A word of the line at a place. To read one of each line of a block makes the
    /// processor fetch all of them at once: a look-up that waits for its line keeps
    /// the next one waiting.
    #[inline]
    pub(super) fn word_at(&self, place: Place) -> u64 {
        let line = self.lines.get(place.number as usize);
        line.map_or(0, |line| line.last_time)
    }

    /// Files one sample of a block, whose lines have been fetched; returns the
    /// number of its line among the hot ones, from 1 up, or 0. After a block comes
    /// [`Self::shrink`].
    #[inline]
    pub(super) fn add(
        &mut self,
        place: Place,
        key: RawKey,
        at: At,
        delta: &LineDelta,
        shared: &RawLines,
    ) -> u16 {
        let guess = self.lines.get(place.number as usize);
        let number = if guess.is_some_and(|line| line.key == key) {
            place.number
        } else {
            self.number(place.hash, key, at)
        };
        let line = &mut self.lines[number as usize];
        line.add(at, delta);
        if line.recent[0] >= HOT {
            let all = shared.add(line.to_raw());
            line.recent = LineDelta::default();
            if self.hot.is_some() {
                self.busy.push((key, all));
            }
        }
        line.hot
    }

    /// The number of a line, which gets one if it is new.
    #[inline(never)]
    fn number(&mut self, hash: u64, key: RawKey, at: At) -> u32 {
        let Self {
            index,
            lines,
            hashing,
            hot,
            ..
        } = self;
        let entry = index.entry(
            hash,
            |&number| lines[number as usize].key == key,
            |&number| lines[number as usize].key.hash_with(hashing),
        );
        match entry {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(empty) => {
                let number = lines.len() as u32;
                empty.insert(number);
                lines.push(OwnLine {
                    key,
                    first: at,
                    last_time: at.time,
                    recent: LineDelta::default(),
                    hot: hot.as_ref().map_or(0, |hot| hot.number(&key)),
                });
                number
            }
        }
    }

    /// Hands everything to the shared table when it got large.
    #[inline]
    pub(super) fn shrink(&mut self, shared: &RawLines) {
        if self.lines.len() > MOST_LINES {
            self.hand_over(shared);
        }
    }

    fn hand_over(&mut self, shared: &RawLines) {
        self.index.clear();
        for line in self.lines.drain(..) {
            if line.recent[0] > 0 {
                shared.add(line.to_raw());
            }
        }
    }

    /// Hands everything to the shared table.
    pub(super) fn finish(&mut self, shared: &RawLines) {
        self.hand_over(shared);
        (self.index, self.lines) = (HashTable::new(), Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c2c::kinds::Kinds;
    use crate::memory::Counter;
    use contend_perfdata::DataSrc;
    use std::collections::BTreeMap;

    fn key(number: u64) -> RawKey {
        RawKey {
            // Equal low bits, as of lines at the start of pages.
            line: number / 5 * 4096,
            pid: (number % 5) as i32 - 1,
            mode: (number % 3) as u8,
        }
    }

    /// Hot lines and more lines than a worker keeps lose nothing.
    #[test]
    fn two_workers_count_what_a_map_counts() {
        // L2 and L3 with HITM: two HITMs in one sample.
        let double = DataSrc(0x02 | (0x02 | 0x20 | 0x40) << 5 | 0x10 << 19);
        let mut kinds = Kinds::new();
        let kind = kinds.of(double, true);
        let shared = RawLines::new();
        let mut workers = [0; 2].map(|_| OwnLines::new(shared.hashing()));
        let mut model: BTreeMap<RawKey, (At, u64, u64)> = BTreeMap::new();
        let many = 2 * MOST_LINES as u64 + 1000;
        for step in 0..many + 200_000 {
            let number = if step < many { step } else { step * step % 97 };
            let (key, at) = (
                key(number),
                At {
                    time: step ^ 5,
                    pos: step,
                },
            );
            let worker = &mut workers[step as usize % 2];
            let place = worker.guess(&key);
            worker.word_at(place);
            let hot = worker.add(place, key, at, &kinds.get(kind).line, &shared);
            assert_eq!(hot, 0, "nobody told of hot lines");
            worker.shrink(&shared);
            let known = model.entry(key).or_insert((at, 0, 0));
            *known = (known.0.min(at), known.1.max(at.time), known.2 + 1);
        }
        for worker in &mut workers {
            assert_eq!(worker.take_busy().count(), 0, "nobody wants to know them");
            worker.finish(&shared);
        }
        let lines = shared.into_shards().into_iter().flatten();
        let found: BTreeMap<RawKey, (At, u64, u64)> = lines
            .map(|line| {
                let entries = line.counts.get(Counter::NrEntries);
                assert_eq!(line.counts.get(Counter::LclHitm), 2 * entries);
                (line.key, (line.first, line.last_time, entries))
            })
            .collect();
        assert!(found == model, "{} lines of {}", found.len(), model.len());
    }
}
