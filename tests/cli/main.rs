//! The command as a user meets it: help, exit codes, one-line errors, every
//! capture there is.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod bundles;
#[path = "../common/mod.rs"]
mod common;
mod debuginfod;
mod documented;
mod every_capture;
mod hostile_bundles;
mod index;
mod latency;
mod made_code;
mod manners;
mod pictures;
mod readme;
mod records;
mod sources;
mod symbols;
mod tables;
