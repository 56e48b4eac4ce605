//! How often operations were sampled.

use super::sums::SpeSums;
use crate::capture::Capture;
use crate::event_kind::EventKind;
use crate::result::Interval;
use contend_perfdata::AuxInfo;

/// The interval that was asked for, and the one that it was.
pub(super) fn of(capture: &Capture, sums: &SpeSums) -> Interval {
    let header = capture.header();
    let events = header.attrs.iter();
    let mut spe = events.filter(|event| EventKind::of(event, &header.features) == EventKind::Spe);
    let period = spe.next().map(|event| event.attr.sample_period_or_freq);
    let period = period.filter(|&period| period > 0);
    let least = least(capture);
    let spans = sums.cpus.values().filter_map(|cpu| {
        let (first, last) = cpu.times?;
        (cpu.records > 1).then(|| (last - first, cpu.records - 1))
    });
    let (time, steps) = spans.fold((0u64, 0u64), |(time, steps), (span, more)| {
        (time.saturating_add(span), steps + more)
    });
    Interval {
        period,
        effective: period.and_then(|period| effective(period, least)),
        min_interval: least,
        mean_ns: (steps > 0).then(|| time as f64 / steps as f64),
    }
}

/// How many operations a sample stands for that was asked for with `period`: as the
/// hardware is set to it, or else as asked for.
pub(crate) fn in_effect(capture: &Capture, period: u64) -> u64 {
    effective(period, least(capture)).unwrap_or(period)
}

/// The least operations between two samples that the cores are capable of.
fn least(capture: &Capture) -> Option<u64> {
    let Some(AuxInfo::Spe(Some(metadata))) = &capture.data().aux().info else {
        return None;
    };
    let all = metadata.cpus.iter().filter_map(|cpu| cpu.min_interval);
    all.filter(|&least| least > 0).min()
}

/// The largest least interval that a core can have (`PMSIDR_EL1.Interval`).
const LARGEST_LEAST: u64 = 4096;

/// The operations between two samples that the hardware is set to, which counts in
/// 256s (`arm_spe_event_sanitise_period` in `drivers/perf/arm_spe_pmu.c`). Absent below
/// the core's least, where kernels differ.
fn effective(period: u64, least: Option<u64>) -> Option<u64> {
    const INTERVAL: u64 = 0xffff_ff00;
    let is_possible = period >= least.unwrap_or(LARGEST_LEAST);
    let interval = is_possible.then_some(period.min(INTERVAL) & INTERVAL);
    interval.filter(|&interval| interval > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_counts_operations_in_256s() {
        assert_eq!(effective(1024, Some(1024)), Some(1024));
        assert_eq!(effective(1500, Some(1024)), Some(1280));
        assert_eq!(effective(1 << 40, Some(1024)), Some(0xffff_ff00));
        assert_eq!(effective(1000, Some(1024)), None);
        assert_eq!(
            (effective(4000, None), effective(5000, None)),
            (None, Some(4864))
        );
    }
}
