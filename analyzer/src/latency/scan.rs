//! The first walk: the side band, whether there is a latency at all, and what an
//! access costs that waits for nothing.

use super::access::{Kind, Sources};
use super::metric::{Hardware, Meaning, Metric};
use super::threshold::threshold;
use crate::capture::Capture;
use crate::stats::Histogram;
use crate::survey::{SAMPLE, Survey};
use anyhow::Result;
use contend_perfdata::{Batch, EventTable, MemorySample, SampleFormat, SampleLayout, WalkReport};

/// What the first walk found.
pub(crate) struct Scan {
    pub(crate) survey: Survey,
    pub(crate) walk: WalkReport,
    /// By event of the capture.
    pub(super) events: Vec<EventScan>,
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
    pub(super) threshold: Option<u64>,
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
            all.with += more.with;
            all.without += more.without;
            for (all, more) in all.others.iter_mut().zip(more.others) {
                *all += more;
            }
        }
        for (all, more) in near.iter_mut().zip(&part.near) {
            all.merge(more);
        }
    }
    let survey = capture.finish_survey(surveys)?;
    let header = capture.header();
    let mut hardware = None;
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
        if known.with + known.without > 0 {
            let own = Hardware::of(event, &header.features);
            hardware = Some(hardware.map_or(own, |known: Hardware| known.min(own)));
        }
    }
    let refusal = refusal(&counts, hardware, metric);
    let hardware = hardware.unwrap_or(Hardware::Unknown);
    let meaning = hardware.meaning(metric).unwrap_or(Meaning {
        unit: "cycles",
        text: "",
    });
    let [load, store] = near.map(|hits| hits.percentile(50.0));
    let scan = Scan {
        survey,
        walk,
        events: counts,
        baseline: Baseline { load, store },
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
            if latency == 0 {
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
            }
            known.with += 1;
            if source.is_near() {
                self.near[source.kind() as usize].add(latency);
            }
        }
    }
}

/// The latency of a sample; 0 when it has none.
#[inline]
pub(super) fn latency_of(
    metric: Metric,
    sample: &MemorySample,
    layout: &SampleLayout,
    body: &[u8],
) -> u64 {
    match metric {
        Metric::Weight => sample.weight,
        other => layout.weight(body).map_or(0, |weight| other.of(weight)),
    }
}
