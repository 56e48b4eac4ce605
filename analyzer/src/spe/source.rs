//! From what a record says to where its data came from: once as perf has it, once
//! as it is.

use super::core::Core;
use super::level::Answer;
use contend_perfdata::{DataSrc, Operation, spe_event as event};

/// A data source on its way.
#[derive(Clone, Copy, Default)]
struct Parts {
    op: u64,
    lvl: u64,
    snoop: u64,
    lock: u64,
    dtlb: u64,
    num: u64,
    remote: bool,
    snoopx: u64,
}

impl Parts {
    fn word(self) -> DataSrc {
        DataSrc(
            self.op
                | self.lvl << 5
                | self.snoop << 19
                | self.lock << 24
                | self.dtlb << 26
                | self.num << 33
                | u64::from(self.remote) << 37
                | self.snoopx << 38,
        )
    }

    fn answer(&mut self, answer: Answer) {
        let (lvl, num, remote) = answer.level.encoding();
        (self.lvl, self.num, self.remote) = (lvl, num, remote);
        (self.snoop, self.snoopx) = answer.snoop.encoding();
    }

    fn nothing(&mut self) {
        (self.lvl, self.num) = (DataSrc::LVL_NA, DataSrc::NUM_NA);
    }

    /// The operation, the far event and the TLB, which need no table.
    fn common(operation: Operation) -> Self {
        Self {
            op: if operation.is_load() {
                DataSrc::OP_LOAD
            } else if operation.is_store() {
                DataSrc::OP_STORE
            } else {
                DataSrc::OP_NA
            },
            ..Self::default()
        }
    }

    fn finish(mut self, events: u64) -> DataSrc {
        const WALKER: u64 = 0x20;
        const MISS: u64 = 0x04;
        const HIT: u64 = 0x02;
        self.remote |= events & event::REMOTE_ACCESS != 0;
        if events & (event::TLB_ACCESS | event::TLB_WALK) != 0 {
            let missed = events & event::TLB_WALK != 0;
            self.dtlb = WALKER | if missed { MISS } else { HIT };
        }
        self.word()
    }
}

/// The levels that events tell of, from the core outwards.
const LEVELS: [(u64, u64, u64, u64); 3] = [
    (
        event::L1D_ACCESS,
        event::L1D_REFILL,
        DataSrc::LVL_L1,
        DataSrc::NUM_L1,
    ),
    (
        event::L2D_ACCESS,
        event::L2D_REFILL,
        DataSrc::LVL_L2,
        DataSrc::NUM_L2,
    ),
    (
        event::LLC_ACCESS,
        event::LLC_REFILL,
        DataSrc::LVL_L3,
        DataSrc::NUM_L3,
    ),
];

/// The level and its number that the events of a load tell
/// (`arm_spe__synth_ld_memory_level` in `tools/perf/util/arm-spe.c`).
fn load_level(events: u64) -> (u64, u64) {
    let has = |bits: u64| events & bits != 0;
    let hit = |(access, refill, lvl, num): (u64, u64, u64, u64)| {
        (has(access) && !has(refill)).then_some((lvl | DataSrc::LVL_HIT, num))
    };
    let miss = |(_, refill, lvl, num): (u64, u64, u64, u64)| {
        has(refill).then_some((lvl | DataSrc::LVL_MISS, num))
    };
    let [l1, l2, l3] = LEVELS;
    let fetched = has(event::RECENTLY_FETCHED)
        .then_some((DataSrc::LVL_LFB | DataSrc::LVL_HIT, DataSrc::NUM_LFB));
    let hits = hit(l1).or(fetched).or(hit(l2)).or(hit(l3));
    hits.or(miss(l3))
        .or(miss(l2))
        .or(miss(l1))
        .unwrap_or((DataSrc::LVL_NA, DataSrc::NUM_NA))
}

