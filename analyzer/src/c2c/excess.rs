//! How much longer than usual the loads of each line took.
//!
//! Where neither HITM nor peer snoops are told, latency is what is left: a line
//! that cores fight over is slow. So is one that is always far away, so that this
//! orders lines, and does not judge them.

use super::lines::RawKey;
use crate::capture::Capture;
use crate::filter::Filter;
use crate::spe::SpeTrace;
use anyhow::Result;
use foldhash::HashMap;

/// What loads are compared with, and the lines whose loads took longer.
#[derive(Debug, Default)]
pub(super) struct Excess {
    /// The median of the total latency of all loads, in cycles.
    pub(super) baseline: u64,
    /// Cycles of all lines.
    pub(super) total: u64,
    /// Cycles of a line beyond what as many loads take at the baseline.
    lines: HashMap<RawKey, u64>,
}

/// The loads of a line, or of all of them.
#[derive(Clone, Copy, Default)]
struct Loads {
    count: u64,
    cycles: u64,
}

/// What one thread has met. Latencies have 16 bits.
struct Part {
    lines: HashMap<RawKey, Loads>,
    by_latency: Vec<u64>,
}

impl Excess {
    /// Goes through the operations of SPE.
    pub(super) fn find(
        capture: &Capture,
        trace: &SpeTrace,
        filter: &Filter<'_>,
        line_size: u64,
    ) -> Result<Self> {
        let takes_all = filter.is_empty();
        let start = || Part {
            lines: HashMap::default(),
            by_latency: vec![0; 1 << 16],
        };
        let (parts, _) = trace.each(capture, start, |part, op| {
            let Some(cycles) = op.total.filter(|_| op.operation.is_load() && op.addr != 0) else {
                return;
            };
            let sample = op.sample();
            if !takes_all && !filter.accepts(&sample, op.at) {
                return;
            }
            part.by_latency[usize::from(cycles)] += 1;
            let key = RawKey::new(&sample, op.mode as u16, line_size);
            let loads = part.lines.entry(key).or_default();
            loads.count += 1;
            loads.cycles += u64::from(cycles);
        })?;
        let mut all = start();
        for part in parts {
            for (sum, more) in all.by_latency.iter_mut().zip(part.by_latency) {
                *sum += more;
            }
            for (key, more) in part.lines {
                let loads = all.lines.entry(key).or_default();
                loads.count += more.count;
                loads.cycles += more.cycles;
            }
        }
        let baseline = median(&all.by_latency);
        let lines = all.lines.into_iter().map(|(key, loads)| {
            let usual = loads.count.saturating_mul(baseline);
            (key, loads.cycles.saturating_sub(usual))
        });
        let lines: HashMap<RawKey, u64> = lines.filter(|&(_, excess)| excess > 0).collect();
        Ok(Self {
            baseline,
            total: lines.values().sum(),
            lines,
        })
    }

    /// The excess of a line, in cycles.
    pub(super) fn of(&self, key: &RawKey) -> u64 {
        self.lines.get(key).copied().unwrap_or(0)
    }
}

/// The lower median.
fn median(counts: &[u64]) -> u64 {
    let all: u64 = counts.iter().sum();
    let mut left = all.div_ceil(2);
    for (value, count) in (0..).zip(counts) {
        match left.checked_sub(*count) {
            Some(rest) if rest > 0 => left = rest,
            _ if all > 0 => return value,
            _ => {}
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_a_sorted_list() {
        assert_eq!(median(&[0, 0, 0]), 0);
        assert_eq!(median(&[0, 1, 0, 0]), 1);
        assert_eq!(median(&[0, 2, 0, 2]), 1);
        assert_eq!(median(&[0, 2, 0, 3]), 3);
        assert_eq!(median(&[5, 2, 0, 3]), 0);
    }
}
