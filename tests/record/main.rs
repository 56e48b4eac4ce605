//! The recorder, run as its user runs it.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

mod offcpu;
