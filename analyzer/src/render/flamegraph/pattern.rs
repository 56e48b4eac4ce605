//! What is drawn over the colour of a frame, for those who do not see colours: the
//! state of its time as hatching, the kernel as a bar.
//!
//! A pattern is a wide stroke, clipped to the frame: so the frame stays the one
//! rectangle that the script in the picture moves, widens and colours.

use super::label::{Kind, State};
use std::fmt::Write;

/// The first row of frames, and so all of them, begins at this row of a pattern's
/// tile, which is as high as a frame with the gap above it.
pub(super) const FIRST_ROW: usize = 13;

/// Characters that stand for patterns in folded stacks, this and those behind it.
/// Texts have none of them: control characters are replaced there.
const FIRST_CODE: u8 = 0x0e;

/// What is drawn for a state, in a tile of 8 by 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hatching {
    /// Part of a class and an id.
    name: &'static str,
    /// A path of lines, and how wide they are.
    lines: &'static str,
    width: &'static str,
    /// Whether it goes through the text.
    is_behind_text: bool,
}

const HATCHINGS: [Hatching; 5] = [
    Hatching {
        name: "",
        lines: "",
        width: "",
        is_behind_text: false,
    },
    Hatching {
        name: "p",
        lines: "M-1 1L1-1M-1 9L9-1M-1 17L9 7M7 17L9 15",
        width: "1.2",
        is_behind_text: true,
    },
    Hatching {
        name: "r",
        lines: "M1 4h2M5 8h2M1 12h2M5 16h2M5 0h2",
        width: "2",
        is_behind_text: true,
    },
    Hatching {
        name: "u",
        lines: "M0 14.5h2M4 14.5h2",
        width: "1",
        is_behind_text: false,
    },
    Hatching {
        name: "w",
        lines: "M-1-1L9 9M-1 7L9 17M-1 15L1 17M7-1L9 1",
        width: "1.2",
        is_behind_text: true,
    },
];

/// How a frame is drawn that is not plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern {
    hatching: u8,
    bar: bool,
}

impl Pattern {
    /// The pattern of a frame; none where the frame is plain.
    pub(super) fn of(state: State, kind: Kind) -> Option<Self> {
        let hatching = match state {
            State::Running | State::Blocked | State::Waited => 0,
            State::Preempted => 1,
            State::Runnable => 2,
            State::Unknown => 3,
            State::Waker => 4,
        };
        let bar = kind == Kind::Kernel;
        (hatching > 0 || bar).then_some(Self { hatching, bar })
    }

    /// The character that stands for it.
    pub(super) fn code(self) -> char {
        char::from(FIRST_CODE + 2 * self.hatching + u8::from(self.bar))
    }

    /// The pattern that a character stands for.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        let number = code.checked_sub(FIRST_CODE)?;
        let pattern = Self {
            hatching: number / 2,
            bar: number % 2 == 1,
        };
        (usize::from(pattern.hatching) < HATCHINGS.len()).then_some(pattern)
    }

    /// The class of its frames, and the id of its definition.
    pub(super) fn class(self) -> String {
        let bar = if self.bar { "k" } else { "" };
        format!("{}{bar}", HATCHINGS[usize::from(self.hatching)].name)
    }
}

/// The definitions of patterns, and of the clipping that they need.
pub(super) fn definitions(patterns: &[Pattern]) -> String {
    let mut text = String::new();
    if patterns.is_empty() {
        return text;
    }
    text += "<clipPath id=\"own\" clipPathUnits=\"objectBoundingBox\">\
             <rect width=\"1\" height=\"1\"/></clipPath>";
    for pattern in patterns {
        let Hatching { lines, width, .. } = HATCHINGS[usize::from(pattern.hatching)];
        let _ = write!(
            text,
            "<pattern id=\"{}\" patternUnits=\"userSpaceOnUse\" y=\"{FIRST_ROW}\" \
             width=\"8\" height=\"16\">",
            pattern.class()
        );
        if !lines.is_empty() {
            let _ = write!(
                text,
                "<path d=\"{lines}\" stroke=\"#000\" stroke-width=\"{width}\" \
                 stroke-opacity=\".45\"/>"
            );
        }
        if pattern.bar {
            text += "<path d=\"M0 0h8v2.5h-8z\" fill-opacity=\".7\"/>";
        }
        text += "</pattern>";
    }
    text
}

/// The rules of style that lay patterns over their frames.
pub(super) fn rules(patterns: &[Pattern]) -> String {
    let mut text = String::new();
    for pattern in patterns {
        let class = pattern.class();
        let _ = writeln!(text, ".{class} > rect {{ stroke:url(#{class}); }}");
    }
    let all = |what: &str, patterns: &mut dyn Iterator<Item = &Pattern>| {
        let all = patterns.map(|pattern| format!(".{} > {what}", pattern.class()));
        all.collect::<Vec<_>>().join(", ")
    };
    let mut rule = |elements: String, what: &str| {
        if !elements.is_empty() {
            let _ = writeln!(text, "{elements} {{ {what} }}");
        }
    };
    rule(
        all("rect", &mut patterns.iter()),
        "stroke-width:16px; clip-path:url(#own);",
    );
    // A rim of light around letters that lines go through.
    let mut hatched = patterns
        .iter()
        .filter(|pattern| HATCHINGS[usize::from(pattern.hatching)].is_behind_text);
    rule(
        all("text", &mut hatched),
        "paint-order:stroke; stroke:#fff; stroke-width:2px; stroke-opacity:.6;",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pattern_has_a_code_a_class_and_no_white_space() {
        let states = [
            State::Running,
            State::Preempted,
            State::Runnable,
            State::Unknown,
            State::Waker,
        ];
        let mut classes = Vec::new();
        for state in states {
            for kind in [Kind::User, Kind::Kernel] {
                let Some(pattern) = Pattern::of(state, kind) else {
                    continue;
                };
                let code = pattern.code();
                assert!(code.is_control() && !code.is_whitespace(), "{pattern:?}");
                assert_eq!(Pattern::from_code(code as u8), Some(pattern));
                classes.push(pattern.class());
            }
        }
        assert_eq!(classes.concat(), "kppkrrkuukwwk");
        assert_eq!(Pattern::of(State::Blocked, Kind::User), None);
        assert_eq!(Pattern::from_code(FIRST_CODE + 10), None);
        assert_eq!(Pattern::from_code(b'\n'), None);
    }
}
