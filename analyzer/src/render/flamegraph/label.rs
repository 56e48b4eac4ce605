//! What stands on a frame, and its colour.

use inferno::flamegraph::color::Color;

/// The colour of what is no code.
pub(super) const GREY: Color = Color {
    r: 200,
    g: 200,
    b: 200,
};

/// The mark of the kernel's frames.
const KERNEL: &str = "▪";

/// What a frame is, told by its colour and by a mark at its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::render) enum Kind {
    /// The name of a thread, or another heading.
    Thread,
    /// A function of a program.
    User,
    /// A function that is inlined into the one below; `[i]`.
    Inlined,
    /// A function of the kernel; `▪` in front.
    Kernel,
    /// A place without a name.
    Unnamed,
}

/// What stands on a frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::render) struct Label {
    text: String,
    kind: Kind,
}

impl Label {
    /// A label that is one field of a line of folded stacks.
    pub(in crate::render) fn new(name: &str, kind: Kind) -> Self {
        let name = super::text(name).replace(';', ":");
        // In front: the end is what is cut off where a frame is narrow.
        let (mark, behind) = match kind {
            Kind::Kernel => (KERNEL, ""),
            Kind::Inlined => ("", " [i]"),
            Kind::Thread | Kind::User | Kind::Unnamed => ("", ""),
        };
        let mut text = format!("{mark}{}{behind}", name.trim());
        if text.is_empty() {
            text.push('?');
        }
        // A number at the end of a line would be taken for a weight, and a line
        // that begins like this for a remark.
        let number = text.rsplit_once(' ');
        let is_number = |last: &str| last.chars().all(|c| c.is_ascii_digit() || c == '.');
        if let Some((name, _)) = number.filter(|(_, last)| is_number(last)) {
            text.replace_range(name.len()..=name.len(), "\u{a0}");
        }
        if text.starts_with("# ") {
            text.replace_range(..2, "#\u{a0}");
        }
        Self { text, kind }
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The colour: a hue for the kind, in shades by name, the same in each
    /// picture.
    pub(super) fn color(&self) -> Color {
        let hash = self
            .text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let shade = |from: u8, range: u8, part: u32| {
            let part = (hash >> (16 * part)) as u8;
            from + (u16::from(part) * u16::from(range) / 256) as u8
        };
        let (r, g, b) = match self.kind {
            Kind::Thread => return GREY,
            Kind::User => (shade(235, 20, 1), shade(140, 70, 2), shade(60, 40, 3)),
            Kind::Inlined => (shade(215, 25, 1), shade(205, 30, 2), shade(90, 40, 3)),
            Kind::Kernel => (shade(110, 40, 1), shade(160, 35, 2), shade(220, 30, 3)),
            Kind::Unnamed => (shade(215, 15, 1), shade(205, 15, 2), shade(200, 15, 3)),
        };
        Color { r, g, b }
    }
}
