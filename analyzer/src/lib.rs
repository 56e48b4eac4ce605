//! Why does this program stop scaling when it gets more cores?
//!
//! Reads what perf recorded, on any host, and says which cache lines cores
//! fight over. The data flow is one straight line, described in
//! `docs/architecture.md`: input, survey, address space, analysis, result,
//! rendering.

// A test that fails by unwrapping fails as it should.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod c2c;
mod capture;
pub mod cli;
mod event_kind;
mod filter;
mod info;
mod input;
mod latency;
mod memory;
mod offcpu;
mod oncpu;
mod render;
pub mod result;
mod space;
mod spe;
mod stack;
mod stats;
mod survey;
mod symbols;
mod topology;

pub use c2c::{Analysis, Coalesce, Options, Sort, Verdict, analyze, report};
pub use capture::Capture;
pub use filter::Filter;
pub use input::Form;
pub use latency::{By, Metric};
pub use memory::{Class, Counter, Counters, Level, Op, Snoop, Where};
pub use oncpu::{OnCpuOptions, oncpu};
pub use space::AddressSpace;
pub use stats::Ratio;
pub use survey::Survey;
#[doc(hidden)]
pub use symbols::{AllCode, NamedCode, NamedFrame, name_all_code};
pub use symbols::{SymbolSources, symbols};
