//! Kinds of samples: what every sample with one data source adds.
//!
//! A capture of millions of samples has a few dozen data sources. Each is
//! decoded once per thread; a sample then costs a look into a small cache.

use super::analysis::Sort;
use super::counts::{LineDelta, line_delta};
use super::part::mean_of;
use super::uses::Use;
use crate::memory::{Class, Counters, Delta};
use crate::spe::SpeOp;
use contend_perfdata::DataSrc;
use foldhash::HashMap;
use std::collections::BTreeMap;

/// Entries of the cache in front of the interned kinds.
const CACHE_SLOTS: usize = 1024;

/// When a thread holds more kinds than this, it folds them into totals: real
/// captures have fewer than a hundred, hostile ones must not grow memory.
const FOLD_ABOVE: usize = 16 << 10;

/// What of a data source decides what it adds: everything but the TLB field and
/// the memory region, and whether the address is known.
const RELEVANT: u64 = !(0x7f << 26) & ((1 << 46) - 1);
const HAS_ADDR: u64 = 1 << 62;
const VALID: u64 = 1 << 63;

/// How many samples there are of everything, independent of their lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// perf's counters, without `nomap`.
    pub(super) counters: Counters,
    /// Samples and the sum of their weights by exclusive class.
    pub(super) classes: BTreeMap<Class, ClassTotal>,
}

/// Samples of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ClassTotal {
    pub(super) count: u64,
    pub(super) latency_sum: u64,
}

impl Totals {
    pub(super) fn merge(&mut self, other: &Self) {
        self.counters.merge(&other.counters);
        for (class, more) in &other.classes {
            let total = self.classes.entry(*class).or_default();
            total.count += more.count;
            total.latency_sum = total.latency_sum.saturating_add(more.latency_sum);
        }
    }
}

/// One kind of sample.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) delta: Delta,
    pub(super) class: Option<Class>,
    /// What it adds to its line in the first pass.
    pub(super) line: LineDelta,
    /// Whether perf looks up the mappings of such a sample.
    pub(super) is_looked_up: bool,
    /// Which of a row's means it goes into.
    pub(super) mean: Option<usize>,
    /// What it adds to what its thread did, with a period of 1.
    pub(super) one_use: Use,
    count: u64,
    latency_sum: u64,
}

/// A kind in the table of one thread; valid until the next fold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KindId(u32);

/// A data source as it is told, where perf may have another.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ToldSource {
    pub(super) src: DataSrc,
    /// [`crate::spe::SpeOp::source_hint`]: makes its kind faster to find, and changes
    /// nothing in what is found.
    pub(super) hint: u16,
}

impl ToldSource {
    /// That of an operation.
    #[inline]
    pub(super) fn of(op: &SpeOp<'_>) -> Self {
        Self {
            src: op.told,
            hint: op.source_hint,
        }
    }
}

/// A data source as perf has it and as it is told, and whether the address is known;
/// nothing of the last where none was met.
type MetTold = (DataSrc, DataSrc, Option<bool>);

/// The kinds that one thread has met.
pub(super) struct Kinds {
    cache: Vec<(u64, u32)>,
    /// The same for samples whose data source perf may have other than it is told, by
    /// their hints; empty where no such samples are.
    told_cache: Vec<(MetTold, KindId)>,
    interned: HashMap<(Delta, Option<Class>, bool), u32>,
    kinds: Vec<Kind>,
    folded: Totals,
}

impl Kinds {
    pub(super) fn new() -> Self {
        Self {
            cache: vec![(0, 0); CACHE_SLOTS],
            told_cache: Vec::new(),
            interned: HashMap::default(),
            kinds: Vec::new(),
            folded: Totals::default(),
        }
    }

    /// The kind of a sample.
    #[inline(always)]
    pub(super) fn of(&mut self, src: DataSrc, has_addr: bool) -> KindId {
        let key = (src.0 & RELEVANT) | VALID | if has_addr { HAS_ADDR } else { 0 };
        let slot = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize;
        let (cached, id) = self.cache[slot];
        if cached == key {
            return KindId(id);
        }
        let id = self.intern(src, src, has_addr);
        self.cache[slot] = (key, id.0);
        id
    }

    /// The kind of a sample whose data source is `src` for perf's counters and that
    /// of `told` for everything else.
    #[inline(always)]
    pub(super) fn of_told(&mut self, src: DataSrc, told: ToldSource, has_addr: bool) -> KindId {
        let key = (src, told.src, Some(has_addr));
        let met = self.told_cache.get(usize::from(told.hint) % CACHE_SLOTS);
        match met {
            Some((known, id)) if *known == key => *id,
            _ => self.meet_told(src, told, has_addr),
        }
    }

