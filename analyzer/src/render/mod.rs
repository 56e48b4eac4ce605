//! Results as text.

pub(crate) mod c2c;
mod flamegraph;
mod heads;
pub(crate) mod info;
pub(crate) mod latency;
pub(crate) mod offcpu;
pub(crate) mod oncpu;
pub(crate) mod perf_compat;
mod stacks;
mod style;
mod svg;
pub(crate) mod symbols;

use style::many;
pub(crate) use style::{cut, cut_path, safe};
