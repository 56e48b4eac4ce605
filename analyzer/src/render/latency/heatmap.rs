//! Latencies over time: time to the right, latency up, how many by darkness.

use super::scale::Scale;
use crate::latency::HEAT_STEP_BITS;
use crate::latency::HeatMap;
use crate::render::style::count;
use crate::render::svg::{Anchor, Px, escape, line, text};
use std::fmt::Write;

/// Shades from few to many, light to dark, in even steps of lightness: they differ
/// in grey as well.
const SHADES: [&str; 7] = [
    "#dce6f2", "#b6cbe3", "#8fb0d4", "#6790bf", "#426fa3", "#244c7d", "#0c2a50",
];

/// Where the map is drawn.
#[derive(Clone, Copy)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

/// Draws a map with its axes; times are counted from `start_ns`.
pub(super) fn heat_map(
    out: &mut String,
    map: &HeatMap,
    area: Area,
    scale: &Scale,
    start_ns: u64,
    unit: &str,
) {
    let Area {
        left,
        right,
        top,
        bottom,
    } = area;
    let most = map.cells.values().copied().max().unwrap_or(1);
    let fewest = map.cells.values().copied().min().unwrap_or(1);
    let shades = Shades { fewest, most };
    let columns = map.columns();
    let width = (right - left) / columns as f64;
    let offset = map.first_ns.saturating_sub(start_ns);
    // A damaged time may be the last one that there is: all columns may be longer.
    let span_ns = columns as f64 * map.column_ns as f64;
    let times = Times::new(offset as f64, span_ns);
    let digits = digits(times.span / columns as f64);
    for tick in scale.ticks() {
        let y = scale.place(tick.value as f64);
        *out += &line(
            (left, y),
            (right, y),
            if tick.is_major { "grid major" } else { "grid" },
        );
        *out += &text(left - 5.0, y + 3.5, Anchor::End, "tick", &tick.text);
    }
    for (&(column, row), &number) in &map.cells {
        let (low, end) = bounds(row);
        if scale.is_beyond(low) {
            continue;
        }
        let (y1, y2) = (scale.place(end as f64), scale.place(low.max(1) as f64));
        let x = left + f64::from(column) * width;
        let moment = times.from + f64::from(column) * times.span / columns as f64;
        let plural = if number == 1 { "" } else { "s" };
        let title = format!(
            "{moment:.digits$} {}, {} to {} {unit}: {} sample{plural}",
            times.short,
            count(low),
            count(end - 1),
            count(number)
        );
        let _ = writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"><title>{}</title></rect>",
            Px(x),
            Px(y1),
            Px(width),
            // What is there is seen.
            Px((y2 - y1).max(1.0)),
            SHADES[shades.of(number)],
            escape(&title)
        );
    }
    *out += &line((left, bottom), (right, bottom), "axis");
    *out += &line((left, top), (left, bottom), "axis");
    let step = times.step(right - left);
    let first = (times.from / step).ceil() as u64;
    for number in first.. {
        let moment = number as f64 * step;
        let x = left + (moment - times.from) / times.span * (right - left);
        if x > right + 0.5 || number - first > 20 {
            break;
        }
        *out += &line((x, bottom), (x, bottom + 4.0), "axis");
        let digits = self::digits(step);
        *out += &text(
            x,
            bottom + 16.0,
            Anchor::Middle,
            "tick",
            &format!("{moment:.digits$}"),
        );
    }
    *out += &text(
        left,
        bottom + 31.0,
        Anchor::Start,
        "label",
        &format!("{} from the first record", times.unit),
    );
    legend(out, shades, right, bottom + 22.0);
}

/// How many samples are above the axis.
pub(super) fn beyond(map: &HeatMap, scale: &Scale) -> u64 {
    let cells = map.cells.iter();
    let above = cells.filter(|((_, row), _)| scale.is_beyond(bounds(*row).0));
    above.map(|(_, number)| number).sum()
}

/// Which counts have which shade: in even steps of their logarithm.
#[derive(Clone, Copy)]
struct Shades {
    fewest: u64,
    most: u64,
}

impl Shades {
    fn of(self, number: u64) -> usize {
        let span = (self.most as f64 / self.fewest as f64).ln();
        if span == 0.0 {
            return SHADES.len() - 1;
        }
        let share = (number as f64 / self.fewest as f64).ln() / span;
        ((share * SHADES.len() as f64) as usize).min(SHADES.len() - 1)
    }

    /// The least count that has a shade, or a darker one.
    fn least(self, shade: usize) -> u64 {
        let share = shade as f64 / SHADES.len() as f64;
        let found = self.fewest as f64 * (self.most as f64 / self.fewest as f64).powf(share);
        let found = found.ceil() as u64;
        // Rounding must not contradict `of`.
        let near = found.saturating_sub(1).max(self.fewest)..=found + 1;
        let mut near = near.filter(|&number| self.of(number) >= shade);
        near.next().unwrap_or(found)
    }
}

/// What the shades mean: from how many samples on.
fn legend(out: &mut String, all: Shades, right: f64, top: f64) {
    // Shades that no count has are left out.
    let mut shades: Vec<(usize, u64)> = Vec::new();
    for shade in (0..SHADES.len()).rev() {
        let least = all.least(shade);
        if all.of(least) == shade {
            shades.push((shade, least));
        }
    }
    shades.reverse();
    const BOX: f64 = 34.0;
    let left = right - BOX * shades.len() as f64;
    *out += &text(left - 8.0, top + 10.0, Anchor::End, "tick", "samples, from");
    for (number, (shade, least)) in shades.iter().enumerate() {
        let x = left + BOX * number as f64;
        let _ = writeln!(
            out,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"14\" fill=\"{}\"/>",
            Px(x),
            Px(top),
            Px(BOX),
            SHADES[*shade]
        );
        let class = if *shade < 3 { "tick" } else { "tick light" };
        let label = super::name::short((*least).into());
        *out += &text(x + BOX / 2.0, top + 10.5, Anchor::Middle, class, &label);
    }
}

