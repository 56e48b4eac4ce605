//! perf.data bytes to typed records.

mod bytes;
mod source;

pub use bytes::Cursor;
pub use linux_perf_event_reader::Endianness;
pub use source::{FileSource, Source};
