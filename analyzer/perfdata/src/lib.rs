//! perf.data bytes to typed records.

// A test that fails by unwrapping fails as it should.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bytes;
mod error;
mod header;
mod source;

pub use bytes::Cursor;
pub use error::Error;
pub use header::foreign;
pub use header::{
    Attr, AuxtraceEntry, BuildId, CacheInfo, ClockData, Compressed, CpuPlace, CpuTopology,
    EventAttr, EventDesc, Features, Format, GroupDesc, Header, HybridNode, MAX_CPUS, Machine,
    MemNode, MemTopology, Note, NrCpus, NumaNode, PmuCaps, SampleTime, TraceEvent, TracingData,
    Writer, cpu_list, feature, feature_name, record,
};
pub use linux_perf_event_reader::{AttrFlags, Endianness, SampleFormat};
pub use source::{FileSource, Source};
