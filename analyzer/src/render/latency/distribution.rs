//! Outlines of distributions on one logarithmic axis, one above the other. Each
//! shows one distribution, or two: before and after a change.

use super::scale::LogScale;
use crate::render::style::count;
use crate::render::svg::{Anchor, Px, escape, line, text};
use crate::result::{Distribution, LatencyBucket};
use crate::stats::percent;
use std::fmt::Write;

/// `log2` of how many steps the outline has for each power of two.
const STEP_BITS: u32 = 3;

/// Pixels from the top of a panel to the line of its name, to that of its marks, to
/// the top and the bottom of its outline, and to the next panel.
const NAME: f64 = 12.0;
const MARKS: f64 = 27.0;
pub(super) const TOP: f64 = 31.0;
pub(super) const BOTTOM: f64 = 67.0;
pub(super) const HEIGHT: f64 = 78.0;

/// Pixels of an average character of a mark.
const CHAR: f64 = 5.6;

/// Pixels between two marks.
const GAP: f64 = 8.0;

/// One distribution of a panel.
pub(super) struct Series<'a> {
    /// What it is of, where there are two: "before".
    pub(super) label: &'a str,
    pub(super) latency: &'a Distribution,
}

/// One panel.
pub(super) struct Panel<'a> {
    /// Whose latencies it shows.
    pub(super) name: String,
    /// What stands at the right end of the name.
    pub(super) note: String,
    /// One, or two: what was before is filled, what is after is an outline.
    pub(super) series: Vec<Series<'a>>,
}

/// A span of latencies with how often they came in it, as the outline has it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    low: u64,
    /// Behind the largest.
    end: u64,
    count: u64,
    /// Its share of all, for the width of a step of the axis.
    density: f64,
}

