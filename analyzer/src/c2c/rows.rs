//! The rows of the shown lines: what was done at which offset, by which
//! instruction.

use super::kinds::Kind;
use super::lines::Hashing;
use super::part::Part;
use super::uses::{Actor, ThreadUses, Use, UseKey};
use contend_perfdata::{At, MemorySample};
use foldhash::HashMap;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

/// What rows of a line are told apart by, besides the offset in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coalesce {
    /// The instruction address.
    Iaddr,
    /// The process.
    Pid,
    /// The thread.
    Tid,
    /// The binary of the instruction.
    Dso,
}

/// One row: an offset in the line and the fields of the coalesce list. A field
/// that is not in the list is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RowKey {
    pub(super) offset: u32,
    pub(super) ip: u64,
    pub(super) pid: i32,
    pub(super) tid: i32,
    pub(super) dso: u32,
}

/// Makes the keys of rows: which bits of a sample tell them apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowKeys {
    offset: u64,
    ip: u64,
    pid: i32,
    tid: i32,
    by_dso: bool,
}

impl RowKeys {
    pub(super) fn new(line_size: u64, coalesce: &[Coalesce]) -> Self {
        let has = |field| coalesce.contains(&field);
        Self {
            offset: line_size - 1,
            ip: if has(Coalesce::Iaddr) { u64::MAX } else { 0 },
            pid: if has(Coalesce::Pid) { -1 } else { 0 },
            tid: if has(Coalesce::Tid) { -1 } else { 0 },
            by_dso: has(Coalesce::Dso),
        }
    }

    /// The row of a sample; `dso` finds the binary of its instruction.
    #[inline]
    pub(super) fn of(&self, sample: &MemorySample, dso: impl Fn() -> u32) -> RowKey {
        RowKey {
            offset: (sample.addr & self.offset) as u32,
            ip: sample.ip & self.ip,
            pid: sample.pid & self.pid,
            tid: sample.tid & self.tid,
            dso: if self.by_dso { dso() } else { 0 },
        }
    }
}

/// One row of a line.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) part: Part,
    /// The first sample, and its process and thread.
    pub(super) first: Option<(At, i32, i32)>,
    /// What each thread did.
    pub(super) threads: ThreadUses,
}

/// One sample of a shown line and what was found out about it.
pub(super) struct Filed<'a> {
    pub(super) sample: &'a MemorySample,
    pub(super) at: At,
    pub(super) kind: &'a Kind,
    pub(super) nomap: bool,
    pub(super) memory_node: Option<u64>,
}

impl Row {
    #[inline]
    fn add(&mut self, filed: &Filed<'_>) {
        let Filed { sample, kind, .. } = *filed;
        self.part.add(sample, kind, filed.nomap, filed.memory_node);
        let first = (filed.at, sample.pid, sample.tid);
        self.first = Some(self.first.map_or(first, |known| known.min(first)));
        let thread = self.threads.of(Actor::of(sample));
        thread.add_sample(&kind.one_use, sample.period);
    }

    fn merge(&mut self, other: &Self) {
        self.part.merge(&other.part);
        self.first = match (self.first, other.first) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        for (thread, more) in other.threads.iter() {
            self.threads.of(*thread).add(more);
        }
    }
}

/// A row of one of the shown lines, by the number of the line.
type Place = (u32, RowKey);

fn hash((line, row): &Place, hashing: &Hashing) -> u64 {
    let mut hasher = hashing.build_hasher();
    let thread = u64::from(row.pid.cast_unsigned()) << 32 | u64::from(row.tid.cast_unsigned());
    let place = u64::from(*line) << 32 | u64::from(row.offset);
    hasher.write_u64(place ^ u64::from(row.dso) << 16);
    hasher.write_u64(row.ip ^ thread.rotate_left(16));
    hasher.finish()
}

/// The rows of all shown lines.
pub(super) struct Rows {
    index: HashTable<u32>,
    hashing: Hashing,
    rows: Vec<(Place, Row)>,
    /// Rows that were asked for lately: threads come back to the same few.
    recent: [u32; RECENT],
}

/// How many rows are remembered.
const RECENT: usize = 64;

impl Default for Rows {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            hashing: Hashing::default(),
            rows: Vec::new(),
            recent: [0; RECENT],
        }
    }
}

impl Rows {
    /// Files a sample under its row.
    #[inline]
    pub(super) fn add(&mut self, line: u32, key: RowKey, filed: &Filed<'_>) {
        self.row((line, key)).add(filed);
    }

    #[inline]
    fn row(&mut self, place: Place) -> &mut Row {
        let (line, key) = place;
        let mixed = key.ip as u32 ^ (key.offset << 1) ^ line.wrapping_mul(0x9e37_79b1);
        let slot = (mixed ^ mixed >> 7) as usize % RECENT;
        let guess = self.recent[slot];
        let known = self.rows.get(guess as usize);
        let number = if known.is_some_and(|(known, _)| *known == place) {
            guess
        } else {
            self.number(place)
        };
        self.recent[slot] = number;
        &mut self.rows[number as usize].1
    }

    /// The number of a row, which gets one if it is new.
    #[inline(never)]
    fn number(&mut self, place: Place) -> u32 {
        let (rows, hashing) = (&mut self.rows, &self.hashing);
        let number = *self
            .index
            .entry(
                hash(&place, hashing),
                |&number| rows[number as usize].0 == place,
                |&number| hash(&rows[number as usize].0, hashing),
            )
            .or_insert_with(|| rows.len() as u32)
            .get();
        if number as usize == rows.len() {
            rows.push((place, Row::default()));
        }
        number
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Does what each thread can do before one merges all.
    pub(super) fn settle(&mut self) {
        let rows = self.rows.iter_mut();
        rows.for_each(|(_, row)| row.part.latencies.settle());
    }

    /// Adds what another thread has filed.
    pub(super) fn merge(&mut self, other: Self) {
        for ((line, key), row) in other.rows {
            self.take(line, key, row);
        }
    }

    /// Adds a row to what is known of it.
    pub(super) fn take(&mut self, line: u32, key: RowKey, row: Row) {
        let place = (line, key);
        let known = self.row(place);
        if known.first.is_none() {
            *known = row;
        } else {
            known.merge(&row);
        }
    }

    /// The rows with the numbers of their lines, in no particular order.
    pub(super) fn into_rows(self) -> impl Iterator<Item = (u32, RowKey, Row)> {
        let rows = self.rows.into_iter();
        rows.map(|((line, key), row)| (line, key, row))
    }

    /// The rows by line.
    pub(super) fn into_lines(self, lines: usize) -> Vec<LineDetail> {
        let mut details = vec![LineDetail::default(); lines];
        for ((line, key), row) in self.rows {
            let detail = &mut details[line as usize];
            detail.part.merge(&row.part);
            for &(actor, ref used) in row.threads.iter() {
                if used.is_access() {
                    let key = UseKey {
                        offset: key.offset,
                        actor,
                    };
                    detail.uses.entry(key).or_default().add(used);
                }
            }
            detail.rows.push((key, row));
        }
        details
    }
}

/// A line with its rows.
#[derive(Clone, Debug, Default)]
pub(super) struct LineDetail {
    pub(super) part: Part,
    /// In no particular order.
    pub(super) rows: Vec<(RowKey, Row)>,
    pub(super) uses: HashMap<UseKey, Use>,
}
