//! Wraps `perf record`: which perf, which events and options on this machine and
//! why, and the running child.

mod child;
mod decide;
mod events;
mod messages;
mod plan;
mod process;
mod quote;
mod rate;
mod tool;

pub use child::PerfSource;
pub use decide::plan;
pub use plan::{CallGraph, Choice, Kind, PerfOptions, Plan};
pub use tool::{OLDEST, PerfTool};
