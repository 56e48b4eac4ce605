//! From a sample to an interned stack.
//!
//! ```text
//! call chain ─ split at its marks ──┐ kernel and user frames
//! registers and stack bytes ─ unwind┘
//!   → frames   compact keys: a place in a binary, or an address that is none
//!   → stacks   a tree of prefixes, one a worker, merged in the order of content
//!   → names    a name for each distinct frame, inlined functions put in
//! ```
//! Which samples, and what they weigh, is the analyses' business: they keep a
//! [`StackId`] with what they count and ask for the frames at the end.

mod builder;
mod chain;
mod counts;
mod frame;
mod naming;
mod tree;
mod unwind;

pub(crate) use builder::StackBuilder;
pub(crate) use chain::instructions;
pub(crate) use counts::StackCounts;
pub(crate) use naming::NamedStacks;
pub(crate) use tree::{Merged, StackId, Stacks};
pub(crate) use unwind::Unwinding;
