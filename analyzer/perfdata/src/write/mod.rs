//! Captures to perf.data: the half of this crate that recorders use. It needs
//! nothing of the reader, and no other crate.
//!
//! ```text
//! EventSpec ... → FileWriter → append(records) ... → finish(features)
//! ```
//! What is written reads at every moment: the header says how many bytes of whole
//! records there are, and is brought up to date behind each of them. Features
//! stand behind the records and come last; what a reader needs in any case
//! (names of events, facts of the machine) can go in front as records, as in pipes.

mod event;
mod features;
mod file;
mod record;

pub use event::{EventSpec, flag, sample};
pub use features::{FeatureSet, feature_bit};
pub use file::FileWriter;
pub use record::{FileIdentity, Mapping, RecordBuffer, SampleFields, Stamp, misc, record_type};
