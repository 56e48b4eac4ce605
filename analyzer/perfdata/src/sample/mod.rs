//! `PERF_RECORD_SAMPLE`: layouts compiled once per attribute, then plain loads.
//!
//! [`SampleLayout`] knows where each field stands, [`Sample`] is one sample
//! with every field, [`MemorySample`] the few fields that a per-sample loop
//! over memory accesses needs, and [`DataSrc`] the meaning of its data source.

mod branch;
mod datasrc;
mod full;
mod layout;
mod memory;
mod read;
mod trailer;
mod weight;
mod window;

pub use branch::{BranchEntry, BranchStack};
pub use datasrc::DataSrc;
pub use full::{Registers, Sample, UserStack, Weight, Words};
pub use layout::{Fields, SampleError, SampleLayout};
pub use memory::MemorySample;
pub use read::{ReadValue, ReadValues};
pub use trailer::{SampleId, TrailerLayout};
pub use window::Window;
