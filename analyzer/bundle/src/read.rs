//! Reads bundles, unpacked bundles and archives of binaries.
//!
//! ```text
//! file ── scan: frame headers → where each frame is and what it inflates to
//!      └─ spool: other compressions → the tar in a temporary file
//!   stream    any range of the inflated tar, frames in parallel
//!   members   member headers → name, place, size
//!   bundle    manifest, sums; members to memory or to a temporary file
//!   binaries  build-id → bytes
//! ```

mod binaries;
mod bundle;
mod bzip2;
mod folder;
mod limits;
mod members;
mod position;
mod scan;
mod spool;
mod stream;

pub use binaries::{Binaries, Part};
pub use bundle::{Bundle, Extracted};
pub use limits::Limits;
pub use members::Member;
pub use stream::looks_like_archive;
