//! Any range of the inflated tar.

use super::limits::{Limits, MAX_WINDOW};
use super::position::{FromStart, fill_at};
use super::scan::{self, Frame, Layout, Rest};
use super::spool::{Compression, Spooled, ZstdReader, spool};
use crate::error::Error;
use crate::tar::{self, BLOCK};
use rayon::prelude::*;
use std::fs::File;
use std::io::Read;
use std::ops::Range;

/// Bytes that are read at a time from a tar that is not compressed.
const PIECE: u64 = 1 << 20;

/// Whether a file that begins with these bytes, 512 of them if it has as many,
/// can be an archive of the kinds that are read: a tar, plain or compressed
/// with zstd, gzip or bzip2.
pub fn looks_like_archive(first: &[u8]) -> bool {
    compression(first).is_some()
}

/// The compression of a tar, `None` within being none.
#[allow(clippy::option_option)]
fn compression(first: &[u8]) -> Option<Option<Compression>> {
    let magic = first.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    if magic == Some(scan::MAGIC) || magic.is_some_and(|magic| magic & !0xf == 0x184d_2a50) {
        return Some(Some(Compression::Zstd));
    }
    if first.starts_with(&[0x1f, 0x8b]) {
        return Some(Some(Compression::Gzip));
    }
    if first.starts_with(b"BZh") {
        return Some(Some(Compression::Bzip2));
    }
    let block = first.first_chunk::<BLOCK>()?;
    tar::parse(block).is_ok().then_some(None)
}

/// The bytes of a tar, however it is compressed.
#[derive(Debug)]
pub(super) struct Stream {
    file: File,
    source: Source,
    /// Bytes of the tar that are here.
    length: u64,
    /// Why there are no more although the file ought to have them.
    damage: Option<String>,
}

#[derive(Debug)]
enum Source {
    /// `file` is the tar.
    Plain,
    /// `file` is compressed in frames; `tail` is what could be inflated of a
    /// cut one behind them.
    Frames { frames: Vec<Frame>, tail: Vec<u8> },
}

impl Stream {
    /// Opens an archive. Other compressions than frames are inflated here, into
    /// a temporary file.
    ///
    /// # Errors
    /// When it is no archive, cannot be read, or is beyond the limits.
    pub(super) fn open(file: File, limits: &Limits) -> Result<Self, Error> {
        let length = file.metadata().map_err(Error::io(READ))?.len();
        let mut first = [0; BLOCK];
        let count = fill_at(&file, 0, &mut first).map_err(Error::io(READ))?;
        let first = &first[..count];
        let compression = match compression(first) {
            None => {
                return Err(Error::NotAnArchive {
                    first: first[..count.min(8)].to_vec(),
                });
            }
            Some(None) if length > limits.inflated => {
                return Err(scan::too_much(limits.inflated));
            }
            Some(None) => {
                return Ok(Self {
                    file,
                    source: Source::Plain,
                    length,
                    damage: None,
                });
            }
            Some(Some(compression)) => compression,
        };
        if compression == Compression::Zstd
            && let Layout::Frames(scan) = scan::scan(&file, length, limits)?
        {
            return Self::from_frames(file, length, scan);
        }
        let Spooled {
            file,
            length,
            damage,
        } = spool(&file, compression, limits)?;
        Ok(Self {
            file,
            source: Source::Plain,
            length,
            damage,
        })
    }

    fn from_frames(file: File, compressed: u64, scan: scan::Scan) -> Result<Self, Error> {
        let mut length = match scan.frames.last() {
            Some(last) => last.tar_offset + last.tar_length,
            None => 0,
        };
        let mut tail = Vec::new();
        let damage = match scan.rest {
            None => None,
            Some((offset, Rest::Damage(why))) => Some(format!("{why} at byte {offset} of it")),
            Some((offset, Rest::Cut { tar_length })) => {
                // Whole blocks of a cut frame inflate. Where it goes wrong, what
                // came before is kept.
                let source = FromStart {
                    file: &file,
                    offset,
                };
                let _ = ZstdReader::new(source)?
                    .take(tar_length)
                    .read_to_end(&mut tail);
                Some(format!(
                    "it ends in the middle of a frame, at byte {compressed}"
                ))
            }
        };
        length += tail.len() as u64;
        Ok(Self {
            file,
            source: Source::Frames {
                frames: scan.frames,
                tail,
            },
            length,
            damage,
        })
    }

