//! An axis of latencies, logarithmic or linear.

/// How an axis is divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Division {
    /// Equal lengths are equal factors: latencies reach from a few cycles to
    /// thousands.
    #[default]
    Log,
    /// Equal lengths are equal numbers of cycles, from 0 on.
    Linear,
}

impl Division {
    /// Its name, as the option and as axes have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Linear => "linear",
        }
    }
}

/// An axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    division: Division,
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

/// `log2` of how many steps an outline has for each power of two.
const STEP_BITS: u32 = 3;

/// A linear axis has no more steps.
const MOST_STEPS: f64 = 96.0;

/// An axis whose ends are nearer than this has marks at even distances.
const NARROW: f64 = 4.0;

/// Such an axis has so many marks at most.
const MOST_EVEN: u64 = 8;

impl Scale {
    /// An axis that holds all values from `low` to `high`, from one place to another;
    /// it begins and ends with a round number.
    pub(super) fn log(low: u64, high: u64, from: f64, to: f64) -> Self {
        let low = round_down(low.max(1));
        // The highest value has room too.
        let high = round_up(high.max(low).saturating_add(1));
        Self {
            division: Division::Log,
            low: low as f64,
            high: high as f64,
            from,
            to,
        }
    }

    /// A linear axis from 0 to `high`, or to the round number above.
    pub(super) fn linear(high: u64, from: f64, to: f64) -> Self {
        let high = high.max(1);
        let step = even_step(0, high);
        Self {
            division: Division::Linear,
            low: 0.0,
            high: high.div_ceil(step).saturating_mul(step) as f64,
            from,
            to,
        }
    }

    /// Where a value is; values outside are at the ends.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        let share = self.measure(self.low, value) / self.measure(self.low, self.high);
        self.from + share * (self.to - self.from)
    }

    /// How long the way between two values is, in a unit of its own.
    pub(super) fn measure(&self, from: f64, to: f64) -> f64 {
        match self.division {
            Division::Log => (to.max(1.0) / from.max(1.0)).ln(),
            Division::Linear => to - from,
        }
    }

    /// Whether a value is behind the upper end, which linear axes have values behind.
    pub(super) fn is_beyond(&self, value: u64) -> bool {
        self.division == Division::Linear && value as f64 >= self.high
    }

    /// Its division in words.
    pub(super) fn words(&self) -> String {
        format!("{} scale", self.division.name())
    }

    /// The step of a value that an outline shows, which buckets of histograms lie in: its
    /// least value, and the one behind its largest.
    pub(super) fn step(&self, value: u64) -> (u64, u64) {
        let shift = match self.division {
            Division::Log => value.max(1).ilog2().saturating_sub(STEP_BITS),
            Division::Linear => ((self.high / MOST_STEPS).log2().ceil().max(0.0)) as u32,
        };
        let low = match self.division {
            Division::Log => value.max(1),
            Division::Linear => value,
        };
        let low = low >> shift << shift;
        (low, low.saturating_add(1 << shift))
    }

    /// The marks; with many decades only the powers of ten.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let (low, high) = (self.low as u64, self.high as u64);
        if self.division == Division::Linear || self.high / self.low <= NARROW {
            let step = even_step(low, high);
            let values = (low.div_ceil(step)..=high / step).map(|number| number * step);
            return values.map(|value| tick(value, value == 0)).collect();
        }
        let decades = (self.high / self.low).log10();
        let steps: &[u64] = if decades <= 0.8 {
            &FINE
        } else if decades <= 5.0 {
            &[1, 2, 5]
        } else {
            &[1]
        };
        let powers = std::iter::successors(Some(1u64), |power| power.checked_mul(10));
        let all = powers.flat_map(|power| {
            let values = steps
                .iter()
                .filter_map(move |step| power.checked_mul(*step));
            values.map(move |value| tick(value, value == power))
        });
        all.filter(|tick| (low..=high).contains(&tick.value))
            .collect()
    }
}

fn tick(value: u64, is_major: bool) -> Tick {
    Tick {
        value,
        text: tick_text(value),
        is_major,
    }
}

/// 200, 5k, 20M.
fn tick_text(value: u64) -> String {
    const UNITS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let (mut value, mut unit) = (value, 0);
    while value >= 1000 && value.is_multiple_of(100) && unit + 1 < UNITS.len() {
        if !value.is_multiple_of(1000) {
            return format!("{}.{}{}", value / 1000, value % 1000 / 100, UNITS[unit + 1]);
        }
        value /= 1000;
        unit += 1;
    }
    format!("{value}{}", UNITS[unit])
}

/// A round distance of which few enough fit between two values.
fn even_step(low: u64, high: u64) -> u64 {
    let least = (high - low).div_ceil(MOST_EVEN).max(1);
    let powers = std::iter::successors(Some(1u64), |power| power.checked_mul(10));
    let mut round = powers.flat_map(|power| {
        [1, 2, 5]
            .into_iter()
            .filter_map(move |step| power.checked_mul(step))
    });
    round.find(|step| *step >= least).unwrap_or(least)
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

    fn texts(scale: &Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|tick| tick.text).collect()
    }

    #[test]
    fn ends_are_round_and_hold_all_values() {
        let scale = Scale::log(31, 731, 0.0, 100.0);
        assert_eq!((scale.low, scale.high), (30.0, 1000.0));
        assert_eq!((scale.place(30.0), scale.place(1000.0)), (0.0, 100.0));
        assert_eq!((scale.place(1.0), scale.place(1e9)), (0.0, 100.0));
        assert_eq!(texts(&scale), ["50", "100", "200", "500", "1k"]);
        let scale = Scale::linear(731, 0.0, 100.0);
        assert_eq!((scale.low, scale.high), (0.0, 800.0));
        assert_eq!((scale.place(200.0), scale.place(1e9)), (25.0, 100.0));
        assert_eq!(
            texts(&scale),
            ["0", "100", "200", "300", "400", "500", "600", "700", "800"]
        );
    }

    #[test]
    fn a_narrow_axis_has_marks_between_its_ends() {
        assert_eq!(
            texts(&Scale::log(100, 103, 0.0, 1.0)),
            ["100", "120", "140", "160", "180", "200"]
        );
        assert_eq!(
            texts(&Scale::log(345, 345, 0.0, 1.0)),
            ["300", "320", "340", "360", "380", "400"]
        );
        assert_eq!(
            texts(&Scale::log(1100, 1900, 0.0, 1.0)),
            ["1k", "1.2k", "1.4k", "1.6k", "1.8k", "2k"]
        );
    }

    #[test]
    fn any_values_have_an_axis() {
        for (low, high) in [(0, 0), (1, 1), (7, 7), (1, u64::MAX), (u64::MAX, u64::MAX)] {
            for scale in [
                Scale::log(low, high, 500.0, 10.0),
                Scale::linear(high, 500.0, 10.0),
            ] {
                assert!(scale.low < scale.high, "{scale:?}");
                let middle = scale.place((low.max(1) as f64 + high as f64) / 2.0);
                assert!((10.0..=500.0).contains(&middle), "{middle}");
                let ticks = scale.ticks();
                assert!(!ticks.is_empty() && ticks.len() < 25, "{}", ticks.len());
                let (first, end) = scale.step(low);
                assert!(first <= low.max(1) && first < end, "{scale:?}");
                assert!(scale.step(high).0 <= high.max(1), "{scale:?}");
            }
        }
    }
}
