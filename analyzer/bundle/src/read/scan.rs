//! Finds the frames of a zstd file without inflating them.
//!
//! A frame states how large it inflates, but not how long it is; it is a chain
//! of blocks that each state their length (RFC 8878, sections 3.1.1 and
//! 3.1.2). Walking this chain costs one small read for each 128 KiB of tar.

use super::limits::{Limits, MAX_FRAME};
use super::position::fill_at;
use crate::error::Error;
use std::fs::File;
use std::io;

pub(super) const MAGIC: u32 = 0xfd2f_b528;
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184d_2a50..=0x184d_2a5f;
/// The longest frame header.
const HEADER: usize = 18;

/// A frame: where it is in the file and in the tar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) tar_offset: u64,
    pub(super) tar_length: u64,
}

/// What a file consists of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Frames that can be inflated one by one.
    Frames(Scan),
    /// Frames that are too large for it or do not state their size.
    Stream,
}

/// The frames of a file, and why there are no more.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) frames: Vec<Frame>,
    /// Where the whole frames end and what follows, when that is not the end
    /// of the file.
    pub(super) rest: Option<(u64, Rest)>,
}

/// What can follow the last whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// The beginning of a frame that inflates to at most this many bytes.
    Cut { tar_length: u64 },
    /// Bytes that are none.
    Damage(&'static str),
}

/// What stands at one place of the file.
enum Found {
    Frame { length: u64, tar_length: u64 },
    Skippable { length: u64 },
    Rest(Rest),
    NotCut,
}

/// Finds the frames of `file`, of which `length` bytes are there.
///
/// # Errors
/// When the file cannot be read, or when it has more frames or would inflate to
/// more than the limits allow.
pub(super) fn scan(file: &File, length: u64, limits: &Limits) -> Result<Layout, Error> {
    let mut scan = Scan::default();
    let (mut offset, mut tar_offset, mut count) = (0, 0_u64, 0);
    while offset < length {
        let found = frame(file, offset, length).map_err(Error::io("cannot read the file"))?;
        count += 1;
        if count > limits.frames {
            return Err(Error::TooMany {
                what: "zstd frames",
                limit: limits.frames,
            });
        }
        offset += match found {
            Found::Skippable { length } => length,
            Found::Frame { length, tar_length } => {
                scan.frames.push(Frame {
                    offset,
                    length,
                    tar_offset,
                    tar_length,
                });
                tar_offset += tar_length;
                let most = limits.inflated_from(offset + length);
                if tar_offset > most {
                    return Err(too_much(most));
                }
                length
            }
            Found::Rest(rest) => {
                scan.rest = Some((offset, rest));
                break;
            }
            Found::NotCut => return Ok(Layout::Stream),
        };
    }
    Ok(Layout::Frames(scan))
}

/// The error of an archive that inflates to more than `limit` bytes.
pub(super) fn too_much(limit: u64) -> Error {
    Error::TooMany {
        what: "bytes when inflated, which no capture of its size has",
        limit,
    }
}

fn frame(file: &File, offset: u64, end: u64) -> io::Result<Found> {
    let mut bytes = [0; HEADER];
    let count = fill_at(file, offset, &mut bytes)?;
    let cut = Found::Rest(Rest::Cut { tar_length: 0 });
    let Some(magic) = little(&bytes[..count], 0, 4) else {
        return Ok(cut);
    };
    let magic = magic as u32;
    if SKIPPABLE.contains(&magic) {
        let Some(size) = little(&bytes[..count], 4, 4) else {
            return Ok(cut);
        };
        // A skippable frame that is cut holds nothing of the tar.
        return Ok(Found::Skippable { length: 8 + size });
    }
    if magic != MAGIC {
        return Ok(Found::Rest(Rest::Damage("there is no zstd frame")));
    }
    let Some(&descriptor) = bytes[..count].get(4) else {
        return Ok(cut);
    };
    let single_segment = descriptor & 0x20 != 0;
    let window = usize::from(!single_segment);
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let (size_bytes, more) = match descriptor >> 6 {
        0 if !single_segment => return Ok(Found::NotCut),
        0 => (1, 0),
        1 => (2, 256),
        2 => (4, 0),
        _ => (8, 0),
    };
    let size_at = 5 + window + dictionary;
    let Some(tar_length) = little(&bytes[..count], size_at, size_bytes) else {
        return Ok(cut);
    };
    let tar_length = tar_length.saturating_add(more);
    if tar_length > MAX_FRAME {
        return Ok(Found::NotCut);
    }
    let mut at = offset + (size_at + size_bytes) as u64;
    let checksum = if descriptor & 0x04 != 0 { 4 } else { 0 };
    // No frame that is compressed at once is longer: blocks that do not get
    // smaller are stored. More is many small blocks, which are left to the
    // stream, because a whole frame is held when it is inflated.
    let longest = zstd_safe::compress_bound(tar_length as usize) as u64 + 1024;
    loop {
        let mut header = [0; 3];
        let count = fill_at(file, at, &mut header)?;
        let Some(header) = little(&header[..count], 0, 3) else {
            return Ok(Found::Rest(Rest::Cut { tar_length }));
        };
        let content = match (header >> 1) & 3 {
            1 => 1,
            3 => return Ok(Found::Rest(Rest::Damage("a block is of no kind"))),
            _ => header >> 3,
        };
        at += 3 + content;
        if at - offset > longest {
            return Ok(Found::NotCut);
        }
        if header & 1 != 0 {
            break;
        }
    }
    at += checksum;
    if at > end {
        return Ok(Found::Rest(Rest::Cut { tar_length }));
    }
    Ok(Found::Frame {
        length: at - offset,
        tar_length,
    })
}

