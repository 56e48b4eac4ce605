//! Stacks and their weights as an SVG flamegraph, through `inferno`.
//!
//! Frames are joined by what they are called, then those narrower than a pixel
//! are left out, then the rest is drawn: in a picture of a million samples all
//! but some hundred frames are too narrow to be seen.

mod label;
mod tree;

pub(super) use label::{Kind, Label};

use inferno::flamegraph::color::{BackgroundColor, PaletteMap};
use inferno::flamegraph::{Options, TextTruncateDirection, from_lines};
use std::io::{self, Write};
use tree::Tree;

/// Pixels of the frames, in a picture of 1200; browsers stretch it.
const WIDTH: u64 = 1180;

/// Frames on top of each other that are drawn: only recursion goes beyond.
const DEEPEST: usize = 192;

/// Columns of the line under the picture's title that fit in 1200 pixels, and of
/// the title that fit in 800.
const SUBTITLE: usize = 160;
const TITLE: usize = 76;

/// What is written around the frames.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    /// What it shows, of which host.
    pub(super) title: String,
    /// How much that is, of how long, and what was lost.
    pub(super) subtitle: String,
    /// The unit of weights.
    pub(super) unit: Unit,
}

/// What weights are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Nanoseconds; shown as microseconds.
    Nanoseconds,
    /// Numbers of something.
    Count(&'static str),
}

/// Draws stacks, their root first, each with its weight.
///
/// # Errors
/// When it cannot be written.
pub(super) fn draw(
    out: &mut dyn Write,
    picture: &Picture,
    stacks: impl Iterator<Item = (Vec<Label>, u64)>,
) -> io::Result<()> {
    let mut tree = Tree::new(DEEPEST);
    for (frames, weight) in stacks {
        tree.add(&frames, weight);
    }
    let drawn = tree.lines(WIDTH);
    let mut colors = PaletteMap::default();
    // The frame below all has no name, and no colour of its own.
    colors.insert("", label::GREY);
    for label in &drawn.labels {
        colors.insert(label.text(), label.color());
    }
    let mut subtitle = super::cut(&picture.subtitle, SUBTITLE);
    if drawn.too_deep > 0 {
        let deep = format!(" · {} stacks cut at {DEEPEST} frames", drawn.too_deep);
        let columns = SUBTITLE.saturating_sub(deep.chars().count());
        subtitle = super::cut(&picture.subtitle, columns) + &deep;
    }
    let mut options = Options::default();
    options.title = text(&super::cut(&picture.title, TITLE));
    options.subtitle = Some(text(&subtitle));
    options.palette_map = Some(&mut colors);
    options.bgcolors = Some(BackgroundColor::Grey);
    options.text_truncate_direction = TextTruncateDirection::Right;
    // What is narrower was left out already, and all that is given is drawn.
    options.min_width = 0.0;
    // Takes lines in the order given, backwards, where it would else refuse
    // orders that are not the one of its lines.
    options.flame_chart = true;
    (options.count_name, options.factor) = match picture.unit {
        Unit::Nanoseconds => ("µs".to_owned(), 1e-3 * drawn.scale),
        Unit::Count(name) => (name.to_owned(), drawn.scale),
    };
    let mut svg = Vec::new();
    from_lines(
        &mut options,
        drawn.lines.iter().rev().map(String::as_str),
        &mut svg,
    )?;
    out.write_all(&without_document_type(svg))
}

/// The document type names a file at w3.org, which a reader of XML might fetch.
fn without_document_type(svg: Vec<u8>) -> Vec<u8> {
    const BEGIN: &[u8] = b"<!DOCTYPE";
    let begin = svg.windows(BEGIN.len()).position(|part| part == BEGIN);
    let Some(begin) = begin else { return svg };
    let length = svg[begin..].iter().position(|&byte| byte == b'>');
    let end = length.map_or(svg.len(), |length| begin + length + 1);
    [&svg[..begin], &svg[end..]].concat()
}

/// Text without characters that XML does not have.
fn text(text: &str) -> String {
    super::safe(text)
        .chars()
        .map(|c| match c {
            '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(stacks: &[(&[(&str, Kind)], u64)]) -> String {
        let picture = Picture {
            title: "On CPU · <host>".to_owned(),
            subtitle: "10 samples".to_owned(),
            unit: Unit::Count("samples"),
        };
        let stacks = stacks.iter().map(|(frames, weight)| {
            let labels = frames.iter().map(|&(name, kind)| Label::new(name, kind));
            (labels.collect(), *weight)
        });
        let mut out = Vec::new();
        draw(&mut out, &picture, stacks).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_are_text_and_nothing_is_fetched() {
        let svg = picture(&[
            (
                &[
                    ("ma\u{ffff}in", Kind::User),
                    ("<script>x</script>", Kind::User),
                ],
                5,
            ),
            (&[("main", Kind::User), ("do_futex", Kind::Kernel)], 5),
        ]);
        assert!(!svg.contains("<script>x"));
        assert!(svg.contains("&lt;script&gt;x&lt;/script&gt; (5 samples, 50.00%)"));
        assert!(svg.contains("▪do_futex (5 samples, 50.00%)"));
        assert!(svg.contains("On CPU · &lt;host&gt;"));
        assert!(!svg.contains("DOCTYPE") && !svg.contains("href=\"http"));
        assert!(svg.starts_with("<?xml"));
    }

    #[test]
    fn names_that_look_like_numbers_stay_names() {
        let svg = picture(&[
            (&[("# worker 7", Kind::Thread)], 3),
            (&[("a;b", Kind::User), ("worker 7", Kind::User)], 1),
            (&[("a", Kind::User), (" ", Kind::User), ("", Kind::User)], 6),
        ]);
        assert!(svg.contains("#\u{a0}worker\u{a0}7 (3 samples, 30.00%)"));
        assert!(svg.contains("worker\u{a0}7 (1 samples, 10.00%)"));
        assert!(svg.contains("a:b (1 samples, 10.00%)"));
        assert!(svg.contains("all (10 samples, 100%)"));
    }

    #[test]
    fn the_same_stacks_are_the_same_picture() {
        let stacks: &[(&[(&str, Kind)], u64)] = &[
            (&[("a", Kind::User), ("b", Kind::Inlined)], 5),
            (&[("a", Kind::User), ("c", Kind::Unnamed)], 7),
        ];
        let backwards: Vec<_> = stacks.iter().rev().copied().collect();
        assert!(picture(stacks) == picture(&backwards));
    }
}
