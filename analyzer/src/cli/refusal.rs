//! Why `contend c2c` and `contend latency` have nothing to show: what the capture
//! holds, and what to record.

use super::args::Filters;
use crate::c2c::Analysis;
use crate::capture::Capture;
use crate::event_kind::EventKind;
use crate::info::info;
use crate::render::{cut, cut_path};
use crate::result::{Can, Info, SpeQuality, cpu_ranges};
use crate::space::AddressSpace;
use crate::spe::SpeTrace;
use crate::survey::Survey;
use anyhow::Result;
use contend_perfdata::At;
use std::collections::BTreeMap;

/// How many of a kind are named.
const NAMED: usize = 3;

/// Columns of a name in the line.
const NAME: usize = 32;

/// Columns of the capture's path.
const PATH: usize = 60;

/// One line for a capture in which no memory sample is left.
pub(super) fn refusal(capture: &Capture, analysis: &Analysis, filters: &Filters) -> Result<String> {
    if analysis.filtered > 0 {
        let (space, survey) = (&analysis.space, &analysis.survey);
        if let Some(said) = nothing_passes(capture, space, survey, filters)? {
            return Ok(said);
        }
    }
    let info = info(capture, &analysis.survey, &analysis.walk, analysis.spe());
    Ok(no_accesses(capture, &info))
}

/// The line for a capture whose memory samples the filters leave out, all of them;
/// absent when it has none.
pub(super) fn nothing_passes(
    capture: &Capture,
    space: &AddressSpace,
    survey: &Survey,
    filters: &Filters,
) -> Result<Option<String>> {
    let present = Present::new(capture)?;
    Ok((present.samples > 0).then(|| {
        let said = present.said(filters, space, survey).join("; ");
        let path = path(capture);
        format!("{path}: no memory samples pass the filters; there are {said}")
    }))
}

/// The line for a capture without memory samples.
pub(super) fn no_accesses(capture: &Capture, info: &Info) -> String {
    let path = path(capture);
    let what_to_do = what_to_do(info);
    let held = held(info);
    format!("{path}: no memory samples in this capture, it holds {held}; {what_to_do}")
}

/// The path of a capture, short enough for a line.
pub(super) fn path(capture: &Capture) -> String {
    cut_path(&capture.path().to_string_lossy(), PATH)
}

/// The events that have samples, in words.
pub(super) fn held(info: &Info) -> String {
    let events = info.events.iter().filter(|event| event.samples > 0);
    let events: Vec<(String, u64)> = events
        .map(|event| {
            let plural = if event.samples == 1 { "" } else { "s" };
            let name = cut(&event.name, NAME);
            (
                format!("{} sample{plural} of {name}", event.samples),
                event.samples,
            )
        })
        .collect();
    if events.is_empty() {
        return "no samples at all".to_owned();
    }
    most(events)
}

fn what_to_do(info: &Info) -> String {
    const RECORD: &str = "`perf c2c record -a -- sleep 10`";
    let missing = info.quality.truncated_bytes;
    if info.can.get("spe") == Some(&Can::Yes) {
        "its SPE data has no loads or stores: record them with `perf record -e \
         arm_spe_0/load_filter=1,store_filter=1,ts_enable=1/`"
            .to_owned()
    } else if let Some(spe) = &info.quality.spe {
        let what = no_records(spe);
        let is_there = spe.area.bytes > 0 || spe.area.told.missing_bytes > 0;
        match (missing, is_there) {
            (0, false) => format!("{what}: record again"),
            (0, true) => format!("{what}: copy it again, or record again"),
            _ => format!(
                "{what}, and the capture is cut off ({missing} bytes missing): copy it again, or \
                 record again"
            ),
        }
    } else if missing > 0 {
        format!(
            "the capture is cut off ({missing} bytes missing): copy it again, or record again \
             with {RECORD}"
        )
    } else {
        format!("record them with {RECORD} on the host")
    }
}

/// Why SPE data has no record.
fn no_records(spe: &SpeQuality) -> String {
    let (bytes, missing) = (spe.area.bytes, spe.area.told.missing_bytes);
    match (bytes, missing, spe.skipped_bytes) {
        (0, 0, _) => "no SPE data was written".to_owned(),
        (0, _, _) => {
            format!("all {missing} bytes of SPE data that the kernel announced are missing")
        }
        (_, _, 0) => format!("its {bytes} bytes of SPE data hold nothing"),
        _ => format!("its {bytes} bytes of SPE data hold no whole record"),
    }
}

/// The first few, those with most samples first.
fn most(mut all: Vec<(String, u64)>) -> String {
    // Stable: ties stay in the order given.
    all.sort_by_key(|(_, samples)| std::cmp::Reverse(*samples));
    let more = all.len().saturating_sub(NAMED);
    let named: Vec<String> = all.into_iter().take(NAMED).map(|(text, _)| text).collect();
    let mut text = named.join(", ");
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}

