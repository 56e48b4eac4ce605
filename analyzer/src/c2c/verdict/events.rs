//! What threads did at the offsets of a line.

use crate::c2c::uses::{Actor, Use, UseKey};
use foldhash::HashMap;

/// The (offset, thread) matrix of a line, summed up.
pub(super) struct Events {
    by_offset: HashMap<u32, u64>,
    by_actor: HashMap<Actor, u64>,
    pub(super) total: u64,
}

impl Events {
    pub(super) fn new(uses: &HashMap<UseKey, Use>, events: impl Fn(&Use) -> u64) -> Self {
        let mut all = Self {
            by_offset: HashMap::default(),
            by_actor: HashMap::default(),
            total: 0,
        };
        for (key, used) in uses {
            let count = events(used);
            if count > 0 {
                let offset = all.by_offset.entry(key.offset).or_default();
                let actor = all.by_actor.entry(key.actor).or_default();
                // Periods of hostile captures may be anything.
                *offset = offset.saturating_add(count);
                *actor = actor.saturating_add(count);
                all.total = all.total.saturating_add(count);
            }
        }
        all
    }

    pub(super) fn offset(&self, offset: u32) -> u64 {
        self.by_offset.get(&offset).copied().unwrap_or(0)
    }

    pub(super) fn actor(&self, key: &UseKey) -> u64 {
        self.by_actor.get(&key.actor).copied().unwrap_or(0)
    }

    /// Of these, what threads did that are known.
    pub(super) fn of_threads(&self) -> u64 {
        let known = self.by_actor.iter().filter(|(actor, _)| actor.is_thread());
        known.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}
