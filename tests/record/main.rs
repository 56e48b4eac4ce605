//! The recorder, run as its user runs it.

mod offcpu;
