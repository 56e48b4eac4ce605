//! The record walk: every record of the data section, in batches, on all
//! threads.
//!
//! ```text
//! plain data      |chunk 0    |chunk 1    |chunk 2    |    each worker reads its own
//!                  guess start, walk headers, prove the cut, hand out the batch
//! compressed      one zstd stream: workers take turns at inflating the next
//!                 batch and decode what they inflated while the next one inflates
//! ```
//!
//! Batches reach a worker in no particular order; a record's `pos` tells its
//! place. Nothing is handed out twice and nothing unproven is handed out.

mod batch;
mod chain;
mod inflate;
mod plain;
mod scan;
mod walker;

pub use batch::{Batch, RawRecord, Records};
pub(crate) use chain::Link;
pub use walker::{DEFAULT_CHUNK, Segment, WalkDamage, WalkReport, Walker};
