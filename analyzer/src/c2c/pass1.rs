//! First pass: counters of every raw line, global counters, the side band, and
//! the rows of lines that are hot already.

use super::code_pages::CodePages;
use super::early::{EarlyRows, HotLines, Versions};
use super::kinds::{Kind, KindId, Kinds, ToldSource, Totals};
use super::lines::{RawKey, RawLine};
use super::own_lines::{BLOCK, OwnLines, Place};
use super::rows::{Filed, RowKeys, Rows};
use super::shards::RawLines;
use crate::capture::Capture;
use crate::filter::Filter;
use crate::spe::{Ops, SpeSums, SpeTrace};
use crate::survey::{SAMPLE, Survey};
use crate::topology::Topology;
use anyhow::Result;
use contend_perfdata::{At, Batch, EventTable, MemorySample, WalkReport};
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// What the first pass found.
pub(super) struct Found {
    pub(super) survey: Survey,
    pub(super) report: WalkReport,
    pub(super) totals: Totals,
    pub(super) shards: Vec<Vec<RawLine>>,
    pub(super) code: CodePages,
    /// Rows of the lines that got hot.
    pub(super) early: EarlyRows,
    /// Samples that the user's filters left out.
    pub(super) filtered: u64,
    /// What was counted of Arm SPE's operations.
    pub(super) spe: Option<SpeSums>,
}

/// What the first pass is to do.
pub(super) struct Task<'a> {
    pub(super) filter: &'a Filter<'a>,
    pub(super) line_size: u64,
    pub(super) row_keys: RowKeys,
    pub(super) topology: &'a Topology,
    /// What Arm SPE recorded.
    pub(super) spe: Option<&'a SpeTrace>,
    /// Finds the hot lines; absent where no rows are to be filed.
    pub(super) hot: Option<HotLines>,
}

struct Worker {
    survey: Survey,
    kinds: Kinds,
    lines: OwnLines,
    code: CodePages,
    rows: Rows,
    versions: Versions,
    /// The metric of all samples so far.
    metric: u64,
    filtered: u64,
    block: [Taken; BLOCK],
    /// Whether perf has other data sources than are told.
    has_told: bool,
    /// How many of the block are there.
    filled: usize,
}

/// A sample on its way.
#[derive(Clone, Copy, Default)]
struct Taken {
    sample: MemorySample,
    key: RawKey,
    pos: u64,
    /// The data source as it is told, where perf has others.
    told: ToldSource,
    kind: KindId,
    place: Place,
    /// The number of its line among the hot ones, from 1 up, or 0.
    hot: u16,
}

impl Taken {
    #[inline]
    fn at(&self) -> At {
        At {
            time: self.sample.time,
            pos: self.pos,
        }
    }
}

/// Walks the capture once.
pub(super) fn run(capture: &mut Capture, task: &Task<'_>) -> Result<Found> {
    let table = RawLines::new();
    let events = capture.data().events();
    let (mut workers, report) = capture.walk(
        || Worker {
            survey: Survey::new(events.len()),
            kinds: Kinds::new(),
            lines: OwnLines::new(table.hashing()),
            code: CodePages::new(),
            rows: Rows::default(),
            versions: Versions::default(),
            metric: 0,
            filtered: 0,
            block: [Taken::default(); BLOCK],
            has_told: false,
            filled: 0,
        },
        |worker, batch| {
            let hot = task.hot.as_ref().filter(|hot| !hot.is_off());
            let set = hot.map(HotLines::current);
            worker.lines.tell(set.clone());
            worker.batch(batch, events, task, &table);
            if let (Some(hot), Some(set)) = (hot, set) {
                worker.versions.note(batch.first_pos(), set.version());
                worker.teach(hot);
            }
            // Kinds may be renumbered now: nothing is in the block.
            worker.kinds.fold_if_large();
        },
    )?;
    let mut spe_sums = None;
    if let Some(trace) = task.spe {
        let waiting = Mutex::new(workers);
        let wake = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (states, sums) = trace.chunks(
            capture,
            |_| true,
            wake,
            |worker, ops| {
                let Some(worker) = worker else {
                    return;
                };
                let hot = task.hot.as_ref().filter(|hot| !hot.is_off());
                let set = hot.map(HotLines::current);
                worker.lines.tell(set.clone());
                worker.operations(ops, task, &table);
                if let (Some(hot), Some(set)) = (hot, set) {
                    worker.versions.note(ops.pos(), set.version());
                    worker.teach(hot);
                }
                worker.kinds.fold_if_large();
            },
        )?;
        workers = states.into_iter().flatten().collect();
        spe_sums = Some(sums);
    }
    capture.pool().install(|| {
        let workers = workers.par_iter_mut();
        workers.for_each(|worker| {
            worker.lines.finish(&table);
            worker.rows.settle();
        });
    });
    let mut totals = Totals::default();
    let mut code = CodePages::new();
    let mut surveys = Vec::new();
    let mut filtered = 0;
    let mut filed = Vec::new();
    for worker in workers {
        totals.merge(&worker.kinds.into_totals());
        code.merge(worker.code);
        surveys.push(worker.survey);
        filtered += worker.filtered;
        filed.push((worker.rows, worker.versions));
    }
    let early = task.hot.as_ref();
    let early = early.map(|hot| EarlyRows::join(hot, filed.into_iter()));
    let mut survey = capture.finish_survey(surveys)?;
    if let Some(sums) = &spe_sums {
        survey.spe(sums);
    }
    Ok(Found {
        survey,
        report,
        totals,
        shards: table.into_shards(),
        code,
        early: early.unwrap_or_default(),
        filtered,
        spe: spe_sums,
    })
}

