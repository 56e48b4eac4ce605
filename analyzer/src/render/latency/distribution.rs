//! Outlines of distributions on one logarithmic axis, one above the other. Each
//! shows one distribution, or two: before and after a change.

use super::marks::{marks, quantiles};
use super::outline::{Step, hovers, outline, steps};
use super::scale::LogScale;
use crate::render::svg::{Anchor, Px, escape, line, text};
use crate::result::Distribution;
use std::fmt::Write;

/// Pixels from the top of a panel to the line of its name, to that of its marks, to
/// the top and the bottom of its outline, and to the next panel.
const NAME: f64 = 12.0;
pub(super) const MARKS: f64 = 27.0;
pub(super) const TOP: f64 = 31.0;
pub(super) const BOTTOM: f64 = 67.0;
pub(super) const HEIGHT: f64 = 78.0;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::latency::outline::tests::distribution;

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
}
