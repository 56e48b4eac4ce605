//! The outline of a distribution, and the numbers behind it.

use super::distribution::Series;
use super::scale::LogScale;
use crate::render::style::count;
use crate::render::svg::{Px, escape};
use crate::result::{Distribution, LatencyBucket};
use crate::stats::percent;
use std::fmt::Write;

/// `log2` of how many steps the outline has for each power of two.
const STEP_BITS: u32 = 3;

/// A span of latencies with how often they came in it, as the outline has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    low: u64,
    /// Behind the largest.
    end: u64,
    count: u64,
    /// Its share of all, for the width of a step of the axis.
    pub(super) density: f64,
}

/// The outline of a distribution; gaps are zero.
pub(super) fn outline(
    out: &mut String,
    steps: &[Step],
    (above, below): (f64, f64),
    highest: f64,
    scale: &LogScale,
    class: &str,
) {
    let mut path = String::new();
    let mut end = None;
    for step in steps {
        let (x1, x2) = (scale.place(step.low as f64), scale.place(step.end as f64));
        let y = below - (below - above) * step.density / highest;
        // What is there is seen.
        let y = y.min(below - 0.6);
        if end != Some(step.low) {
            if end.is_some() {
                let _ = write!(path, "V{}", Px(below));
            }
            let _ = write!(path, "M{} {}", Px(x1), Px(below));
        }
        let _ = write!(path, "V{}H{}", Px(y), Px(x2));
        end = Some(step.end);
    }
    if end.is_some() {
        let _ = writeln!(out, "<path d=\"{path}V{}\" class=\"{class}\"/>", Px(below));
    }
}

/// Places to point at, which tell the numbers of a step.
pub(super) fn hovers(
    out: &mut String,
    series: &Series<'_>,
    steps: &[Step],
    (above, below): (f64, f64),
    scale: &LogScale,
    unit: &str,
) {
    let all = series.latency.count as f64;
    for step in steps {
        let (x1, x2) = (scale.place(step.low as f64), scale.place(step.end as f64));
        let last = step.end - 1;
        let span = match step.low == last {
            true => count(last),
            false => format!("{} to {}", count(step.low), count(last)),
        };
        let plural = if step.count == 1 { "" } else { "s" };
        let title = format!(
            "{span} {unit}: {} sample{plural}, {}",
            count(step.count),
            percent(step.count as f64 / all)
        );
        let _ = writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" class=\"hover\"><title>{}</title></rect>",
            Px(x1),
            Px(above),
            Px(x2 - x1),
            Px(below - above),
            escape(&title)
        );
    }
}

/// Joins the buckets to steps that a picture can show.
pub(super) fn steps(latency: &Distribution) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for &LatencyBucket { low, count, .. } in &latency.buckets {
        let (low, end) = bounds(low.max(1));
        match steps.last_mut() {
            Some(last) if last.low == low => last.count += count,
            _ => steps.push(Step {
                low,
                end,
                count,
                density: 0.0,
            }),
        }
    }
    for step in &mut steps {
        let width = (step.end as f64 / step.low as f64).ln();
        step.density = step.count as f64 / latency.count.max(1) as f64 / width;
    }
    steps
}

/// The step of a value, which buckets lie in: its least value, and the one behind
/// its largest.
fn bounds(value: u64) -> (u64, u64) {
    let shift = value.ilog2().saturating_sub(STEP_BITS);
    let low = value >> shift << shift;
    (low, low.saturating_add(1 << shift))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::stats::Histogram;

    /// The distribution of some values, for tests of pictures.
    pub(in crate::render::latency) fn distribution(values: &[u64]) -> Distribution {
        let mut histogram = Histogram::default();
        values.iter().for_each(|&value| histogram.add(value));
        let max = values.iter().max().copied();
        let percentile = |percent| Some(histogram.percentile(percent)?.min(max?));
        let buckets = histogram.buckets().map(|bucket| LatencyBucket {
            low: bucket.low,
            high: bucket.high,
            count: bucket.count,
        });
        Distribution {
            count: values.len() as u64,
            min: values.iter().min().copied(),
            max,
            p50: percentile(50.0),
            p90: percentile(90.0),
            p99: percentile(99.0),
            p999: percentile(99.9),
            buckets: buckets.collect(),
            ..Distribution::default()
        }
    }

    #[test]
    fn steps_hold_every_value_once() {
        let values: Vec<u64> = (1..3000).collect();
        let latency = distribution(&values);
        let steps = steps(&latency);
        assert!(steps.windows(2).all(|pair| pair[0].end == pair[1].low));
        assert!(
            steps
                .iter()
                .rev()
                .skip(1)
                .all(|step| step.count == step.end - step.low)
        );
    }
}
