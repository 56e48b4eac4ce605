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
    /// Bytes that are read at once; absent where it is [`WINDOW`].
    piece: Option<usize>,
}

impl SpeDecoder {
    /// One that reads so many bytes at once, or 64 KiB where that is more. What is found
    /// is the same for any number, which tests have to try.
    pub fn in_pieces(bytes: usize) -> Self {
        Self {
            piece: Some(bytes),
            ..Self::default()
        }
    }

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
        let Self {
            window,
            shapes,
            piece,
        } = self;
        let piece = piece.unwrap_or(WINDOW).max(2 * MARGIN);
        let mut decoder = Decoder::new(chunk.aux_offset, shapes);
        let length = chunk.available;
        // It keeps its length: to fill it up with zeros again for each piece takes time.
        let most = length.min(piece as u64) as usize;
        if window.len() < most {
            window.resize(most, 0);
        }
        let (mut offset, mut kept) = (0, 0);
        loop {
            // What is left of the piece before stays in front.
            let wanted = (length - (offset + kept as u64)).min((piece - kept) as u64);
            let free = &mut window[kept..kept + wanted as usize];
            let filled = source.fill_at(chunk.place + offset + kept as u64, free)?;
            let bytes = &window[..kept + filled];
            // A file may have become shorter while it was read.
            let end = offset + bytes.len() as u64;
            let is_last = end >= length || (filled as u64) < wanted;
            let done = decoder.piece(bytes, offset, is_last, &mut each);
            if is_last {
                return Ok(decoder.finish(end));
            }
            let left = done..bytes.len();
            kept = left.len();
            window.copy_within(left, 0);
            offset += done as u64;
        }
    }
}
