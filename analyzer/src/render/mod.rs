//! Results as text.

pub mod c2c;
pub mod info;
pub mod perf_compat;
mod style;
