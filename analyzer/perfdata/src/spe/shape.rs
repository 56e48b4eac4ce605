//! Shapes: where the packets of a record stand.
//!
//! A core writes its records in a few shapes, one for loads, one for stores and so
//! on. Which packets there are, and where, is told by their header bytes alone, so a
//! record with the header bytes of an earlier one is read by comparing eight bytes at
//! a time and then loading each value from its known place. That is several times
//! faster than going from packet to packet, where each step waits for the one before.

use super::operation::Operation;
use super::packet::{KINDS, Kind, payload_size};
use super::record::SpeRecord;
use std::collections::BTreeMap;

/// The longest record that has a shape, in words of eight bytes.
const WORDS: usize = 12;

/// The words of most records: 64 bytes.
const SHORT: usize = 8;

/// How many shapes are kept.
const MOST: usize = 16;

/// After so many shapes no more are learned: the bytes are not those of hardware, and
/// learning would cost more than it saves.
const MOST_LEARNED: u32 = 1000;

/// Where a value stands and which bits of the eight bytes there are its own.
#[derive(Clone, Copy, Debug, Default)]
struct Field {
    at: u8,
    mask: u64,
}

impl Field {
    fn new(at: usize, size: usize) -> Self {
        Self {
            at: at as u8,
            mask: u64::MAX >> (64 - 8 * size as u32),
        }
    }
}

/// The shape of a record.
#[derive(Clone, Debug, Default)]
struct Shape {
    /// Bytes of the record.
    length: usize,
    /// The header bytes at their places, and a mask of these places.
    headers: [u64; WORDS],
    masks: [u64; WORDS],
    /// Which packets there are.
    has: u32,
    class: u8,
    operation: Field,
    source: Field,
    counters: [Field; 3],
    contexts: [Field; 2],
    events: Field,
    timestamp: Field,
    addresses: [Field; 5],
}

/// The bytes from which a record is read. It is shorter, but so many bytes make any
/// [`Field`] a place from which eight bytes can be loaded, without a check for each.
const WINDOW: usize = u8::MAX as usize + 8;

impl Shape {
    /// The shape of a whole record that is all of `bytes`; absent where the places of
    /// its packets depend on more than its header bytes, or it is too long.
    fn of(bytes: &[u8], record: &SpeRecord) -> Option<Self> {
        if bytes.len() > 8 * WORDS {
            return None;
        }
        let mut shape = Self {
            length: bytes.len(),
            has: record.has,
            class: record.operation.class,
            ..Self::default()
        };
        let mut at = 0;
        while let Some(&header) = bytes.get(at) {
            shape.fix(at, header);
            let (mut kind, mut index) = (KINDS[usize::from(header)], header & 7);
            let mut behind = header;
            match kind {
                Kind::Padding | Kind::End => {
                    at += 1;
                    continue;
                }
                Kind::Extended => {
                    at += 1;
                    let &second = bytes.get(at).filter(|&&second| second != 0)?;
                    shape.fix(at, second);
                    (kind, index) = (KINDS[usize::from(second)], (header & 3) << 3 | second & 7);
                    behind = second;
                }
                _ => {}
            }
            let size = payload_size(behind);
            let field = Field::new(at + 1, size);
            let place = match kind {
                Kind::Timestamp => Some(&mut shape.timestamp),
                Kind::Events => Some(&mut shape.events),
                Kind::Source => Some(&mut shape.source),
                Kind::Operation => Some(&mut shape.operation),
                Kind::Context => Some(&mut shape.contexts[usize::from(header & 1)]),
                Kind::Address => shape.addresses.get_mut(usize::from(index)),
                Kind::Counter => shape.counters.get_mut(usize::from(index)),
                _ => return None,
            };
            if let Some(place) = place {
                *place = field;
            }
            at += 1 + size;
        }
        (at == bytes.len()).then_some(shape)
    }

    /// Compares the byte at `at`, which has to be `value`.
    fn fix(&mut self, at: usize, value: u8) {
        let shift = 8 * (at % 8) as u32;
        self.headers[at / 8] |= u64::from(value) << shift;
        self.masks[at / 8] |= 0xff << shift;
    }

    /// Whether the same records have this shape.
    fn is_same(&self, other: &Self) -> bool {
        (self.headers, self.masks) == (other.headers, other.masks)
    }

    /// The header byte at a place; absent where none stands.
    fn header(&self, at: usize) -> Option<u8> {
        let byte = |words: &[u64; WORDS]| (words[at / 8] >> (8 * (at % 8))) as u8;
        (byte(&self.masks) != 0).then(|| byte(&self.headers))
    }

