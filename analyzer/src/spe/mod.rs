//! Arm SPE: every sampled operation with who did it, when and where.
//!
//! ```text
//! records of the capture → who ran on which CPU when, what the kernel lost
//!                        → SpeTrace
//! chunks of the AUX area → operations (SpeOp), on all threads, in no order
//! ```
//! ```ignore
//! if let Some(trace) = SpeTrace::gather(capture)? {
//!     let (states, sums) = trace.each(capture, || State::new(), |state, op| state.add(op))?;
//! }
//! ```
//! An operation is told as it is; what perf makes of it is beside it
//! ([`SpeOp::perf_src`]). Nothing depends on the number of threads: a state sees
//! whole chunks, and which chunks it sees is not determined, so states must be
//! merged by sums or by keys.

mod core;
mod cpus;
mod gathered;
mod interval;
mod level;
mod loss;
mod op;
mod ops;
mod report;
mod snapshot;
mod source;
mod sources;
mod sums;
mod tables;
mod tasks;
#[cfg(test)]
mod tests;
mod trace;
mod warnings;

pub(crate) use core::Core;
pub(crate) use interval::in_effect;
pub(crate) use op::SpeOp;
pub(crate) use ops::Ops;
pub(crate) use report::{count, report};
pub(crate) use sums::SpeSums;
pub(crate) use tables::Tables;
pub(crate) use trace::SpeTrace;
