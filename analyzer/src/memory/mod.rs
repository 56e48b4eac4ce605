//! What a memory sample says: perf's counters and the exclusive classes.

mod class;
mod counters;

pub use class::{Class, Level, Op, Snoop, Where};
pub(crate) use counters::{COUNTERS, Delta};
pub use counters::{Counter, Counters};
