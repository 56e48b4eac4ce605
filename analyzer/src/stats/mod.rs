//! Small statistics: intervals of shares, and distributions of latencies.

mod interval;
mod weights;

pub use interval::Ratio;
pub(crate) use weights::Weights;
