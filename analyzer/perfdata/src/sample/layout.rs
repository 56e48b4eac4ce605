//! Where the fields of a sample stand, computed once per attribute.
//!
//! The order of fields is that of `perf_output_sample` in
//! `kernel/events/core.c`; `perf_event_open(2)` lists it too.

use super::window::WindowLoads;
use linux_perf_event_reader::{Endianness, SampleFormat};
use thiserror::Error;

/// What of a `perf_event_attr` decides how its samples are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// `sample_type`: which fields a sample has.
    pub sample_type: u64,
    /// `read_format`: what the READ field holds.
    pub read_format: u64,
    /// `branch_sample_type`: what the BRANCH_STACK field holds.
    pub branch_sample_type: u64,
    /// `sample_regs_user`: one register in REGS_USER for each set bit.
    pub regs_user: u64,
    /// `sample_regs_intr`: one register in REGS_INTR for each set bit.
    pub regs_intr: u64,
    /// Whether records other than samples end with a sample-id trailer.
    pub sample_id_all: bool,
}

impl Fields {
    /// Whether samples have `field`.
    pub fn has(&self, field: SampleFormat) -> bool {
        self.sample_type & field.bits() != 0
    }
}

/// A sample whose fields do not fit into its record.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the {field} field does not fit into the {available} bytes that are left of the record")]
pub struct SampleError {
    /// The first field that does not fit, by its `PERF_SAMPLE_` name.
    pub field: &'static str,
    /// How many bytes the record has left for it.
    pub available: usize,
}

/// The place of a field that samples of this layout do not have.
pub(super) const ABSENT: u16 = u16::MAX;

/// Where the fields stand that every sample of one attribute has in the same
/// place, in words of eight bytes from the end of the record header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) identifier: u16,
    pub(super) ip: u16,
    pub(super) tid: u16,
    pub(super) time: u16,
    pub(super) addr: u16,
    pub(super) id: u16,
    pub(super) cpu: u16,
    pub(super) period: u16,
    /// The places below are absent when a field of variable size stands
    /// before them; `tail_is_fixed` tells which of the two it is.
    pub(super) weight: u16,
    pub(super) data_src: u16,
    pub(super) phys_addr: u16,
    /// Whether no field of variable size stands before the memory fields.
    pub(super) tail_is_fixed: bool,
    /// How many words the fields with a place span.
    pub(super) span: u16,
}

/// How the samples of one attribute are laid out.
#[derive(Clone, Debug)]
pub struct SampleLayout {
    pub(super) fields: Fields,
    pub(super) endian: Endianness,
    pub(super) places: Places,
    /// Whether words are stored in the other byte order than this machine's.
    pub(super) swapped: bool,
    /// Quick loads of the memory fields, where their places allow it.
    pub(super) window: Option<WindowLoads>,
}

impl SampleLayout {
    /// Computes the layout of the samples that `fields` describes.
    pub fn new(fields: Fields, endian: Endianness) -> Self {
        let mut next = 0u16;
        let mut place = |present: bool| {
            if present {
                next += 1;
                next - 1
            } else {
                ABSENT
            }
        };
        let identifier = place(fields.has(SampleFormat::IDENTIFIER));
        let ip = place(fields.has(SampleFormat::IP));
        let tid = place(fields.has(SampleFormat::TID));
        let time = place(fields.has(SampleFormat::TIME));
        let addr = place(fields.has(SampleFormat::ADDR));
        let id = place(fields.has(SampleFormat::ID));
        place(fields.has(SampleFormat::STREAM_ID));
        let cpu = place(fields.has(SampleFormat::CPU));
        let period = place(fields.has(SampleFormat::PERIOD));

        let before_weight = SampleFormat::READ
            | SampleFormat::CALLCHAIN
            | SampleFormat::RAW
            | SampleFormat::BRANCH_STACK
            | SampleFormat::REGS_USER
            | SampleFormat::STACK_USER;
        let after_weight = SampleFormat::REGS_INTR;
        let wants_phys = fields.has(SampleFormat::PHYS_ADDR);
        let tail_is_fixed = fields.sample_type & before_weight.bits() == 0
            && !(wants_phys && fields.has(after_weight));
        let mut place_tail = |present: bool| {
            if present && tail_is_fixed {
                next += 1;
                next - 1
            } else {
                ABSENT
            }
        };
        let weight =
            place_tail(fields.has(SampleFormat::WEIGHT) || fields.has(SampleFormat::WEIGHT_STRUCT));
        let data_src = place_tail(fields.has(SampleFormat::DATA_SRC));
        if wants_phys {
            // TRANSACTION stands between; without PHYS_ADDR nobody looks there.
            place_tail(fields.has(SampleFormat::TRANSACTION));
        }
        let phys_addr = place_tail(wants_phys);
        let places = Places {
            identifier,
            ip,
            tid,
            time,
            addr,
            id,
            cpu,
            period,
            weight,
            data_src,
            phys_addr,
            tail_is_fixed,
            span: next,
        };
        let swapped = (endian == Endianness::BigEndian) != cfg!(target_endian = "big");
        let window = WindowLoads::new(&places, &fields);
        Self {
            fields,
            endian,
            places,
            swapped,
            window: window.filter(|_| !swapped),
        }
    }

