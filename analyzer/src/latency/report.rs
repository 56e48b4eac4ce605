//! From what was collected to the result: order and numbers.

use super::collect::{Collected, Task, collect, histograms, periods};
use super::groups::{MOST_GROUPS, Shown};
use super::heat::HeatMap;
use super::key::{By, GroupKey, Keys};
use super::metric::Metric;
use super::names::{Candidate, Namer};
use super::scan::{Period, Scan};
use super::sums::Sums;
use crate::capture::Capture;
use crate::filter::Filter;
use crate::result::{
    CaptureFacts, Distribution, FILTERED, LatencyBaseline, LatencyBucket, LatencyEvent,
    LatencyGroup, LatencyReport, Quality, RestGroups,
};
use crate::space::AddressSpace;
use crate::spe;
use crate::stats::{Histogram, PRECISION};
use crate::symbols::{Jit, Locator, SymbolSources};
use crate::topology::Topology;
use anyhow::Result;
use std::cmp::Reverse;

/// What the user asked for.
pub(crate) struct LatencyOptions<'a> {
    pub(crate) by: By,
    pub(crate) metric: Metric,
    pub(crate) filter: Filter<'a>,
    /// Bytes of a cache line: a power of two.
    pub(crate) line_size: u64,
    /// Whether to note latencies over time.
    pub(crate) with_heat: bool,
}

/// Answers how slow memory is.
///
/// # Errors
/// When the capture cannot be read, or a file or folder that the user named cannot
/// be used.
pub(crate) fn latency(
    capture: &Capture,
    scan: &Scan,
    space: &AddressSpace,
    options: &LatencyOptions<'_>,
    sources: &SymbolSources,
) -> Result<LatencyReport> {
    let features = &capture.header().features;
    let topology = Topology::new(features);
    let locator = Locator::new(sources, capture)?;
    let jit = Jit::open(space, &locator, capture.is_monotonic());
    let span = match &options.filter.time {
        Some(range) => Some((*range.start(), *range.end())),
        None => scan.survey.times(),
    };
    let span = span.filter(|_| options.with_heat);
    let heat = span.map(|(first, last)| HeatMap::new(first, last));
    let task = Task {
        metric: options.metric,
        keys: Keys {
            by: options.by,
            space,
            jit: &jit,
            topology: &topology,
            line_size: options.line_size,
        },
        filter: &options.filter,
        baseline: scan.baseline,
        periods: periods(&scan.events),
        spe: scan.spe.as_ref().map(|(trace, _)| trace),
        heat,
    };
    let mut collected = collect(capture, &task)?;
    let mut quality = Quality::new(capture, &scan.survey, &scan.walk);
    quality.memory_samples = Some(collected.total.accesses());
    quality.skip(FILTERED, collected.filtered);
    if let Some((trace, sums)) = &scan.spe {
        spe::report(capture, trace, sums, &mut quality);
    }
    for (reason, count) in space.notes() {
        quality.skip(reason, *count);
    }
    let events = events(scan, &collected);
    let is_estimated = events.iter().all(|event| event.has_period);
    let order = |sums: &Sums| match is_estimated {
        true => (sums.lost_events, sums.sum),
        false => (sums.lost, sums.sum),
    };
    let namer = Namer {
        capture,
        space,
        jit: &jit,
        locator: &locator,
        line_size: options.line_size,
    };
    let mut candidates = match options.by {
        By::Function => namer.functions(&collected, &mut quality)?,
        _ => {
            let groups = collected.groups.iter();
            let each = groups.map(|&(key, sums)| Candidate {
                parts: vec![key],
                sums,
                function: None,
            });
            each.collect()
        }
    };
    // Stable: what lost the same stays in the order of keys or names.
    candidates.sort_by_key(|candidate| Reverse(order(&candidate.sums)));
    let rest = candidates.split_off(candidates.len().min(MOST_GROUPS));
    let histograms = match collected.histograms.take() {
        Some(mut known) => {
            let each = candidates.iter().map(|candidate| {
                let mut all = Histogram::default();
                for part in &candidate.parts {
                    if let Some(own) = known.remove(part) {
                        all.merge(&own);
                    }
                }
                all
            });
            each.collect()
        }
        None => {
            let numbered = (0..).zip(&candidates);
            let shown: Shown = numbered
                .flat_map(|(number, candidate)| {
                    candidate.parts.iter().map(move |&part| (part, number))
                })
                .collect();
            histograms(capture, &task, &shown, candidates.len())?
        }
    };
    let names = namer.lines(&candidates, &mut quality)?;
    note_unmapped(&collected, &mut quality);
    let (whole, _) = order(&collected.total);
    let share = |sums: &Sums| match whole {
        0 => 0.0,
        whole => order(sums).0 as f64 / whole as f64,
    };
    let groups = candidates.iter().zip(&histograms);
    let groups = groups.map(|(candidate, histogram)| LatencyGroup {
        key: namer.key(candidate, scan, &names),
        share: share(&candidate.sums),
        latency: distribution(&candidate.sums, histogram, is_estimated),
    });
    let groups = groups.collect();
    let mut facts = CaptureFacts::new(capture, &scan.survey);
    if options.by == By::Line {
        facts.line_size = Some(options.line_size);
    }
    Ok(LatencyReport {
        schema: "contend.latency/1",
        capture: facts,
        quality,
        by: options.by.name(),
        metric: options.metric.name(),
        unit: scan.meaning.unit,
        meaning: scan.meaning.text,
        // It is one of the main latency.
        threshold: match options.metric {
            Metric::Weight => events.iter().filter_map(|event| event.threshold).max(),
            _ => None,
        },
        events,
        baseline: LatencyBaseline {
            load: scan.baseline.load,
            load_hits: scan.baseline.hits[0],
            store: scan.baseline.store,
            store_hits: scan.baseline.hits[1],
        },
        precision: PRECISION,
        order: if is_estimated {
            "lost_estimated"
        } else {
            "lost"
        },
        total: distribution(&collected.total, &collected.histogram, is_estimated),
        groups,
        rest: rest_of(&rest, share),
        heat: collected.heat,
    })
}

