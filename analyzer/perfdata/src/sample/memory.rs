//! The fields of a memory access, for the per-sample loop.

use super::datasrc::DataSrc;
use super::full::Sample;
use super::layout::{SampleError, SampleLayout, words};
use super::window::Window;
use linux_perf_event_reader::SampleFormat;

/// What a loop over memory samples needs of each. A field that samples of this
/// attribute do not have holds the value named beside it; ask
/// [`SampleLayout::fields`] when the difference matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemorySample {
    /// Instruction address (AVMA); 0 when absent.
    pub ip: u64,
    /// Process; -1 when absent.
    pub pid: i32,
    /// Thread; -1 when absent.
    pub tid: i32,
    /// Time in ns of the recording clock; 0 when absent.
    pub time: u64,
    /// Data address (AVMA); 0 when absent or not known.
    pub addr: u64,
    /// CPU; [`MemorySample::NO_CPU`] when absent.
    pub cpu: u32,
    /// How many events the sample stands for; 1 when absent.
    pub period: u64,
    /// Latency in cycles, as the hardware means it; 0 when absent.
    pub weight: u64,
    /// Where the data came from; 0 when absent.
    pub data_src: DataSrc,
    /// Physical data address; 0 when absent or not known.
    pub phys_addr: u64,
}

impl MemorySample {
    /// The CPU of a sample that has no CPU field, as perf writes it.
    pub const NO_CPU: u32 = u32::MAX;
}

impl SampleLayout {
    /// As [`SampleLayout::decode_memory`], into `sample`, of a record for which
    /// more bytes than its own can be seen ([`crate::RawRecord::window`]): that is
    /// quicker.
    ///
    /// # Errors
    /// The first field that does not fit into the record.
    #[inline(always)]
    pub fn decode_memory_in(
        &self,
        body: &[u8],
        window: Option<&Window>,
        sample: &mut MemorySample,
    ) -> Result<(), SampleError> {
        if let (Some(loads), Some(window)) = (&self.window, window)
            && loads.decode(body, window, sample)
        {
            return Ok(());
        }
        *sample = self.decode_memory(body)?;
        Ok(())
    }

    /// Decodes the memory fields of a sample whose bytes behind the record
    /// header are `body`: by plain loads where no field of variable size stands
    /// before them, otherwise by walking the fields.
    ///
    /// # Errors
    /// The first field that does not fit into the record.
    #[inline(never)]
    pub fn decode_memory(&self, body: &[u8]) -> Result<MemorySample, SampleError> {
        if self.swapped || !self.places.tail_is_fixed {
            return self.decode_memory_slowly(body);
        }
        self.decode_fixed(body, |word| word)
    }

    fn decode_memory_slowly(&self, body: &[u8]) -> Result<MemorySample, SampleError> {
        if !self.places.tail_is_fixed {
            return self.decode(body).map(|sample| self.memory_of(&sample));
        }
        self.decode_fixed(body, u64::swap_bytes)
    }

    /// Decodes by plain loads; `order` brings a word into this machine's order.
    #[inline(always)]
    fn decode_fixed(
        &self,
        body: &[u8],
        order: impl Fn(u64) -> u64,
    ) -> Result<MemorySample, SampleError> {
        let places = &self.places;
        let words = words(body);
        if words.len() < usize::from(places.span) {
            return Err(SampleError {
                field: "fixed part",
                available: body.len(),
            });
        }
        let word = |place: u16| {
            let word = words.get(usize::from(place))?;
            Some(order(u64::from_ne_bytes(*word)))
        };
        let (pid, tid) = match word(places.tid) {
            Some(pair) => self.pair_of(pair),
            None => (u32::MAX, u32::MAX),
        };
        let weight = word(places.weight).unwrap_or(0);
        Ok(MemorySample {
            ip: word(places.ip).unwrap_or(0),
            pid: pid.cast_signed(),
            tid: tid.cast_signed(),
            time: word(places.time).unwrap_or(0),
            addr: word(places.addr).unwrap_or(0),
            cpu: word(places.cpu).map_or(MemorySample::NO_CPU, |pair| self.pair_of(pair).0),
            period: word(places.period).unwrap_or(1),
            weight: self.main_weight(weight),
            data_src: DataSrc(word(places.data_src).unwrap_or(0)),
            phys_addr: word(places.phys_addr).unwrap_or(0),
        })
    }

    #[inline]
    fn main_weight(&self, word: u64) -> u64 {
        if self.fields.has(SampleFormat::WEIGHT_STRUCT) {
            word & 0xffff_ffff
        } else {
            word
        }
    }

    fn memory_of(&self, sample: &Sample<'_>) -> MemorySample {
        let (pid, tid) = sample.pid_tid.unwrap_or((-1, -1));
        MemorySample {
            ip: sample.ip.unwrap_or(0),
            pid,
            tid,
            time: sample.time.unwrap_or(0),
            addr: sample.addr.unwrap_or(0),
            cpu: sample.cpu.unwrap_or(MemorySample::NO_CPU),
            period: sample.period.unwrap_or(1),
            weight: sample.weight.unwrap_or_default().weight,
            data_src: sample.data_src.unwrap_or(DataSrc(0)),
            phys_addr: sample.phys_addr.unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sample::Fields;
    use linux_perf_event_reader::Endianness;

    const BASE: u64 = SampleFormat::IP.bits()
        | SampleFormat::TID.bits()
        | SampleFormat::TIME.bits()
        | SampleFormat::ADDR.bits()
        | SampleFormat::CPU.bits()
        | SampleFormat::WEIGHT_STRUCT.bits()
        | SampleFormat::DATA_SRC.bits()
        | SampleFormat::PHYS_ADDR.bits();

    fn layout(sample_type: u64) -> SampleLayout {
        let fields = Fields {
            sample_type,
            ..Fields::default()
        };
        SampleLayout::new(fields, Endianness::LittleEndian)
    }

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    const TID_WORD: u64 = 8 << 32 | 7;
    const WEIGHT_WORD: u64 = 3 << 48 | 2 << 32 | 250;

    #[test]
    fn the_fast_path_and_the_walk_agree() {
        let fixed = words(&[0x400, TID_WORD, 99, 0xff40, 5, WEIGHT_WORD, 0x21, 0x1000]);
        let fast = layout(BASE).decode_memory(&fixed).unwrap();
        let with_chain = words(&[
            0x400,
            TID_WORD,
            99,
            0xff40,
            5,
            1,
            0x400,
            WEIGHT_WORD,
            0x21,
            0x1000,
        ]);
        let walked = layout(BASE | SampleFormat::CALLCHAIN.bits())
            .decode_memory(&with_chain)
            .unwrap();
        assert_eq!(fast, walked);
        assert_eq!((fast.pid, fast.tid, fast.cpu), (7, 8, 5));
        assert_eq!((fast.weight, fast.phys_addr), (250, 0x1000));
    }

    #[test]
    fn a_short_record_is_an_error_on_both_paths() {
        let bytes = words(&[0x400, TID_WORD, 99]);
        assert!(layout(BASE).decode_memory(&bytes).is_err());
        let error = layout(BASE | SampleFormat::CALLCHAIN.bits())
            .decode_memory(&bytes)
            .unwrap_err();
        assert_eq!(error.field, "ADDR");
    }

    #[test]
    fn missing_fields_hold_their_absent_values() {
        let sample = layout(SampleFormat::IP.bits())
            .decode_memory(&words(&[5]))
            .unwrap();
        assert_eq!((sample.pid, sample.cpu), (-1, MemorySample::NO_CPU));
    }
}
