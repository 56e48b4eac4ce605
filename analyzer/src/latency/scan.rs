//! The first walk: the side band, whether there is a latency at all, and what an
//! access costs that waits for nothing.

use super::access::{Kind, Sources};
use super::metric::{Hardware, Meaning, Metric};
use super::spe::{latency_of as spe_latency, source_of};
use super::threshold::{Threshold, threshold};
use crate::capture::Capture;
use crate::event_kind::EventKind;
use crate::spe::{SpeOp, SpeSums, SpeTrace, in_effect};
use crate::stats::Histogram;
use crate::survey::{SAMPLE, Survey};
use anyhow::Result;
use contend_perfdata::{Batch, EventTable, MemorySample, SampleFormat, SampleLayout, WalkReport};

/// What the first walk found.
pub(crate) struct Scan {
    pub(crate) survey: Survey,
    pub(crate) walk: WalkReport,
    /// By event of the capture; those of Arm SPE are the last.
    pub(super) events: Vec<EventScan>,
    /// What Arm SPE recorded, and what was counted of it.
    pub(crate) spe: Option<(SpeTrace, SpeSums)>,
    pub(super) baseline: Baseline,
    /// Hardware of the events that have accesses; of several kinds the first.
    pub(super) hardware: Hardware,
    pub(super) meaning: Meaning,
}

/// What is known of an event whose samples are accesses.
#[derive(Clone, Debug, Default)]
pub(super) struct EventScan {
    pub(super) name: String,
    /// Accesses with a latency, in the whole capture.
    pub(super) with: u64,
    /// Accesses without.
    pub(super) without: u64,
    /// Accesses that have another metric, by its number in [`Metric::ALL`].
    pub(super) others: [u64; Metric::ALL.len()],
    pub(super) threshold: Threshold,
    pub(super) period: Period,
}

/// How many accesses a sample stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Period {
    /// Each sample says it.
    Sample,
    /// Always so many.
    Fixed(u64),
    /// Nothing tells.
    #[default]
    Unknown,
}

impl Period {
    /// What a sample with a period field of this value stands for.
    #[inline]
    pub(super) fn of(self, field: u64) -> Option<u64> {
        match self {
            Self::Sample => Some(field),
            Self::Fixed(period) => Some(period),
            Self::Unknown => None,
        }
    }
}

/// What an access costs that waits for nothing: the median of the capture's own hits
/// in the first two levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Baseline {
    /// Of loads.
    pub(super) load: Option<u64>,
    /// Of stores.
    pub(super) store: Option<u64>,
    /// How many loads and stores these are medians of.
    pub(super) hits: [u64; 2],
}

impl Baseline {
    /// What is not lost of the latency of an access. Stores without a baseline of
    /// their own are compared with loads.
    #[inline]
    pub(super) fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Load => self.load.unwrap_or(0),
            Kind::Store => self.store.or(self.load).unwrap_or(0),
        }
    }
}

/// Why a capture has no answer.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It has no memory accesses.
    NoAccess,
    /// Its accesses have this metric nowhere; those that they have.
    NoLatency(Vec<Metric>),
    /// Its hardware does not measure this; what it measures.
    NotMeasured(Vec<Metric>),
}

/// A worker.
struct Part {
    survey: Survey,
    sources: Sources,
    events: Vec<EventScan>,
    near: [Histogram; 2],
}

/// Walks the capture; the second result tells why there is no answer.
///
/// # Errors
/// When the capture cannot be read.
pub(crate) fn scan(capture: &mut Capture, metric: Metric) -> Result<(Scan, Option<Refusal>)> {
    let events = capture.data().events();
    let (parts, walk) = capture.walk(
        || Part {
            survey: Survey::new(events.len()),
            sources: Sources::new(),
            events: vec![EventScan::default(); events.len()],
            near: Default::default(),
        },
        |part, batch| part.batch(batch, events, metric),
    )?;
    let mut surveys = Vec::new();
    let mut counts = vec![EventScan::default(); capture.data().events().len()];
    let mut near = <[Histogram; 2]>::default();
    for part in parts {
        surveys.push(part.survey);
        for (all, more) in counts.iter_mut().zip(&part.events) {
            all.merge(more);
        }
        for (all, more) in near.iter_mut().zip(&part.near) {
            all.merge(more);
        }
    }
    let mut survey = capture.finish_survey(surveys)?;
    let header = capture.header();
    let mut hardware = None;
    let mut own_spe = EventScan::default();
    let mut spe = None;
    if let Some(trace) = SpeTrace::gather(capture)? {
        let (parts, sums) =
            trace.each(capture, SpePart::default, |part, op| part.add(op, metric))?;
        for part in parts {
            own_spe.merge(&part.event);
            for (all, more) in near.iter_mut().zip(&part.near) {
                all.merge(more);
            }
        }
        if own_spe.accesses() > 0 {
            hardware = Some(Hardware::Spe);
        }
        survey.spe(&sums);
        spe = Some((trace, sums));
    }
    own_spe.tell_spe(capture);
    for (event, known) in header.attrs.iter().zip(&mut counts) {
        known.name = event.display_name(&header.features);
        known.threshold = threshold(event, &header.features);
        known.period = if event.attr.has(SampleFormat::PERIOD) {
            Period::Sample
        } else if event.attr.is_frequency() || event.attr.sample_period_or_freq == 0 {
            Period::Unknown
        } else {
            Period::Fixed(event.attr.sample_period_or_freq)
        };
        if known.accesses() > 0 {
            let own = Hardware::of(event, &header.features);
            hardware = Some(hardware.map_or(own, |known: Hardware| known.min(own)));
        }
    }
    counts.push(own_spe);
    let refusal = refusal(&counts, hardware, metric);
    let hardware = hardware.unwrap_or(Hardware::Unknown);
    let meaning = hardware.meaning(metric).unwrap_or(Meaning {
        unit: "cycles",
        text: "",
    });
    let [load, store] = [&near[0], &near[1]].map(|hits| hits.percentile(50.0));
    let hits = near.map(|hits| hits.count());
    let scan = Scan {
        survey,
        walk,
        events: counts,
        spe,
        baseline: Baseline { load, store, hits },
        hardware,
        meaning,
    };
    Ok((scan, refusal))
}