/// The events that have accesses behind the filters.
fn events(scan: &Scan, collected: &Collected) -> Vec<LatencyEvent> {
    let known = scan.events.iter().zip(&collected.by_event);
    let taken = known.filter(|(_, (count, without))| count + without > 0);
    taken
        .map(|(event, &(count, without))| LatencyEvent {
            name: event.name.clone(),
            count,
            without,
            threshold: event.threshold.cycles(),
            has_threshold: event.threshold.is_there(),
            has_period: event.period != Period::Unknown,
        })
        .collect()
}

fn distribution(sums: &Sums, histogram: &Histogram, is_estimated: bool) -> Distribution {
    let has_any = sums.count > 0;
    // A bucket ends behind the largest value of all.
    let percentile = |percent| Some(histogram.percentile(percent)?.min(sums.max));
    Distribution {
        count: sums.count,
        without: sums.without,
        sum: sums.sum,
        mean: has_any.then(|| sums.sum as f64 / sums.count as f64),
        min: has_any.then_some(sums.min),
        p50: percentile(50.0),
        p90: percentile(90.0),
        p99: percentile(99.0),
        p999: percentile(99.9),
        max: has_any.then_some(sums.max),
        lost: sums.lost,
        lost_estimated: is_estimated.then_some(sums.lost_events),
        accesses_estimated: is_estimated.then_some(sums.events),
        buckets: histogram
            .buckets()
            .map(|bucket| LatencyBucket {
                low: bucket.low,
                high: bucket.high,
                count: bucket.count,
            })
            .collect(),
    }
}

fn rest_of(rest: &[Candidate], share: impl Fn(&Sums) -> f64) -> Option<RestGroups> {
    let mut sums = Sums::default();
    rest.iter()
        .for_each(|candidate| sums.merge(&candidate.sums));
    (!rest.is_empty()).then(|| RestGroups {
        groups: rest.len() as u64,
        count: sums.count,
        without: sums.without,
        sum: sums.sum,
        share: share(&sums),
    })
}

/// Counts the accesses whose instruction or data nothing is mapped at, where groups
/// tell.
fn note_unmapped(collected: &Collected, quality: &mut Quality) {
    for (key, sums) in &collected.groups {
        let (field, is_unmapped) = match key {
            GroupKey::Code(code) => (&mut quality.unresolved_ip, code.is_none()),
            GroupKey::Line(line) => (&mut quality.unmapped_addr, line.is_unmapped()),
            _ => return,
        };
        let more = if is_unmapped { sums.accesses() } else { 0 };
        *field = Some(field.unwrap_or(0) + more);
    }
}
