//! The AUX area: what the hardware wrote itself, and what the kernel and perf say
//! of it. Its chunks stand behind AUXTRACE records, as bytes that are no records.

mod record;
mod scan;

pub use record::{AuxFlags, AuxRecord, Switch};
pub(crate) use scan::scan;
pub use scan::{Aux, AuxChunk, AuxInfo};