    /// What the layout was computed from.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The byte order of the samples.
    pub fn endian(&self) -> Endianness {
        self.endian
    }

    /// The place of the event id in a sample, in words of eight bytes from the
    /// end of the record header: IDENTIFIER where there is one, otherwise ID;
    /// absent when samples have neither.
    pub fn id_place(&self) -> Option<usize> {
        let Places { identifier, id, .. } = self.places;
        [identifier, id]
            .into_iter()
            .find(|&place| place != ABSENT)
            .map(usize::from)
    }

    /// The place of the data address in a sample, in words of eight bytes from
    /// the end of the record header; absent when samples have none.
    pub fn addr_place(&self) -> Option<usize> {
        let place = self.places.addr;
        (place != ABSENT).then_some(usize::from(place))
    }

    /// The time of a sample in ns of the recording clock; absent without the
    /// TIME field or when the record is too short for it.
    pub fn time(&self, body: &[u8]) -> Option<u64> {
        self.word(words(body), self.places.time)
    }

    /// The word at a place; absent when the field is.
    #[inline]
    pub(super) fn word(&self, words: &[[u8; 8]], place: u16) -> Option<u64> {
        let word = u64::from_ne_bytes(*words.get(usize::from(place))?);
        Some(if self.swapped {
            word.swap_bytes()
        } else {
            word
        })
    }

    /// The two numbers of four bytes each in a word: the kernel writes two u32,
    /// one after the other, in its own byte order.
    #[inline]
    pub(super) fn pair_of(&self, word: u64) -> (u32, u32) {
        let (low, high) = (word as u32, (word >> 32) as u32);
        match self.endian {
            Endianness::LittleEndian => (low, high),
            Endianness::BigEndian => (high, low),
        }
    }
}

/// The whole words of a sample.
#[inline]
pub(super) fn words(body: &[u8]) -> &[[u8; 8]] {
    body.as_chunks().0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn layout(fields: &[SampleFormat]) -> SampleLayout {
        let sample_type = fields.iter().fold(0, |all, field| all | field.bits());
        let fields = Fields {
            sample_type,
            ..Fields::default()
        };
        SampleLayout::new(fields, Endianness::LittleEndian)
    }

    #[test]
    fn fields_stand_in_the_order_of_the_kernel() {
        let layout = layout(&[
            SampleFormat::TIME,
            SampleFormat::IP,
            SampleFormat::TID,
            SampleFormat::ADDR,
            SampleFormat::ID,
            SampleFormat::CPU,
            SampleFormat::PERIOD,
            SampleFormat::WEIGHT,
            SampleFormat::DATA_SRC,
            SampleFormat::TRANSACTION,
            SampleFormat::PHYS_ADDR,
        ]);
        let places = layout.places;
        assert_eq!(places.identifier, ABSENT);
        assert_eq!((places.ip, places.tid, places.time), (0, 1, 2));
        assert_eq!((places.addr, places.id, places.cpu), (3, 4, 5));
        assert_eq!(places.weight, 7);
        assert_eq!((places.data_src, places.phys_addr), (8, 10));
        assert_eq!(layout.id_place(), Some(4));
    }

    #[test]
    fn a_variable_field_ends_the_fixed_part() {
        let layout = layout(&[
            SampleFormat::IDENTIFIER,
            SampleFormat::IP,
            SampleFormat::CALLCHAIN,
            SampleFormat::DATA_SRC,
        ]);
        assert_eq!(layout.places.data_src, ABSENT);
        assert!(!layout.places.tail_is_fixed);
        assert_eq!(layout.id_place(), Some(0));
    }

    #[test]
    fn pairs_keep_their_order_on_big_endian_files() {
        let fields = Fields {
            sample_type: SampleFormat::TID.bits(),
            ..Fields::default()
        };
        let layout = SampleLayout::new(fields, Endianness::BigEndian);
        let body = [0, 0, 0, 7, 0, 0, 0, 9];
        let word = layout.word(words(&body), layout.places.tid);
        assert_eq!(word.map(|word| layout.pair_of(word)), Some((7, 9)));
    }
}
