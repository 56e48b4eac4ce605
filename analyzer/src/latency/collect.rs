//! The walks over the accesses.

use super::access::{Access, Sources};
use super::groups::{OwnGroups, SharedGroups, Shown};
use super::heat::{HeatCounts, HeatMap};
use super::key::{GroupKey, Keys};
use super::metric::Metric;
use super::scan::{Baseline, EventScan, Period, latency_of};
use super::spe::access_of;
use super::sums::Sums;
use crate::capture::Capture;
use crate::filter::Filter;
use crate::spe::{Ops, SpeTrace};
use crate::stats::Histogram;
use crate::survey::SAMPLE;
use anyhow::Result;
use contend_perfdata::{At, Batch, EventTable, MemorySample};
use std::collections::BTreeMap;

/// What a walk is to do.
pub(super) struct Task<'a> {
    pub(super) metric: Metric,
    pub(super) keys: Keys<'a>,
    pub(super) filter: &'a Filter<'a>,
    pub(super) baseline: Baseline,
    /// By event; that of Arm SPE is the last.
    pub(super) periods: Vec<Period>,
    pub(super) spe: Option<&'a SpeTrace>,
    /// An empty one, where a picture is wanted.
    pub(super) heat: Option<HeatMap>,
}

/// What the walk over all accesses found.
pub(super) struct Collected {
    /// Sums of every group, in the order of keys.
    pub(super) groups: Vec<(GroupKey, Sums)>,
    /// Histograms of every group, where there are few.
    pub(super) histograms: Option<BTreeMap<GroupKey, Histogram>>,
    /// Of all accesses together.
    pub(super) total: Sums,
    pub(super) histogram: Histogram,
    /// By event: accesses with a latency and without.
    pub(super) by_event: Vec<(u64, u64)>,
    pub(super) heat: Option<HeatMap>,
    pub(super) filtered: u64,
}

struct Worker {
    sources: Sources,
    tally: Tally,
}

/// What a worker adds up.
struct Tally {
    groups: OwnGroups,
    total: Sums,
    histogram: Histogram,
    by_event: Vec<(u64, u64)>,
    heat: Option<HeatCounts>,
    filtered: u64,
}

/// Sums up all accesses.
///
/// # Errors
/// When the capture cannot be read.
pub(super) fn collect(capture: &Capture, task: &Task<'_>) -> Result<Collected> {
    let events = capture.data().events();
    let shared = SharedGroups::new();
    let start = || Worker {
        sources: Sources::new(),
        tally: Tally {
            groups: OwnGroups::new(capture.pool().current_num_threads()),
            total: Sums::default(),
            histogram: Histogram::default(),
            by_event: vec![(0, 0); task.periods.len()],
            heat: task.heat.as_ref().map(|_| HeatCounts::new()),
            filtered: 0,
        },
    };
    let (mut workers, _) = capture.walk(start, |worker, batch| {
        let Worker { sources, tally } = worker;
        each_access(batch, events, task, sources, |event, access| {
            tally.add(event, access, task);
        });
        tally.groups.end_batch(&task.keys, None, &shared);
    })?;
    if let Some(trace) = task.spe {
        let (more, _) = trace.chunks(
            capture,
            |_| true,
            start,
            |worker, ops| {
                let tally = &mut worker.tally;
                each_operation(ops, task, |event, access| tally.add(event, access, task));
                tally.groups.end_batch(&task.keys, None, &shared);
            },
        )?;
        workers.extend(more);
    }
    let mut all = Collected {
        groups: Vec::new(),
        histograms: Some(BTreeMap::new()),
        total: Sums::default(),
        histogram: Histogram::default(),
        by_event: vec![(0, 0); task.periods.len()],
        heat: task.heat.clone(),
        filtered: 0,
    };
    for Worker { tally: worker, .. } in workers {
        all.total.merge(&worker.total);
        all.histogram.merge(&worker.histogram);
        for (all, more) in all.by_event.iter_mut().zip(worker.by_event) {
            *all = (all.0 + more.0, all.1 + more.1);
        }
        if let (Some(map), Some(counts)) = (&mut all.heat, &worker.heat) {
            counts.add_to(map);
        }
        all.filtered += worker.filtered;
        let own = worker.groups.finish(&shared);
        all.histograms = all.histograms.zip(own).map(|(mut all, own)| {
            for (key, histogram) in own {
                all.entry(key).or_default().merge(&histogram);
            }
            all
        });
    }
    all.groups = shared.into_groups().collect();
    all.groups.sort_unstable_by_key(|(key, _)| *key);
    Ok(all)
}