fn refusal(events: &[EventScan], hardware: Option<Hardware>, metric: Metric) -> Option<Refusal> {
    let Some(hardware) = hardware else {
        return Some(Refusal::NoAccess);
    };
    if hardware.meaning(metric).is_none() {
        let all = Metric::ALL.into_iter();
        let measured = all.filter(|&other| hardware.meaning(other).is_some());
        return Some(Refusal::NotMeasured(measured.collect()));
    }
    if events.iter().all(|event| event.with == 0) {
        let all = Metric::ALL.into_iter().enumerate();
        let others = all.filter(|&(number, _)| events.iter().any(|event| event.others[number] > 0));
        return Some(Refusal::NoLatency(others.map(|(_, other)| other).collect()));
    }
    None
}

impl EventScan {
    fn accesses(&self) -> u64 {
        self.with + self.without
    }

    fn merge(&mut self, other: &Self) {
        self.with += other.with;
        self.without += other.without;
        for (all, more) in self.others.iter_mut().zip(other.others) {
            *all += more;
        }
    }

    /// Notes what the header says of the events of Arm SPE, of which there is one for
    /// each kind of core.
    fn tell_spe(&mut self, capture: &Capture) {
        let header = capture.header();
        let events = header.attrs.iter();
        let events =
            events.filter(|event| EventKind::of(event, &header.features) == EventKind::Spe);
        let names = events
            .clone()
            .map(|event| event.display_name(&header.features));
        let names: Vec<String> = names.collect();
        self.name = match names.is_empty() {
            true => "arm_spe".to_owned(),
            false => names.join("+"),
        };
        let thresholds = events
            .clone()
            .map(|event| threshold(event, &header.features));
        // Records do not tell their event: what was sampled everywhere is what passes
        // the largest.
        self.threshold = thresholds
            .max_by_key(|threshold| threshold.cycles())
            .unwrap_or_default();
        // Frequencies are refused; a count of operations is all there is
        // (`drivers/perf/arm_spe_pmu.c`).
        let periods = events.map(|event| event.attr.sample_period_or_freq);
        let mut periods = periods.map(|period| in_effect(capture, period));
        let first = periods.next().filter(|&period| period > 0);
        self.period = match first {
            Some(period) if periods.all(|other| other == period) => Period::Fixed(period),
            _ => Period::Unknown,
        };
    }
}

/// What a worker counts of Arm SPE.
#[derive(Default)]
struct SpePart {
    event: EventScan,
    near: [Histogram; 2],
}

impl SpePart {
    fn add(&mut self, op: &SpeOp<'_>, metric: Metric) {
        let Some(source) = source_of(op) else {
            return;
        };
        let Some(latency) = spe_latency(op, metric) else {
            self.event.without += 1;
            for (count, other) in self.event.others.iter_mut().zip(Metric::ALL) {
                *count += u64::from(spe_latency(op, other).is_some());
            }
            return;
        };
        self.event.with += 1;
        if source.is_near() {
            self.near[source.kind() as usize].add(latency);
        }
    }
}

impl Part {
    fn batch(&mut self, batch: &Batch, events: &EventTable, metric: Metric) {
        let mut sample = MemorySample::default();
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
            let decoded = layout.decode_memory_in(record.body, window, &mut sample);
            if decoded.is_err() {
                self.survey.malformed_sample(event);
                continue;
            }
            self.survey.sample(event, sample.time);
            let Some(source) = self.sources.of(sample.data_src) else {
                continue;
            };
            let latency = latency_of(metric, &sample, layout, record.body);
            let known = &mut self.events[event];
            let Some(latency) = latency else {
                known.without += 1;
                // Only where nothing is found does it matter what there is.
                if known.with == 0
                    && let Some(weight) = layout.weight(record.body)
                {
                    for (count, other) in known.others.iter_mut().zip(Metric::ALL) {
                        *count += u64::from(other.of(weight) > 0);
                    }
                }
                continue;
            };
            known.with += 1;
            if source.is_near() {
                self.near[source.kind() as usize].add(latency);
            }
        }
    }
}

/// The latency of a sample; absent when it has none, which the hardware tells as 0.
#[inline]
pub(super) fn latency_of(
    metric: Metric,
    sample: &MemorySample,
    layout: &SampleLayout,
    body: &[u8],
) -> Option<u64> {
    let latency = match metric {
        Metric::Weight => sample.weight,
        other => layout.weight(body).map_or(0, |weight| other.of(weight)),
    };
    (latency > 0).then_some(latency)
}