/// The same of a store (`arm_spe__synth_st_memory_level`).
fn store_level(events: u64) -> (u64, u64) {
    let farthest = LEVELS.into_iter().rev();
    let mut found = farthest.filter(|(access, refill, ..)| events & (access | refill) != 0);
    match found.next() {
        Some((_, refill, lvl, num)) if events & refill != 0 => (lvl | DataSrc::LVL_MISS, num),
        Some((.., lvl, num)) => (lvl | DataSrc::LVL_HIT, num),
        None => (DataSrc::LVL_NA, DataSrc::NUM_NA),
    }
}

/// The data source that perf 7.2 makes of a record
/// (`arm_spe__synth_data_source`), faults included: a missing data-source packet
/// is number 0.
pub(super) fn as_perf(
    core: &Core,
    operation: Operation,
    source: Option<u16>,
    events: u64,
) -> DataSrc {
    let mut parts = Parts::common(operation);
    if let Some(table) = core.perf_table() {
        let answer = table.answer(source.unwrap_or(0));
        if operation.is_store() {
            // AmpereOne's numbers are translated first, and unknown ones go on to
            // the events.
            if answer.is_some() || !core.translates() {
                parts.nothing();
                parts.snoop = DataSrc::SNOOP_NA;
            }
        } else if let Some(answer) = answer.filter(|_| operation.is_load()) {
            parts.answer(answer);
        }
    }
    if parts.lvl == 0 {
        (parts.lvl, parts.num) = if operation.is_load() {
            load_level(events)
        } else if operation.is_store() {
            store_level(events)
        } else {
            (DataSrc::LVL_NA, DataSrc::NUM_NA)
        };
    }
    if parts.snoop == 0 {
        parts.snoop = if events & event::SNOOPED != 0 {
            if events & event::MODIFIED != 0 {
                DataSrc::SNOOP_HITM
            } else {
                DataSrc::SNOOP_HIT
            }
        } else if core.reports(event::SNOOPED) {
            DataSrc::SNOOP_NONE
        } else {
            DataSrc::SNOOP_NA
        };
    }
    parts.finish(events)
}

/// The data source that a record does tell. What is not told is not there: a
/// missing packet, a number that no table has, and events that the core does not
/// have, say nothing. Atomics are locked.
pub(super) fn as_told(
    core: &Core,
    operation: Operation,
    source: Option<u16>,
    events: u64,
) -> DataSrc {
    let mut parts = Parts::common(operation);
    let events = if core.has_1p4() {
        events
    } else {
        events & !event::SPE_1P4
    };
    if operation.is_atomic() {
        parts.lock = DataSrc::LOCK_LOCKED;
    }
    parts.nothing();
    let table = core.table();
    match (table, source) {
        (Some(table), Some(code)) if operation.is_load() => {
            if let Some(answer) = table.answer(code) {
                parts.answer(answer);
                if parts.num == DataSrc::NUM_NA {
                    // A level that perf has no number for.
                    parts.num = DataSrc::NUM_ANY_CACHE;
                }
            }
        }
        (None, _) if operation.is_memory() => {
            let (lvl, num) = if operation.is_load() {
                load_level(events)
            } else {
                store_level(events)
            };
            // What was missed did not answer, whichever level it was.
            (parts.lvl, parts.num) = if lvl & DataSrc::LVL_MISS != 0 {
                (DataSrc::LVL_MISS | DataSrc::LVL_L1, DataSrc::NUM_L1)
            } else {
                (lvl, num)
            };
        }
        _ => {}
    }
    let has_modified = parts.snoop & DataSrc::SNOOP_HITM != 0;
    if operation.is_load() && !has_modified {
        if events & event::SNOOPED != 0 {
            parts.snoop = if events & event::MODIFIED != 0 {
                DataSrc::SNOOP_HITM
            } else {
                DataSrc::SNOOP_HIT
            };
        } else if core.has_1p4() && core.reports(event::SNOOPED) && parts.snoop == 0 {
            parts.snoop = DataSrc::SNOOP_NONE;
        }
    }
    parts.finish(events)
}