/// Makes the histograms of the shown groups, by their numbers.
///
/// # Errors
/// When the capture cannot be read.
pub(super) fn histograms(
    capture: &Capture,
    task: &Task<'_>,
    shown: &Shown,
    count: usize,
) -> Result<Vec<Histogram>> {
    let events = capture.data().events();
    let shared = SharedGroups::new();
    let start = || {
        (
            Sources::new(),
            OwnGroups::shown(capture.pool().current_num_threads(), count),
        )
    };
    let add = |groups: &mut OwnGroups, access: Option<&Access>| {
        let Some(access) = access else { return };
        let baseline = task.baseline.of(access.source.kind());
        groups.add(access, baseline, &task.keys, Some(shown));
    };
    let (mut workers, _) = capture.walk(start, |(sources, groups), batch| {
        each_access(batch, events, task, sources, |_, access| {
            add(groups, access)
        });
        groups.end_batch(&task.keys, Some(shown), &shared);
    })?;
    if let Some(trace) = task.spe {
        let (more, _) = trace.chunks(
            capture,
            |_| true,
            start,
            |(_, groups), ops| {
                each_operation(ops, task, |_, access| add(groups, access));
                groups.end_batch(&task.keys, Some(shown), &shared);
            },
        )?;
        workers.extend(more);
    }
    let mut all = vec![Histogram::default(); count];
    for (_, groups) in workers {
        for (all, more) in all.iter_mut().zip(groups.into_histograms()) {
            all.merge(&more);
        }
    }
    Ok(all)
}

impl Tally {
    /// Adds an access of an event, or none for one that the filter leaves out.
    #[inline]
    fn add(&mut self, event: usize, access: Option<&Access>, task: &Task<'_>) {
        let Some(access) = access else {
            self.filtered += 1;
            return;
        };
        let baseline = task.baseline.of(access.source.kind());
        self.groups.add(access, baseline, &task.keys, None);
        self.total.add(access, baseline);
        let counts = &mut self.by_event[event];
        let Some(latency) = access.latency else {
            counts.1 += 1;
            return;
        };
        counts.0 += 1;
        self.histogram.add(latency);
        if access.has_time
            && let (Some(map), Some(counts)) = (&task.heat, self.heat.as_mut())
            && let Some(cell) = map.cell(access.at.time, latency)
        {
            counts.add(cell);
        }
    }
}

/// As [`each_access`], with the operations of a chunk of Arm SPE data.
fn each_operation(
    ops: &mut Ops<'_>,
    task: &Task<'_>,
    mut each: impl FnMut(usize, Option<&Access>),
) {
    let event = task.periods.len() - 1;
    let period = task.periods[event].of(1);
    let takes_all = task.filter.is_empty();
    ops.each(|op| {
        let Some(access) = access_of(op, task.metric, period) else {
            return;
        };
        let is_taken = takes_all
            || task
                .filter
                .accepts_thread(access.thread, access.cpu, access.at);
        each(event, is_taken.then_some(&access));
    });
}

/// Calls `each` with every access and the number of its event, or with none for a
/// sample that the filter leaves out.
fn each_access(
    batch: &Batch,
    events: &EventTable,
    task: &Task<'_>,
    sources: &mut Sources,
    mut each: impl FnMut(usize, Option<&Access>),
) {
    let takes_all = task.filter.is_empty();
    let mut sample = MemorySample::default();
    for record in batch.records() {
        if record.kind != SAMPLE {
            continue;
        }
        let window = record.window();
        let event = events.event_in(record.body, window);
        let Some((event, layout)) = event.and_then(|index| Some((index, events.layout(index)?)))
        else {
            continue;
        };
        let decoded = layout.decode_memory_in(record.body, window, &mut sample);
        if decoded.is_err() {
            continue;
        }
        let at = At {
            time: sample.time,
            pos: record.pos,
        };
        if !takes_all && !task.filter.accepts(&sample, at) {
            each(event, None);
            continue;
        }
        let Some(source) = sources.of(sample.data_src) else {
            continue;
        };
        let access = Access {
            ip: sample.ip,
            addr: sample.addr,
            phys_addr: sample.phys_addr,
            thread: (sample.pid, sample.tid),
            cpu: sample.cpu,
            mode: (record.misc & 7) as u8,
            at,
            has_time: true,
            source,
            latency: latency_of(task.metric, &sample, layout, record.body),
            period: task.periods[event].of(sample.period),
        };
        each(event, Some(&access));
    }
}

/// The periods of all events.
pub(super) fn periods(events: &[EventScan]) -> Vec<Period> {
    events.iter().map(|event| event.period).collect()
}
