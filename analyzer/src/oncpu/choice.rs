//! Which events are taken.

use crate::capture::Capture;
use crate::event_kind::{self, EventKind};
use crate::render::{cut, cut_path};
use crate::survey::Survey;
use anyhow::{Result, anyhow};
use contend_perfdata::Attr;
use std::cmp::Reverse;

/// How many events are named where nothing fits.
const NAMED: usize = 3;

/// Columns of a name in a line, and of the path of the capture.
const NAME: usize = 32;
const PATH: usize = 60;

/// `PERF_TYPE_HARDWARE` and `PERF_COUNT_HW_CPU_CYCLES`.
const CYCLES: (u32, u64) = (0, 0);

/// The part of a generic event's configuration that is not the number of the
/// PMU (`PERF_PMU_TYPE_SHIFT`).
const GENERIC: u64 = u32::MAX as u64;

/// The events whose samples are taken.
#[derive(Debug)]
pub(super) struct Choice {
    /// Their names, joined by `+`.
    pub(super) name: String,
    /// What their samples weigh.
    pub(super) unit: &'static str,
    /// By event: the weight of a sample that has no period, where it is taken.
    pub(super) taken: Vec<Option<u64>>,
    /// What else could have been taken, for people.
    pub(super) others: Option<String>,
}

/// An event of the capture.
struct Known<'a> {
    attr: &'a Attr,
    name: String,
    kind: EventKind,
    samples: u64,
}

impl Known<'_> {
    /// What it counts, on whatever kind of core and in whatever mode:
    /// `cpu_core/cycles/P` and `cycles:u` are `cycles`. Tracepoints are what they
    /// are called.
    fn family(&self) -> &str {
        let name = self.name.as_str();
        if self.kind != EventKind::Cpu {
            return name;
        }
        match name.split_once('/') {
            Some((_, rest)) => rest.split('/').next().unwrap_or(rest),
            None => name.split(':').next().unwrap_or(name),
        }
    }

    fn is_clock(&self) -> bool {
        event_kind::is_clock(self.attr)
    }

    fn is_cycles(&self) -> bool {
        (self.attr.kind, self.attr.config & GENERIC) == CYCLES || self.family() == "cycles"
    }

    fn unit(&self) -> &'static str {
        if self.is_clock() {
            "ns"
        } else if self.is_cycles() {
            "cycles"
        } else {
            "events"
        }
    }

    /// Cycles before clocks before others, then the one with most samples.
    fn order(&self) -> impl Ord + use<> {
        (!self.is_cycles(), !self.is_clock(), Reverse(self.samples))
    }

    /// The period of samples that carry none (`evsel__parse_sample` in
    /// `tools/perf/util/evsel.c`).
    fn usual_weight(&self) -> u64 {
        if self.attr.is_frequency() {
            1
        } else {
            self.attr.sample_period_or_freq.max(1)
        }
    }
}

/// Chooses the event with a name, or else cycles, or else a clock, or else what
/// has most samples. What is counted by different kinds of cores is one event.
///
/// # Errors
/// When no event with samples fits.
pub(super) fn choose(capture: &Capture, survey: &Survey, wanted: Option<&str>) -> Result<Choice> {
    let header = capture.header();
    let events: Vec<Known<'_>> = header
        .attrs
        .iter()
        .zip(&survey.samples)
        .map(|(event, &samples)| Known {
            attr: &event.attr,
            name: event.display_name(&header.features),
            kind: EventKind::of(event, &header.features),
            samples,
        })
        .collect();
    choose_of(&events, wanted).map_err(|reason| {
        let path = cut_path(&capture.path().to_string_lossy(), PATH);
        anyhow!("{path}: {reason}")
    })
}

