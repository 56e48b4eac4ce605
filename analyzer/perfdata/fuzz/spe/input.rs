//! What the fuzzer's bytes mean: a plan of a chunk. A piece of a chunk has 64 KiB and
//! more, so plain bytes would have to be as long for a record, or damage, to stand
//! where one ends.
//!
//! ```text
//! area:i8 piece:u8 cut:u16 missing:u8 (part)*
//! part = RAW:u8 length:u8 byte*             as they are
//!      | REPEAT:u8 times:u8 length:u8 byte* 16 times as often
//!      | RUN:u8 byte:u8 length:u16          the same byte
//! ```
//! Numbers are little-endian; of the first byte of a part the lower two bits count.
//! `contend-fixtures seeds` writes this form.

/// No chunk is longer: that makes two pieces.
const LONGEST: usize = 100 << 10;

/// A chunk and how it is read.
pub(crate) struct Input {
    /// Where the chunk begins in the AUX area: near 0, or just below what a word
    /// holds.
    pub(crate) area: u64,
    /// Bytes that are read at once.
    pub(crate) piece: usize,
    /// Where it is cut in two.
    pub(crate) cut: usize,
    /// How many bytes are announced and not there.
    pub(crate) missing: u64,
    /// The most that the source gives when it is asked once.
    pub(crate) most_read: usize,
    /// The chunk.
    pub(crate) bytes: Vec<u8>,
}

impl Input {
    /// Reads the plan; nothing where it has no head. Of a part that is cut off what
    /// is there counts.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let (&[area, piece, cut_low, cut_high, missing], mut rest) = data.split_first_chunk()?;
        let mut bytes = Vec::new();
        while let Some((&tag, behind)) = rest.split_first() {
            rest = match tag & 3 {
                0 | 1 => raw(behind, &mut bytes),
                2 => repeat(behind, &mut bytes),
                _ => run(behind, &mut bytes),
            };
            if bytes.len() >= LONGEST {
                bytes.truncate(LONGEST);
                break;
            }
        }
        let cut = usize::from(u16::from_le_bytes([cut_low, cut_high]));
        Some(Self {
            area: i64::from(area.cast_signed()).cast_unsigned(),
            piece: (64 << 10) + 7 * usize::from(piece),
            cut: cut % (bytes.len() + 1),
            missing: u64::from(missing / 16),
            most_read: 1000 + 4000 * usize::from(missing % 16),
            bytes,
        })
    }
}

fn take(bytes: &[u8], count: u8) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.len().min(count.into()))
}

fn raw<'a>(rest: &'a [u8], bytes: &mut Vec<u8>) -> &'a [u8] {
    let Some((&length, rest)) = rest.split_first() else {
        return &[];
    };
    let (part, rest) = take(rest, length);
    bytes.extend_from_slice(part);
    rest
}

fn repeat<'a>(rest: &'a [u8], bytes: &mut Vec<u8>) -> &'a [u8] {
    let Some((&[times, length], rest)) = rest.split_first_chunk() else {
        return &[];
    };
    let (part, rest) = take(rest, length);
    for _ in 0..16 * usize::from(times) {
        if bytes.len() < LONGEST {
            bytes.extend_from_slice(part);
        }
    }
    rest
}

fn run<'a>(rest: &'a [u8], bytes: &mut Vec<u8>) -> &'a [u8] {
    let Some((&[byte, low, high], rest)) = rest.split_first_chunk() else {
        return &[];
    };
    let length = usize::from(u16::from_le_bytes([low, high]));
    bytes.resize(bytes.len() + length, byte);
    rest
}
