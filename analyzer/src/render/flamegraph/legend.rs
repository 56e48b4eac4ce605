//! What colours, marks and hatching in a picture mean.

use super::label::{INLINED, KERNEL, Kind, Label, State};
use super::pattern::{FIRST_ROW, Pattern};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Pixels: ten letters, a sample of a frame, what is left free behind it, behind a
/// text, and between states and kinds.
const TEN_LETTERS: usize = 73;
const SAMPLE: usize = 24;
const BEHIND: usize = 5;
const BETWEEN: usize = 14;
const GROUPS: usize = 24;

/// The states that are told, in the order of the legend.
const STATES: [(State, &str); 6] = [
    (State::Blocked, "blocked"),
    (State::Waited, "waited"),
    (State::Preempted, "preempted"),
    (State::Runnable, "runnable"),
    (State::Unknown, "state unknown"),
    (State::Waker, "waker's stack"),
];

/// The kinds of frames that are told.
const KINDS: [(Kind, &str, &str); 4] = [
    (Kind::User, "", "function"),
    (Kind::Inlined, INLINED, "inlined"),
    (Kind::Kernel, KERNEL, "kernel"),
    (Kind::Unnamed, "", "no name"),
];

/// One line: a sample and a text for each state and kind in the picture. `row` is
/// where it is, in pixels from the top.
pub(super) fn line(labels: &BTreeSet<Label>, row: usize) -> String {
    let mut entries: Vec<(Label, String)> = Vec::new();
    for (state, text) in STATES {
        if labels.iter().any(|label| label.state() == state) {
            let label = Label::new("", Kind::Thread).of(state);
            entries.push((label, text.to_owned()));
        }
    }
    let states = entries.len();
    for (kind, mark, text) in KINDS {
        if labels.iter().any(|label| label.kind() == kind) {
            entries.push((Label::new("", kind), format!("{mark}{text}")));
        }
    }
    let mut line = format!(
        "<g id=\"legend\" transform=\"translate(10,{})\">",
        row.saturating_sub(FIRST_ROW)
    );
    let mut column = 0;
    for (number, (label, text)) in entries.into_iter().enumerate() {
        if number > 0 && number == states {
            column += GROUPS;
        }
        let class = Pattern::of(label.state(), label.kind());
        let class = class.map_or_else(String::new, |pattern| {
            format!(" class=\"{}\"", pattern.class())
        });
        let color = label.color();
        let _ = write!(
            line,
            "<g{class}><rect x=\"{column}\" y=\"{FIRST_ROW}\" width=\"{SAMPLE}\" height=\"15\" \
             fill=\"rgb({},{},{})\"/><text x=\"{}\" y=\"{}\">{text}</text></g>",
            color.r,
            color.g,
            color.b,
            column + SAMPLE + BEHIND,
            FIRST_ROW + 11,
        );
        column += SAMPLE + BEHIND + TEN_LETTERS * text.chars().count() / 10 + BETWEEN;
    }
    line + "</g>"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns where samples begin, and what stands behind them.
    fn entries(labels: &[Label]) -> Vec<(usize, String)> {
        let line = line(&labels.iter().cloned().collect(), 60);
        let entries = line.split("<rect x=\"").skip(1);
        let entries = entries.map(|entry| {
            let (column, rest) = entry.split_once('"').unwrap();
            let text = rest.split("</text>").next().unwrap();
            let text = text.rsplit('>').next().unwrap();
            (column.parse().unwrap(), text.to_owned())
        });
        entries.collect()
    }

    #[test]
    fn only_what_the_picture_has_is_told() {
        let labels = [
            Label::new("main", Kind::User).of(State::Preempted),
            Label::new("do_futex", Kind::Kernel).of(State::Blocked),
        ];
        let texts = entries(&labels).into_iter().map(|(_, text)| text);
        let texts: Vec<String> = texts.collect();
        assert_eq!(texts, ["blocked", "preempted", "function", "▪kernel"]);
        assert!(entries(&[Label::new("lw-main", Kind::Thread)]).is_empty());
    }

    #[test]
    fn all_of_it_fits_a_narrow_window() {
        let states = [
            State::Blocked,
            State::Preempted,
            State::Runnable,
            State::Unknown,
        ];
        let states = states.map(|state| Label::new("a", Kind::Thread).of(state));
        let kinds = KINDS.map(|(kind, _, _)| Label::new("a", kind));
        let entries = entries(&[&states[..], &kinds[..]].concat());
        assert_eq!(entries.len(), 8);
        let (column, text) = entries.last().unwrap();
        assert!(column + SAMPLE + BEHIND + 8 * text.len() < 960, "{column}");
        let columns = entries.windows(2).map(|pair| pair[1].0 - pair[0].0);
        assert!(columns.min().unwrap() > SAMPLE + BEHIND);
    }
}
