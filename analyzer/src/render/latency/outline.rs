//! The outline of a distribution, and the numbers behind it.

use super::distribution::Series;
use super::scale::Scale;
use crate::render::style::count;
use crate::render::svg::{Px, escape};
use crate::result::{Distribution, LatencyBucket};
use crate::stats::percent;
use std::fmt::Write;

/// A span of latencies with how often they came in it, as the outline has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    low: u64,
    /// Behind the largest.
    end: u64,
    count: u64,
    /// Its share of all, for its length of the axis.
    pub(super) density: f64,
    /// Its least value, or 0, which stands at 1 of a logarithmic axis.
    least: u64,
}

/// The outline of a distribution; gaps are zero.
pub(super) fn outline(
    out: &mut String,
    steps: &[Step],
    (above, below): (f64, f64),
    highest: f64,
    scale: &Scale,
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
    scale: &Scale,
    unit: &str,
) {
    let all = series.latency.count as f64;
    for step in steps {
        let (x1, x2) = (scale.place(step.low as f64), scale.place(step.end as f64));
        let last = step.end - 1;
        let span = match step.least == last {
            true => count(last),
            false => format!("{} to {}", count(step.least), count(last)),
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

/// Joins the buckets to steps that a picture can show, and counts those behind the end
/// of the axis.
pub(super) fn steps(latency: &Distribution, scale: &Scale) -> (Vec<Step>, u64) {
    let mut steps: Vec<Step> = Vec::new();
    let mut beyond = 0;
    for &LatencyBucket {
        low: value, count, ..
    } in &latency.buckets
    {
        if scale.is_beyond(value) {
            beyond += count;
            continue;
        }
        let (low, end) = scale.step(value);
        match steps.last_mut() {
            Some(last) if last.low == low => last.count += count,
            _ => steps.push(Step {
                low,
                end,
                count,
                density: 0.0,
                least: low.min(value),
            }),
        }
    }
    for step in &mut steps {
        let width = scale.measure(step.low as f64, step.end as f64);
        step.density = step.count as f64 / latency.count.max(1) as f64 / width;
    }
    (steps, beyond)
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
        for scale in [
            Scale::log(1, 3000, 0.0, 700.0),
            Scale::linear(3000, 0.0, 700.0),
        ] {
            let (steps, beyond) = steps(&latency, &scale);
            assert_eq!(beyond, 0);
            assert!(steps.windows(2).all(|pair| pair[0].end == pair[1].low));
            let whole = &steps[1..steps.len() - 1];
            assert!(whole.iter().all(|step| step.count == step.end - step.low));
            assert_eq!(steps.iter().map(|step| step.count).sum::<u64>(), 2999);
        }
    }

    #[test]
    fn what_is_behind_a_linear_axis_is_counted() {
        let latency = distribution(&[10, 20, 500, 70_000]);
        let (steps, beyond) = steps(&latency, &Scale::linear(400, 0.0, 700.0));
        assert_eq!((steps.len(), beyond), (2, 2));
    }

    /// Of Arm SPE 0 is a latency, which a logarithmic axis has no place for.
    #[test]
    fn zero_is_told_where_it_is_drawn() {
        let latency = distribution(&[0, 0, 1, 5]);
        let series = Series {
            label: "",
            latency: &latency,
        };
        let scale = Scale::log(0, 5, 0.0, 700.0);
        let (steps, _) = steps(&latency, &scale);
        let mut out = String::new();
        hovers(&mut out, &series, &steps, (0.0, 10.0), &scale, "cycles");
        assert!(out.contains("0 to 1 cycles: 3 samples, 75 %"), "{out}");
    }
}
