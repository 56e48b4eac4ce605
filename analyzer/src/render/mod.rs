//! Results as text.

pub(crate) mod c2c;
mod flamegraph;
pub(crate) mod info;
pub(crate) mod latency;
pub(crate) mod offcpu;
pub(crate) mod oncpu;
pub(crate) mod perf_compat;
mod style;
mod svg;
pub(crate) mod symbols;

pub(crate) use style::{cut, cut_path, safe};
