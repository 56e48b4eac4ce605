//! A share with the uncertainty that sampling gives it.

use serde::Serialize;

/// The 97.5 % quantile of the normal distribution: intervals hold 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// A share of samples, with its Wilson interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The share, 0 to 1.
    pub value: f64,
    /// Samples of the kind asked about.
    pub numerator: u64,
    /// Samples in all.
    pub denominator: u64,
    /// Lower end of the 95 % Wilson score interval.
    pub low: f64,
    /// Upper end of the 95 % Wilson score interval.
    pub high: f64,
}

impl Ratio {
    /// The share of `numerator` in `denominator`; nothing when there is nothing
    /// to take a share of.
    ///
    /// The interval is Wilson's (E. B. Wilson, 1927): unlike the normal
    /// approximation it holds for small counts and shares near 0 and 1.
    pub fn new(numerator: u64, denominator: u64) -> Option<Self> {
        if denominator == 0 {
            return None;
        }
        let n = denominator as f64;
        let value = numerator as f64 / n;
        let z2 = Z * Z;
        let scale = 1.0 + z2 / n;
        let center = (value + z2 / (2.0 * n)) / scale;
        let half = Z / scale
            * (value * (1.0 - value) / n + z2 / (4.0 * n * n))
                .max(0.0)
                .sqrt();
        Some(Self {
            value,
            numerator,
            denominator,
            // Rounding must not push the ends over the share or out of 0 to 1.
            low: (center - half).clamp(0.0, value.min(1.0)),
            high: (center + half).clamp(value.min(1.0), 1.0),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_interval_is_the_published_one() {
        // Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263 and
        // 15 of 148 and 0 of 20, method 3.
        for (part, all, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
        ] {
            let ratio = Ratio::new(part, all).unwrap();
            assert!((ratio.low - low).abs() < 5e-5, "{ratio:?}");
            assert!((ratio.high - high).abs() < 5e-5, "{ratio:?}");
        }
    }

    #[test]
    fn a_share_of_nothing_is_absent() {
        assert_eq!(Ratio::new(0, 0), None);
        let all = Ratio::new(3, 3).unwrap();
        assert_eq!((all.value, all.high), (1.0, 1.0));
    }
}