/// The least value of a row, and the one behind its largest.
fn bounds(row: u16) -> (u64, u64) {
    let row = u64::from(row);
    if row < 2 << HEAT_STEP_BITS {
        return (row, row + 1);
    }
    let shift = (row >> HEAT_STEP_BITS) - 1;
    let low = (row - (shift << HEAT_STEP_BITS)) << shift;
    (low, low.saturating_add(1 << shift))
}

/// The time axis in a unit that suits it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Times {
    /// Its begin and its length.
    from: f64,
    span: f64,
    unit: &'static str,
    short: &'static str,
}

impl Times {
    /// From ns.
    fn new(from_ns: f64, span_ns: f64) -> Self {
        const UNITS: [(f64, &str, &str); 4] = [
            (1.0, "nanoseconds", "ns"),
            (1e3, "microseconds", "µs"),
            (1e6, "milliseconds", "ms"),
            (1e9, "seconds", "s"),
        ];
        // Where a part far behind the first record is shown, numbers stay short.
        let least = span_ns.max(from_ns / 1000.0);
        let fitting = UNITS.iter().rev().find(|(ns, ..)| least >= 2.0 * ns);
        let (ns, unit, short) = *fitting.unwrap_or(&UNITS[0]);
        Self {
            from: from_ns / ns,
            span: span_ns / ns,
            unit,
            short,
        }
    }

    /// A round step, so that up to twelve marks stand in `width` pixels side by side.
    fn step(self, width: f64) -> f64 {
        let step = round_step(self.span, 12.0);
        let end = format!("{:.*}", digits(step), self.from + self.span);
        let label = end.len() as f64 * 6.0 + 12.0;
        round_step(self.span, (width / label).clamp(1.0, 12.0))
    }
}

/// The least round step of which a span has no more than `most`.
fn round_step(span: f64, most: f64) -> f64 {
    let mut step = 1e-9;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if span / (step * factor) <= most {
                return step * factor;
            }
        }
        step *= 10.0;
    }
}

/// Decimals that tell steps apart.
fn digits(step: f64) -> usize {
    (-step.log10()).ceil().clamp(0.0, 9.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::row_of;

    #[test]
    fn rows_are_where_their_values_are() {
        for value in (0..5000).chain([1 << 40, u64::MAX - 1, u64::MAX]) {
            let (low, end) = bounds(row_of(value));
            assert!(
                low <= value && (value < end || end == u64::MAX),
                "{value}: {low}..{end}"
            );
        }
    }

    #[test]
    fn shades_say_what_they_hold() {
        for (fewest, most) in [
            (1, 1),
            (1, 2),
            (1, 10),
            (5, 77),
            (70, 6900),
            (1, 1_000_000_007),
        ] {
            let shades = Shades { fewest, most };
            assert_eq!(shades.of(most), SHADES.len() - 1, "{fewest} {most}");
            for shade in 0..SHADES.len() {
                let least = shades.least(shade);
                if shades.of(least) == shade && least > fewest {
                    assert!(
                        shades.of(least - 1) < shade,
                        "{fewest} {most} {shade} {least}"
                    );
                }
            }
        }
    }

    #[test]
    fn times_have_few_round_marks() {
        for (from_ns, span_ns, unit, step) in [
            (0.0, 10.15e9, "s", 1.0),
            (0.0, 2.77e9, "s", 0.5),
            (0.0, 78.7e6, "ms", 10.0),
            (0.0, 3.1e6, "ms", 0.5),
            (0.0, 1e6, "µs", 100.0),
            (0.0, 100.0, "ns", 10.0),
            (0.0, 3600e9, "s", 500.0),
            (100e9, 1e6, "ms", 0.1),
            (3600e9, 100.0, "s", 2e-8),
        ] {
            let times = Times::new(from_ns, span_ns);
            let found = times.step(744.0);
            assert_eq!(times.short, unit, "{from_ns} {span_ns}");
            assert!((found / step - 1.0).abs() < 1e-9, "{times:?}: {found}");
            let label = format!("{:.*}", digits(found), times.from + times.span);
            let all = (times.span / found).floor() * (label.len() as f64 * 6.0);
            assert!(all < 744.0, "{times:?}: {label}");
        }
        assert_eq!([digits(1.0), digits(0.5), digits(0.0005)], [0, 1, 4]);
    }

    /// The columns of such a map end behind the last time that there is.
    #[test]
    fn a_map_of_all_times_is_drawn() {
        let mut map = HeatMap {
            first_ns: 1,
            column_ns: 1,
            cells: [((0, row_of(40)), 3)].into(),
        };
        map.column_ns = u64::MAX / map.columns() + 1;
        let area = Area {
            left: 44.0,
            right: 788.0,
            top: 0.0,
            bottom: 190.0,
        };
        let mut out = String::new();
        let scale = Scale::log(40, 40, 190.0, 0.0);
        heat_map(&mut out, &map, area, &scale, 1, "cycles");
        assert!(out.contains(">18000000000<"), "{out}");
        assert!(out.contains(">seconds from the first record<"), "{out}");
    }
}
