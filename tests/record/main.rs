//! The recorder, run as its user runs it.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

mod all;
mod doctor;
mod filters;
mod hosts;
mod leaving;
mod naps;
mod offcpu;
mod pack;
mod perf_live;
mod places;
mod plans;
mod running;
mod session;
mod ship;
mod support;
mod waits;
