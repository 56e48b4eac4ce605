//! Sums by lock, waker, system call and stack.

use super::analysis::Analysis;
use super::interval::{State, Waker};
use super::named::NamedTree;
use super::thread::Thread;
use super::totals::{Key, Totals, Which};
use super::waits::LockCall;
use crate::capture::Capture;
use crate::result::{
    Hex, Holder, LockRow, LockStack, OffCpuStack, StackFrame, StateRow, SyscallRow, WakerFacts,
    WakerRow,
};
use crate::space::{AddressSpace, DsoKind};
use crate::symbols::{Jit, Locator, Names, Spot};
use anyhow::Result;
use contend_perfdata::{At, CpuMode};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Behind every record.
const END: At = At {
    time: u64::MAX,
    pos: u64::MAX,
};

/// How many locks get the name of their variable: each takes a search.
const MOST_NAMED: usize = 1000;

/// How far in front of a variable the code of its program is looked for, in pages
/// of the smallest size.
const PAGES_BESIDE: u64 = 4096;
const PAGE: u64 = 4096;

type Frames = Vec<Arc<StackFrame>>;

/// Process, futex word (0 for none), and the call where there is no word.
type LockKey = (i32, u64, Option<String>);

/// Threads and their rows, those of the chosen time.
pub(super) struct Rows<'a> {
    pub(super) rows: Vec<Row<'a>>,
    pub(super) which: Which,
}

/// Intervals of one thread that are alike.
pub(super) struct Row<'a> {
    pub(super) thread: &'a Thread,
    pub(super) key: Key,
    /// All of their time.
    pub(super) whole: Totals,
    /// The part that was asked for.
    pub(super) chosen: Totals,
    pub(super) idle: Option<&'static str>,
}

impl<'a> Rows<'a> {
    /// All rows with time of the chosen kind, the sums that a collector kept
    /// among them.
    pub(super) fn new(analysis: &'a Analysis, tree: &NamedTree<'_>) -> Self {
        let which = analysis.which;
        let threads = analysis.threads.iter();
        let rows = threads.flat_map(|thread| {
            let sums = thread.sums.iter();
            let sums = sums.map(|sum| (Key::of_sum(sum.stack), Totals::of_sum(sum.ns)));
            let rows = thread.rows.iter().copied().chain(sums);
            rows.filter_map(move |(key, whole)| {
                let chosen = whole.of(which, key.state)?;
                Some(Row {
                    thread,
                    key,
                    whole,
                    chosen,
                    idle: tree.idle(&key),
                })
            })
        });
        Self {
            rows: rows.collect(),
            which,
        }
    }

