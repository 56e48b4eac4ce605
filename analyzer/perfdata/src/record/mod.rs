//! Records that are not samples: who runs, what is mapped, what was lost.

mod kind;
mod mmap;
mod sideband;

pub use kind::{is_known_record, record_kind, record_name};
pub use mmap::{BuildIdBytes, FileId, Inode, Mmap};
pub use sideband::{At, CpuMode, Malformed, RecordHeader, SideBand};
