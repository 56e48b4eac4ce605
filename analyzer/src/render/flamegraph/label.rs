//! What stands on a frame, and its colour.

use super::pattern::Pattern;
use inferno::flamegraph::color::Color;

/// The colour of what is no code.
pub(super) const GREY: Color = Color {
    r: 200,
    g: 200,
    b: 200,
};

/// What stands in front of the names of the kernel's functions, and of inlined ones.
pub(super) const KERNEL: &str = "▪";
pub(super) const INLINED: &str = "▫";

/// What a frame is, told by its colour and by a mark at its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::render) enum Kind {
    /// The name of a thread, or another heading.
    Thread,
    /// A function of a program.
    User,
    /// A function that is inlined into the one below; `▫` in front.
    Inlined,
    /// A function of the kernel; `▪` in front, and a bar on the frame.
    Kernel,
    /// A place without a name.
    Unnamed,
}

/// What the time of a frame is, told by how the frame is hatched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::render) enum State {
    /// On the CPU, and so is all in the picture.
    #[default]
    Running,
    /// Off the CPU, waiting for something.
    Blocked,
    /// Off the CPU from a wait up to when the thread ran again.
    Waited,
    /// Off the CPU, which another thread had.
    Preempted,
    /// Woken, waiting for a CPU.
    Runnable,
    /// Off the CPU, and the capture does not tell why.
    Unknown,
    /// Not the thread that waited, but the one that woke it.
    Waker,
}

/// What stands on a frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::render) struct Label {
    text: String,
    kind: Kind,
    state: State,
}

impl Label {
    /// A label that is one field of a line of folded stacks.
    pub(in crate::render) fn new(name: &str, kind: Kind) -> Self {
        let name = super::text(name).replace(';', ":");
        // In front: the end is what is cut off where a frame is narrow.
        let mark = match kind {
            Kind::Kernel => KERNEL,
            Kind::Inlined => INLINED,
            Kind::Thread | Kind::User | Kind::Unnamed => "",
        };
        let mut text = format!("{mark}{}", name.trim());
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
        Self {
            text,
            kind,
            state: State::default(),
        }
    }

    /// The label of a frame whose time is something else than time on the CPU.
    pub(in crate::render) fn of(self, state: State) -> Self {
        Self { state, ..self }
    }

    /// The text with the code of the frame's pattern in front: what tells frames apart.
    pub(super) fn key(&self) -> String {
        match Pattern::of(self.state, self.kind) {
            Some(pattern) => format!("{}{}", pattern.code(), self.text),
            None => self.text.clone(),
        }
    }

    /// What it is on.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// What its time is.
    pub(super) fn state(&self) -> State {
        self.state
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
