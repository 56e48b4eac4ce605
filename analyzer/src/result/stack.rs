//! Frames of stacks with their names.

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
