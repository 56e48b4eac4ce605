//! Marks of percentiles above an outline.

use super::distribution::{BOTTOM, MARKS, TOP};
use super::scale::LogScale;
use crate::render::style::count;
use crate::render::svg::{Anchor, line, text};
use crate::result::Distribution;

/// Pixels of an average character of a mark.
const CHAR: f64 = 5.6;

/// Pixels between two marks.
const GAP: f64 = 8.0;

/// The percentiles that are marked, those with one value in one label.
pub(super) fn quantiles(latency: &Distribution) -> Vec<(u64, String)> {
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
pub(super) fn marks(
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
