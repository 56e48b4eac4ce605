//! Small statistics: intervals of shares, and distributions of latencies.

mod histogram;
mod interval;
mod percent;
mod weights;

pub(crate) use histogram::{Histogram, PRECISION};
pub use interval::Ratio;
pub(crate) use percent::percent;
pub(crate) use weights::Weights;
