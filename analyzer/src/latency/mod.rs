//! How slow memory is: distributions of latencies, and who loses how many cycles.
//!
//! ```text
//! walk 1   side band → address space
//!          near hits → baselines: what an access costs that waits for nothing
//! walk 2   accesses → groups: exact sums, and histograms while groups are few
//! rank     groups by what they lost; the first thousand are shown
//! walk 3   histograms of these, where there are more groups than that
//! names    functions, variables, threads of what is shown
//! ```
//! Nothing depends on the order of accesses: sums and histograms of all workers are
//! added up.

mod access;
mod collect;
mod groups;
mod heat;
mod key;
mod metric;
mod names;
mod report;
mod scan;
mod spe;
mod sums;
mod threshold;

#[cfg(test)]
pub(crate) use heat::row_of;
pub(crate) use heat::{HeatMap, STEP_BITS as HEAT_STEP_BITS};
pub use key::By;
pub use metric::Metric;
pub(crate) use report::{LatencyOptions, latency};
pub(crate) use scan::{Refusal, Scan, scan};
