//! The walks over the accesses.

use super::access::{Access, Sources};
use super::groups::{OwnGroups, SharedGroups, Shown};
use super::heat::{HeatCounts, HeatMap};
use super::key::{GroupKey, Keys};
use super::metric::Metric;
use super::scan::{Baseline, EventScan, Period, latency_of};
use super::sums::Sums;
use crate::capture::Capture;
use crate::filter::Filter;
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
    /// By event.
    pub(super) periods: Vec<Period>,
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
    let (workers, _) = capture.walk(
        || Worker {
            sources: Sources::new(),
            groups: OwnGroups::new(),
            total: Sums::default(),
            histogram: Histogram::default(),
            by_event: vec![(0, 0); events.len()],
            heat: task.heat.as_ref().map(|_| HeatCounts::new()),
            filtered: 0,
        },
        |worker, batch| {
            worker.batch(batch, events, task);
            worker.groups.shrink(&shared);
        },
    )?;
    let mut all = Collected {
        groups: Vec::new(),
        histograms: Some(BTreeMap::new()),
        total: Sums::default(),
        histogram: Histogram::default(),
        by_event: vec![(0, 0); events.len()],
        heat: task.heat.clone(),
        filtered: 0,
    };
    for worker in workers {
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
    let (workers, _) = capture.walk(
        || (Sources::new(), OwnGroups::shown(count)),
        |(sources, groups), batch| {
            each_access(batch, events, task, sources, |_, access| {
                let Some(access) = access else { return };
                let baseline = task.baseline.of(access.source.kind());
                groups.add(access, baseline, &task.keys, Some(shown));
            });
            groups.shrink(&shared);
        },
    )?;
    let mut all = vec![Histogram::default(); count];
    for (_, groups) in workers {
        for (all, more) in all.iter_mut().zip(groups.into_histograms()) {
            all.merge(&more);
        }
    }
    Ok(all)
}

impl Worker {
    fn batch(&mut self, batch: &Batch, events: &EventTable, task: &Task<'_>) {
        let Self {
            sources,
            groups,
            total,
            histogram,
            by_event,
            heat,
            filtered,
        } = self;
        each_access(batch, events, task, sources, |event, access| {
            let Some(access) = access else {
                *filtered += 1;
                return;
            };
            let baseline = task.baseline.of(access.source.kind());
            groups.add(access, baseline, &task.keys, None);
            total.add(access, baseline);
            let counts = &mut by_event[event];
            if access.latency == 0 {
                counts.1 += 1;
                return;
            }
            counts.0 += 1;
            histogram.add(access.latency);
            if let (Some(map), Some(counts)) = (&task.heat, heat.as_mut())
                && let Some(cell) = map.cell(access.at.time, access.latency)
            {
                counts.add(cell);
            }
        });
    }
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
