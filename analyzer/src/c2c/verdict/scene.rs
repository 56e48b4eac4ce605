//! Who was seen on a line, in words.

use crate::c2c::uses::{Actor, Use, UseKey};
use foldhash::{HashMap, HashSet};
use std::fmt;

/// Writers and readers of a line, and where they were in it.
pub(super) struct Scene {
    writers: Actors,
    written: usize,
    readers: Actors,
    read: usize,
    pub(super) loads: u64,
    pub(super) stores: u64,
}

impl Scene {
    pub(super) fn new(uses: &HashMap<UseKey, Use>) -> Self {
        let mut writers = HashSet::default();
        let mut written = HashSet::default();
        let mut readers = HashSet::default();
        let mut read = HashSet::default();
        for (key, used) in uses {
            if used.stores > 0 || used.locked_events > 0 {
                writers.insert(key.actor);
                written.insert(key.offset);
            }
            if used.loads > 0 {
                readers.insert(key.actor);
                read.insert(key.offset);
            }
        }
        Self {
            writers: Actors::of(&writers),
            written: written.len(),
            readers: Actors::of(&readers),
            read: read.len(),
            loads: uses.values().map(|used| used.loads).sum(),
            stores: uses.values().map(|used| used.stores).sum(),
        }
    }
}

/// Threads, and CPUs of which it is not known whose threads were there.
struct Actors {
    threads: usize,
    cpus: usize,
}

impl Actors {
    fn of(actors: &HashSet<Actor>) -> Self {
        let cpus = actors.iter().filter(|actor| actor.cpu().is_some()).count();
        Self {
            threads: actors.len() - cpus,
            cpus,
        }
    }
}

fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

impl fmt::Display for Actors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (threads, cpus) = (count(self.threads, "thread"), count(self.cpus, "CPU"));
        match (self.threads, self.cpus) {
            (_, 0) => f.write_str(&threads),
            (0, _) => f.write_str(&cpus),
            _ => write!(f, "{threads} and {cpus}"),
        }
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} wrote {}, {} read {}",
            self.writers,
            count(self.written, "offset"),
            self.readers,
            count(self.read, "offset"),
        )
    }
}
