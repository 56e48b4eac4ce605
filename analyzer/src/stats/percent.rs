//! Shares in words.

/// A share as percent, with more digits where it is small. Only all of it is
/// "100 %", and only nothing is "0 %".
pub(crate) fn percent(share: f64) -> String {
    /// Sums of floats are off by so much.
    const NOISE: f64 = 1e-9;
    let percent = share * 100.0;
    if percent >= 100.0 - NOISE {
        format!("{percent:.0} %")
    } else if percent >= 99.5 {
        // Not rounded up to 100.
        format!("{:.1} %", percent.min(99.9))
    } else if percent >= 10.0 || percent <= NOISE {
        format!("{:.0} %", percent.max(0.0))
    } else if percent >= 1.0 {
        format!("{percent:.1} %")
    } else if percent >= 0.005 {
        format!("{percent:.2} %")
    } else {
        "< 0.01 %".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn only_all_and_nothing_are_said_to_be() {
        for (share, text) in [
            (1.0, "100 %"),
            (1.0 - 1e-15, "100 %"),
            (0.99999, "99.9 %"),
            (0.996, "99.6 %"),
            (0.994, "99 %"),
            (0.57, "57 %"),
            (0.077, "7.7 %"),
            (0.0024, "0.24 %"),
            (0.000_001, "< 0.01 %"),
            (1e-15, "0 %"),
            (0.0, "0 %"),
        ] {
            assert_eq!(percent(share), text, "{share}");
        }
    }
}