/// A number of `length` bytes, lowest first.
fn little(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + length)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |value, &byte| value << 8 | u64::from(byte)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn scanned(bytes: &[u8], limits: &Limits) -> Result<Layout, Error> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        scan(&file, bytes.len() as u64, limits)
    }

    fn frame_of(content: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(zstd_safe::compress_bound(content.len()));
        zstd_safe::compress(&mut frame, content, 1).unwrap();
        frame
    }

    #[test]
    fn frames_are_where_zstd_says() {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        let mut tar_offset = 0;
        for size in [0_usize, 1, 255, 256, 300_000, 65_791, 5_000_000] {
            let content: Vec<u8> = (0..size).map(|at| (at * at / 5) as u8).collect();
            let frame = frame_of(&content);
            expected.push(Frame {
                offset: bytes.len() as u64,
                length: frame.len() as u64,
                tar_offset,
                tar_length: size as u64,
            });
            tar_offset += size as u64;
            bytes.extend(frame);
            bytes.extend(0x184d_2a53_u32.to_le_bytes());
            bytes.extend([3, 0, 0, 0, 9, 9, 9]);
        }
        let Layout::Frames(scan) = scanned(&bytes, &Limits::default()).unwrap() else {
            panic!("it is cut into frames");
        };
        assert_eq!(scan.frames, expected);
        assert_eq!(scan.rest, None);
    }

    #[test]
    fn a_cut_frame_is_the_rest() {
        let whole = frame_of(b"first");
        let mut bytes = whole.clone();
        bytes.extend(frame_of(&[7; 1000]));
        for cut in whole.len() + 1..bytes.len() {
            let Layout::Frames(scan) = scanned(&bytes[..cut], &Limits::default()).unwrap() else {
                panic!("it is cut into frames");
            };
            assert_eq!(scan.frames.len(), 1, "{cut}");
            let (offset, rest) = scan.rest.unwrap();
            assert_eq!(offset, whole.len() as u64);
            assert!(matches!(rest, Rest::Cut { .. }), "{cut}: {rest:?}");
        }
    }

    #[test]
    fn what_inflates_too_much_is_refused_by_the_headers_alone() {
        let limits = Limits {
            inflated_free: 10_000_000,
            ..Limits::default()
        };
        let bytes = frame_of(&vec![0; 4 << 20]).repeat(3);
        let error = scanned(&bytes, &limits).unwrap_err();
        assert!(
            matches!(
                error,
                Error::TooMany {
                    limit: 10_000_000,
                    ..
                }
            ),
            "{error}"
        );
        let limits = Limits {
            frames: 2,
            ..Limits::default()
        };
        let error = scanned(&bytes, &limits).unwrap_err();
        assert!(matches!(error, Error::TooMany { limit: 2, .. }), "{error}");
    }

    #[test]
    fn a_frame_of_endless_empty_blocks_is_a_stream() {
        let mut bytes = MAGIC.to_le_bytes().to_vec();
        bytes.extend([0x20, 1]);
        bytes.resize(100_000, 0);
        assert_eq!(scanned(&bytes, &Limits::default()).unwrap(), Layout::Stream);
    }

    #[test]
    fn large_frames_and_those_without_a_size_are_a_stream() {
        let large = frame_of(&vec![0; MAX_FRAME as usize + 1]);
        assert_eq!(scanned(&large, &Limits::default()).unwrap(), Layout::Stream);
        let mut unknown = MAGIC.to_le_bytes().to_vec();
        unknown.extend([0x00, 0x58, 1, 0, 0]);
        assert_eq!(
            scanned(&unknown, &Limits::default()).unwrap(),
            Layout::Stream
        );
    }
}
