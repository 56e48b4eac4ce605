//! First pass: counters of every raw line, global counters, the side band, and
//! the rows of lines that are hot already.

use super::code_pages::CodePages;
use super::early::{EarlyRows, HotLines, HotSet, Versions};
use super::kinds::{KindId, Kinds, Totals};
use super::lines::{RawKey, RawLine};
use super::own_lines::OwnLines;
use super::rows::{Coalesce, Filed, RowKey, Rows};
use super::shards::RawLines;
use crate::capture::Capture;
use crate::filter::Filter;
use crate::survey::{SAMPLE, Survey};
use crate::topology::Topology;
use anyhow::Result;
use contend_perfdata::{At, Batch, EventTable, MemorySample, WalkReport};
use rayon::prelude::*;

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
}

/// What the first pass is to do.
pub(super) struct Task<'a> {
    pub(super) filter: &'a Filter<'a>,
    pub(super) line_size: u64,
    pub(super) coalesce: &'a [Coalesce],
    pub(super) topology: &'a Topology,
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
        },
        |worker, batch| {
            let hot = task.hot.as_ref().filter(|hot| !hot.is_off());
            let set = hot.map(HotLines::current);
            worker.batch(batch, events, task, set.as_deref(), &table);
            // Kinds may be renumbered now.
            worker.lines.file(&worker.kinds, &table);
            if let (Some(hot), Some(set)) = (hot, set) {
                worker.versions.note(batch.first_pos(), set.version());
                worker.teach(hot);
            }
            worker.kinds.fold_if_large();
        },
    )?;
    capture.pool().install(|| {
        let workers = workers.par_iter_mut();
        workers.for_each(|worker| worker.lines.finish(&table));
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
    Ok(Found {
        survey: capture.finish_survey(surveys)?,
        report,
        totals,
        shards: table.into_shards(),
        code,
        early: early.unwrap_or_default(),
        filtered,
    })
}

impl Worker {
    fn batch(
        &mut self,
        batch: &Batch,
        events: &EventTable,
        task: &Task<'_>,
        hot: Option<&HotSet>,
        table: &RawLines,
    ) {
        let filter = task.filter;
        let takes_all = filter.is_empty();
        for record in batch.records() {
            if record.kind != SAMPLE {
                self.survey.record(&record, events);
                continue;
            }
            let event = events.event_of(record.body);
            let Some((event, layout)) =
                event.and_then(|index| Some((index, events.layout(index)?)))
            else {
                self.survey.unknown_sample();
                continue;
            };
            let Ok(sample) = layout.decode_memory_in(record.body, record.window()) else {
                self.survey.malformed_sample(event);
                continue;
            };
            self.survey.sample(event, sample.time);
            let at = At {
                time: sample.time,
                pos: record.pos,
            };
            // Fields that only the filter reads are not even loaded without one.
            if !takes_all && !filter.accepts_sample(layout, record.body, at) {
                self.filtered += 1;
                continue;
            }
            let kind = self.kinds.of(sample.data_src, sample.addr != 0);
            self.kinds.count(kind, sample.weight);
            let key = RawKey::new(&sample, record.misc, task.line_size);
            if let Some(number) = hot.and_then(|hot| hot.number(&key)) {
                self.file(number, task, &sample, at, kind);
            }
            if self.lines.push(key, kind, at) {
                self.lines.file(&self.kinds, table);
            }
            if self.kinds.get(kind).is_looked_up {
                self.code.note(sample.pid, sample.ip, at);
            }
        }
    }

    /// Files the row of a sample of a hot line.
    #[inline]
    fn file(&mut self, number: u32, task: &Task<'_>, sample: &MemorySample, at: At, kind: KindId) {
        // Hot lines are not found where rows tell binaries apart.
        let row = RowKey::new(sample, task.line_size, task.coalesce, || 0);
        let kind = self.kinds.get(kind);
        let filed = Filed {
            sample,
            at,
            kind,
            nomap: kind.is_looked_up,
            memory_node: task.topology.node_of_address(sample.phys_addr),
        };
        self.rows.add(number, row, &filed);
    }

    /// Tells the others what a chunk has shown.
    fn teach(&mut self, hot: &HotLines) {
        let metric = self.kinds.metric(hot.sort());
        hot.learn(metric - self.metric, self.lines.take_busy());
        self.metric = metric;
        hot.check(&self.rows);
    }
}
