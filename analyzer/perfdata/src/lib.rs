//! perf.data bytes to typed records.

mod bytes;
mod sample;
mod source;
mod walk;

pub use bytes::Cursor;
pub use linux_perf_event_reader::Endianness;
pub use sample::{
    BranchEntry, BranchStack, DataSrc, Fields, MemorySample, ReadValue, ReadValues, Registers,
    Sample, SampleError, SampleId, SampleLayout, TrailerLayout, UserStack, Weight, Words,
};
pub use source::{FileSource, Source};
pub use walk::{Batch, DEFAULT_CHUNK, RawRecord, Segment, WalkDamage, WalkReport, Walker};
