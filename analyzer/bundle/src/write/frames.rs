//! Cuts a stream into independent zstd frames.

use crate::FRAME_BYTES;
use crate::error::Error;
use std::fmt;
use std::io::Write;
use zstd_safe::{CCtx, CParameter, compress_bound, get_error_name};

/// The compressor's effort: its own default. Higher levels make captures a few
/// percent smaller and take several times as long on the recorded machine.
const LEVEL: i32 = 3;

/// Compresses what is written to it, [`FRAME_BYTES`] at a time. Every frame
/// states how large it inflates and ends with a checksum.
pub(super) struct FrameWriter<W: Write> {
    output: W,
    context: CCtx<'static>,
    input: Vec<u8>,
    compressed: Vec<u8>,
    written: u64,
}

impl<W: Write> FrameWriter<W> {
    pub(super) fn new(output: W) -> Result<Self, Error> {
        let mut context = CCtx::try_create().ok_or(Error::Compress {
            why: "there is no memory for the compressor",
        })?;
        for parameter in [
            CParameter::CompressionLevel(LEVEL),
            CParameter::ChecksumFlag(true),
        ] {
            context.set_parameter(parameter).map_err(compress)?;
        }
        Ok(Self {
            output,
            context,
            input: Vec::with_capacity(FRAME_BYTES),
            compressed: Vec::with_capacity(compress_bound(FRAME_BYTES)),
            written: 0,
        })
    }

    /// How many bytes were written, before compression.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.written += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = FRAME_BYTES - self.input.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.input.extend_from_slice(now);
            bytes = later;
            if self.input.len() == FRAME_BYTES {
                self.frame()?;
            }
        }
        Ok(())
    }

    fn frame(&mut self) -> Result<(), Error> {
        self.compressed.clear();
        self.context
            .compress2(&mut self.compressed, &self.input)
            .map_err(compress)?;
        self.input.clear();
        self.output
            .write_all(&self.compressed)
            .map_err(Error::io(WRITE))
    }

    /// Writes what is left and flushes.
    pub(super) fn finish(mut self) -> Result<W, Error> {
        if !self.input.is_empty() {
            self.frame()?;
        }
        self.output.flush().map_err(Error::io(WRITE))?;
        Ok(self.output)
    }
}

const WRITE: &str = "cannot write the bundle";

fn compress(code: usize) -> Error {
    Error::Compress {
        why: get_error_name(code),
    }
}

impl<W: Write> fmt::Debug for FrameWriter<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FrameWriter")
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_stands_alone_and_states_its_size() {
        let mut writer = FrameWriter::new(Vec::new()).unwrap();
        let bytes: Vec<u8> = (0..FRAME_BYTES * 2 + 5).map(|at| (at / 7) as u8).collect();
        for piece in bytes.chunks(999_983) {
            writer.write(piece).unwrap();
        }
        let compressed = writer.finish().unwrap();
        let mut rest = compressed.as_slice();
        let mut sizes = Vec::new();
        let mut all = Vec::new();
        while !rest.is_empty() {
            let (frame, behind) =
                rest.split_at(zstd_safe::find_frame_compressed_size(rest).unwrap());
            let size = zstd_safe::get_frame_content_size(frame).unwrap().unwrap() as usize;
            let mut inflated = Vec::with_capacity(size);
            zstd_safe::decompress(&mut inflated, frame).unwrap();
            all.extend(inflated);
            sizes.push(size);
            rest = behind;
        }
        assert_eq!(sizes, [FRAME_BYTES, FRAME_BYTES, 5]);
        assert!(all == bytes);
    }
}
