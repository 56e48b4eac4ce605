//! Small statistics: intervals of shares, and distributions of latencies.

mod interval;
mod percent;
mod weights;

pub use interval::Ratio;
pub(crate) use percent::percent;
pub(crate) use weights::Weights;
