//! Inflates what cannot be inflated in pieces into a temporary file.

use super::bzip2::Bzip2Reader;
use super::limits::{Limits, WINDOW_LOG};
use super::position::FromStart;
use super::scan::too_much;
use crate::error::Error;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Write};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, get_error_name};

/// Bytes that are inflated at a time.
const PIECE: usize = 256 << 10;

/// How a tar is compressed as one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Zstd,
    Gzip,
    Bzip2,
}

/// A tar in a temporary file that has no name.
#[derive(Debug)]
pub(super) struct Spooled {
    pub(super) file: File,
    pub(super) length: u64,
    /// Why the compressed stream ends before its end.
    pub(super) damage: Option<String>,
}

/// Inflates `file` up to its end or to where it is damaged.
///
/// # Errors
/// When it would inflate to more than the limits allow, or the temporary file
/// cannot be written.
pub(super) fn spool(
    file: &File,
    compression: Compression,
    limits: &Limits,
) -> Result<Spooled, Error> {
    let taken = Cell::new(0);
    let source = Counted {
        source: FromStart { file, offset: 0 },
        taken: &taken,
    };
    match compression {
        Compression::Zstd => copy(ZstdReader::new(source)?, &taken, limits),
        Compression::Gzip => copy(flate2::read::MultiGzDecoder::new(source), &taken, limits),
        Compression::Bzip2 => copy(Bzip2Reader::new(source), &taken, limits),
    }
}

/// Counts what is read of the compressed file, so that what inflates too much
/// is known by then and not when the disk is full.
struct Counted<'a> {
    source: FromStart<'a>,
    taken: &'a Cell<u64>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.taken.set(self.taken.get() + count as u64);
        Ok(count)
    }
}

fn copy(mut inflated: impl Read, taken: &Cell<u64>, limits: &Limits) -> Result<Spooled, Error> {
    let mut file = temporary()?;
    let mut piece = vec![0; PIECE];
    let mut length = 0;
    let damage = loop {
        let count = match inflated.read(&mut piece) {
            Ok(0) => break None,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => break Some(error.to_string()),
        };
        length += count as u64;
        let most = limits.inflated_from(taken.get());
        if length > most {
            return Err(too_much(most));
        }
        file.write_all(&piece[..count])
            .map_err(Error::io(TEMPORARY))?;
    };
    Ok(Spooled {
        file,
        length,
        damage,
    })
}

const TEMPORARY: &str =
    "cannot write a temporary file; the inflated capture must fit where TMPDIR says";

/// A temporary file that nobody else can open and that goes away by itself.
pub(super) fn temporary() -> Result<File, Error> {
    tempfile::tempfile().map_err(Error::io(TEMPORARY))
}

/// Writes to a temporary file.
pub(super) fn write_temporary(file: &mut File, bytes: &[u8]) -> Result<(), Error> {
    file.write_all(bytes).map_err(Error::io(TEMPORARY))
}

/// Any zstd stream with a window up to [`WINDOW_LOG`].
pub(super) struct ZstdReader<R> {
    source: R,
    context: DCtx<'static>,
    input: Vec<u8>,
    /// What of `input` is still to be inflated.
    left: std::ops::Range<usize>,
    /// Whether the last frame is whole.
    between_frames: bool,
    ended: bool,
}

impl<R: Read> ZstdReader<R> {
    pub(super) fn new(source: R) -> Result<Self, Error> {
        let memory = || Error::Io {
            what: "cannot inflate".into(),
            source: io::ErrorKind::OutOfMemory.into(),
        };
        let mut context = DCtx::try_create().ok_or_else(memory)?;
        context
            .set_parameter(DParameter::WindowLogMax(WINDOW_LOG))
            .map_err(|_| memory())?;
        Ok(Self {
            source,
            context,
            input: vec![0; PIECE],
            left: 0..0,
            between_frames: true,
            ended: false,
        })
    }
}

impl<R: Read> Read for ZstdReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.left.is_empty() && !self.ended {
                let count = self.source.read(&mut self.input)?;
                self.left = 0..count;
                self.ended = count == 0;
            }
            if self.ended && self.between_frames {
                return Ok(0);
            }
            let mut input = InBuffer::around(&self.input[self.left.clone()]);
            let mut output = OutBuffer::around(&mut *buffer);
            let hint = self
                .context
                .decompress_stream(&mut output, &mut input)
                .map_err(|code| io::Error::other(get_error_name(code)))?;
            let (taken, given) = (input.pos(), output.pos());
            self.left.start += taken;
            self.between_frames = hint == 0;
            if given > 0 {
                return Ok(given);
            }
            if self.ended {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the last zstd frame is cut",
                ));
            }
        }
    }
}
