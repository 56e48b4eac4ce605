//! Collecting differences, so that a failing test shows them all.

/// What was found to differ, a line each.
#[derive(Default)]
pub(super) struct Differences(pub(super) Vec<String>);

impl Differences {
    pub(super) fn push(&mut self, difference: String) {
        self.0.push(difference);
    }

    pub(super) fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, ours: T, perfs: T) {
        if ours != perfs {
            self.push(format!("{what}: {ours:?}, perf has {perfs:?}"));
        }
    }

    /// `value` of `of` as perf prints it, to half a unit of the last digit.
    pub(super) fn percent(&mut self, what: &str, value: u64, of: u64, printed: f64, half: f64) {
        let percent = if of == 0 {
            0.0
        } else {
            100.0 * value as f64 / of as f64
        };
        // Written so that a printed NaN is a difference.
        let near = (percent - printed).abs() <= half + 1e-9;
        if !near {
            self.push(format!(
                "{what}: {value} of {of} is {percent} %, perf has {printed} %"
            ));
        }
    }
}

/// Panics with the first differences of a list that should be empty.
pub(crate) fn assert_none(what: &str, differences: &[String]) {
    let shown = differences
        .iter()
        .take(20)
        .map(|line| format!("\n  {line}"))
        .collect::<String>();
    assert!(
        differences.is_empty(),
        "{what}: {} differences{shown}",
        differences.len()
    );
}