    fn blocked(&self) -> impl Iterator<Item = &Row<'a>> {
        // Who was preempted behind an unlock may still be in the system call
        // that names the lock: it did not wait for it.
        self.rows
            .iter()
            .filter(|row| matches!(row.key.state, State::Blocked(_) | State::Unknown))
    }

    /// System calls.
    pub(super) fn syscalls(&self, tree: &NamedTree<'_>) -> Vec<SyscallRow> {
        let mut all: BTreeMap<String, Totals> = BTreeMap::new();
        for row in &self.rows {
            let name = match row.key.state {
                State::Preempted | State::Started => "none".to_owned(),
                _ => tree.syscall(&row.key),
            };
            all.entry(name).or_default().merge(&row.chosen);
        }
        let all = all.into_iter();
        let mut rows: Vec<SyscallRow> = all
            .map(|(syscall, totals)| SyscallRow {
                syscall,
                intervals: totals.intervals,
                total_ns: totals.ns,
                max_ns: totals.max_ns,
            })
            .collect();
        rows.sort_by_key(|row| Reverse(row.total_ns));
        rows
    }

    /// States, the time behind a waking apart from the wait itself.
    pub(super) fn states(&self) -> Vec<StateRow> {
        let mut all: BTreeMap<(&'static str, Option<char>), Totals> = BTreeMap::new();
        for row in &self.rows {
            for (state, totals) in parts(self.which, row) {
                let letter = match (state, row.key.state) {
                    ("blocked", State::Blocked(letter)) if letter != 0 => Some(char::from(letter)),
                    (_, State::Preempted) => Some('R'),
                    _ => None,
                };
                all.entry((state, letter)).or_default().merge(&totals);
            }
        }
        let all = all.into_iter();
        let mut rows: Vec<StateRow> = all
            .map(|((state, letter), totals)| StateRow {
                state,
                letter,
                intervals: totals.intervals,
                total_ns: totals.ns,
                max_ns: totals.max_ns,
            })
            .collect();
        rows.sort_by_key(|row| Reverse(row.total_ns));
        rows
    }

    /// Stacks.
    pub(super) fn stacks(&self, tree: &NamedTree<'_>) -> Vec<OffCpuStack> {
        type StackKey = (
            &'static str,
            Option<String>,
            Frames,
            Option<&'static str>,
            bool,
        );
        let mut all: BTreeMap<StackKey, Totals> = BTreeMap::new();
        for row in &self.rows {
            for (state, totals) in parts(self.which, row) {
                let key = (
                    state,
                    row.thread.comm.clone(),
                    tree.get(row.key.stack).frames.clone(),
                    row.idle,
                    row.key.is_old_stack,
                );
                all.entry(key).or_default().merge(&totals);
            }
        }
        let all = all.into_iter();
        let mut rows: Vec<OffCpuStack> = all
            .map(|((state, comm, frames, idle, last_known), totals)| {
                let inlined = frames.iter().enumerate();
                let inlined = inlined.filter(|(_, frame)| frame.inlined);
                OffCpuStack {
                    state,
                    comm,
                    kernel_from: frames.iter().position(|frame| frame.kernel),
                    inlined: inlined.map(|(index, _)| index).collect(),
                    frames,
                    idle,
                    last_known,
                    intervals: totals.intervals,
                    total_ns: totals.ns,
                    max_ns: totals.max_ns,
                }
            })
            .collect();
        rows.sort_by_key(|row| Reverse(row.total_ns));
        rows
    }

    /// Who ended which waits; nothing where no waking was recorded. Rows without a
    /// waker are there too, so that it is all of the time.
    pub(super) fn wakers(&self, comms: &Comms<'_>, tree: &NamedTree<'_>) -> Vec<WakerRow> {
        type WakerKey = (bool, Option<Waker>, Frames, Option<String>, Frames);
        if self.rows.iter().all(|row| row.key.waker.is_none()) {
            return Vec::new();
        }
        let mut all: BTreeMap<WakerKey, Totals> = BTreeMap::new();
        for row in &self.rows {
            let key = (
                row.key.waker.is_none() && row.key.state == State::Preempted,
                row.key.waker,
                tree.get(row.key.waker_stack).frames.clone(),
                row.thread.comm.clone(),
                tree.get(row.key.stack).frames.clone(),
            );
            all.entry(key).or_default().merge(&row.chosen);
        }
        let all = all.into_iter();
        let mut rows: Vec<WakerRow> = all
            .map(
                |((is_preempted, waker, frames, waiter, waiter_frames), totals)| {
                    let (tid, comm) = match waker {
                        Some(Waker::Thread(tid)) => (Some(tid), comms.of(tid)),
                        Some(Waker::Interrupt) => (None, Some("interrupt".to_owned())),
                        None => (None, is_preempted.then(|| "nobody".to_owned())),
                    };
                    WakerRow {
                        waker: WakerFacts { tid, comm, frames },
                        waiter,
                        waiter_frames,
                        intervals: totals.intervals,
                        total_ns: totals.ns,
                    }
                },
            )
            .collect();
        rows.sort_by_key(|row| Reverse(row.total_ns));
        rows
    }

    /// Locks by futex word where any is known, otherwise by the call that waits;
    /// and which of the two it was. Locks of the kernel have no words.
    ///
    /// # Errors
    /// When a file or folder that the user named cannot be used.
    pub(super) fn locks(
        &self,
        capture: &Capture,
        space: &AddressSpace,
        comms: &Comms<'_>,
        tree: &NamedTree<'_>,
        locator: &Locator,
    ) -> Result<(&'static str, Vec<LockRow>)> {
        let has_words = self.blocked().any(|row| row.key.word != 0);
        let mut all: BTreeMap<LockKey, LockSums> = BTreeMap::new();
        for row in self.blocked() {
            let key = match row.key.word {
                0 => {
                    let named = tree.get(row.key.stack);
                    let is_told = |call: &LockCall| call.is_kernel || !has_words;
                    let call = named.lock.as_ref().filter(|call| is_told(call));
                    let Some(call) = call.filter(|_| !row.key.is_old_stack) else {
                        continue;
                    };
                    (row.thread.pid, 0, Some(call.text.clone()))
                }
                word => (row.thread.pid, word, None),
            };
            let sums = all.entry(key).or_default();
            sums.totals.merge(&row.chosen);
            if row.idle.is_some() {
                sums.idle_ns = sums.idle_ns.saturating_add(row.chosen.ns);
            }
            sums.waiters.insert(row.thread.tid);
            if let Some(Waker::Thread(tid)) = row.key.waker {
                *sums.holders.entry(tid).or_default() += row.chosen.intervals;
            }
            let stack = sums.stacks.entry(tree.get(row.key.stack).frames.clone());
            stack.or_default().merge(&row.chosen);
        }
        let mut longest: Vec<(&LockKey, u64)> = all
            .iter()
            .map(|(key, sums)| (key, sums.totals.ns))
            .collect();
        longest.sort_by_key(|(_, ns)| Reverse(*ns));
        let words = longest.iter().take(MOST_NAMED);
        let spots: BTreeMap<(i32, u64), Spot> = words
            .filter_map(|((pid, word, _), _)| Some(((*pid, *word), word_spot(space, *pid, *word)?)))
            .collect();
        let wanted: Vec<Spot> = spots.values().copied().collect();
        // Programs do not make variables while they run.
        let jit = Jit::default();
        let names = Names::look_up(space, &jit, wanted, locator, capture.pool())?;
        let spot = |pid: i32, word: u64| spots.get(&(pid, word)).copied();
        let all = all.into_iter();
        let mut rows: Vec<LockRow> = all
            .map(|((pid, word, call), sums)| {
                let symbol = spot(pid, word).and_then(|spot| names.get(spot)?.symbol.clone());
                let variable = symbol.map(|symbol| match symbol.offset {
                    0 => symbol.name.to_string(),
                    offset => format!("{}+{offset:#x}", symbol.name),
                });
                sums.into_row(pid, word, call.or(variable), comms)
            })
            .collect();
        rows.sort_by_key(|row| Reverse(row.total_ns));
        let by = if has_words { "futex_word" } else { "call" };
        Ok((by, rows))
    }
}

