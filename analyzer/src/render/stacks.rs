//! Frames and stacks: as text, as folded stacks, as labels in a picture.

use super::flamegraph::{Kind, Label};
use super::style::safe;
use crate::result::StackFrame;
use std::sync::Arc;

/// A line of folded stacks: headings, frames, weight.
pub(super) fn fold(headings: &[&str], frames: &[Arc<StackFrame>], weight: u64) -> String {
    let field = |text: &str| safe(text).replace(';', ":");
    let headings = headings.iter().map(|heading| field(heading));
    let frames = frames.iter().map(|frame| {
        let mark = match (frame.kernel, frame.inlined) {
            (true, _) => "_[k]",
            (false, true) => "_[i]",
            (false, false) => "",
        };
        format!("{}{mark}", field(&frame.function))
    });
    let fields: Vec<String> = headings.chain(frames).collect();
    format!("{} {weight}", fields.join(";"))
}

/// What stands on the frame of a function.
pub(super) fn label(frame: &StackFrame) -> Label {
    let kind = match frame {
        StackFrame { kernel: true, .. } => Kind::Kernel,
        StackFrame { named: false, .. } => Kind::Unnamed,
        StackFrame { inlined: true, .. } => Kind::Inlined,
        _ => Kind::User,
    };
    // What is in front of all of them tells none apart.
    let place = frame.function.strip_prefix("[kernel.kallsyms]+");
    match place.filter(|_| frame.kernel && !frame.named) {
        Some(place) => Label::new(&format!("kernel+{place}"), kind),
        None => Label::new(&frame.function, kind),
    }
}

/// The frames in one line. Those of one binary that have no names, as the kernel's
/// without its symbols, tell nothing one by one.
pub(super) fn leaf_first(frames: &[Arc<StackFrame>]) -> String {
    if frames.is_empty() {
        return "no stack".to_owned();
    }
    let same = |a: &Arc<StackFrame>, b: &Arc<StackFrame>| {
        !a.named && !b.named && a.dso == b.dso && a.kernel == b.kernel
    };
    let runs: Vec<&[Arc<StackFrame>]> = frames.chunk_by(same).collect();
    let runs = runs.into_iter().rev().map(|run| match run {
        [frame] => format!("{}{}", frame.function, mark_of(frame)),
        run => {
            let frame = &run[0];
            let object = frame.dso.as_deref().unwrap_or("[unknown]");
            format!("{object} ×{}{}", run.len(), mark_of(frame))
        }
    });
    runs.collect::<Vec<_>>().join(" ← ")
}

/// What stands behind the name of a function in a table.
pub(super) fn mark(kernel: bool, inlined: bool) -> &'static str {
    match (kernel, inlined) {
        (true, _) => " [k]",
        (false, true) => " [i]",
        (false, false) => "",
    }
}

/// The same, of a frame.
pub(super) fn mark_of(frame: &StackFrame) -> &'static str {
    mark(frame.kernel, frame.inlined)
}
