//! Packs captures with what reading them on another machine needs.
//!
//! ```text
//! perf.data → what it needs (mappings, build-ids, processes)
//!   → where that is on this machine now → which of it fits → one bundle
//! ```

mod binaries;
mod elf;
mod facts;
mod jit;
mod kernel;
mod kind;
mod limits;
mod locate;
mod needs;
mod plan;
mod proof;
mod redact;
mod vdso;
mod write;

pub use elf::build_id;
pub use limits::Limits;
pub use plan::{Input, Job, Plan, member_name};
pub use write::Packed;
