//! The recorder, run as its user runs it.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

mod hosts;
mod offcpu;
mod perf_live;
mod plans;