/// Who has memory samples when nothing is filtered.
#[derive(Default)]
struct Present {
    samples: u64,
    threads: BTreeMap<(i32, i32), u64>,
    cpus: BTreeMap<u32, u64>,
    times: Option<(u64, u64)>,
}

impl Present {
    fn new(capture: &Capture) -> Result<Self> {
        let events = capture.data().events();
        let header = capture.header();
        let is_memory: Vec<bool> = header
            .attrs
            .iter()
            .map(|event| EventKind::of(event, &header.features) == EventKind::Memory)
            .collect();
        let (parts, _) = capture.walk(Self::default, |present, batch| {
            for record in batch.records() {
                if record.kind != crate::survey::SAMPLE {
                    continue;
                }
                let event = events.event_of(record.body);
                let event = event.filter(|&event| is_memory.get(event) == Some(&true));
                let layout = event.and_then(|event| events.layout(event));
                let Some(Ok(sample)) = layout.map(|layout| layout.decode_memory(record.body))
                else {
                    continue;
                };
                let thread = (sample.pid, sample.tid);
                present.add(thread, sample.cpu, (sample.time, sample.time));
            }
        })?;
        let mut parts = parts;
        if let Some(trace) = SpeTrace::gather(capture)? {
            let (more, _) = trace.each(capture, Self::default, |present, op| {
                if op.operation.is_memory() {
                    let time = op.at.time;
                    present.add((op.pid, op.tid), op.cpu, (time, time));
                }
            })?;
            parts.extend(more);
        }
        let mut all = Self::default();
        for part in parts {
            all.samples += part.samples;
            for (thread, samples) in part.threads {
                *all.threads.entry(thread).or_default() += samples;
            }
            for (cpu, samples) in part.cpus {
                *all.cpus.entry(cpu).or_default() += samples;
            }
            all.span(part.times);
        }
        Ok(all)
    }

    fn add(&mut self, thread: (i32, i32), cpu: u32, times: (u64, u64)) {
        self.samples += 1;
        *self.threads.entry(thread).or_default() += 1;
        *self.cpus.entry(cpu).or_default() += 1;
        self.span(Some(times));
    }

    fn span(&mut self, more: Option<(u64, u64)>) {
        self.times = match (self.times, more) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (a, b) => a.or(b),
        };
    }

    /// What could be asked for instead, one text for each filter that was.
    fn said(&self, filters: &Filters, space: &AddressSpace, survey: &Survey) -> Vec<String> {
        let mut said = Vec::new();
        if !filters.pid.is_empty() {
            let mut all = self.by(|pid, _| match pid {
                ..0 => String::new(),
                _ => format!("{pid}{}", name(space, pid)),
            });
            all.retain(|(name, _)| !name.is_empty());
            said.push(if all.is_empty() {
                "no processes, as the capture does not tell them".to_owned()
            } else {
                format!("processes {}", most(all))
            });
        }
        if !filters.tid.is_empty() {
            let mut all = self.by(|_, tid| match tid {
                ..0 => String::new(),
                _ => format!("{tid}{}", name(space, tid)),
            });
            all.retain(|(name, _)| !name.is_empty());
            said.push(if all.is_empty() {
                "no threads, as the capture does not tell them".to_owned()
            } else {
                format!("threads {}", most(all))
            });
        }
        if !filters.comm.is_empty() {
            let mut all = self.by(|_, tid| name(space, tid).trim_start().to_owned());
            all.retain(|(name, _)| !name.is_empty());
            let names = if all.is_empty() {
                "no names".to_owned()
            } else {
                format!("names {}", most(all))
            };
            said.push(names);
        }
        if filters.cpu.is_some() {
            let cpus = cpu_ranges(self.cpus.keys().copied());
            said.push(format!("CPUs {}", cut(&cpus, NAME)));
        }
        if let (Some(_), Some((from, to))) = (&filters.time, self.times) {
            let first = survey.times().map_or(from, |(first, _)| first);
            let second = |time: u64| time.saturating_sub(first) as f64 / 1e9;
            said.push(format!("times {:.4}..{:.4}", second(from), second(to)));
        }
        said
    }

    /// The threads by what they are called, in order.
    fn by(&self, called: impl Fn(i32, i32) -> String) -> Vec<(String, u64)> {
        let mut all: BTreeMap<String, u64> = BTreeMap::new();
        for (&(pid, tid), samples) in &self.threads {
            *all.entry(called(pid, tid)).or_default() += samples;
        }
        all.into_iter().collect()
    }
}

/// A blank and the last name of a thread, or nothing.
fn name(space: &AddressSpace, tid: i32) -> String {
    let end = At {
        time: u64::MAX,
        pos: u64::MAX,
    };
    let comm = space.comm(tid, end);
    comm.map_or_else(String::new, |comm| format!(" {}", cut(comm, NAME)))
}
