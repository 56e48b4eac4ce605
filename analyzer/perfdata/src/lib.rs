//! perf.data bytes to typed records.
//!
//! ```text
//! source → header (attributes, features) → walk (batches of whole records, in
//!          parallel) → side band and samples, typed
//! ```
//! No policy and no symbols: what an event means and what a record is good for
//! is for the caller to say. Captures are untrusted; damage is noted and counted
//! and reading goes on as far as the records are whole.
//!
//! The feature `read` (on by default) is all of that; `write` is the other half, for
//! recorders, which does without the reader and its dependencies.

// A test that fails by unwrapping fails as it should.
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(feature = "read")]
mod aux;
#[cfg(feature = "read")]
mod bytes;
#[cfg(feature = "read")]
mod error;
#[cfg(feature = "read")]
mod events;
#[cfg(feature = "read")]
mod header;
#[cfg(feature = "read")]
mod open;
#[cfg(feature = "read")]
mod record;
#[cfg(feature = "read")]
mod sample;
#[cfg(feature = "read")]
mod source;
#[cfg(feature = "read")]
mod spe;
#[cfg(feature = "read")]
mod walk;
#[cfg(feature = "write")]
pub mod write;

#[cfg(feature = "read")]
pub use aux::{Aux, AuxChunk, AuxFlags, AuxInfo, AuxRecord, Switch};
#[cfg(feature = "read")]
pub use bytes::Cursor;
#[cfg(feature = "read")]
pub use error::Error;
#[cfg(feature = "read")]
pub use events::EventTable;
#[cfg(feature = "read")]
pub use header::foreign;
#[cfg(feature = "read")]
pub use header::{
    Attr, AuxtraceEntry, BuildId, CacheInfo, ClockData, Compressed, CpuPlace, CpuTopology,
    EventAttr, EventDesc, Features, FileSymbol, Format, GroupDesc, Header, HybridNode, MAX_CPUS,
    Machine, MemNode, MemTopology, Note, NrCpus, NumaNode, PmuCaps, SampleTime, SymbolFile,
    SymbolFileKind, TraceEvent, TraceField, TraceFlags, TraceFormat, TracingData, Writer, cpu_list,
    feature, feature_name,
};
#[cfg(feature = "read")]
pub use linux_perf_event_reader::{AttrFlags, Endianness, SampleFormat};
#[cfg(feature = "read")]
pub use open::PerfData;
#[cfg(feature = "read")]
pub use record::{
    At, BuildIdBytes, CpuMode, FileId, Inode, Malformed, Mmap, RecordHeader, SideBand,
    is_known_record, record_kind, record_name,
};
#[cfg(feature = "read")]
pub use sample::{
    BranchEntry, BranchStack, DataSrc, Fields, MemorySample, ReadValue, ReadValues, Registers,
    Sample, SampleError, SampleId, SampleLayout, TrailerLayout, UserStack, Weight, Window, Words,
};
#[cfg(feature = "read")]
pub use source::{FileSource, Source};
#[cfg(feature = "read")]
pub use spe::{
    BadPacket, CpuMetadata, Decoded, Midr, OpClass, Operation, Packet, SpeDecoder, SpeMetadata,
    SpeRecord, SpeStats, TimeConv, TimeScale, address as spe_address, event as spe_event,
};
#[cfg(feature = "read")]
pub use walk::{Batch, DEFAULT_CHUNK, RawRecord, Records, Segment, WalkDamage, WalkReport, Walker};