    /// Whether the record at the front has this shape.
    #[inline]
    fn is_of(&self, window: &[u8; WINDOW]) -> bool {
        let (words, _) = window.as_chunks::<8>();
        let all = words.iter().zip(self.headers.iter().zip(&self.masks));
        let other = |from: usize, to: usize| {
            let steps = all.clone().take(to).skip(from);
            steps.fold(0, |other, (word, (header, mask))| {
                other | (u64::from_le_bytes(*word) ^ header) & mask
            })
        };
        // Two numbers of steps that are known beforehand: most records fit the first.
        let mut is_other = other(0, SHORT);
        if self.length > 8 * SHORT {
            is_other |= other(SHORT, WORDS);
        }
        is_other == 0
    }

    /// Reads a record of this shape. Packets that it has not get 0, as they have
    /// where no packet wrote them. Given as a value and written out in its caller, so
    /// that what the caller does not look at is not read.
    #[inline(always)]
    fn read(&self, window: &[u8; WINDOW]) -> SpeRecord {
        let value = |field: &Field| {
            let at = usize::from(field.at);
            let word = std::array::from_fn(|byte| window[at + byte]);
            u64::from_le_bytes(word) & field.mask
        };
        let [total, issue, translation] = &self.counters;
        let [el1, el2] = &self.contexts;
        let [pc, target, data, physical, previous] = &self.addresses;
        SpeRecord {
            has: self.has,
            operation: Operation {
                class: self.class,
                payload: value(&self.operation) as u8,
            },
            source: value(&self.source) as u16,
            counters: [total, issue, translation].map(|field| value(field) as u16),
            contexts: [el1, el2].map(|field| value(field) as u32),
            events: value(&self.events),
            timestamp: value(&self.timestamp),
            addresses: [pc, target, data, physical, previous].map(value),
        }
    }
}

/// A question that tells shapes apart, or its end.
#[derive(Debug)]
struct Node {
    /// Where the byte stands that is asked for.
    at: u8,
    /// The next node by this byte. Of a node that stands for a shape it is itself.
    next: [u8; 256],
}

/// How many questions are asked at most: enough for four shapes, mostly for more.
const DEEPEST: u8 = 2;

/// The shapes that were met, in this order.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    shapes: Vec<Shape>,
    learned: u32,
    /// First a node for each shape, in their order, then the questions. To try the
    /// shapes in turn costs a wrong guess of the processor for every other record.
    nodes: Vec<Node>,
    /// The first question.
    root: u8,
    /// How many are asked.
    depth: u8,
}

impl Shapes {
    /// Reads the record at `at` if it has a known shape and enough bytes stand behind
    /// it; returns it and where it ends.
    #[inline(always)]
    pub(super) fn read(&self, bytes: &[u8], at: usize) -> Option<(SpeRecord, usize)> {
        let window = bytes.get(at..)?.first_chunk::<WINDOW>()?;
        let mut place = usize::from(self.root);
        for _ in 0..self.depth {
            let node = self.nodes.get(place)?;
            place = usize::from(node.next[usize::from(window[usize::from(node.at)])]);
        }
        let told = self.shapes.get(place).or(self.shapes.first())?;
        let shape = if told.is_of(window) {
            told
        } else {
            self.find(window)?
        };
        Some((shape.read(window), at + shape.length))
    }

    #[inline(never)]
    fn find(&self, window: &[u8; WINDOW]) -> Option<&Shape> {
        self.shapes.iter().find(|shape| shape.is_of(window))
    }

    /// Learns the shape of a whole record.
    #[cold]
    pub(super) fn learn(&mut self, bytes: &[u8], record: &SpeRecord) {
        if self.learned >= MOST_LEARNED {
            return;
        }
        let Some(shape) = Shape::of(bytes, record) else {
            return;
        };
        // Too few bytes stood behind it to be read by it.
        if self.shapes.iter().any(|known| known.is_same(&shape)) {
            return;
        }
        self.learned += 1;
        self.shapes.truncate(MOST - 1);
        self.shapes.push(shape);
        let leaves = 0..self.shapes.len() as u8;
        let leaf = |place: u8| Node {
            at: 0,
            next: [place; 256],
        };
        self.nodes = leaves.clone().map(leaf).collect();
        let (root, depth) = self.ask(&leaves.collect::<Vec<u8>>(), 0);
        (self.root, self.depth) = (root, depth.min(DEEPEST));
    }

