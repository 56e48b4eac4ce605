//! Pieces of SVG pictures: text from captures made safe, numbers written the same
//! everywhere.

use super::style::{cut_middle, safe};
use std::fmt::{self, Display, Write};

/// Text between tags or in an attribute: escaped, and without characters that XML
/// does not have.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in safe(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A coordinate with at most two decimals, without those that are zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Px(pub(super) f64);

impl Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = (self.0 * 100.0).round() as i64;
        if hundredths < 0 {
            f.write_char('-')?;
        }
        let (whole, part) = (hundredths.abs() / 100, hundredths.abs() % 100);
        match part {
            0 => write!(f, "{whole}"),
            part if part % 10 == 0 => write!(f, "{whole}.{}", part / 10),
            part => write!(f, "{whole}.{part:02}"),
        }
    }
}

/// How a text stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A text element; `class` is a class of the picture's style sheet.
pub(super) fn text(x: f64, y: f64, anchor: Anchor, class: &str, text: &str) -> String {
    let anchor = match anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    format!(
        "<text x=\"{}\" y=\"{}\"{anchor} class=\"{class}\">{}</text>\n",
        Px(x),
        Px(y),
        escape(text)
    )
}

/// A text that begins at a place. One that is longer than some characters loses its
/// middle, and pointing at it shows all of it.
pub(super) fn text_or_hover(x: f64, y: f64, class: &str, all: &str, room: usize) -> String {
    let shown = cut_middle(all, room);
    let element = text(x, y, Anchor::Start, class, &shown);
    match shown == safe(all) {
        true => element,
        false => element.replace("</text>", &format!("<title>{}</title></text>", escape(all))),
    }
}

/// A line from one point to another.
pub(super) fn line((x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) -> String {
    format!(
        "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" class=\"{class}\"/>\n",
        Px(x1),
        Px(y1),
        Px(x2),
        Px(y2)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_captures_is_no_markup() {
        assert_eq!(
            escape("<a href=\"x\">&'\u{1b}\u{ffff}"),
            "&lt;a href=&quot;x&quot;&gt;&amp;&#39;\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn coordinates_are_short() {
        let texts = [0.0, 1.5, 2.345, -0.25, 7.999, -0.001].map(|x| Px(x).to_string());
        assert_eq!(texts, ["0", "1.5", "2.35", "-0.25", "8", "0"]);
    }
}
