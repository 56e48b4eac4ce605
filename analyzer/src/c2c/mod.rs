//! Which cache lines cores fight over.
//!
//! ```text
//! pass 1   every sample → its kind (global counters, classes)
//!                       → its raw line (a few counters each)
//!                       → rows, once its line is hot
//!          side band    → address space
//! resolve  raw lines → lines, by mapping; which are shared, which are shown
//! pass 2   samples of shown lines → rows, latencies, who touched what
//! ```
//! Nothing depends on the order of samples, so chunks need none; what perf
//! shows of the first sample is found by its time and place.

mod analysis;
mod code_pages;
mod counts;
mod early;
mod excess;
mod identity;
mod idset;
mod kinds;
mod lines;
mod own_lines;
mod part;
mod pass1;
mod pass2;
mod ranking;
mod replay;
mod report;
mod rows;
mod shards;
mod sieve;
mod tally;
mod uses;
mod verdict;

pub use analysis::{Analysis, Options, Sort, analyze};
pub(crate) use identity::LineId;
pub(crate) use lines::RawKey;
pub(crate) use replay::Replayed;
pub use report::report;
pub use rows::Coalesce;
pub use verdict::Verdict;
pub(crate) use verdict::{LEAST_SIGNAL, THREADLESS, TOO_FEW};
