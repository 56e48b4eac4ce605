//! Data sources that were met before.

use super::core::Core;
use super::source;
use contend_perfdata::{DataSrc, Operation};

/// Slots of the cache of data sources.
const SLOTS: usize = 1024;

/// What a data source depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct SourceKey {
    core: u32,
    operation: Operation,
    /// One more than the number, or 0 without.
    code: u32,
    events: u64,
}

/// What a key means.
#[derive(Clone, Copy)]
pub(super) struct Told {
    pub(super) perf_src: DataSrc,
    pub(super) told: DataSrc,
    /// Whether the table of the core has the number, or there is no table.
    pub(super) is_known: bool,
}

/// The data sources that a thread has met: there are few kinds of them.
pub(super) struct Sources {
    slots: Vec<Option<(SourceKey, Told)>>,
}

impl Sources {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![None; SLOTS],
        }
    }

    /// As perf has it, and as it is told.
    #[inline]
    pub(super) fn of(
        &mut self,
        core: &Core,
        number: usize,
        operation: Operation,
        code: Option<u16>,
        events: u64,
    ) -> Told {
        let key = SourceKey {
            core: number as u32,
            operation,
            code: code.map_or(0, |code| u32::from(code) + 1),
            events,
        };
        let mixed = events
            ^ u64::from(key.code) << 40
            ^ u64::from(operation.payload) << 32
            ^ u64::from(operation.class) << 30
            ^ u64::from(key.core) << 58;
        let slot = (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % SLOTS;
        if let Some((known, told)) = &self.slots[slot]
            && *known == key
        {
            return *told;
        }
        let told = Told {
            perf_src: source::as_perf(core, operation, code, events),
            told: source::as_told(core, operation, code, events),
            is_known: core.knows(code) != Some(false),
        };
        self.slots[slot] = Some((key, told));
        told
    }
}
