//! A logarithmic axis of latencies.

/// A logarithmic axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LogScale {
    low: f64,
    high: f64,
    /// Where the lower end is, and where the upper.
    from: f64,
    to: f64,
}

/// A mark of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: u64,
    pub(super) text: String,
    /// Whether it is a power of ten.
    pub(super) is_major: bool,
}

impl LogScale {
    /// An axis that holds all values from `low` to `high`, from one place to another;
    /// it begins and ends with a round number.
    pub(super) fn new(low: u64, high: u64, from: f64, to: f64) -> Self {
        let low = round_down(low.max(1));
        let high = round_up(high.max(low.saturating_add(1)));
        Self {
            low: low as f64,
            high: high as f64,
            from,
            to,
        }
    }

    /// Where a value is; values outside are at the ends.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        let share = (value / self.low).ln() / (self.high / self.low).ln();
        self.from + share * (self.to - self.from)
    }

    /// The marks; with many decades only the powers of ten.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let decades = (self.high / self.low).log10();
        let steps: &[u64] = if decades <= 0.8 {
            &FINE
        } else if decades <= 5.0 {
            &[1, 2, 5]
        } else {
            &[1]
        };
        let mut ticks = Vec::new();
        let mut power = 1u64;
        loop {
            for step in steps {
                let Some(value) = power.checked_mul(*step) else {
                    return ticks;
                };
                if value as f64 > self.high {
                    return ticks;
                }
                if value as f64 >= self.low {
                    ticks.push(Tick {
                        value,
                        text: tick_text(value),
                        is_major: *step == 1,
                    });
                }
            }
            let Some(next) = power.checked_mul(10) else {
                return ticks;
            };
            power = next;
        }
    }
}

/// 200, 5k, 20M.
fn tick_text(value: u64) -> String {
    const UNITS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let (mut value, mut unit) = (value, 0);
    while value >= 1000 && value.is_multiple_of(1000) && unit + 1 < UNITS.len() {
        value /= 1000;
        unit += 1;
    }
    format!("{value}{}", UNITS[unit])
}

/// Round numbers of a decade.
const FINE: [u64; 6] = [1, 2, 3, 4, 5, 7];

/// These times the powers of ten, ascending.
fn steps() -> impl Iterator<Item = u64> {
    let powers = std::iter::successors(Some(1u64), |power| power.checked_mul(10));
    powers.flat_map(|power| {
        FINE.into_iter()
            .filter_map(move |step| power.checked_mul(step))
    })
}

fn round_down(value: u64) -> u64 {
    steps()
        .take_while(|step| *step <= value)
        .last()
        .unwrap_or(1)
}

fn round_up(value: u64) -> u64 {
    steps().find(|step| *step >= value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_round_and_hold_all_values() {
        let scale = LogScale::new(31, 731, 0.0, 100.0);
        assert_eq!((scale.low, scale.high), (30.0, 1000.0));
        assert_eq!((scale.place(30.0), scale.place(1000.0)), (0.0, 100.0));
        assert_eq!((scale.place(1.0), scale.place(1e9)), (0.0, 100.0));
        let texts: Vec<String> = scale.ticks().into_iter().map(|tick| tick.text).collect();
        assert_eq!(texts, ["50", "100", "200", "500", "1k"]);
    }

    #[test]
    fn any_values_have_an_axis() {
        for (low, high) in [(0, 0), (1, 1), (7, 7), (1, u64::MAX), (u64::MAX, u64::MAX)] {
            let scale = LogScale::new(low, high, 500.0, 10.0);
            assert!(scale.low < scale.high, "{scale:?}");
            let middle = scale.place((low.max(1) as f64 + high as f64) / 2.0);
            assert!((10.0..=500.0).contains(&middle), "{middle}");
            let ticks = scale.ticks();
            assert!(!ticks.is_empty() && ticks.len() < 25, "{}", ticks.len());
        }
    }
}