    #[inline(never)]
    fn meet_told(&mut self, src: DataSrc, told: ToldSource, has_addr: bool) -> KindId {
        let id = if src == told.src {
            self.of(src, has_addr)
        } else {
            self.intern(src, told.src, has_addr)
        };
        self.told_cache.resize(CACHE_SLOTS, Default::default());
        let slot = usize::from(told.hint) % CACHE_SLOTS;
        self.told_cache[slot] = ((src, told.src, Some(has_addr)), id);
        id
    }

    #[cold]
    fn intern(&mut self, src: DataSrc, told: DataSrc, has_addr: bool) -> KindId {
        let delta = Delta::of(src, has_addr);
        let class = Class::of(told);
        // What perf counts as locked is in its counters already.
        let is_atomic = src != told && told.lock() & DataSrc::LOCK_LOCKED != 0;
        let kinds = &mut self.kinds;
        let id = *self
            .interned
            .entry((delta, class, is_atomic))
            .or_insert_with(|| {
                kinds.push(Kind {
                    delta,
                    class,
                    line: line_delta(&delta),
                    is_looked_up: delta.can_be_nomap(),
                    mean: mean_of(&delta),
                    one_use: if is_atomic {
                        Use::of(&delta, class.as_ref()).atomic()
                    } else {
                        Use::of(&delta, class.as_ref())
                    },
                    count: 0,
                    latency_sum: 0,
                });
                (kinds.len() - 1) as u32
            });
        KindId(id)
    }

    /// Counts one sample of a kind.
    #[inline]
    pub(super) fn count(&mut self, id: KindId, weight: u64) {
        let kind = &mut self.kinds[id.0 as usize];
        kind.count += 1;
        // A plain WEIGHT is 64 bits wide in damaged or hostile files.
        kind.latency_sum = kind.latency_sum.saturating_add(weight);
    }

    /// What lines are ordered by, of all samples counted.
    pub(super) fn metric(&self, sort: Sort) -> u64 {
        let counted = self.kinds.iter().map(|kind| {
            let one = sort.metric_by(|counter| u64::from(kind.delta.get(counter)));
            kind.count * one
        });
        sort.metric(&self.folded.counters) + counted.sum::<u64>()
    }

    /// What is known of a kind.
    #[inline]
    pub(super) fn get(&self, id: KindId) -> &Kind {
        &self.kinds[id.0 as usize]
    }

    /// Keeps the table small; no [`KindId`] may be kept over a call.
    pub(super) fn fold_if_large(&mut self) {
        if self.kinds.len() > FOLD_ABOVE {
            self.fold();
        }
    }

    fn fold(&mut self) {
        self.cache.fill((0, 0));
        self.told_cache.clear();
        self.interned.clear();
        for kind in self.kinds.drain(..) {
            self.folded.counters.add_delta(&kind.delta, kind.count);
            if let Some(class) = kind.class {
                let total = self.folded.classes.entry(class).or_default();
                total.count += kind.count;
                total.latency_sum = total.latency_sum.saturating_add(kind.latency_sum);
            }
        }
    }

    /// The totals of everything counted.
    pub(super) fn into_totals(mut self) -> Totals {
        self.fold();
        self.folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the hint says, a sample gets the kind of its own data sources.
    #[test]
    fn hints_change_no_kind() {
        let load = |level: u64| DataSrc(0x02 | level << 5);
        let mut kinds = Kinds::new();
        for hint in [0, 0, 7, 1023, u16::MAX] {
            for (src, told) in [(0x08, 0x08), (0x08, 0x40), (0x40, 0x08), (0x20, 0x20)] {
                let told = ToldSource {
                    src: load(told),
                    hint,
                };
                for has_addr in [true, false] {
                    let kind = kinds.of_told(load(src), told, has_addr);
                    let kind = kinds.get(kind);
                    assert_eq!(kind.delta, Delta::of(load(src), has_addr));
                    assert_eq!(kind.class, Class::of(told.src));
                }
            }
        }
        kinds.fold();
        let nothing = kinds.of_told(DataSrc(0), ToldSource::default(), false);
        assert_eq!(kinds.get(nothing).class, Class::of(DataSrc(0)));
    }
}
