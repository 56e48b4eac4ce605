//! Names of threads over time.

use contend_perfdata::At;
use rustc_hash::FxHashMap;

/// Which name each thread had when.
#[derive(Debug, Default)]
pub(super) struct Threads {
    names: Vec<Box<str>>,
    known: FxHashMap<Box<str>, u32>,
    /// By thread, in the order of time; no name from the moment on at which the
    /// number went to a new thread that nobody named.
    history: FxHashMap<i32, Vec<(At, Option<u32>)>>,
}

impl Threads {
    /// A thread gets a name. Must be called in the order of time.
    pub(super) fn name(&mut self, tid: i32, name: &[u8], at: At) {
        let text = String::from_utf8_lossy(name);
        let id = match self.known.get(text.as_ref()) {
            Some(&id) => id,
            None => {
                let id = self.names.len() as u32;
                self.names.push(text.as_ref().into());
                self.known.insert(text.as_ref().into(), id);
                id
            }
        };
        self.push(tid, at, Some(id));
    }

    /// A thread begins with its parent's name.
    pub(super) fn fork(&mut self, tid: i32, parent: i32, at: At) {
        let names = self.history.get(&parent).and_then(|names| names.last());
        let inherited = names.and_then(|&(_, id)| id);
        // The name that it gets later tells more than none.
        if inherited.is_some() || self.history.contains_key(&tid) {
            self.push(tid, at, inherited);
        }
    }

    fn push(&mut self, tid: i32, at: At, id: Option<u32>) {
        let names = self.history.entry(tid).or_default();
        if names.last().is_none_or(|&(_, last)| last != id) {
            names.push((at, id));
        }
    }

    /// The name of a thread at a moment; before its first name that one. Absent
    /// when the capture never names it, or not yet since its number was used
    /// for another thread.
    pub(super) fn at(&self, tid: i32, at: At) -> Option<&str> {
        let names = self.history.get(&tid)?;
        let after = names.partition_point(|&(from, _)| from <= at);
        let &(_, id) = names.get(after.saturating_sub(1))?;
        self.names.get(id? as usize).map(AsRef::as_ref)
    }
}
