//! Colour, and text from captures made safe for a terminal.

use std::fmt;

/// A text with a terminal style, or without where colour is off.
pub(super) struct Styled<'a> {
    text: &'a str,
    code: Option<&'static str>,
}

impl fmt::Display for Styled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "\x1b[{code}m{}\x1b[0m", self.text),
            None => f.write_str(self.text),
        }
    }
}

/// The styles of the tables.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) color: bool,
}

impl Style {
    pub(super) fn bold<'a>(&self, text: &'a str) -> Styled<'a> {
        self.with(text, "1")
    }

    pub(super) fn dim<'a>(&self, text: &'a str) -> Styled<'a> {
        self.with(text, "2")
    }

    pub(super) fn alarm<'a>(&self, text: &'a str) -> Styled<'a> {
        self.with(text, "1;31")
    }

    fn with<'a>(&self, text: &'a str, code: &'static str) -> Styled<'a> {
        Styled {
            text,
            code: self.color.then_some(code),
        }
    }
}

/// Text from a capture with control characters made visible: a thread's name
/// must not move the cursor of who reads the report.
pub(crate) fn safe(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || is_bidi(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// Characters that change the direction of what follows.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Columns of a terminal that tables fit into.
pub(super) const WIDTH: usize = 100;

/// A text may take so many lines; the rest is cut off.
const MOST_LINES: usize = 8;

/// Breaks a text between words into lines of a number of columns; all but the
/// first are indented.
pub(super) fn wrap(text: &str, columns: usize, indent: usize) -> Vec<String> {
    let text = safe(text);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let length = line.chars().count();
        if length > 0 && length + 1 + word.chars().count() > columns {
            if lines.len() + 1 == MOST_LINES {
                let rest: Vec<&str> = std::iter::once(word).chain(words).collect();
                lines.push(cut(&format!("{line} {}", rest.join(" ")), columns));
                return lines;
            }
            lines.push(std::mem::take(&mut line));
        }
        if !line.trim().is_empty() {
            line.push(' ');
        } else if !lines.is_empty() {
            line = " ".repeat(indent);
        }
        line += &cut(word, columns - indent);
    }
    lines.push(line);
    lines
}

/// Cuts a text to a number of columns, the end with an ellipsis.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    let text = safe(text);
    if text.chars().count() <= columns {
        return text;
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Cuts a name to a number of columns: its middle, as names of functions and files
/// differ at both ends.
pub(crate) fn cut_middle(text: &str, columns: usize) -> String {
    let text = safe(text);
    let length = text.chars().count();
    if length <= columns {
        return text;
    }
    let kept = columns.saturating_sub(1);
    let first: String = text.chars().take(kept / 2).collect();
    let last: String = text.chars().skip(length - (kept - kept / 2)).collect();
    format!("{first}…{last}")
}

/// Cuts a path to a number of columns, keeping its end.
pub(crate) fn cut_path(text: &str, columns: usize) -> String {
    let text = safe(text);
    let length = text.chars().count();
    if length <= columns {
        return text;
    }
    let skip = length - columns.saturating_sub(1);
    let kept: String = text.chars().skip(skip).collect();
    format!("…{kept}")
}

/// A duration with the unit that suits it.
pub(super) fn duration(seconds: f64) -> String {
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 1e-3 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{:.0} µs", seconds * 1e6)
    }
}

/// A count with separators between thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things, whose name takes an `s` where they are several.
pub(super) fn many(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_readable() {
        let texts = [75.0, 0.0031, 0.000_004].map(duration);
        assert_eq!(texts, ["75.00 s", "3.1 ms", "4 µs"]);
    }

    #[test]
    fn counts_have_separators() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1234), "1,234");
        assert_eq!(count(1_234_567), "1,234,567");
    }

    #[test]
    fn several_things_take_an_s() {
        assert_eq!(many(1, "interval"), "1 interval");
        assert_eq!(many(1000, "interval"), "1,000 intervals");
        assert_eq!(many(0, "interval"), "0 intervals");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(safe("a\x1b[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
    }

    #[test]
    fn long_texts_break_between_words() {
        assert_eq!(wrap("one two three", 7, 1), ["one two", " three"]);
        assert_eq!(wrap("one", 7, 1), ["one"]);
        assert_eq!(wrap("", 7, 1), [""]);
        assert_eq!(wrap("incomprehensible it is", 8, 2), ["incom…", "  it is"]);
        let long = wrap(&"word ".repeat(1000), 20, 2);
        assert_eq!(long.len(), MOST_LINES);
        assert!(long.iter().all(|line| line.chars().count() <= 20));
        assert!(long[MOST_LINES - 1].ends_with('…'));
    }

    #[test]
    fn cuts_keep_the_end_of_paths() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut_path("/usr/lib/libc.so.6", 10), "…libc.so.6");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut_middle("Table<Key>::push_back", 12), "Table…h_back");
        assert_eq!(cut_middle("Table", 5), "Table");
        assert_eq!(cut_middle("Table", 0), "…");
    }
}
