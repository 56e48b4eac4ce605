//! First pass: counters of every raw line, global counters, and the side band.

use super::code_pages::CodePages;
use super::kinds::{Kinds, Totals};
use super::lines::{RawKey, RawLine};
use super::own_lines::OwnLines;
use super::shards::RawLines;
use crate::capture::Capture;
use crate::filter::Filter;
use crate::survey::{SAMPLE, Survey};
use anyhow::Result;
use contend_perfdata::{At, Batch, EventTable, WalkReport};
use rayon::prelude::*;

/// What the first pass found.
pub(super) struct Found {
    pub(super) survey: Survey,
    pub(super) report: WalkReport,
    pub(super) totals: Totals,
    pub(super) shards: Vec<Vec<RawLine>>,
    pub(super) code: CodePages,
    /// Samples that the user's filters left out.
    pub(super) filtered: u64,
}

struct Worker {
    survey: Survey,
    kinds: Kinds,
    lines: OwnLines,
    code: CodePages,
    filtered: u64,
}

/// Walks the capture once.
pub(super) fn run(capture: &mut Capture, filter: &Filter, line_size: u64) -> Result<Found> {
    let table = RawLines::new();
    let events = capture.data().events();
    let (mut workers, report) = capture.walk(
        || Worker {
            survey: Survey::new(events.len()),
            kinds: Kinds::new(),
            lines: OwnLines::new(table.hashing()),
            code: CodePages::new(),
            filtered: 0,
        },
        |worker, batch| {
            worker.batch(batch, events, filter, line_size, &table);
            // Kinds may be renumbered now.
            worker.lines.file(&worker.kinds, &table);
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
    for worker in workers {
        totals.merge(&worker.kinds.into_totals());
        code.merge(worker.code);
        surveys.push(worker.survey);
        filtered += worker.filtered;
    }
    Ok(Found {
        survey: capture.finish_survey(surveys)?,
        report,
        totals,
        shards: table.into_shards(),
        code,
        filtered,
    })
}

impl Worker {
    fn batch(
        &mut self,
        batch: &Batch,
        events: &EventTable,
        filter: &Filter,
        line_size: u64,
        table: &RawLines,
    ) {
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
            let Ok(sample) = layout.decode_memory(record.body) else {
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
            let key = RawKey::new(&sample, record.misc, line_size);
            if self.lines.push(key, kind, at) {
                self.lines.file(&self.kinds, table);
            }
            if self.kinds.get(kind).is_looked_up {
                self.code.note(sample.pid, sample.ip, at);
            }
        }
    }
}
