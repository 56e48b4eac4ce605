//! Compressed segments: one zstd stream whose records straddle chunks.
//!
//! `perf record -z` packs what it drained from the kernel into `COMPRESSED` or
//! `COMPRESSED2` records; all of them continue one zstd stream, and a record may
//! begin in one and end in the next (`perf_session__process_compressed_event` in
//! `tools/perf/util/session.c`). Records that perf itself makes stand between
//! them uncompressed. Inflating is serial; the workers take turns at it.

use super::batch::Batch;
use super::chain::{HEADER_SIZE, Link};
use super::walker::{DamageAt, Segment, WalkDamage};
use crate::bytes::Cursor;
use crate::record::record_kind::{AUXTRACE, COMPRESSED, COMPRESSED2};
use linux_perf_event_reader::Endianness;
use std::io;
use zstd_safe::{DCtx, InBuffer, OutBuffer};

/// Bytes of the compressed file that are read at once.
const WINDOW: usize = 1 << 20;

/// Bytes in front of each block of a zstd frame (RFC 8878, 3.1.1.2).
const BLOCK_HEADER: usize = 3;

/// The state of the one reader of compressed data.
pub(super) struct Inflate<'a> {
    segments: Vec<&'a Segment>,
    endian: Endianness,
    target: usize,
    /// The segment being read; the ones behind it have not begun.
    current: usize,
    stream: Option<Stream<'a>>,
    damage: Vec<DamageAt>,
}

impl<'a> Inflate<'a> {
    pub(super) fn new(segments: &'a [Segment], endian: Endianness, target: usize) -> Self {
        Self {
            segments: segments
                .iter()
                .filter(|segment| segment.compressed)
                .collect(),
            endian,
            target,
            current: 0,
            stream: None,
            damage: Vec::new(),
        }
    }

    /// Fills `batch` with about as many bytes of records as a chunk has; false
    /// when there are none left.
    pub(super) fn next(&mut self, batch: &mut Batch) -> io::Result<bool> {
        while let Some(&segment) = self.segments.get(self.current) {
            let stream = match &mut self.stream {
                Some(stream) => stream,
                empty => empty.insert(Stream::new(segment, self.endian)),
            };
            batch.bytes.clear();
            batch.base = stream.logical;
            stream.fill(batch, self.target)?;
            batch.records = 0..batch.bytes.len();
            stream.logical += batch.bytes.len() as u64;
            if !batch.is_empty() {
                return Ok(true);
            }
            let damage = stream.damage.take();
            self.damage
                .extend(damage.map(|damage| (segment.base, damage)));
            self.stream = None;
            self.current += 1;
        }
        Ok(false)
    }

    pub(super) fn finish(self) -> Vec<DamageAt> {
        self.damage
    }
}

/// One segment on its way from compressed bytes to records.
struct Stream<'a> {
    segment: &'a Segment,
    endian: Endianness,
    /// The part of the file that is in memory, and where it begins.
    window: Vec<u8>,
    window_start: u64,
    /// The next record of the file.
    at: u64,
    /// The payload of a compressed record of which not all is inflated yet: the
    /// rest of it, as a range of the file.
    pending: std::ops::Range<u64>,
    context: DCtx<'static>,
    /// How many bytes zstd needs for the next block.
    wanted: usize,
    /// Inflated bytes that do not make a whole record yet.
    partial: Vec<u8>,
    /// The place of the next record that is handed out.
    logical: u64,
    ended: bool,
    damage: Option<WalkDamage>,
}

impl<'a> Stream<'a> {
    fn new(segment: &'a Segment, endian: Endianness) -> Self {
        Self {
            segment,
            endian,
            window: Vec::new(),
            window_start: segment.range.start,
            at: segment.range.start,
            pending: 0..0,
            context: DCtx::create(),
            wanted: 1,
            partial: Vec::new(),
            logical: segment.base,
            ended: false,
            damage: None,
        }
    }

    /// Appends whole records to `batch` until it has `target` bytes or the
    /// segment ends.
    fn fill(&mut self, batch: &mut Batch, target: usize) -> io::Result<()> {
        while !self.ended && batch.bytes.len() < target {
            if self.pending.is_empty() {
                self.next_record(batch)?;
            } else {
                self.inflate()?;
                self.take_whole_records(batch);
            }
        }
        Ok(())
    }