impl Worker {
    fn batch(&mut self, batch: &Batch, events: &EventTable, task: &Task<'_>, table: &RawLines) {
        let filter = task.filter;
        let takes_all = filter.is_empty();
        for record in batch.records() {
            if record.kind != SAMPLE {
                self.survey.record(&record, events);
                continue;
            }
            let window = record.window();
            let event = events.event_in(record.body, window);
            let Some((event, layout)) =
                event.and_then(|index| Some((index, events.layout(index)?)))
            else {
                self.survey.unknown_sample();
                continue;
            };
            let taken = &mut self.block[self.filled % BLOCK];
            let sample = &mut taken.sample;
            let decoded = layout.decode_memory_in(record.body, window, sample);
            if decoded.is_err() {
                self.survey.malformed_sample(event);
                continue;
            }
            self.survey.sample(event, sample.time);
            taken.key = RawKey::new(sample, record.misc, task.line_size);
            taken.pos = record.pos;
            if !takes_all && !is_accepted(filter, taken) {
                self.filtered += 1;
                continue;
            }
            self.filled += 1;
            if self.filled == BLOCK {
                self.take(task, table);
            }
        }
        self.take(task, table);
    }

    /// Takes the operations of a chunk that perf takes for memory samples.
    fn operations(&mut self, ops: &mut Ops<'_>, task: &Task<'_>, table: &RawLines) {
        let filter = task.filter;
        let takes_all = filter.is_empty();
        self.has_told = true;
        ops.each(|op| {
            if !op.is_perf_memory() {
                return;
            }
            let place = self.filled % BLOCK;
            let taken = &mut self.block[place];
            taken.sample = op.sample();
            taken.key = RawKey::new(&taken.sample, op.mode as u16, task.line_size);
            taken.pos = op.at.pos;
            taken.told = ToldSource::of(op);
            if !takes_all && !is_accepted(filter, taken) {
                self.filtered += 1;
                return;
            }
            self.filled += 1;
            if self.filled == BLOCK {
                self.take(task, table);
            }
        });
        self.take(task, table);
        self.has_told = false;
    }

    /// Counts and files the samples of the block: a step for all of them, then the
    /// next step, because a loop that does everything for each has more on its
    /// hands than the processor has registers.
    #[inline(never)]
    fn take(&mut self, task: &Task<'_>, table: &RawLines) {
        let block = &mut self.block[..self.filled.min(BLOCK)];
        self.filled = 0;
        for taken in &mut *block {
            let (src, has_addr) = (taken.sample.data_src, taken.sample.addr != 0);
            taken.kind = if self.has_told {
                self.kinds.of_told(src, taken.told, has_addr)
            } else {
                self.kinds.of(src, has_addr)
            };
            self.kinds.count(taken.kind, taken.sample.weight);
        }
        for taken in &mut *block {
            taken.place = self.lines.guess(&taken.key);
        }
        let words = block.iter().map(|taken| self.lines.word_at(taken.place));
        std::hint::black_box(words.fold(0, |all, word| all ^ word));
        for taken in &mut *block {
            let delta = &self.kinds.get(taken.kind).line;
            let (place, key, at) = (taken.place, taken.key, taken.at());
            taken.hot = self.lines.add(place, key, at, delta, table);
        }
        self.lines.shrink(table);
        for taken in &*block {
            if self.kinds.get(taken.kind).is_looked_up {
                let Taken { sample, .. } = taken;
                self.code.note(sample.pid, sample.ip, taken.at());
            }
        }
        for taken in &*block {
            if let Some(number) = taken.hot.checked_sub(1) {
                let kind = self.kinds.get(taken.kind);
                file(&mut self.rows, number.into(), task, taken, kind);
            }
        }
    }

    /// Tells the others what a chunk has shown.
    fn teach(&mut self, hot: &HotLines) {
        let metric = self.kinds.metric(hot.sort());
        hot.learn(metric - self.metric, self.lines.take_busy());
        self.metric = metric;
        hot.check(&self.rows);
    }
}

/// Asks the filter, apart from the loop: there mostly is none.
#[inline(never)]
fn is_accepted(filter: &Filter, taken: &Taken) -> bool {
    filter.accepts(&taken.sample, taken.at())
}

/// Files the row of a sample of a hot line.
#[inline]
fn file(rows: &mut Rows, number: u32, task: &Task<'_>, taken: &Taken, kind: &Kind) {
    let sample = &taken.sample;
    // Hot lines are not found where rows tell binaries apart.
    let row = task.row_keys.of(sample, || 0);
    let filed = Filed {
        sample,
        at: taken.at(),
        kind,
        nomap: kind.is_looked_up,
        memory_node: task.topology.node_of_address(sample.phys_addr),
    };
    rows.add(number, row, &filed);
}
