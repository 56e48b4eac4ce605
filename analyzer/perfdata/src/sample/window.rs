//! The fields of a memory access by loads that need no check each.
//!
//! Whether a place is inside a record takes longer to ask than to load the word
//! there. Records are followed by other records in nearly all cases, so that 16
//! words can be seen from the beginning of each; a place below 16 needs no
//! question.

use super::datasrc::DataSrc;
use super::layout::{ABSENT, Fields, Places};
use super::memory::MemorySample;
use linux_perf_event_reader::SampleFormat;

/// Words of a window.
const WORDS: usize = 16;

/// The words from the end of a record's header on; those behind the record are
/// of other records.
pub type Window = [[u8; 8]; WORDS];

/// How one field is loaded: without a branch, whether samples have it or not.
#[derive(Clone, Copy, Debug)]
struct Load {
    place: u8,
    /// The bits of the word that are the field's.
    keep: u64,
    /// The bits that are set where there is no such field.
    absent: u64,
}

impl Load {
    fn new(place: u16, mask: u64, absent: u64) -> Option<Self> {
        if place == ABSENT {
            return Some(Self {
                place: 0,
                keep: 0,
                absent,
            });
        }
        let place = u8::try_from(place).ok();
        let place = place.filter(|&place| usize::from(place) < WORDS)?;
        Some(Self {
            place,
            keep: mask,
            absent: 0,
        })
    }

    /// Whether the whole word is the field.
    fn is_whole(&self) -> bool {
        self.keep == u64::MAX
    }

    #[inline(always)]
    fn word<const WHOLE: bool>(&self, window: &Window) -> u64 {
        let word = u64::from_ne_bytes(window[usize::from(self.place) % WORDS]);
        if WHOLE {
            word
        } else {
            word & self.keep | self.absent
        }
    }

    /// The two numbers of four bytes each in a word: the kernel writes two u32,
    /// one after the other.
    #[inline(always)]
    fn pair<const WHOLE: bool>(&self, window: &Window) -> (u32, u32) {
        let word = self.word::<WHOLE>(window);
        let (low, high) = (word as u32, (word >> 32) as u32);
        if cfg!(target_endian = "big") {
            (high, low)
        } else {
            (low, high)
        }
    }
}

/// How the memory fields of one attribute are loaded from a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowLoads {
    /// Bytes of a record behind its header that the fields span.
    span: usize,
    /// Whether samples have all fields, each a word of its own, as those of
    /// `perf c2c record` do.
    is_whole: bool,
    ip: Load,
    tid: Load,
    time: Load,
    addr: Load,
    cpu: Load,
    period: Load,
    weight: Load,
    data_src: Load,
    phys_addr: Load,
}

impl WindowLoads {
    /// The loads of samples in this machine's byte order; absent when a field is
    /// not in the same place in all of them, or behind the window.
    pub(super) fn new(places: &Places, fields: &Fields) -> Option<Self> {
        if !places.tail_is_fixed || usize::from(places.span) > WORDS {
            return None;
        }
        let load = |place, absent| Load::new(place, u64::MAX, absent);
        let main_weight = if fields.has(SampleFormat::WEIGHT_STRUCT) {
            0xffff_ffff
        } else {
            u64::MAX
        };
        let mut loads = Self {
            is_whole: false,
            span: 8 * usize::from(places.span),
            ip: load(places.ip, 0)?,
            tid: load(places.tid, u64::MAX)?,
            time: load(places.time, 0)?,
            addr: load(places.addr, 0)?,
            cpu: load(places.cpu, u64::MAX)?,
            period: load(places.period, 1)?,
            weight: Load::new(places.weight, main_weight, 0)?,
            data_src: load(places.data_src, 0)?,
            phys_addr: load(places.phys_addr, 0)?,
        };
        let all = [
            loads.ip,
            loads.tid,
            loads.time,
            loads.addr,
            loads.cpu,
            loads.period,
            loads.data_src,
            loads.phys_addr,
        ];
        loads.is_whole = all.iter().all(Load::is_whole);
        Some(loads)
    }

    /// Decodes the record whose bytes behind the header are `body` and begin the
    /// window into `sample`; false when the record is too short for its fields.
    #[inline(always)]
    pub(super) fn decode(&self, body: &[u8], window: &Window, sample: &mut MemorySample) -> bool {
        if body.len() < self.span {
            return false;
        }
        if self.is_whole {
            self.fields::<true>(window, sample);
        } else {
            self.fields::<false>(window, sample);
        }
        true
    }

    /// Each field goes straight to its place: a sample that is put together on the
    /// stack and then copied waits until the processor has stored its parts.
    #[inline(always)]
    fn fields<const WHOLE: bool>(&self, window: &Window, sample: &mut MemorySample) {
        let (pid, tid) = self.tid.pair::<WHOLE>(window);
        sample.ip = self.ip.word::<WHOLE>(window);
        sample.pid = pid.cast_signed();
        sample.tid = tid.cast_signed();
        sample.time = self.time.word::<WHOLE>(window);
        sample.addr = self.addr.word::<WHOLE>(window);
        sample.cpu = self.cpu.pair::<WHOLE>(window).0;
        sample.period = self.period.word::<WHOLE>(window);
        // Often a part of its word.
        sample.weight = self.weight.word::<false>(window);
        sample.data_src = DataSrc(self.data_src.word::<WHOLE>(window));
        sample.phys_addr = self.phys_addr.word::<WHOLE>(window);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::sample::{Fields, MemorySample, SampleLayout};
    use linux_perf_event_reader::{Endianness, SampleFormat};
    use proptest::prelude::*;

    /// What a memory sample may have, and what makes it irregular.
    const BITS: [SampleFormat; 14] = [
        SampleFormat::IDENTIFIER,
        SampleFormat::IP,
        SampleFormat::TID,
        SampleFormat::TIME,
        SampleFormat::ADDR,
        SampleFormat::ID,
        SampleFormat::STREAM_ID,
        SampleFormat::CPU,
        SampleFormat::PERIOD,
        SampleFormat::WEIGHT,
        SampleFormat::DATA_SRC,
        SampleFormat::TRANSACTION,
        SampleFormat::PHYS_ADDR,
        SampleFormat::CALLCHAIN,
    ];

    proptest! {
        #[test]
        fn windows_give_what_checked_loads_give(
            chosen in prop::collection::vec(any::<bool>(), BITS.len()),
            as_struct in any::<bool>(),
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            length in 0usize..200,
            is_big in any::<bool>(),
        ) {
            let bits = BITS.iter().zip(&chosen).filter(|(_, chosen)| **chosen);
            let mut sample_type = bits.fold(0, |all, (bit, _)| all | bit.bits());
            if as_struct {
                sample_type &= !SampleFormat::WEIGHT.bits();
                sample_type |= SampleFormat::WEIGHT_STRUCT.bits();
            }
            let fields = Fields { sample_type, ..Fields::default() };
            let endian = if is_big { Endianness::BigEndian } else { Endianness::LittleEndian };
            let layout = SampleLayout::new(fields, endian);
            let body = &bytes[..length.min(bytes.len())];
            let window = bytes.as_chunks().0.first_chunk();
            let mut sample = MemorySample::default();
            let quick = layout.decode_memory_in(body, window, &mut sample);
            prop_assert_eq!(quick.map(|()| sample), layout.decode_memory(body));
        }
    }
}
