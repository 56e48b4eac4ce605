//! The capture bundle: a perf.data capture together with what reading it on
//! another machine needs.
//!
//! A bundle is a tar in independent zstd frames, so that `tar --zstd -x` opens
//! it and this crate inflates it on all threads. `docs/formats/bundle.md` is
//! the specification; the recorder writes by it and the analyzer reads by it,
//! both through this crate.
//!
#![cfg_attr(feature = "read", doc = "```")]
#![cfg_attr(not(feature = "read"), doc = "```ignore")]
//! use contend_bundle::{Bundle, BundleWriter, Limits, Manifest};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut writer = BundleWriter::new(tempfile::tempfile()?, &Manifest::default())?;
//! writer.add_bytes("memory.perf.data", b"PERFILE2")?;
//! let file = writer.finish()?;
//!
//! let bundle = Bundle::from_file(file, &Limits::default())?;
//! assert_eq!(bundle.captures().collect::<Vec<_>>(), ["memory.perf.data"]);
//! assert_eq!(bundle.read("memory.perf.data", 1 << 20)?, b"PERFILE2");
//! # Ok(())
//! # }
//! ```
//!
//! The feature `read` (on by default) holds everything but the writer.

mod build_ids;
mod error;
pub mod layout;
mod manifest;
#[cfg(feature = "read")]
mod read;
mod sums;
mod tar;
mod write;

pub use build_ids::{BuildIdList, MAX_BUILD_ID_LIST};
pub use error::Error;
pub use manifest::{CaptureFacts, ClockReading, HostFacts, Manifest, Tool, VERSION};
#[cfg(feature = "read")]
pub use read::{Binaries, Bundle, Extracted, Limits, Member, Part, looks_like_archive};
pub use write::BundleWriter;

/// Bytes of the tar that go into one zstd frame: what one thread inflates at
/// a time, and all that a reader must hold to see one member header.
pub const FRAME_BYTES: usize = 4 << 20;
