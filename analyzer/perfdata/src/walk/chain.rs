//! Records are a chain: each header tells where the next record begins.

use crate::header::foreign;
use crate::record::record_kind::{AUXTRACE, HEADER_TRACING_DATA, USER_TYPE_START};
use linux_perf_event_reader::Endianness;

/// Bytes of `struct perf_event_header`.
pub(super) const HEADER_SIZE: usize = 8;

/// The largest record of perf and the kernel: `perf_event_header::size` has 16
/// bits. Only simpleperf writes larger ones.
pub(super) const MAX_RECORD: usize = u16::MAX as usize;

/// Records above this size are damage: simpleperf's largest hold the symbols of
/// a kernel, some megabytes.
const LARGEST_RECORD: usize = 32 << 20;

/// The size of a HEADER_TRACING_DATA record whose payload stands behind it: the header
/// and a u32, which old perfs did not pad. simpleperf puts the payload inside.
const TRACING_DATA_SIZES: std::ops::RangeInclusive<usize> = 12..=16;

/// How many plausible headers in a row make a guessed start worth proving.
const PLAUSIBLE_RUN: usize = 64;

/// A record header and what stands behind the record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) kind: u32,
    pub(crate) misc: u16,
    /// Bytes of the record, header included.
    pub(crate) size: usize,
    /// Bytes of raw payload behind the record that are not records.
    pub(crate) payload: u64,
}

impl Link {
    /// Bytes of a header.
    pub(crate) const HEADER: usize = HEADER_SIZE;

    /// Bytes from which all of a link can be read.
    pub(crate) const PREFIX: usize = HEADER_SIZE + 16;

    /// Reads the header at `at`; nothing when it is cut off.
    #[inline]
    pub(crate) fn parse(bytes: &[u8], at: usize, endian: Endianness) -> Option<Self> {
        let header = *bytes.get(at..)?.first_chunk::<HEADER_SIZE>()?;
        // One load for the three fields, which stand in opposite places of the
        // word in the two byte orders.
        let (kind, misc, size) = match endian {
            Endianness::LittleEndian => {
                let word = u64::from_le_bytes(header);
                (word as u32, (word >> 32) as u16, (word >> 48) as u16)
            }
            Endianness::BigEndian => {
                let word = u64::from_be_bytes(header);
                ((word >> 32) as u32, (word >> 16) as u16, word as u16)
            }
        };
        // No payload stands behind the kernel's records, and their size is in its
        // usual place.
        if kind < USER_TYPE_START {
            return Some(Self {
                kind,
                misc,
                size: usize::from(size),
                payload: 0,
            });
        }
        let size = foreign::record_size(kind, misc, size) as usize;
        let payload = match kind {
            AUXTRACE | HEADER_TRACING_DATA => payload_size(bytes, at, kind, size, endian),
            _ => 0,
        };
        Some(Self {
            kind,
            misc,
            size,
            payload,
        })
    }

    /// Whether a record can have this size.
    pub(crate) fn has_possible_size(&self) -> bool {
        (HEADER_SIZE..=LARGEST_RECORD).contains(&self.size)
    }

    /// Whether a record inside a compressed stream can have this size: there are
    /// only those of perf and the kernel. A larger one would have to be inflated
    /// as a whole, and few bytes make a huge one.
    pub(super) fn has_possible_size_inflated(&self) -> bool {
        (HEADER_SIZE..=MAX_RECORD).contains(&self.size)
    }

    /// Whether this looks like a header that perf or the kernel writes.
    fn is_plausible(&self) -> bool {
        let known = matches!(self.kind, 1..=25 | 64..=90 | 32768..=32800);
        known && self.has_possible_size() && self.size.is_multiple_of(8)
    }
}

/// How many bytes of payload stand behind an AUXTRACE or HEADER_TRACING_DATA record
/// (`process_auxtrace_event`, `process_tracing_data_event` in
/// `tools/perf/util/session.c` and `header.c`).
fn payload_size(bytes: &[u8], at: usize, kind: u32, size: usize, endian: Endianness) -> u64 {
    let body = bytes.get(at + HEADER_SIZE..).unwrap_or(&[]);
    let mut cursor = crate::bytes::Cursor::new(body, endian);
    if kind == AUXTRACE {
        cursor.u64().unwrap_or(0)
    } else if TRACING_DATA_SIZES.contains(&size) {
        u64::from(cursor.u32().unwrap_or(0)).next_multiple_of(8)
    } else {
        0
    }
}