/// The parts of a row, by state.
fn parts(which: Which, row: &Row<'_>) -> Vec<(&'static str, Totals)> {
    let State::Blocked(_) = row.key.state else {
        return vec![(row.key.state.name(), row.chosen)];
    };
    match which {
        Which::Runnable => vec![("runnable", row.chosen)],
        Which::Blocked => vec![("blocked", row.chosen)],
        Which::Preempted => Vec::new(),
        Which::All => {
            let part = |which| row.whole.of(which, row.key.state);
            let blocked = part(Which::Blocked).map(|totals| ("blocked", totals));
            let runnable = part(Which::Runnable).map(|totals| ("runnable", totals));
            [blocked, runnable].into_iter().flatten().collect()
        }
    }
}

#[derive(Debug, Default)]
struct LockSums {
    totals: Totals,
    idle_ns: u64,
    waiters: BTreeSet<i32>,
    holders: BTreeMap<i32, u64>,
    stacks: BTreeMap<Frames, Totals>,
}

impl LockSums {
    fn into_row(self, pid: i32, word: u64, name: Option<String>, comms: &Comms<'_>) -> LockRow {
        let holders = self.holders.into_iter();
        let mut holders: Vec<Holder> = holders
            .map(|(tid, wakes)| Holder {
                tid,
                comm: comms.of(tid),
                wakes,
            })
            .collect();
        holders.sort_by_key(|holder| Reverse(holder.wakes));
        let stacks = self.stacks.into_iter();
        let mut stacks: Vec<LockStack> = stacks
            .map(|(frames, totals)| LockStack {
                frames,
                intervals: totals.intervals,
                total_ns: totals.ns,
            })
            .collect();
        stacks.sort_by_key(|stack| Reverse(stack.total_ns));
        LockRow {
            word: (word != 0).then_some(Hex(word)),
            name,
            pid: (pid >= 0).then_some(pid),
            intervals: self.totals.intervals,
            total_ns: self.totals.ns,
            max_ns: self.totals.max_ns,
            idle_ns: (self.idle_ns > 0).then_some(self.idle_ns),
            waiters: self.waiters.into_iter().collect(),
            holders,
            stacks,
        }
    }
}

/// The static variable that a word may be in.
fn word_spot(space: &AddressSpace, pid: i32, word: u64) -> Option<Spot> {
    if word == 0 {
        return None;
    }
    if let Some(map) = space.find(CpuMode::User, pid, word, END) {
        let kind = space.dso(space.map(map).dso).kind;
        let map = match kind {
            DsoKind::Anonymous => space.loaded_before(map, pid, END)?,
            _ => map,
        };
        return Some(Spot::data(space, map, word));
    }
    // Variables stand behind the code.
    let below = (1..=PAGES_BESIDE).map_while(|pages| word.checked_sub(pages * PAGE));
    let mut below = below.filter_map(|address| space.find(CpuMode::User, pid, address, END));
    let code = below.next()?;
    let is_file = space.dso(space.map(code).dso).kind == DsoKind::File;
    is_file.then(|| Spot::beside(space, code, word))
}

/// Names of threads by number: those that waited, and others.
pub(super) struct Comms<'a> {
    space: &'a AddressSpace,
    threads: BTreeMap<i32, &'a str>,
}

impl<'a> Comms<'a> {
    pub(super) fn new(analysis: &'a Analysis, space: &'a AddressSpace) -> Self {
        let threads = analysis.threads.iter();
        let named = threads.filter_map(|thread| Some((thread.tid, thread.comm.as_deref()?)));
        Self {
            space,
            threads: named.collect(),
        }
    }

    fn of(&self, tid: i32) -> Option<String> {
        let known = self.threads.get(&tid).copied();
        known
            .or_else(|| self.space.comm(tid, END))
            .map(str::to_owned)
    }
}
