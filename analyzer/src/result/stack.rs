//! Frames of stacks with their names.

use serde::Serializer;
use std::sync::Arc;

/// A function in a stack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackFrame {
    /// Its name, or its binary and the place in it, or `[unknown]`.
    pub function: String,
    /// Its binary in perf's short form; absent where no code is mapped.
    pub dso: Option<Arc<str>>,
    /// Whether it runs in the kernel.
    pub kernel: bool,
    /// Whether it is inlined into its caller.
    pub inlined: bool,
    /// Whether [`StackFrame::function`] is the name of a function.
    pub named: bool,
}

/// Frames are written as their functions.
pub(super) fn functions<S: Serializer>(
    frames: &[Arc<StackFrame>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(frames.iter().map(|frame| &frame.function))
}
