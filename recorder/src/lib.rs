//! Captures, on the machine with the problem, what `contend` analyzes elsewhere.
//!
//! It computes nothing: sources record side by side into a folder, what reading
//! them elsewhere needs is packed with them into one bundle, and the bundle is
//! shipped.

// A test that fails by unwrapping fails as it should.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod cli;
pub mod deliver;
mod descriptors;
pub mod doctor;
pub mod host;
pub mod offcpu;
pub mod pack;
mod patient;
pub mod perf;
pub mod refusal;
mod say;
pub mod session;
pub mod ship;
pub mod source;
