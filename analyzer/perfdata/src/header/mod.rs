//! The header of a capture: byte order, events, features, and where the
//! records are.
//!
//! ```text
//! file                               pipe
//! +---------------------+            +---------------------+
//! | file header, 104 B  |            | pipe header, 16 B   |
//! | ids of event 0, 1.. |            +---------------------+
//! | attributes          |            | records: HEADER_ATTR|
//! +---------------------+            | HEADER_FEATURE,     |
//! | data: records       |            | EVENT_UPDATE, ...   |
//! +---------------------+            | and all the others  |
//! | feature table       |            +---------------------+
//! | feature sections    |
//! +---------------------+
//! ```
//!
//! [`Header::read`] takes the left form whole. Of the right form it can only
//! say where the records are; whoever walks them hands each to
//! [`Header::absorb_record`].

mod attr;
mod attrs;
mod bits;
mod build_id;
mod cpus;
mod event;
mod features;
mod file;
pub mod foreign;
mod names;
mod note;
mod pmu;
mod recording;
mod records;
mod section;
mod symbol_files;
mod text;
mod topology;
mod trace_format;
mod tracing;

use std::ops::Range;

pub use attr::Attr;
pub use bits::{feature, feature_name};
pub use build_id::BuildId;
pub use cpus::{MAX_CPUS, cpu_list};
pub use event::EventAttr;
pub use features::Features;
pub use note::Note;
pub use pmu::{GroupDesc, HybridNode, PmuCaps};
pub use recording::{AuxtraceEntry, ClockData, Compressed, EventDesc, Machine, SampleTime};
pub use symbol_files::{FileSymbol, SymbolFile, SymbolFileKind};
pub use topology::{CacheInfo, CpuPlace, CpuTopology, MemNode, MemTopology, NrCpus, NumaNode};
pub use trace_format::{TraceField, TraceFlags, TraceFormat};
pub use tracing::{TraceEvent, TracingData};

use crate::{Endianness, Error, Source};
use names::Names;

/// More notes than this are not kept: a file that is nothing but damage would
/// only repeat itself.
const MAX_NOTES: usize = 1_000;

/// How a capture is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Header, data and features as sections of a file.
    File,
    /// Everything as records (`perf record -o -`).
    Pipe,
    /// As [`Format::File`], with the magic number of very old perfs.
    V1,
}

/// Which program wrote a capture, as far as the feature bits show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Writer {
    /// perf, or a program that writes as perf does.
    Perf,
    /// Android's simpleperf.
    Simpleperf,
    /// OpenHarmony's hiperf.
    Hiperf,
}

/// What stands before and behind the records of a capture.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Header {
    /// How the capture is laid out.
    pub format: Format,
    /// The byte order of the recorded machine, and of every number in the file.
    pub endian: Endianness,
    /// The events, in the order of the file.
    pub attrs: Vec<EventAttr>,
    /// Where the records are, in bytes from the start, cut to what is there.
    pub data: Range<u64>,
    /// How many bytes of records the header declares; 0 where it does not say
    /// (a pipe, or a recorder that did not finish).
    pub data_declared: u64,
    /// Facts about the machine and the recording.
    pub features: Features,
    /// Where the content of each feature is, in bytes from the start, cut to
    /// what is there. Empty for a pipe.
    pub sections: Vec<(u32, Range<u64>)>,
    /// Which program wrote the capture.
    pub writer: Writer,
    /// What was found damaged, in the order it was found.
    pub notes: Vec<Note>,
    names: Names,
    split: Vec<u8>,
}

impl Header {
    /// Reads the header of a capture.
    ///
    /// # Errors
    /// Only when there is no capture to read: the source cannot be read, is
    /// empty, has another magic number, or ends inside the file header. All
    /// other damage is in [`Header::notes`].
    pub fn read(source: &dyn Source) -> Result<Self, Error> {
        file::read(source)
    }

    /// What to call an event: see [`EventAttr::display_name`]. `None` where
    /// there is no event of that number.
    #[must_use]
    pub fn display_name(&self, index: usize) -> Option<String> {
        let event = self.attrs.get(index)?;
        Some(event.display_name(&self.features))
    }

    fn new(format: Format, endian: Endianness) -> Self {
        Self {
            format,
            endian,
            attrs: Vec::new(),
            data: 0..0,
            data_declared: 0,
            features: Features::default(),
            sections: Vec::new(),
            writer: Writer::Perf,
            notes: Vec::new(),
            names: Names::default(),
            split: Vec::new(),
        }
    }

    fn note(&mut self, note: Note) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note);
        }
    }

    fn absorb_feature(&mut self, bit: u32, bytes: &[u8]) {
        if let Err(note) = self.features.absorb(bit, bytes, self.endian) {
            self.note(note);
        }
    }
}
