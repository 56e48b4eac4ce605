//! Arm's Statistical Profiling Extension: from the bytes of an AUX chunk to the
//! operations that the hardware sampled.
//!
//! ```text
//! chunk → pieces of a window → packets → records, each one sampled operation
//! ```
//! The packets are those of the Arm Architecture Reference Manual, chapter
//! "Statistical Profiling Extension Sample Record Specification"; perf decodes
//! them in `tools/perf/util/arm-spe-decoder/`. What the implementation-defined
//! numbers in them mean is not decided here.

mod chunk;
mod decode;
mod metadata;
mod operation;
mod packet;
mod record;
mod resync;
mod shape;
mod time;

pub use chunk::SpeDecoder;
pub use decode::{Decoded, SpeStats};
pub use metadata::{CpuMetadata, Midr, SpeMetadata};
pub use operation::{OpClass, Operation};
pub use packet::{BadPacket, Packet};
pub use record::{SpeRecord, address, event};
pub use time::{TimeConv, TimeScale};
