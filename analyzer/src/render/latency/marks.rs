//! Marks of percentiles above an outline.

use super::distribution::{BOTTOM, MARKS, TOP};
use super::name::short;
use super::scale::Scale;
use crate::render::style::count;
use crate::render::svg::{Anchor, line, text};
use crate::result::Distribution;

/// Pixels of an average character of a mark.
const CHAR: f64 = 6.1;

/// Pixels between two marks.
const GAP: f64 = 8.0;

/// From this many on values are written short, and where labels have two.
const SHORT: u64 = 1_000_000_000;
const SHORT_PAIR: u64 = 1_000_000;

/// The percentiles that are marked. Of fewer samples than a percentile needs to be told
/// from the largest, that is marked in its place.
fn told(latency: &Distribution) -> Vec<(&'static str, u64)> {
    let all = [
        ("p50", latency.p50, 2),
        ("p90", latency.p90, 10),
        ("p99", latency.p99, 100),
        ("p99.9", latency.p999, 1000),
    ];
    let told = all.iter().filter(|(.., needed)| latency.count >= *needed);
    let told = told.filter_map(|(name, value, _)| Some((*name, (*value)?)));
    let mut told: Vec<(&str, u64)> = told.collect();
    if told.len() < all.len() {
        told.extend(latency.max.map(|max| ("max", max)));
    }
    told
}

/// The marks of a distribution: percentiles with one value in one label.
pub(super) fn quantiles(latency: &Distribution) -> Vec<(u64, String)> {
    let mut marks: Vec<(u64, String)> = Vec::new();
    for (name, value) in told(latency) {
        match marks.last_mut() {
            Some((last, names)) if *last == value => *names += &format!(", {name}"),
            _ => marks.push((value, name.to_owned())),
        }
    }
    for (value, names) in &mut marks {
        *names += &format!(" = {}", number(*value, SHORT));
    }
    marks
}

/// The marks of what is after a change, each with what it was before, where both have
/// samples enough for it; those of before alone where there is nothing after.
pub(super) fn changes(before: &Distribution, after: &Distribution) -> Vec<(u64, String)> {
    let (before, after) = (told(before), told(after));
    let number = |value| number(value, SHORT_PAIR);
    if after.is_empty() {
        let each = before.into_iter();
        return each
            .map(|(name, value)| (value, format!("{name} was {}", number(value))))
            .collect();
    }
    let each = after.into_iter().map(|(name, value)| {
        let was = before.iter().find(|(known, _)| *known == name);
        let was = was.map_or(String::new(), |(_, was)| format!(", was {}", number(*was)));
        (value, format!("{name} = {}{was}", number(value)))
    });
    each.collect()
}

fn number(value: u64, short_from: u64) -> String {
    match value < short_from {
        true => count(value),
        false => short(value.into()),
    }
}

/// Draws the marks of percentiles: a line each, and labels above that do not cover
/// each other.
pub(super) fn marks(
    out: &mut String,
    marks: &[(u64, String)],
    (left, right): (f64, f64),
    top: f64,
    scale: &Scale,
) {
    // What is behind the axis stands at its end, and points on.
    let label = |&(value, ref label): &(u64, String)| match scale.is_beyond(value) {
        true => (value, format!("{label} →")),
        false => (value, label.clone()),
    };
    let marks: Vec<(u64, String)> = marks.iter().map(label).collect();
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
    use crate::render::latency::outline::tests::distribution;

    fn labels(values: &[u64]) -> Vec<String> {
        let marks = quantiles(&distribution(values));
        marks.into_iter().map(|(_, label)| label).collect()
    }

    /// Of three samples every high percentile is the largest one: that it is called.
    #[test]
    fn few_samples_have_no_high_percentiles() {
        assert_eq!(labels(&[345]), ["max = 345"]);
        assert_eq!(labels(&[40, 50, 60]), ["p50 = 50", "max = 60"]);
        assert_eq!(labels(&[7; 12]), ["p50, p90, max = 7"]);
        let values: Vec<u64> = (1..=200).collect();
        assert_eq!(
            labels(&values),
            ["p50 = 100", "p90 = 180", "p99 = 198", "max = 200"]
        );
        let values: Vec<u64> = (0..2000).map(|value| value % 100 + 1).collect();
        assert_eq!(
            labels(&values),
            ["p50 = 50", "p90 = 90", "p99 = 99", "p99.9 = 100"]
        );
        assert_eq!(labels(&[]), [""; 0]);
        assert_eq!(labels(&[u64::MAX]), ["max = 18.4E"]);
    }

    #[test]
    fn changes_tell_what_was() {
        let of = |before: &[u64], after: &[u64]| -> Vec<String> {
            let marks = changes(&distribution(before), &distribution(after));
            marks.into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(
            of(&[400; 20], &[40; 20]),
            [
                "p50 = 40, was 400",
                "p90 = 40, was 400",
                "max = 40, was 400"
            ]
        );
        // Before, the 90th percentile was the largest of three.
        assert_eq!(
            of(&[400; 3], &[40; 20]),
            ["p50 = 40, was 400", "p90 = 40", "max = 40, was 400"]
        );
        assert_eq!(of(&[400; 3], &[]), ["p50 was 400", "max was 400"]);
        assert_eq!(of(&[], &[40; 3]), ["p50 = 40", "max = 40"]);
    }

    #[test]
    fn labels_do_not_cover_each_other() {
        let mut out = String::new();
        let scale = Scale::log(1, 1000, 0.0, 700.0);
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
