//! perf.data bytes to typed records.
//!
//! ```text
//! source → header (attributes, features) → walk (batches of whole records, in
//!          parallel) → side band and samples, typed
//! ```
//! No policy and no symbols: what an event means and what a record is good for
//! is for the caller to say. Captures are untrusted; damage is noted and counted
//! and reading goes on as far as the records are whole.

// A test that fails by unwrapping fails as it should.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod aux;
mod bytes;
mod error;
mod events;
mod header;
mod open;
mod record;
mod sample;
mod source;
mod spe;
mod walk;

pub use aux::{Aux, AuxChunk, AuxFlags, AuxInfo, AuxRecord, Switch};
pub use bytes::Cursor;
pub use error::Error;
pub use events::EventTable;
pub use header::foreign;
pub use header::{
    Attr, AuxtraceEntry, BuildId, CacheInfo, ClockData, Compressed, CpuPlace, CpuTopology,
    EventAttr, EventDesc, Features, FileSymbol, Format, GroupDesc, Header, HybridNode, MAX_CPUS,
    Machine, MemNode, MemTopology, Note, NrCpus, NumaNode, PmuCaps, SampleTime, SymbolFile,
    SymbolFileKind, TraceEvent, TraceField, TraceFlags, TraceFormat, TracingData, Writer, cpu_list,
    feature, feature_name,
};
pub use linux_perf_event_reader::{AttrFlags, Endianness, SampleFormat};
pub use open::PerfData;
pub use record::{
    At, BuildIdBytes, CpuMode, FileId, Inode, Malformed, Mmap, RecordHeader, SideBand,
    is_known_record, record_kind, record_name,
};
pub use sample::{
    BranchEntry, BranchStack, DataSrc, Fields, MemorySample, ReadValue, ReadValues, Registers,
    Sample, SampleError, SampleId, SampleLayout, TrailerLayout, UserStack, Weight, Window, Words,
};
pub use source::{FileSource, Source};
pub use spe::{
    BadPacket, CpuMetadata, Decoded, Midr, OpClass, Operation, Packet, SpeMetadata, SpeRecord,
    SpeStats, TimeConv, address as spe_address, decode_chunk, event as spe_event,
};
pub use walk::{Batch, DEFAULT_CHUNK, RawRecord, Records, Segment, WalkDamage, WalkReport, Walker};
