//! Data sources that were met before, and how often.

use super::core::Core;
use super::source;
use super::sums::SpeSums;
use contend_perfdata::{DataSrc, Operation};

/// Slots of the cache of data sources.
const SLOTS: usize = 1024;

/// What a data source depends on, in two words, which are compared at once.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct SourceKey {
    /// From low to high bits: the operation's payload (8) and class (8), one more than
    /// the number or 0 without (17), the core.
    head: u64,
    events: u64,
}

impl SourceKey {
    #[inline]
    fn new(core: usize, operation: Operation, code: Option<u16>, events: u64) -> Self {
        let code = code.map_or(0, |code| u64::from(code) + 1);
        let operation = u64::from(operation.class) << 8 | u64::from(operation.payload);
        Self {
            head: (core as u64) << 33 | code << 16 | operation,
            events,
        }
    }

    fn operation(self) -> Operation {
        let [payload, class, ..] = self.head.to_le_bytes();
        Operation { class, payload }
    }

    fn has_code(self) -> bool {
        self.head >> 16 & 0x1_ffff != 0
    }

    #[inline]
    fn slot(self) -> usize {
        let mixed = self.events ^ self.head.rotate_left(32);
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % SLOTS
    }
}

/// What a key means.
#[derive(Clone, Copy, Default)]
pub(super) struct Told {
    pub(super) perf_src: DataSrc,
    pub(super) told: DataSrc,
    /// A number for which the two above stay the same most of the time.
    pub(super) hint: u16,
    /// Whether the table of the core has the number, or there is no table.
    is_known: bool,
}

/// A key that was met.
#[derive(Clone, Copy, Default)]
struct Slot {
    key: SourceKey,
    means: Told,
    /// How many records had it since it came here; 0 where none has been here.
    count: u64,
}

impl Slot {
    /// Adds the records to the sums.
    fn give(&self, sums: &mut SpeSums) {
        let (operation, count) = (self.key.operation(), self.count);
        if count == 0 {
            return;
        }
        sums.count(operation, count);
        if operation.is_load() {
            let what = match (self.key.has_code(), self.means.is_known) {
                (false, _) => &mut sums.no_source,
                (true, false) => &mut sums.unknown_source,
                (true, true) => return,
            };
            *what += count;
        }
    }
}

/// The data sources that a thread has met: there are few kinds of them. Records are
/// counted here by all that a data source depends on, which costs less than to count
/// each by what follows from it.
pub(super) struct Sources {
    slots: Vec<Slot>,
    /// The records of keys that had to make room.
    gone: SpeSums,
}

impl Sources {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![Slot::default(); SLOTS],
            gone: SpeSums::default(),
        }
    }

    /// Counts a record, and tells its data source as perf has it and as it is told.
    #[inline(always)]
    pub(super) fn of(
        &mut self,
        core: &Core,
        number: usize,
        operation: Operation,
        code: Option<u16>,
        events: u64,
    ) -> &Told {
        let key = SourceKey::new(number, operation, code, events);
        let place = key.slot();
        let slot = &self.slots[place];
        if slot.key != key || slot.count == 0 {
            self.meet(place, key, core, code);
        }
        let slot = &mut self.slots[place];
        slot.count += 1;
        &slot.means
    }

    /// Puts a key into its slot.
    #[inline(never)]
    fn meet(&mut self, place: usize, key: SourceKey, core: &Core, code: Option<u16>) {
        let slot = &mut self.slots[place];
        slot.give(&mut self.gone);
        let (operation, events) = (key.operation(), key.events);
        *slot = Slot {
            key,
            means: Told {
                perf_src: source::as_perf(core, operation, code, events),
                told: source::as_told(core, operation, code, events),
                hint: place as u16,
                is_known: core.knows(code) != Some(false),
            },
            count: 0,
        };
    }

    /// Adds all that was counted to the sums of a thread.
    pub(super) fn finish(self, sums: &mut SpeSums) {
        sums.merge(&self.gone);
        self.slots.iter().for_each(|slot| slot.give(sums));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tables::Tables;
    use super::*;
    use contend_perfdata::OpClass;

    /// More keys than slots, each of them twice: those that make room are counted.
    #[test]
    fn every_record_is_counted_once() {
        let core = Core::new(&Tables::new(None).unwrap(), None, None);
        let mut sources = Sources::new();
        let loads = 5 * SLOTS as u64;
        let of = |payload| Operation { class: 1, payload };
        for round in 0..2 {
            for events in 0..loads {
                let code = (events % 4 != 0).then_some(events as u16);
                let told = sources.of(&core, 3, of(0), code, events);
                assert_eq!(told.told, source::as_told(&core, of(0), code, events));
                assert_eq!(told.perf_src, source::as_perf(&core, of(0), code, events));
                if events % 5 == round {
                    sources.of(&core, 3, of(1), None, events);
                }
            }
        }
        let mut sums = SpeSums::default();
        sources.finish(&mut sums);
        let found: Vec<_> = sums.operations().collect();
        let stores = loads / 5 * 2;
        assert_eq!(
            found,
            [
                ((OpClass::General, false), 2 * loads),
                ((OpClass::General, true), stores)
            ]
        );
        assert_eq!((sums.no_source, sums.unknown_source), (loads / 2, 0));
    }
}
