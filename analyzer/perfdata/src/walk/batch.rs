//! A run of whole records that one worker holds.

use super::chain::{HEADER_SIZE, Link};
use crate::sample::Window;
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
    /// The bytes from `body` on as far as they are in memory.
    rest: &'a [u8],
}

impl<'a> RawRecord<'a> {
    /// A record of which nothing but its own bytes is known.
    pub fn new(kind: u32, misc: u16, body: &'a [u8], pos: u64) -> Self {
        Self {
            kind,
            misc,
            body,
            pos,
            rest: body,
        }
    }

    /// The words from the beginning of `body` on, which may reach into records
    /// behind; absent at the end of a batch.
    #[inline]
    pub fn window(&self) -> Option<&'a Window> {
        self.rest.as_chunks().0.first_chunk()
    }
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

    /// The place of the first record, which names the batch: every walk with the
    /// same chunks has the same batches.
    pub fn first_pos(&self) -> u64 {
        self.base + self.records.start as u64
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
    pub fn records(&self) -> Records<'_> {
        let Range { start, end } = self.records;
        Records {
            bytes: &self.bytes,
            at: start,
            end: end.min(self.bytes.len()),
            base: self.base,
            endian: self.endian,
        }
    }
}

/// The records of a batch.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    /// Where the next record begins.
    at: usize,
    /// No record begins here or behind.
    end: usize,
    /// The place of the first of `bytes`.
    base: u64,
    endian: Endianness,
}

impl<'a> Iterator for Records<'a> {
    type Item = RawRecord<'a>;

    #[inline]
    fn next(&mut self) -> Option<RawRecord<'a>> {
        let at = self.at;
        if at >= self.end {
            return None;
        }
        let link = Link::parse(self.bytes, at, self.endian)?;
        let rest = self.bytes.get(at + HEADER_SIZE..)?;
        let body = rest.get(..link.size.checked_sub(HEADER_SIZE)?)?;
        self.at = at + link.size;
        if link.payload > 0 {
            let payload = usize::try_from(link.payload).unwrap_or(usize::MAX);
            self.at = self.at.saturating_add(payload);
        }
        Some(RawRecord {
            kind: link.kind,
            misc: link.misc,
            body,
            pos: self.base + at as u64,
            rest,
        })
    }
}
