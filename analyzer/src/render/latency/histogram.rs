//! The distribution of all accesses as text.

use super::name::short;
use super::scale::Division;
use crate::render::style::{Style, count};
use crate::result::{Distribution, LatencyReport};
use crate::stats::percent;
use std::io::{self, Write};

/// Columns of the longest bar.
const BAR: usize = 50;

/// Columns of the latencies of a row.
const RANGE: usize = 21;

/// A linear histogram has no more rows, but for the last one.
const MOST_ROWS: u64 = 24;

/// More empty rows than this are one.
const MOST_EMPTY: usize = 3;

/// A row: latencies from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    low: u64,
    high: u64,
    count: u64,
}

/// Writes the distribution, and below it its percentiles.
pub(super) fn histogram(
    out: &mut dyn Write,
    result: &LatencyReport,
    division: Division,
    style: Style,
) -> io::Result<()> {
    let total = &result.total;
    let rows = rows(total, division);
    let most = rows.iter().map(|row| row.count).max().unwrap_or(1).max(1);
    let header = format!("{:>RANGE$}  {:>12}  share", result.unit, "samples");
    writeln!(out, "{}", style.dim(&header))?;
    let mut rest = rows.as_slice();
    while let Some(first) = rest.first() {
        let empty = rest.iter().take_while(|row| row.count == 0).count();
        let (row, taken) = match empty > MOST_EMPTY {
            true => {
                let high = rest[empty - 1].high;
                (Row { high, ..*first }, empty)
            }
            false => (*first, 1),
        };
        rest = &rest[taken..];
        let range = range(row.low, row.high);
        let share = row.count as f64 / total.count as f64;
        // What is there is seen.
        let eighths = (row.count as f64 / most as f64 * 8.0 * BAR as f64).ceil() as usize;
        let line = format!(
            "{range:>RANGE$}  {:>12}  {:>8}  {}",
            count(row.count),
            percent(share),
            bar(eighths)
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(out, "{}", summary(total, result.unit))?;
    writeln!(out)
}

/// The rows from the first that has samples to the last.
fn rows(total: &Distribution, division: Division) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    // Wide enough for the buckets that it is made of, which begin at its multiples.
    let step = total.p999.unwrap_or(0).div_ceil(MOST_ROWS).max(1);
    let step = step.checked_next_power_of_two().unwrap_or(1 << 63);
    let last = step.saturating_mul(MOST_ROWS);
    for bucket in &total.buckets {
        let (low, high) = match division {
            Division::Log => {
                // Buckets do not cross powers of two.
                let low = 1 << bucket.low.max(1).ilog2();
                (low, low + (low - 1))
            }
            Division::Linear if bucket.low >= last => (last, u64::MAX),
            Division::Linear => {
                let low = bucket.low / step * step;
                (low, low + (step - 1))
            }
        };
        while let Some(before) = rows.last().filter(|row| row.high < low) {
            let next = before.high + 1;
            if next == low {
                break;
            }
            let width = match division {
                Division::Log => next,
                Division::Linear => step,
            };
            rows.push(Row {
                low: next,
                high: next + (width - 1),
                count: 0,
            });
        }
        match rows.last_mut() {
            Some(row) if row.low == low => row.count += bucket.count,
            _ => rows.push(Row {
                low,
                high,
                count: bucket.count,
            }),
        }
    }
    // Of Arm SPE 0 is a latency.
    if let Some(first) = rows.first_mut().filter(|_| total.min == Some(0)) {
        first.low = 0;
    }
    rows
}

/// The latencies of a row.
fn range(low: u64, high: u64) -> String {
    let whole = format!("{}-{}", count(low), count(high));
    match high {
        _ if low == high => count(low),
        u64::MAX => format!("{} and more", short_from(low)),
        _ if whole.len() <= RANGE => whole,
        _ => format!("{}-{}", short_from(low), short(high.into())),
    }
}

fn short_from(low: u64) -> String {
    match low {
        ..1_000_000 => count(low),
        _ => short(low.into()),
    }
}

fn summary(total: &Distribution, unit: &str) -> String {
    let value = |value: Option<u64>| value.map_or("-".to_owned(), count);
    let mean = match total.mean {
        Some(mean) if mean < 9.95 => format!("{mean:.1}"),
        mean => count(mean.unwrap_or(0.0).round() as u64),
    };
    format!(
        "mean {mean} · p50 {} · p90 {} · p99 {} · p99.9 {} · max {} {unit}",
        value(total.p50),
        value(total.p90),
        value(total.p99),
        value(total.p999),
        value(total.max),
    )
}

/// A bar of so many eighths of a column.
fn bar(eighths: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::latency::outline::tests::distribution;

    fn of(values: &[u64], division: Division) -> Vec<(u64, u64, u64)> {
        let rows = rows(&distribution(values), division).into_iter();
        rows.map(|row| (row.low, row.high, row.count)).collect()
    }

    #[test]
    fn rows_are_powers_of_two_or_equal_steps() {
        let values = [40, 41, 300, 300, 500];
        assert_eq!(
            of(&values, Division::Log),
            [(32, 63, 2), (64, 127, 0), (128, 255, 0), (256, 511, 3)]
        );
        let linear = of(&values, Division::Linear);
        assert_eq!(linear.first(), Some(&(32, 63, 2)));
        assert_eq!(linear.last(), Some(&(480, 511, 1)));
        assert_eq!(linear.len(), 15);
        assert_eq!(of(&[0, 1, 1], Division::Log), [(0, 1, 3)]);
    }

    /// The 99.9th percentile is 100: one outlier does not flatten all others.
    #[test]
    fn outliers_have_the_last_row_of_a_linear_histogram() {
        let mut values: Vec<u64> = (0..2000).map(|value| value % 100 + 1).collect();
        values.push(1 << 40);
        let linear = of(&values, Division::Linear);
        assert_eq!(linear.last(), Some(&(192, u64::MAX, 1)));
        assert_eq!(linear.iter().map(|row| row.2).sum::<u64>(), 2001);
    }

    #[test]
    fn any_values_have_rows() {
        for values in [&[u64::MAX][..], &[0], &[1, u64::MAX], &[]] {
            for division in [Division::Log, Division::Linear] {
                let rows = of(values, division);
                let counted: u64 = rows.iter().map(|row| row.2).sum();
                assert_eq!(counted, values.len() as u64, "{values:?} {division:?}");
                assert!(rows.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
            }
        }
    }

    #[test]
    fn ranges_fit_their_column() {
        assert_eq!(range(64, 127), "64-127");
        assert_eq!(range(7, 7), "7");
        assert_eq!(range(1280, u64::MAX), "1,280 and more");
        assert_eq!(range(1 << 31, (1 << 32) - 1), "2.1G-4.3G");
        assert_eq!(range(1 << 62, (1 << 63) - 1), "4.6E-9.2E");
    }
}
