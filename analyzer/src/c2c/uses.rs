//! What threads did at the offsets of a line.

use crate::memory::{Class, Counter, Delta};
use contend_perfdata::MemorySample;
use foldhash::HashMap;

/// What one thread did at one offset of a line: samples, and the events that
/// they stand for (the sums of their periods), since loads and stores are
/// sampled at different rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) loads: u64,
    pub(super) stores: u64,
    /// Loads that found the line modified elsewhere.
    pub(super) hitm: u64,
    /// Loads that were answered by another cache, HITM among them.
    pub(super) peer: u64,
    pub(super) store_events: u64,
    pub(super) hitm_events: u64,
    pub(super) peer_events: u64,
    /// Loads that were part of a locked read-modify-write.
    pub(super) locked_events: u64,
}

impl Use {
    /// What a sample with a period of 1 adds.
    pub(super) fn of(delta: &Delta, class: Option<&Class>) -> Self {
        let is_load = delta.get(Counter::Load) > 0;
        let is_store = delta.get(Counter::Store) > 0;
        let is_access = is_load || is_store;
        let is_hitm = is_access && class.is_some_and(Class::is_hitm);
        let is_peer = is_access && class.is_some_and(Class::is_peer);
        Self {
            loads: is_load.into(),
            stores: is_store.into(),
            hitm: is_hitm.into(),
            peer: is_peer.into(),
            store_events: is_store.into(),
            hitm_events: is_hitm.into(),
            peer_events: is_peer.into(),
            locked_events: (is_load && delta.get(Counter::Locks) > 0).into(),
        }
    }

    /// The same of an atomic read-modify-write: where it was sampled as a load it
    /// wrote too.
    pub(super) fn atomic(self) -> Self {
        if self.loads == 0 {
            return self;
        }
        Self {
            store_events: 1,
            locked_events: 1,
            ..self
        }
    }

    /// Adds one sample of a kind; `one` is what it adds with a period of 1.
    #[inline]
    pub(super) fn add_sample(&mut self, one: &Self, period: u64) {
        self.add(&Self {
            store_events: one.store_events * period,
            hitm_events: one.hitm_events * period,
            peer_events: one.peer_events * period,
            locked_events: one.locked_events * period,
            ..*one
        });
    }

    /// Adds what another thread of ours has counted.
    #[inline]
    pub(super) fn add(&mut self, other: &Self) {
        self.loads += other.loads;
        self.stores += other.stores;
        self.hitm += other.hitm;
        self.peer += other.peer;
        let events = [
            (&mut self.store_events, other.store_events),
            (&mut self.hitm_events, other.hitm_events),
            (&mut self.peer_events, other.peer_events),
            (&mut self.locked_events, other.locked_events),
        ];
        for (sum, more) in events {
            // Periods of hostile captures may be anything.
            *sum = sum.saturating_add(more);
        }
    }

    /// Whether there was a load or a store.
    pub(super) fn is_access(&self) -> bool {
        self.loads + self.stores > 0
    }
}

/// Who did something: a thread or, where the capture does not tell it, a CPU. It is
/// caches that a line goes between, so that a CPU is who waits for another's stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Actor {
    pid: i32,
    /// The thread; below 0 it is none: then -1 for nobody, and `-2 - n` for CPU n.
    who: i32,
}

impl Actor {
    /// Nobody knows who.
    const NOBODY: i32 = -1;

    /// Who did what was sampled.
    #[inline]
    pub(super) fn of(sample: &MemorySample) -> Self {
        match sample.tid {
            tid @ 0.. => Self {
                pid: sample.pid,
                who: tid,
            },
            _ => Self::on_cpu(sample.cpu),
        }
    }

    #[cfg(test)]
    pub(super) fn thread(pid: i32, tid: i32) -> Self {
        Self { pid, who: tid }
    }

    /// A CPU whose threads are not known; nobody without its number.
    pub(super) fn on_cpu(cpu: u32) -> Self {
        let cpu = i32::try_from(cpu).ok().filter(|&cpu| cpu < i32::MAX - 1);
        Self {
            pid: -1,
            who: cpu.map_or(Self::NOBODY, |cpu| -2 - cpu),
        }
    }

    /// Process and thread; -1 when not known.
    pub(super) fn ids(self) -> (i32, i32) {
        (self.pid, self.who.max(-1))
    }

    /// The CPU, where that is all that is known.
    pub(super) fn cpu(self) -> Option<u32> {
        u32::try_from(-2 - i64::from(self.who)).ok()
    }

    pub(super) fn is_thread(self) -> bool {
        self.who >= 0
    }
}

/// What each actor did on a row.
#[derive(Clone, Debug, Default)]
pub(super) struct ThreadUses {
    uses: Vec<(Actor, Use)>,
    /// Places in `uses`, once there are more than [`FEW`].
    places: HashMap<Actor, u32>,
    /// The place that was asked for last: an instruction is mostly one thread's,
    /// or samples of one thread come together.
    last: usize,
}

/// So many threads are searched one by one.
const FEW: usize = 8;

impl ThreadUses {
    #[inline]
    pub(super) fn of(&mut self, thread: Actor) -> &mut Use {
        let is_last = self
            .uses
            .get(self.last)
            .is_some_and(|(known, _)| *known == thread);
        if !is_last {
            self.last = self.place(thread);
        }
        &mut self.uses[self.last].1
    }

    fn place(&mut self, thread: Actor) -> usize {
        let known = if self.places.is_empty() {
            self.uses.iter().position(|(known, _)| *known == thread)
        } else {
            self.places.get(&thread).map(|&place| place as usize)
        };
        known.unwrap_or_else(|| {
            let place = self.uses.len();
            self.uses.push((thread, Use::default()));
            if place == FEW {
                let threads = self.uses.iter().map(|(thread, _)| *thread);
                self.places = threads.zip(0..).collect();
            } else if place > FEW {
                self.places.insert(thread, place as u32);
            }
            place
        })
    }

    /// The actors with what they did, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(Actor, Use)> {
        self.uses.iter()
    }
}

/// An actor at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct UseKey {
    pub(super) offset: u32,
    pub(super) actor: Actor,
}
