//! What stands around the frames, put into the SVG that `inferno` wrote: more lines
//! of subtitle, a legend, patterns. And what is taken out of it.

use super::label::Label;
use super::legend;
use super::pattern::{self, Pattern};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Pixels: the baseline of the first subtitle, the height of a line of text, and
/// the distance of the lowest texts from the bottom.
const SUBTITLE: usize = 48;
const LINE: usize = 16;
const BOTTOM: usize = 17;

/// Room for the legend.
const LEGEND: usize = 22;

/// What begins the frames.
const FRAMES: &str = "<svg id=\"frames\"";

/// Adds lines below the subtitle, which are XML already, the legend, and patterns
/// for codes in names.
pub(super) fn complete(svg: &str, below_subtitle: &[String], labels: &BTreeSet<Label>) -> String {
    let (head, frames) = svg.split_at(svg.find(FRAMES).unwrap_or(svg.len()));
    let mut patterns: Vec<Pattern> = labels
        .iter()
        .filter_map(|label| Pattern::of(label.state(), label.kind()))
        .collect();
    patterns.sort_unstable();
    patterns.dedup();

    let lines = below_subtitle.len() * LINE;
    let more = lines + LEGEND;
    let mut out = with_height(&without_document_type(head), more)
        .replacen(
            "</defs>",
            &format!("{}</defs>", pattern::definitions(&patterns)),
            1,
        )
        .replacen(
            "</style>",
            &format!("{}</style>", pattern::rules(&patterns)),
            1,
        );
    for (number, line) in below_subtitle.iter().enumerate() {
        let row = SUBTITLE + LINE * (number + 1);
        let _ = write!(
            out,
            "<text class=\"subtitle\" text-anchor=\"middle\" x=\"50%\" y=\"{row}\">{line}</text>"
        );
    }
    out += &legend::line(labels, SUBTITLE + lines + LINE - 4);
    let frames = frames.replacen(FRAMES, &format!("{FRAMES} y=\"{more}\""), 1);
    with_classes(&with_root(&frames), &mut out);
    out
}

/// Writes what the frame below all is called; else only the script does.
fn with_root(frames: &str) -> String {
    const EMPTY: &str = "></text>";
    let Some((before, root)) = frames.split_once("<g><title>all (") else {
        return frames.to_owned();
    };
    let root = root.replacen(EMPTY, ">all</text>", 1);
    format!("{before}<g><title>all ({root}")
}

/// The document type names a file at w3.org, which a reader of XML might fetch.
fn without_document_type(head: &str) -> String {
    let begin = head.find("<!DOCTYPE");
    let end = begin.and_then(|begin| Some(begin + head[begin..].find('>')? + 1));
    match (begin, end) {
        (Some(begin), Some(end)) => format!("{}{}", &head[..begin], &head[end..]),
        _ => head.to_owned(),
    }
}

/// Makes the picture higher, and moves what is at its bottom.
fn with_height(head: &str, more: usize) -> String {
    let value = head.split_once(" height=\"").map(|(_, rest)| rest);
    let value = value.and_then(|rest| rest.split('"').next()?.parse::<usize>().ok());
    let Some(height) = value else {
        return head.to_owned();
    };
    let higher = height + more;
    head.replace(
        &format!(" height=\"{height}\""),
        &format!(" height=\"{higher}\""),
    )
    .replace(&format!(" {height}\""), &format!(" {higher}\""))
    .replace(
        &format!(" y=\"{}.00\"", height - BOTTOM),
        &format!(" y=\"{}.00\"", higher - BOTTOM),
    )
}

/// Turns the codes of patterns in front of names into classes.
fn with_classes(frames: &str, out: &mut String) {
    const FRAME: &str = "<g><title>";
    const CUT: &str = "..</text>";
    let mut copied = 0;
    for (place, byte) in frames.bytes().enumerate() {
        let Some(pattern) = Pattern::from_code(byte) else {
            continue;
        };
        let before = &frames[copied..place];
        copied = place + 1;
        if let Some(before) = before.strip_suffix(FRAME) {
            let _ = write!(out, "{before}<g class=\"{}\"><title>", pattern.class());
        } else {
            out.push_str(before);
            // Nothing of the name fits.
            if frames[copied..].starts_with(CUT) {
                copied += 2;
            }
        }
    }
    out.push_str(&frames[copied..]);
}
