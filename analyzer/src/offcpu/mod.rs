//! Where threads wait.
//!
//! ```text
//! survey   side band → address space
//! decode   samples and SWITCH records → compact events, chunks in parallel
//! sort     by (thread, time, place)
//! sweep    events of a thread → intervals off the CPU, threads in parallel
//! totals   intervals → sums by stack, state, lock word, waker
//! report   sums → views, with names
//! ```
//! Five sources come to the same intervals: the bundled collector, scheduler
//! tracepoints, SWITCH records, perf's own off-CPU event, and simpleperf's. An
//! end that no record tells is never made up.

mod analysis;
mod calls;
mod collected;
mod decode;
mod event;
mod interval;
mod losses;
mod named;
mod payload;
mod report;
mod sweep;
mod thread;
mod totals;
mod views;
mod waits;

pub(crate) use analysis::{Options, analyze};
pub(crate) use report::report;
pub(crate) use totals::Which;
