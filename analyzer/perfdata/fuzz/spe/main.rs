//! The decoder of Arm SPE on the bytes of a chunk, whatever they are.
//!
//! It never panics. What it delivers is what the model reads at the same place; as
//! long as nothing is wrong it delivers all that the model reads; every byte belongs
//! to a record, to damage or to padding; and it is the same however many bytes are
//! read at once, and whatever the decoder read before.

#![no_main]

mod input;
mod model;

use contend_perfdata::{AuxChunk, Source, SpeDecoder, SpeRecord, SpeStats};
use input::Input;
use libfuzzer_sys::fuzz_target;
use std::io;

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::read(data) else {
        return;
    };
    let mut used = SpeDecoder::in_pieces(input.piece);
    check(&input, &input.bytes, 0, &mut used);
    // A cut changes what is at hand within a record's reach; long chunks are slow.
    if input.bytes.len() < 16 << 10 {
        let (front, back) = input.bytes.split_at(input.cut);
        check(&input, front, 0, &mut used);
        check(&input, back, front.len() as u64, &mut used);
    }
});

/// What a decoder gave.
#[derive(PartialEq, Eq)]
struct Answer {
    records: Vec<(u64, SpeRecord)>,
    stats: SpeStats,
}

/// Decodes bytes that begin so far behind the beginning of the AUX area.
fn check(input: &Input, bytes: &[u8], offset: u64, used: &mut SpeDecoder) {
    let area = input.area.wrapping_add(offset);
    let mut fresh = SpeDecoder::in_pieces(usize::MAX);
    let answer = decode(bytes, area, input, &mut fresh);
    let again = decode(bytes, area, input, used);
    assert!(
        answer == again,
        "in pieces of {}: {:?} with {:?} and {:?}",
        input.piece,
        first_difference(&answer, &again),
        answer.stats,
        again.stats,
    );
    model::compare(bytes, area, &answer.records);
    account(bytes, area, &answer);
}

fn first_difference(one: &Answer, other: &Answer) -> Option<(u64, u64)> {
    let mut pairs = one.records.iter().zip(&other.records);
    let (one, other) = pairs.find(|(one, other)| one != other)?;
    Some((one.0, other.0))
}

fn decode(bytes: &[u8], area: u64, input: &Input, decoder: &mut SpeDecoder) -> Answer {
    const PLACE: usize = 3;
    let file = ShortReads {
        bytes: [&[0xee; PLACE], bytes].concat(),
        most: input.most_read,
    };
    let chunk = AuxChunk {
        pos: 0,
        segment: 0,
        place: PLACE as u64,
        size: bytes.len() as u64 + input.missing,
        // A file may be shorter than it was when it was opened.
        available: bytes.len() as u64 + input.missing,
        aux_offset: area,
        index: 0,
        tid: -1,
        cpu: 0,
    };
    let mut records = Vec::new();
    let stats = decoder.chunk(&chunk, &file, |decoded| {
        records.push((decoded.offset, *decoded.record));
    });
    Answer {
        records,
        stats: stats.expect("bytes in memory can be read"),
    }
}

/// Every byte is counted once.
fn account(bytes: &[u8], area: u64, answer: &Answer) {
    let stats = answer.stats;
    assert_eq!(stats.records, answer.records.len() as u64);
    let mut at = 0;
    // What stands between the records: bytes, zeros among them, and zeros in front.
    let (mut between, mut zeros, mut padding) = (0, 0, 0);
    let ends = answer.records.iter().map(|&(offset, _)| {
        let start = offset as usize;
        let end = model::end(bytes, start, area).expect("it was compared");
        (start, end)
    });
    for (start, end) in ends.chain([(bytes.len(), bytes.len())]) {
        let gap = bytes.get(at..start).expect("records do not overlap");
        between += gap.len() as u64;
        zeros += gap.iter().filter(|&&byte| byte == 0).count() as u64;
        padding += gap.iter().take_while(|&&byte| byte == 0).count() as u64;
        at = end;
    }
    let lost = stats.skipped_bytes + stats.cut_bytes;
    let told = (between, zeros, padding, stats);
    assert!(lost <= between - padding, "too many are counted: {told:?}");
    assert!(lost >= between - zeros, "some are not counted: {told:?}");
    assert!(stats.skipped_bytes >= stats.damaged, "{told:?}");
    assert_eq!(stats.skipped_bytes > 0, stats.damaged > 0, "{told:?}");
    assert_eq!(stats.cut_bytes > 0, stats.cut == 1, "{told:?}");
    assert!(stats.cut <= 1, "{told:?}");
}

/// A source that gives a few bytes at a time, as a pipe or a network would.
struct ShortReads {
    bytes: Vec<u8>,
    most: usize,
}

impl Source for ShortReads {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.most);
        self.bytes.read_at(offset, &mut buffer[..most])
    }
}
