//! Stacks and their weights as an SVG flamegraph, through `inferno`.
//!
//! Frames are joined by what they are called, then those narrower than a pixel
//! are left out, then the rest is drawn: in a picture of a million samples all
//! but some hundred frames are too narrow to be seen.

mod label;
mod legend;
mod page;
mod pattern;
mod tree;

pub(super) use label::{Kind, Label, State};

use inferno::flamegraph::color::{BackgroundColor, PaletteMap};
use inferno::flamegraph::{Options, TextTruncateDirection, from_lines};
use std::io::{self, Write};
use tree::Tree;

/// Pixels of the frames, in a picture of 1200; browsers stretch it.
const WIDTH: u64 = 1180;

/// Frames on top of each other that are drawn: only recursion goes beyond.
const DEEPEST: usize = 192;

/// Columns of the lines under the picture's title that fit in 900 pixels, and of
/// the title that fit in 800.
const SUBTITLE: usize = 120;
const TITLE: usize = 76;

/// What is written around the frames.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    /// What it shows, of which host.
    pub(super) title: String,
    /// How much that is, what was lost, details, and of how long. Lines break between
    /// these parts.
    pub(super) subtitle: Vec<String>,
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
    // The frame below all has no name, and what was left out on it none that is drawn.
    for name in ["", tree::LEFT_OUT] {
        colors.insert(name, label::GREY);
    }
    for label in &drawn.labels {
        colors.insert(label.key(), label.color());
    }
    let mut subtitle = picture.subtitle.clone();
    if drawn.too_deep > 0 {
        let stacks = super::many(drawn.too_deep, "stack");
        subtitle.push(format!("{stacks} cut at {DEEPEST} frames"));
    }
    let mut subtitle = lines(&subtitle).into_iter();
    let mut options = Options::default();
    options.title = text(&super::cut(&picture.title, TITLE));
    options.subtitle = Some(subtitle.next().unwrap_or_default());
    // Not all frames are functions.
    options.name_type = "Frame:".to_owned();
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
    let svg = String::from_utf8(svg).map_err(io::Error::other)?;
    let below: Vec<String> = subtitle.map(|line| escaped(&line)).collect();
    out.write_all(page::complete(&svg, &below, &drawn.labels).as_bytes())
}

/// Parts with dots between them, in lines that fit.
fn lines(parts: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        let part = text(&super::cut(part, SUBTITLE));
        let length = part.chars().count() + " · ".len();
        match lines.last_mut() {
            Some(line) if line.chars().count() + length <= SUBTITLE => {
                line.push_str(" · ");
                line.push_str(&part);
            }
            _ => lines.push(part),
        }
    }
    lines
}

/// Text that XML does not take for its own.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
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
            subtitle: vec!["10 samples".to_owned()],
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

    /// A picture of frames in several states, and how it is cut into frames.
    fn states(picture: &Picture, states: &[State]) -> String {
        let stacks = states.iter().map(|&state| {
            let labels = [("main", Kind::User), ("do_futex", Kind::Kernel)];
            let labels = labels.map(|(name, kind)| Label::new(name, kind).of(state));
            (labels.to_vec(), 1000)
        });
        let mut out = Vec::new();
        draw(&mut out, picture, stacks).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn off_cpu(subtitle: &[&str]) -> Picture {
        Picture {
            title: "Off CPU".to_owned(),
            subtitle: subtitle.iter().map(|&part| part.to_owned()).collect(),
            unit: Unit::Nanoseconds,
        }
    }

    #[test]
    fn states_and_the_kernel_are_told_without_colour() {
        let svg = states(
            &off_cpu(&["3 µs"]),
            &[State::Blocked, State::Preempted, State::Runnable],
        );
        for frame in [
            "<g><title>main (1 µs, 33.33%)",
            "<g class=\"k\"><title>▪do_futex (1 µs, 33.33%)",
            "<g class=\"p\"><title>main (1 µs, 33.33%)",
            "<g class=\"pk\"><title>▪do_futex (1 µs, 33.33%)",
            "<g class=\"r\"><title>main (1 µs, 33.33%)",
            "<g class=\"rk\"><title>▪do_futex (1 µs, 33.33%)",
        ] {
            assert!(svg.contains(frame), "{frame}: {svg}");
        }
        for class in ["k", "p", "pk", "r", "rk"] {
            assert!(svg.contains(&format!("<pattern id=\"{class}\" ")));
            assert!(svg.contains(&format!(".{class} > rect {{ stroke:url(#{class}); }}")));
        }
        assert!(!svg.contains("<pattern id=\"u\"") && svg.contains("id=\"legend\""));
        assert!(!svg.chars().any(|c| c.is_control() && !c.is_whitespace()));
    }

    #[test]
    fn what_is_too_narrow_is_grey() {
        let names: Vec<String> = (0..2000).map(|n| format!("thread{n}")).collect();
        let picture = Picture {
            unit: Unit::Count("samples"),
            ..off_cpu(&["2,000 samples"])
        };
        let stacks = names
            .iter()
            .map(|name| (vec![Label::new(name, Kind::Thread)], 1));
        let mut out = Vec::new();
        draw(&mut out, &picture, stacks).unwrap();
        let svg = String::from_utf8(out).unwrap();
        let (_, frame) = svg.split_once("<title>… (2,000 samples, 100.00%)").unwrap();
        let frame = frame.split("</g>").next().unwrap();
        assert!(frame.contains("fill=\"rgb(200,200,200)\""), "{frame}");
    }

    #[test]
    fn the_root_has_its_name_without_the_script_too() {
        let svg = picture(&[(&[("main", Kind::User)], 5)]);
        assert!(svg.contains(">all</text></g>"), "{svg}");
    }

    #[test]
    fn what_has_one_look_needs_no_pattern() {
        let svg = picture(&[(&[("main", Kind::User)], 5)]);
        assert!(!svg.contains("<pattern") && !svg.contains("clip-path"));
    }

    #[test]
    fn long_subtitles_take_more_lines_and_lose_nothing() {
        let parts: Vec<String> = (0..9)
            .map(|n| format!("<{n}> {}", "x".repeat(30)))
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let one = states(&off_cpu(&parts[..2]), &[State::Blocked]);
        let svg = states(&off_cpu(&parts), &[State::Blocked]);
        let lines = svg.matches("<text class=\"subtitle\"").count() + 1;
        assert_eq!(lines, 3);
        for part in parts {
            let part = part.replace('<', "&lt;").replace('>', "&gt;");
            assert!(svg.contains(&part), "{part}");
        }
        // All below them is moved, and the picture is as much higher.
        let number = |svg: &str, before: &str| -> usize {
            let (_, rest) = svg.split_once(before).unwrap();
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
            rest[..end].parse().unwrap()
        };
        for before in [
            " height=\"",
            "viewBox=\"0 0 1200 ",
            "id=\"frames\" y=\"",
            "id=\"details\" fill=\"rgb(0,0,0)\" x=\"10\" y=\"",
            "translate(10,",
            "width=\"100%\" height=\"",
        ] {
            let (a, b) = (number(&one, before), number(&svg, before));
            assert_eq!(b - a, 32, "{before}");
        }
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