    /// Makes the questions that tell these shapes apart, all of which have the same
    /// headers in front of `from`; returns the first one, and how many come one behind
    /// the other.
    fn ask(&mut self, shapes: &[u8], from: usize) -> (u8, u8) {
        let header = |at: usize, place: u8| self.shapes[usize::from(place)].header(at);
        let differ = |&at: &usize| {
            shapes
                .iter()
                .any(|&place| header(at, place) != header(at, shapes[0]))
        };
        // The first one is at a place where all have a header: what stands there is told
        // by the headers in front of it.
        let Some(at) = (from..8 * WORDS).find(differ) else {
            return (shapes[0], 0);
        };
        let mut groups: BTreeMap<Option<u8>, Vec<u8>> = BTreeMap::new();
        for &place in shapes {
            groups.entry(header(at, place)).or_default().push(place);
        }
        let mut next = [shapes[0]; 256];
        let mut depth = 0;
        for (header, group) in groups {
            let (place, below) = self.ask(&group, at + 1);
            depth = depth.max(below + 1);
            if let Some(header) = header {
                next[usize::from(header)] = place;
            }
        }
        self.nodes.push(Node { at: at as u8, next });
        ((self.nodes.len() - 1) as u8, depth)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::spe::record::{Ended, assemble};
    use proptest::prelude::*;

    /// Packets with all that their headers tell, and some bytes.
    fn packets() -> impl Strategy<Value = Vec<u8>> {
        let header = prop::sample::select(vec![
            0x00u8, 0x42, 0x52, 0x62, 0x43, 0x53, 0x64, 0x65, 0x48, 0x49, 0x4a, 0x98, 0x99, 0x9a,
            0x9b, 0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0x20, 0x21,
        ]);
        let packet = (
            header,
            any::<[u8; 9]>(),
            prop::sample::select(vec![0x98u8, 0x9a, 0xb2]),
        );
        let packet = packet.prop_map(|(header, payload, second)| {
            let mut bytes = vec![header];
            match KINDS[usize::from(header)] {
                Kind::Padding => {}
                Kind::Extended => {
                    bytes.push(second);
                    bytes.extend(&payload[..payload_size(second)]);
                }
                _ => bytes.extend(&payload[..payload_size(header)]),
            }
            bytes
        });
        let end = prop::sample::select(vec![vec![0x01], vec![0x71, 1, 2, 3, 4, 5, 6, 7, 8]]);
        (prop::collection::vec(packet, 1..10), end)
            .prop_map(|(packets, end)| [packets.concat(), end].concat())
    }

    proptest! {
        /// A record of a known shape is read as the packets tell it, with other
        /// values in its packets as well, and nothing else is taken for one.
        #[test]
        fn what_shapes_read_is_what_packets_tell(
            known in prop::collection::vec(packets(), 1..12),
            other in packets(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        ) {
            let mut shapes = Shapes::default();
            let mut slow = SpeRecord::default();
            for bytes in &known {
                if let Ended::Whole(end) = assemble(bytes, 0, 0, &mut slow) {
                    shapes.learn(&bytes[..end], &slow);
                }
            }
            for bytes in known.iter().chain([&other]) {
                let mut bytes = [bytes.as_slice(), &[0; WINDOW]].concat();
                for (at, value) in std::iter::once(None).chain(changes.iter().map(Some)).map(
                    |change| change.map_or((0, None), |(at, value)| (at.index(64), Some(*value))),
                ) {
                    if let Some(value) = value {
                        bytes[at] = value;
                    }
                    if let Some((fast, end)) = shapes.read(&bytes, 0) {
                        prop_assert_eq!(assemble(&bytes, 0, 0, &mut slow), Ended::Whole(end));
                        prop_assert_eq!(fast, slow);
                    }
                }
            }
        }
    }

    /// Without this the shapes would read nothing and be no faster.
    #[test]
    fn records_of_several_shapes_are_known_again() {
        let load = [
            0xb0, 1, 2, 3, 4, 5, 6, 0, 0x80, 0x49, 0, 0x52, 0x16, 0, 0x98, 9, 0, 0x43, 8, 0x71, 9,
            8, 7, 6, 5, 4, 3, 2,
        ];
        let store = [
            0xb0, 1, 2, 3, 4, 5, 6, 0, 0x80, 0x49, 1, 0x52, 0x16, 0, 0x98, 9, 0, 0x71, 9, 8, 7, 6,
            5, 4, 3, 2,
        ];
        let branch = [0xb0, 1, 2, 3, 4, 5, 6, 0, 0x80, 0x4a, 1, 0x01];
        let all: [&[u8]; 3] = [&load, &store, &branch];
        let mut shapes = Shapes::default();
        let mut slow = SpeRecord::default();
        for bytes in all {
            let mut padded = [bytes, &[0; WINDOW]].concat();
            assert_eq!(shapes.read(&padded, 0), None);
            assert_eq!(
                assemble(&padded, 0, 0, &mut slow),
                Ended::Whole(bytes.len())
            );
            shapes.learn(bytes, &slow);
            padded[3] = 77;
            assemble(&padded, 0, 0, &mut slow);
            assert_eq!(shapes.read(&padded, 0), Some((slow, bytes.len())));
        }
        // An alignment packet has the length that its place asks for.
        let aligned = [&load[..9], &[0x22, 0, 0, 0, 0, 0, 0], &load[9..]].concat();
        let end = assemble(&aligned, 0, 0, &mut slow);
        assert_eq!(end, Ended::Whole(aligned.len()));
        assert!(Shape::of(&aligned, &slow).is_none());
    }
}
