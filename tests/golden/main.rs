//! Real and realistic captures against what perf printed for them.
//!
//! The captures and perf's reports are too large for this repository; without
//! the folder `../shared` (or the one that `CONTEND_SHARED` names) these tests
//! say that they are skipped.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod latency;
mod names;
mod offcpu;
mod perf_compat;
mod reader;
mod realistic;
mod recorded;
mod spe;
mod spe_doubts;
mod spe_threads;