/// The axis that holds the distributions of all panels.
pub(super) fn scale(panels: &[Panel<'_>], from: f64, to: f64) -> LogScale {
    let all = panels.iter().flat_map(|panel| &panel.series);
    let all: Vec<&Distribution> = all.map(|series| series.latency).collect();
    let low = all.iter().filter_map(|latency| latency.min).min();
    let high = all.iter().filter_map(|latency| latency.max).max();
    LogScale::new(low.unwrap_or(1), high.unwrap_or(1), from, to)
}

/// Draws one panel with its upper end at `top`.
pub(super) fn panel(
    out: &mut String,
    panel: &Panel<'_>,
    (left, right): (f64, f64),
    scale: &LogScale,
    top: f64,
    unit: &str,
) {
    let note = match panel.series.as_slice() {
        [before, after] => format!(
            "{} · grey and ▲: {}, line and marks: {}",
            panel.note, before.label, after.label
        ),
        _ => panel.note.clone(),
    };
    let width = note.chars().count() as f64 * 6.0;
    let room = ((right - left - width - 20.0) / 6.6) as usize;
    *out += &text(
        left,
        top + NAME,
        Anchor::Start,
        "name",
        &super::super::cut(&panel.name, room),
    );
    *out += &text(right, top + NAME, Anchor::End, "note", &note);
    let (above, below) = (top + TOP, top + BOTTOM);
    for tick in scale.ticks() {
        let x = scale.place(tick.value as f64);
        let class = if tick.is_major { "grid major" } else { "grid" };
        *out += &line((x, above), (x, below), class);
    }
    let steps: Vec<Vec<Step>> = panel
        .series
        .iter()
        .map(|series| steps(series.latency))
        .collect();
    let highest = steps.iter().flatten().map(|step| step.density);
    let highest = highest.fold(0.0, f64::max);
    let is_pair = panel.series.len() > 1;
    for (number, (series, steps)) in panel.series.iter().zip(&steps).enumerate() {
        let class = match (is_pair, number) {
            (false, _) => "one",
            (true, 0) => "before",
            (true, _) => "after",
        };
        if highest > 0.0 {
            outline(out, steps, (above, below), highest, scale, class);
        }
        // Numbers to hover over; the last series is on top.
        if number + 1 == panel.series.len() {
            hovers(out, series, steps, (above, below), scale, unit);
        }
    }
    *out += &line((left, below), (right, below), "axis");
    let marked = panel.series.last();
    if let Some(series) = marked {
        marks(out, &quantiles(series.latency), (left, right), top, scale);
    }
    if let (true, Some(series)) = (is_pair, panel.series.first()) {
        let before = quantiles(series.latency);
        for (value, label) in &before {
            let x = scale.place(*value as f64);
            let _ = writeln!(
                out,
                "<path d=\"M{} {}l-3.5 6h7z\" class=\"was\"><title>{}</title></path>",
                Px(x),
                Px(below),
                escape(&format!("{} {label} {unit}", series.label))
            );
        }
    }
}

/// The percentiles that are marked, those with one value in one label.
fn quantiles(latency: &Distribution) -> Vec<(u64, String)> {
    let all = [
        ("p50", latency.p50),
        ("p90", latency.p90),
        ("p99", latency.p99),
        ("p99.9", latency.p999),
    ];
    let mut marks: Vec<(u64, String)> = Vec::new();
    for (name, value) in all {
        let Some(value) = value else { continue };
        match marks.last_mut() {
            Some((last, names)) if *last == value => *names += &format!(", {name}"),
            _ => marks.push((value, name.to_owned())),
        }
    }
    for (value, names) in &mut marks {
        *names += &format!(" = {}", count(*value));
    }
    marks
}

/// Draws the marks of percentiles: a line each, and labels above that do not cover
/// each other.
fn marks(
    out: &mut String,
    marks: &[(u64, String)],
    (left, right): (f64, f64),
    top: f64,
    scale: &LogScale,
) {
    let widths: Vec<f64> = marks
        .iter()
        .map(|(_, label)| label.chars().count() as f64 * CHAR)
        .collect();
    let mut begins: Vec<f64> = marks
        .iter()
        .zip(&widths)
        .map(|((value, _), width)| scale.place(*value as f64) - width / 2.0)
        .collect();
    let mut free = left;
    for (begin, width) in begins.iter_mut().zip(&widths) {
        *begin = begin.max(free);
        free = *begin + width + GAP;
    }
    let mut free = right;
    for (begin, width) in begins.iter_mut().zip(&widths).rev() {
        *begin = begin.min(free - width);
        free = *begin - GAP;
    }
    for (((value, label), width), begin) in marks.iter().zip(&widths).zip(&begins) {
        let x = scale.place(*value as f64);
        let middle = begin + width / 2.0;
        // From the end of the label that is nearer.
        let foot = x.clamp(begin + 2.0, begin + width - 2.0);
        *out += &text(middle, top + MARKS, Anchor::Middle, "mark", label);
        let class = match label.starts_with("p50") {
            true => "mark median",
            false => "mark",
        };
        *out += &line((x, top + TOP + 4.0), (x, top + BOTTOM), class);
        *out += &line((foot, top + MARKS + 2.0), (x, top + TOP + 4.0), "mark");
    }
}

/// The outline of a distribution; gaps are zero.
fn outline(
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
fn hovers(
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
fn steps(latency: &Distribution) -> Vec<Step> {
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
mod tests {
    use super::*;
    use crate::stats::Histogram;

    fn distribution(values: &[u64]) -> Distribution {
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

    fn drawn(series: &[(&str, &[u64])]) -> String {
        let latencies: Vec<Distribution> = series
            .iter()
            .map(|(_, values)| distribution(values))
            .collect();
        let series = series.iter().zip(&latencies);
        let all = [Panel {
            name: "queue_push<T> in \"app\"".to_owned(),
            note: "60 % of lost".to_owned(),
            series: series
                .map(|(&(label, _), latency)| Series { label, latency })
                .collect(),
        }];
        let scale = scale(&all, 0.0, 700.0);
        let mut out = String::new();
        panel(&mut out, &all[0], (0.0, 700.0), &scale, 0.0, "cycles");
        out
    }

    #[test]
    fn one_series_is_an_outline_with_marks_and_numbers() {
        let svg = drawn(&[("", &[40, 40, 41, 400])]);
        assert!(
            svg.contains("queue_push&lt;T&gt; in &quot;app&quot;"),
            "{svg}"
        );
        assert_eq!(svg.matches("class=\"one\"").count(), 1);
        assert!(!svg.contains("class=\"before\"") && !svg.contains("class=\"was\""));
        assert!(svg.contains(">p50 = 40<"), "{svg}");
        assert!(svg.contains("40 to 43 cycles: 3 samples, 75 %"), "{svg}");
        assert!(svg.contains("384 to 415 cycles: 1 sample, 25 %"), "{svg}");
    }

    #[test]
    fn two_series_are_a_filled_one_and_an_outline_on_one_scale() {
        let svg = drawn(&[("before", &[400; 9]), ("after", &[40, 40, 40, 400])]);
        assert_eq!(svg.matches("class=\"before\"").count(), 1);
        assert_eq!(svg.matches("class=\"after\"").count(), 1);
        // What was is behind what is.
        assert!(svg.find("class=\"before\"") < svg.find("class=\"after\""));
        assert!(
            svg.contains("before p50, p90, p99, p99.9 = 400 cycles"),
            "{svg}"
        );
        assert!(svg.contains(">p50 = 40<"), "{svg}");
        assert!(
            svg.contains("grey and ▲: before, line and marks: after"),
            "{svg}"
        );
        // The same is drawn the same.
        assert_eq!(
            svg,
            drawn(&[("before", &[400; 9]), ("after", &[40, 40, 40, 400])])
        );
        // Nothing after: what was is still there.
        let gone = drawn(&[("before", &[400; 9]), ("after", &[])]);
        assert!(gone.contains("class=\"before\"") && !gone.contains("class=\"after\""));
    }

    #[test]
    fn labels_do_not_cover_each_other() {
        let mut out = String::new();
        let scale = LogScale::new(1, 1000, 0.0, 700.0);
        let all = [
            (999, "p50 = 999".to_owned()),
            (1000, "p90, p99 = 1,000".to_owned()),
        ];
        marks(&mut out, &all, (0.0, 700.0), 0.0, &scale);
        let places = out.lines().filter(|line| line.starts_with("<text"));
        let places: Vec<f64> = places
            .map(|line| line.split('"').nth(1).unwrap().parse().unwrap())
            .collect();
        let needed = (9.0 + 16.0) / 2.0 * CHAR + GAP;
        assert!(places[1] - places[0] >= needed - 0.1, "{places:?}");
        assert!(places[1] + 16.0 / 2.0 * CHAR <= 700.1);
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
