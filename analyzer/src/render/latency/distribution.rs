//! Outlines of distributions on one axis, one above the other. Each
//! shows one distribution, or two: before and after a change.

use super::marks::{changes, marks, quantiles};
use super::outline::{Step, hovers, outline, steps};
use super::scale::{Division, Scale};
use crate::render::style::count;
use crate::render::svg::{Anchor, Px, escape, line, text, text_or_hover};
use crate::result::Distribution;
use std::fmt::Write;

/// Pixels from the top of a panel to the line of its name, to that of its marks, to
/// the top and the bottom of its outline, and to the next panel.
const NAME: f64 = 12.0;
pub(super) const MARKS: f64 = 27.0;
pub(super) const TOP: f64 = 31.0;
pub(super) const BOTTOM: f64 = 67.0;
pub(super) const HEIGHT: f64 = 78.0;

/// Pixels of an average character of a name: bold, with more capitals and digits than
/// text has.
const NAME_CHAR: f64 = 7.6;

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
    /// What is above it is lost; absent when all is.
    pub(super) baseline: Option<u64>,
}

/// The axis of all panels. A logarithmic one holds all values. A linear one ends behind
/// the highest 99.9th percentile: one outlier would leave no room for all others.
pub(super) fn scale(panels: &[Panel<'_>], division: Division, from: f64, to: f64) -> Scale {
    let all = panels.iter().flat_map(|panel| &panel.series);
    let all: Vec<&Distribution> = all.map(|series| series.latency).collect();
    let low = all.iter().filter_map(|latency| latency.min).min();
    let most = |of: fn(&Distribution) -> Option<u64>| {
        let known = all.iter().filter_map(|latency| of(latency));
        known.max().unwrap_or(1)
    };
    match division {
        Division::Log => {
            let high = most(|latency| latency.max);
            Scale::log(low.unwrap_or(1), high, from, to)
        }
        Division::Linear => {
            let high = most(|latency| latency.p999).saturating_add(1);
            Scale::linear(high, from, to)
        }
    }
}

/// What is drawn how, where panels show two distributions.
pub(super) fn legend(panels: &[Panel<'_>]) -> Option<String> {
    panels
        .iter()
        .find_map(|panel| match panel.series.as_slice() {
            [before, after] => Some(format!(
                "filled, ▲: {}; line, marks: {}",
                before.label, after.label
            )),
            _ => None,
        })
}

/// Draws one panel with its upper end at `top`.
pub(super) fn panel(
    out: &mut String,
    panel: &Panel<'_>,
    (left, right): (f64, f64),
    scale: &Scale,
    top: f64,
    unit: &str,
) {
    let each = panel.series.iter();
    let (steps, beyond): (Vec<Vec<Step>>, Vec<u64>) =
        each.map(|series| steps(series.latency, scale)).unzip();
    let mut note = panel.note.clone();
    let beyond: u64 = beyond.iter().sum();
    if beyond > 0 {
        note += &format!(", {} right of the axis", count(beyond));
    }
    let width = note.chars().count() as f64 * 6.0;
    let room = ((right - left - width - 20.0) / NAME_CHAR) as usize;
    *out += &text_or_hover(left, top + NAME, "name", &panel.name, room);
    *out += &text(right, top + NAME, Anchor::End, "note", &note);
    let (above, below) = (top + TOP, top + BOTTOM);
    for tick in scale.ticks() {
        let x = scale.place(tick.value as f64);
        let class = if tick.is_major { "grid major" } else { "grid" };
        *out += &line((x, above), (x, below), class);
    }
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
    if let Some(baseline) = panel.baseline {
        let x = scale.place(baseline as f64);
        *out += &line((x, above), (x, below), "base");
    }
    *out += &line((left, below), (right, below), "axis");
    let marked = match panel.series.as_slice() {
        [before, after] => changes(before.latency, after.latency),
        each => each.iter().flat_map(|one| quantiles(one.latency)).collect(),
    };
    marks(out, &marked, (left, right), top, scale);
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
            baseline: None,
        }];
        let scale = scale(&all, Division::Log, 0.0, 700.0);
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
        assert!(svg.contains("before p50, max = 400 cycles"), "{svg}");
        assert!(svg.contains(">p50 = 40, was 400<"), "{svg}");
        assert!(svg.contains(">max = 400, was 400<"), "{svg}");
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