    /// Takes the next record of the file: plain ones as they are, compressed
    /// ones become pending input.
    fn next_record(&mut self, batch: &mut Batch) -> io::Result<()> {
        let at = self.at;
        let end = self.segment.range.end;
        if at >= end {
            if !self.partial.is_empty() {
                self.stop("the compressed stream ends inside a record");
            }
            self.ended = true;
            return Ok(());
        }
        self.load(at, HEADER_SIZE + 8)?;
        let (endian, window) = (self.endian, self.window_from(at));
        let Some(link) = Link::parse(window, 0, endian) else {
            self.stop("a record is cut off");
            return Ok(());
        };
        let body = window.get(HEADER_SIZE..).unwrap_or(&[]);
        let data_size = Cursor::new(body, endian).u64();
        if !link.has_possible_size() {
            self.stop("a record with an impossible size stands");
            return Ok(());
        }
        let size = link.size as u64;
        let is_cut = end - at < size;
        match link.kind {
            COMPRESSED => {
                // Of a cut record the part that is there still inflates.
                self.pending = at + HEADER_SIZE as u64..end.min(at + size);
            }
            COMPRESSED2 => {
                let start = at + HEADER_SIZE as u64 + 8;
                let length = data_size.unwrap_or(0).min(size.saturating_sub(16));
                self.pending = start.min(end)..end.min(start + length);
            }
            _ => {
                self.load(at, link.size)?;
                let Some(record) = self.window_from(at).get(..link.size) else {
                    self.stop("a record is cut off");
                    return Ok(());
                };
                batch.bytes.extend_from_slice(record);
                if link.payload > 0 {
                    // The iterator of the batch would look for the payload.
                    let from = batch.bytes.len() - link.size;
                    clear_payload_size(&mut batch.bytes[from..], link.kind);
                }
            }
        }
        if is_cut {
            self.damage = Some(self.damage_at(at, "a compressed record is cut off"));
        }
        self.at = at
            .saturating_add(size)
            .saturating_add(link.payload)
            .min(end);
        Ok(())
    }

    /// Inflates the next block of the pending input, or what of it is there. No more at
    /// once: hostile input can grow by a factor of thousands, and zstd gives nothing
    /// of a call in which a later block is damaged.
    fn inflate(&mut self) -> io::Result<()> {
        let from = self.pending.start;
        let length = (self.pending.end - from).min(WINDOW as u64) as usize;
        self.load(from, length)?;
        let start = (from - self.window_start) as usize;
        let Some(bytes) = self.window.get(start..start + length) else {
            // The file became shorter while it was read.
            self.stop("a compressed record is cut off");
            return Ok(());
        };
        let mut input = InBuffer::around(&bytes[..length.min(self.wanted)]);
        loop {
            self.partial.reserve(DCtx::out_size());
            let filled = self.partial.len();
            let mut output = OutBuffer::around_pos(&mut self.partial, filled);
            let Ok(wanted) = self.context.decompress_stream(&mut output, &mut input) else {
                self.stop("the compressed stream is damaged");
                return Ok(());
            };
            // The header of the block behind it is counted too.
            self.wanted = match wanted {
                0..=BLOCK_HEADER => wanted.max(1),
                _ => wanted - BLOCK_HEADER,
            };
            // A full buffer may leave output inside the decoder, which has to
            // come out before the next input goes in.
            if self.partial.len() < self.partial.capacity() {
                break;
            }
        }
        self.pending.start += input.pos() as u64;
        Ok(())
    }

    /// Moves the whole records at the front of the inflated bytes to `batch`.
    fn take_whole_records(&mut self, batch: &mut Batch) {
        let mut end = 0;
        let mut bad = false;
        while let Some(link) = Link::parse(&self.partial, end, self.endian) {
            bad = !link.has_possible_size_inflated();
            if bad {
                break;
            }
            let Some(record) = self.partial.get_mut(end..end + link.size) else {
                break;
            };
            if link.payload > 0 {
                clear_payload_size(record, link.kind);
            }
            end += link.size;
        }
        batch.bytes.extend_from_slice(&self.partial[..end]);
        self.partial.drain(..end);
        if bad {
            self.stop("the compressed stream holds a record with an impossible size");
        }
    }

    /// Makes `length` bytes from `at` on available in the window, as far as the
    /// segment has them.
    fn load(&mut self, at: u64, length: usize) -> io::Result<()> {
        let have = self.window_start + self.window.len() as u64;
        let need = self.segment.range.end.min(at + length as u64);
        if at >= self.window_start && need <= have {
            return Ok(());
        }
        let left = self.segment.range.end - at;
        let want = left.min(WINDOW.max(length) as u64) as usize;
        self.window.resize(want, 0);
        let filled = self.segment.source.fill_at(at, &mut self.window)?;
        self.window.truncate(filled);
        self.window_start = at;
        Ok(())
    }

    fn window_from(&self, at: u64) -> &[u8] {
        let start = (at - self.window_start) as usize;
        self.window.get(start..).unwrap_or(&[])
    }

    fn damage_at(&self, offset: u64, what: &'static str) -> WalkDamage {
        WalkDamage {
            offset,
            lost_bytes: self.segment.range.end - offset,
            what,
        }
    }

    /// Ends at the next byte that was not inflated or, where there is none, in front
    /// of the next record of the file.
    fn stop(&mut self, what: &'static str) {
        if self.damage.is_none() {
            let offset = if self.pending.is_empty() {
                self.at
            } else {
                self.pending.start
            };
            self.damage = Some(self.damage_at(offset, what));
        }
        self.ended = true;
    }
}

/// Sets the payload size inside an AUXTRACE or TRACING_DATA record to zero in
/// the copy that is handed out, because its payload stays in the file.
fn clear_payload_size(record: &mut [u8], kind: u32) {
    let width = if kind == AUXTRACE { 8 } else { 4 };
    if let Some(size) = record.get_mut(HEADER_SIZE..HEADER_SIZE + width) {
        size.fill(0);
    }
}