    /// Bytes of the tar that are here, those in damaged frames counted.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// Why the compressed file ends before its end.
    pub(super) fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Hands `range` of the tar to `take`, in order. Frames are inflated by all
    /// threads of the current rayon pool, while those before are being taken;
    /// at most twice [`MAX_WINDOW`] are in memory.
    ///
    /// # Errors
    /// What `take` says, and [`Error::Damaged`] behind all bytes in front of
    /// the damage.
    pub(super) fn copy(
        &self,
        range: Range<u64>,
        take: &mut (dyn FnMut(&[u8]) -> Result<(), Error> + Send),
    ) -> Result<(), Error> {
        let range = range.start..range.end.min(self.length);
        let (frames, tail) = match &self.source {
            Source::Plain => return self.copy_plain(range, take),
            Source::Frames { frames, tail } => (frames, tail),
        };
        let first =
            frames.partition_point(|frame| frame.tar_offset + frame.tar_length <= range.start);
        let last = frames.partition_point(|frame| frame.tar_offset < range.end);
        let frames = frames.get(first..last).unwrap_or_default();
        let window = rayon::current_num_threads().clamp(1, MAX_WINDOW);
        let inflate = |frames: &[Frame]| -> Vec<Result<Vec<u8>, Error>> {
            frames.par_iter().map(|frame| self.inflate(frame)).collect()
        };
        let mut windows = frames.chunks(window);
        let mut now = windows.next().map(|frames| (frames, inflate(frames)));
        while let Some((frames, inflated)) = now {
            let give = || -> Result<(), Error> {
                for (frame, bytes) in frames.iter().zip(inflated) {
                    take(cut(&bytes?, frame.tar_offset, &range))?;
                }
                Ok(())
            };
            let next = windows.next();
            let (given, next) = match next {
                None => (give(), None),
                Some(next) => {
                    let (given, inflated) = rayon::join(give, || inflate(next));
                    (given, Some((next, inflated)))
                }
            };
            given?;
            now = next;
        }
        let tail_offset = self.length - tail.len() as u64;
        if range.end > tail_offset {
            take(cut(tail, tail_offset, &range))?;
        }
        Ok(())
    }

    fn copy_plain(
        &self,
        mut range: Range<u64>,
        take: &mut (dyn FnMut(&[u8]) -> Result<(), Error> + Send),
    ) -> Result<(), Error> {
        let mut piece = Vec::new();
        while !range.is_empty() {
            piece.resize((range.end - range.start).min(PIECE) as usize, 0);
            let count = fill_at(&self.file, range.start, &mut piece).map_err(Error::io(READ))?;
            if count == 0 {
                return Err(Error::Damaged {
                    offset: range.start,
                    why: "the file became shorter".into(),
                });
            }
            take(&piece[..count])?;
            range.start += count as u64;
        }
        Ok(())
    }

    fn inflate(&self, frame: &Frame) -> Result<Vec<u8>, Error> {
        let damaged = |why: String| Error::Damaged {
            offset: frame.offset,
            why,
        };
        // Both are bounded: `scan` leaves larger frames to the spool.
        let mut compressed = vec![0; frame.length as usize];
        let count = fill_at(&self.file, frame.offset, &mut compressed).map_err(Error::io(READ))?;
        let mut inflated = Vec::with_capacity(frame.tar_length as usize);
        zstd_safe::decompress(&mut inflated, &compressed[..count])
            .map_err(|code| damaged(zstd_safe::get_error_name(code).to_owned()))?;
        if inflated.len() as u64 != frame.tar_length {
            return Err(damaged("it inflates to another size than it states".into()));
        }
        Ok(inflated)
    }

    /// A reader of small pieces, front to back, for one thread.
    pub(super) fn cursor(&self) -> Cursor<'_> {
        Cursor {
            stream: self,
            held: None,
        }
    }
}

const READ: &str = "cannot read the file";

/// What of `bytes`, which stand at `offset`, is in `range`.
fn cut<'a>(bytes: &'a [u8], offset: u64, range: &Range<u64>) -> &'a [u8] {
    let length = bytes.len() as u64;
    let start = range.start.saturating_sub(offset).min(length) as usize;
    let end = range.end.saturating_sub(offset).min(length) as usize;
    bytes.get(start..end).unwrap_or_default()
}

/// Reads small pieces of a stream and keeps the frame of the last one.
pub(super) struct Cursor<'a> {
    stream: &'a Stream,
    held: Option<(u64, Vec<u8>)>,
}

impl Cursor<'_> {
    /// Fills `buffer` from `offset` on; returns how much there was.
    ///
    /// # Errors
    /// When a frame is damaged or the file cannot be read.
    pub(super) fn fill_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let (frames, tail) = match &self.stream.source {
            Source::Plain => {
                let left = self.stream.length.saturating_sub(offset);
                let count = buffer
                    .len()
                    .min(usize::try_from(left).unwrap_or(usize::MAX));
                return fill_at(&self.stream.file, offset, &mut buffer[..count])
                    .map_err(Error::io(READ));
            }
            Source::Frames { frames, tail } => (frames, tail),
        };
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset + filled as u64;
            let index = frames.partition_point(|frame| frame.tar_offset + frame.tar_length <= at);
            let bytes = match frames.get(index) {
                Some(frame) => {
                    if self
                        .held
                        .as_ref()
                        .is_none_or(|(held, _)| *held != frame.offset)
                    {
                        self.held = Some((frame.offset, self.stream.inflate(frame)?));
                    }
                    let held = self.held.as_ref().map_or(&[][..], |(_, bytes)| bytes);
                    cut(held, frame.tar_offset, &(at..u64::MAX))
                }
                None => {
                    let tail_offset = self.stream.length - tail.len() as u64;
                    cut(tail, tail_offset, &(at..u64::MAX))
                }
            };
            let count = bytes.len().min(buffer.len() - filled);
            if count == 0 {
                break;
            }
            buffer[filled..filled + count].copy_from_slice(&bytes[..count]);
            filled += count;
        }
        Ok(filled)
    }
}
