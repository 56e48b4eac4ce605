//! The recorder, run as its user runs it.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

mod all;
mod doctor;
mod hosts;
mod offcpu;
mod pack;
mod perf_live;
mod plans;
mod session;
mod ship;
mod support;
mod waits;
