//! A run of whole records that one worker holds.

use super::chain::{HEADER_SIZE, Link};
use linux_perf_event_reader::Endianness;
use std::ops::Range;

/// One record, not yet interpreted.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    /// `perf_event_header::type`.
    pub kind: u32,
    /// `perf_event_header::misc`.
    pub misc: u16,
    /// The bytes behind the header.
    pub body: &'a [u8],
    /// The record's place in the capture: grows along the file, and along the
    /// inflated stream where records are compressed.
    pub pos: u64,
}

/// A run of whole records.
#[derive(Debug)]
pub struct Batch {
    pub(super) bytes: Vec<u8>,
    /// The part of `bytes` that holds the records of this batch.
    pub(super) records: Range<usize>,
    /// The `pos` of a record at the start of `bytes`.
    pub(super) base: u64,
    endian: Endianness,
}

impl Batch {
    pub(super) fn new(endian: Endianness) -> Self {
        Self {
            bytes: Vec::new(),
            records: 0..0,
            base: 0,
            endian,
        }
    }

    /// The byte order of the records.
    pub fn endian(&self) -> Endianness {
        self.endian
    }

    /// The place of the first byte of the batch; no record stands before it.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// How many bytes the records span.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records in the order of the file.
    pub fn records(&self) -> impl Iterator<Item = RawRecord<'_>> {
        let mut at = self.records.start;
        std::iter::from_fn(move || {
            if at >= self.records.end {
                return None;
            }
            let link = Link::parse(&self.bytes, at, self.endian)?;
            let body = self.bytes.get(at + HEADER_SIZE..at + link.size)?;
            let pos = self.base + at as u64;
            at = at
                .saturating_add(link.size)
                .saturating_add(usize::try_from(link.payload).unwrap_or(usize::MAX));
            Some(RawRecord {
                kind: link.kind,
                misc: link.misc,
                body,
                pos,
            })
        })
    }
}
