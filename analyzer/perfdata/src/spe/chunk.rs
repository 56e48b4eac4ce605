//! The bytes of a chunk, read piece by piece.

use super::decode::{Decoded, Decoder, MARGIN, SpeStats};
use super::shape::Shapes;
use crate::aux::AuxChunk;
use crate::source::Source;
use std::io;

/// Bytes that are read at once: what stays in a level-2 cache.
const WINDOW: usize = 256 << 10;

/// Reads chunks, one after the other: what it keeps makes the next one faster to
/// read, and changes nothing in what is found.
#[derive(Debug, Default)]
pub struct SpeDecoder {
    window: Vec<u8>,
    shapes: Shapes,
}

impl SpeDecoder {
    /// Calls `each` with the records of a chunk in their order. Records that the end
    /// of the chunk cuts off, and those with damage inside, are counted and not
    /// delivered; nothing goes over from one chunk to the next.
    ///
    /// # Errors
    /// The first error of reading the source.
    pub fn chunk(
        &mut self,
        chunk: &AuxChunk,
        source: &dyn Source,
        mut each: impl FnMut(Decoded<'_>),
    ) -> io::Result<SpeStats> {
        let Self { window, shapes } = self;
        let mut decoder = Decoder::new(chunk.aux_offset, shapes);
        let length = chunk.available;
        window.clear();
        let mut offset = 0;
        loop {
            // What is left of the piece before stays in front.
            let kept = window.len();
            let wanted =
                (length - (offset + kept as u64)).min((WINDOW.max(2 * MARGIN) - kept) as u64);
            window.resize(kept + wanted as usize, 0);
            let from = chunk.place + offset + kept as u64;
            let filled = source.fill_at(from, &mut window[kept..])?;
            window.truncate(kept + filled);
            // A file may have become shorter while it was read.
            let end = offset + window.len() as u64;
            let is_last = end >= length || (filled as u64) < wanted;
            let done = decoder.piece(window, offset, is_last, &mut each);
            if is_last {
                return Ok(decoder.finish(end));
            }
            window.drain(..done);
            offset += done as u64;
        }
    }
}