/// Where a walk along the chain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChainEnd {
    /// Every record that begins before the limit is whole; the next one begins
    /// here, which may be far behind the limit after a payload.
    Next(u64),
    /// The record that begins here is cut off by the end of the bytes.
    Cut(usize),
    /// The bytes here are no record header: the size is below that of a header.
    Bad(usize),
}

/// Walks the chain of records that begin at `from` or later and before `limit`.
pub(super) fn follow(bytes: &[u8], from: usize, limit: usize, endian: Endianness) -> ChainEnd {
    let mut at = from;
    while at < limit {
        let Some(link) = Link::parse(bytes, at, endian) else {
            return ChainEnd::Cut(at);
        };
        if !link.has_possible_size() {
            return ChainEnd::Bad(at);
        }
        if bytes.len() - at < link.size {
            return ChainEnd::Cut(at);
        }
        at += link.size;
        if link.payload > 0 {
            let next = (at as u64).saturating_add(link.payload);
            match usize::try_from(next) {
                Ok(next) if next < limit => at = next,
                _ => return ChainEnd::Next(next),
            }
        }
    }
    ChainEnd::Next(at as u64)
}

/// Guesses where the first record at or behind `from` begins: the first place
/// from which many plausible headers follow one another. Records are multiples
/// of eight bytes, so only every eighth place is tried.
pub(super) fn guess_start(
    bytes: &[u8],
    from: usize,
    limit: usize,
    endian: Endianness,
) -> Option<usize> {
    (from..limit)
        .step_by(8)
        .find(|&start| is_plausible_run(bytes, start, endian))
}

fn is_plausible_run(bytes: &[u8], start: usize, endian: Endianness) -> bool {
    let mut at = start;
    for _ in 0..PLAUSIBLE_RUN {
        match Link::parse(bytes, at, endian) {
            Some(link) if link.is_plausible() => at += link.size,
            Some(_) => return false,
            // The run reaches the end of the bytes without a contradiction.
            None => return at > start,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LITTLE: Endianness = Endianness::LittleEndian;

    fn record(kind: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend(0u16.to_le_bytes());
        bytes.extend(((HEADER_SIZE + body.len()) as u16).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn the_chain_ends_behind_the_limit_at_a_cut_or_at_damage() {
        let whole = [record(9, &[0; 8]), record(3, &[0; 16])].concat();
        assert_eq!(follow(&whole, 0, whole.len(), LITTLE), ChainEnd::Next(40));
        assert_eq!(follow(&whole, 0, 1, LITTLE), ChainEnd::Next(16));
        assert_eq!(follow(&whole[..39], 0, 39, LITTLE), ChainEnd::Cut(16));
        assert_eq!(follow(&whole[..20], 0, 20, LITTLE), ChainEnd::Cut(16));
        let mut bad = whole;
        bad[22] = 0;
        assert_eq!(follow(&bad, 0, bad.len(), LITTLE), ChainEnd::Bad(16));
    }

    #[test]
    fn a_payload_behind_a_record_is_passed_over() {
        let mut auxtrace = record(AUXTRACE, &[0; 40]);
        auxtrace[8..16].copy_from_slice(&100u64.to_le_bytes());
        assert_eq!(follow(&auxtrace, 0, 1, LITTLE), ChainEnd::Next(148));
        let tracing = record(HEADER_TRACING_DATA, &9u32.to_le_bytes());
        assert_eq!(follow(&tracing, 0, 1, LITTLE), ChainEnd::Next(28));
        // simpleperf: the payload is inside the record.
        let inside = record(HEADER_TRACING_DATA, &[9; 24]);
        assert_eq!(follow(&inside, 0, 1, LITTLE), ChainEnd::Next(32));
    }

    #[test]
    fn a_start_is_found_behind_garbage() {
        let mut bytes = vec![0xff; 24];
        for _ in 0..PLAUSIBLE_RUN {
            bytes.extend(record(9, &[0xff; 8]));
        }
        assert_eq!(guess_start(&bytes, 0, bytes.len(), LITTLE), Some(24));
        assert_eq!(guess_start(&bytes[..24], 0, 24, LITTLE), None);
    }
}
