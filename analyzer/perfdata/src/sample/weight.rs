//! All parts of the weight, for loops over memory samples that need more of it than
//! [`super::MemorySample::weight`].

use super::full::Weight;
use super::layout::{SampleLayout, words};
use linux_perf_event_reader::SampleFormat;

impl SampleLayout {
    /// The weight of a sample whose bytes behind the record header are `body`;
    /// absent where samples have none, or the record is too short for it.
    pub fn weight(&self, body: &[u8]) -> Option<Weight> {
        let is_struct = self.fields.has(SampleFormat::WEIGHT_STRUCT);
        if !is_struct && !self.fields.has(SampleFormat::WEIGHT) {
            return None;
        }
        if !self.places.tail_is_fixed {
            return self.decode(body).ok()?.weight;
        }
        let word = self.word(words(body), self.places.weight)?;
        Some(if is_struct {
            Weight::from_struct_word(word)
        } else {
            Weight::from_plain_word(word)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sample::Fields;
    use linux_perf_event_reader::Endianness;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_quick_way_and_the_walk_agree(
            words in prop::collection::vec(any::<u64>(), 0..12),
            is_struct in any::<bool>(),
            has_weight in any::<bool>(),
            has_chain in any::<bool>(),
            is_big in any::<bool>(),
        ) {
            let weight = match is_struct {
                true => SampleFormat::WEIGHT_STRUCT,
                false => SampleFormat::WEIGHT,
            };
            let mut all = SampleFormat::IP | SampleFormat::TID | SampleFormat::PERIOD;
            all.set(weight, has_weight);
            all.set(SampleFormat::CALLCHAIN, has_chain);
            let fields = Fields { sample_type: all.bits(), ..Fields::default() };
            let (endian, bytes): (_, fn(&u64) -> [u8; 8]) = match is_big {
                true => (Endianness::BigEndian, |word| word.to_be_bytes()),
                false => (Endianness::LittleEndian, |word| word.to_le_bytes()),
            };
            let mut words = words;
            if let (true, Some(length)) = (has_chain, words.get_mut(3)) {
                *length %= 4;
            }
            let body: Vec<u8> = words.iter().flat_map(bytes).collect();
            let layout = SampleLayout::new(fields, endian);
            let walked = layout.decode(&body).ok().and_then(|sample| sample.weight);
            prop_assert_eq!(layout.weight(&body), walked);
        }
    }
}