fn choose_of(events: &[Known<'_>], wanted: Option<&str>) -> Result<Choice, String> {
    let sampled = events.iter().filter(|event| event.samples > 0);
    let likely = sampled.filter(|event| event.kind == EventKind::Cpu);
    let (best, exact) = match wanted {
        None => {
            let best = likely.clone().min_by_key(|event| event.order());
            let best = best.ok_or_else(|| {
                format!(
                    "no samples of running code in this capture, it holds {}; record them with \
                     `perf record -F 99 -a -g -- sleep 10` on the host",
                    held(events)
                )
            })?;
            (best, false)
        }
        Some(wanted) => {
            let exact = events.iter().find(|event| event.name == wanted);
            let family = events.iter().find(|event| event.family() == wanted);
            let found = exact.or(family).ok_or_else(|| {
                format!(
                    "no event is called {}, there are {}",
                    cut(wanted, NAME),
                    held(events)
                )
            })?;
            (found, exact.is_some())
        }
    };
    let is_taken = |event: &&Known<'_>| match exact {
        true => event.name == best.name,
        false => event.family() == best.family() && event.unit() == best.unit(),
    };
    let taken = events.iter().filter(is_taken);
    if taken.clone().all(|event| event.samples == 0) {
        return Err(format!(
            "no samples of {}, there are {}",
            cut(&best.name, NAME),
            held(events)
        ));
    }
    let mut names: Vec<&str> = Vec::new();
    for event in taken.filter(|event| event.samples > 0) {
        if !names.contains(&event.name.as_str()) {
            names.push(&event.name);
        }
    }
    let name = names.join("+");
    let others: Vec<String> = likely
        .filter(|event| !is_taken(event))
        .map(|event| cut(&event.name, NAME))
        .collect();
    let others = (wanted.is_none() && !others.is_empty()).then(|| {
        format!(
            "the samples of {} were taken; --event takes others: {}",
            cut(&name, 2 * NAME),
            others.join(", ")
        )
    });
    Ok(Choice {
        name,
        unit: best.unit(),
        taken: events
            .iter()
            .map(|event| is_taken(&event).then(|| event.usual_weight()))
            .collect(),
        others,
    })
}

/// The events that have samples, in words.
fn held(events: &[Known<'_>]) -> String {
    let mut all: Vec<&Known<'_>> = events.iter().filter(|event| event.samples > 0).collect();
    all.sort_by_key(|event| Reverse(event.samples));
    let texts: Vec<String> = all
        .iter()
        .take(NAMED)
        .map(|event| {
            let plural = if event.samples == 1 { "" } else { "s" };
            format!(
                "{} sample{plural} of {}",
                event.samples,
                cut(&event.name, NAME)
            )
        })
        .collect();
    match all.len().saturating_sub(NAMED) {
        _ if all.is_empty() && events.iter().any(|event| event.kind == EventKind::Spe) => {
            "Arm SPE data, which `contend c2c` and `contend latency` read".to_owned()
        }
        _ if all.is_empty() => "no samples at all".to_owned(),
        0 => texts.join(", "),
        more => format!("{} and {more} more", texts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known<'a>(attr: &'a Attr, name: &str, kind: EventKind, samples: u64) -> Known<'a> {
        Known {
            attr,
            name: name.to_owned(),
            kind,
            samples,
        }
    }

    fn attr(kind: u32, config: u64) -> Attr {
        Attr {
            kind,
            config,
            sample_period_or_freq: 1000,
            ..Attr::default()
        }
    }

    #[test]
    fn both_kinds_of_cores_count_the_same_cycles() {
        let (core, atom, clock) = (attr(0, 4 << 32), attr(0, 8 << 32), attr(1, 0));
        let events = [
            known(&clock, "cpu-clock", EventKind::Cpu, 500),
            known(&core, "cpu_core/cycles/P", EventKind::Cpu, 10),
            known(&atom, "cpu_atom/cycles/P", EventKind::Cpu, 20),
        ];
        let choice = choose_of(&events, None).unwrap();
        assert_eq!(choice.name, "cpu_core/cycles/P+cpu_atom/cycles/P");
        assert_eq!(choice.unit, "cycles");
        assert_eq!(choice.taken, [None, Some(1000), Some(1000)]);
        assert!(choice.others.unwrap().contains("cpu-clock"));
        let choice = choose_of(&events, Some("cpu_atom/cycles/P")).unwrap();
        assert_eq!(choice.taken, [None, None, Some(1000)]);
        assert_eq!(choice.others, None);
    }

    #[test]
    fn what_there_is_is_said_when_nothing_fits() {
        let switch = attr(2, 300);
        let events = [known(
            &switch,
            "sched:sched_switch",
            EventKind::SchedSwitch,
            9,
        )];
        let error = choose_of(&events, None).unwrap_err();
        assert!(error.contains("9 samples of sched:sched_switch"), "{error}");
        assert!(error.contains("perf record"), "{error}");
        let choice = choose_of(&events, Some("sched:sched_switch")).unwrap();
        assert_eq!((choice.unit, choice.taken), ("events", vec![Some(1000)]));
        let error = choose_of(&events, Some("cycles")).unwrap_err();
        assert!(error.contains("no event is called cycles"), "{error}");
        assert!(
            choose_of(&[], None)
                .unwrap_err()
                .contains("no samples at all")
        );
    }
}
