//! perf.data bytes, taken apart just enough to damage them on purpose and to
//! count their samples a second time.
//!
//! Nothing of the reader under test is used: the offsets are from
//! `tools/perf/Documentation/perf.data-file-format.txt` and
//! `include/uapi/linux/perf_event.h`. Little-endian files in file mode only.
//!
//! ```text
//! header 104 | ids, attributes | data: record record record … | feature table | features
//!              each record: u32 type, u16 misc, u16 size
//! ```

use super::counters::Counters;
use std::collections::BTreeMap;
use std::ops::Range;

pub(crate) const SAMPLE: u32 = 9;
pub(crate) const FINISHED_ROUND: u32 = 68;

/// Offset of the features bitmap in the file header, and its size.
const FEATURES: Range<usize> = 72..104;

/// A capture and where its records are.
pub(crate) struct Capture {
    pub(crate) bytes: Vec<u8>,
    /// The data section.
    pub(crate) data: Range<usize>,
    /// `sample_type` of the first attribute, which all share in these captures.
    sample_type: u64,
}

impl Capture {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        assert_eq!(&bytes[..8], b"PERFILE2", "a little-endian perf.data file");
        assert_eq!(u64_at(&bytes, 8), 104, "file mode");
        let attrs = u64_at(&bytes, 24) as usize;
        let start = u64_at(&bytes, 40) as usize;
        let end = start + u64_at(&bytes, 48) as usize;
        // In perf_event_attr: type 4, size 4, config 8, sample_period 8, sample_type 8.
        let sample_type = u64_at(&bytes, attrs + 24);
        Self {
            data: start..end,
            sample_type,
            bytes,
        }
    }

    /// Type and place of every record.
    pub(crate) fn records(&self) -> Vec<(u32, Range<usize>)> {
        let mut records = Vec::new();
        let mut offset = self.data.start;
        while offset + 8 <= self.data.end {
            let size = usize::from(u16_at(&self.bytes, offset + 6));
            assert!(
                size >= 8 && offset + size <= self.data.end,
                "record at {offset}"
            );
            records.push((u32_at(&self.bytes, offset), offset..offset + size));
            offset += size;
        }
        records
    }

    /// The same capture with only the records that `keep` wants; intact otherwise.
    pub(crate) fn with_records(&self, mut keep: impl FnMut(usize, u32) -> bool) -> Vec<u8> {
        let mut data = Vec::new();
        for (index, (kind, range)) in self.records().into_iter().enumerate() {
            if keep(index, kind) {
                data.extend_from_slice(&self.bytes[range]);
            }
        }
        self.with_data(&data)
    }

    /// The same capture with another data section.
    pub(crate) fn with_data(&self, data: &[u8]) -> Vec<u8> {
        let mut out = self.bytes[..self.data.start].to_vec();
        out[48..56].copy_from_slice(&(data.len() as u64).to_le_bytes());
        out.extend_from_slice(data);
        let table = out.len();
        out.extend_from_slice(&self.bytes[self.data.end..]);
        // The feature sections behind the data moved with its end.
        let features: u32 = self.bytes[FEATURES]
            .iter()
            .map(|byte| byte.count_ones())
            .sum();
        for index in 0..features as usize {
            let at = table + index * 16;
            let old = u64_at(&out, at);
            let new = old + data.len() as u64 - self.data.len() as u64;
            out[at..at + 8].copy_from_slice(&new.to_le_bytes());
        }
        out
    }

    /// `(address, latency)` of every load that has both, in the order of the file.
    pub(crate) fn load_latencies(&self) -> Vec<(u64, u64)> {
        let samples = Samples::new(self.sample_type);
        let records = self.records().into_iter();
        records
            .filter(|(kind, _)| *kind == SAMPLE)
            .filter_map(|(_, range)| samples.load_latency(&self.bytes[range]))
            .collect()
    }

    /// The same capture with other data sources of its samples.
    pub(crate) fn with_sources(&self, change: impl Fn(u64) -> u64) -> Vec<u8> {
        let place = Samples::new(self.sample_type).source;
        let mut out = self.bytes.clone();
        for (kind, range) in self.records() {
            if kind == SAMPLE {
                let at = range.start + place;
                let source = change(u64_at(&out, at));
                out[at..at + 8].copy_from_slice(&source.to_le_bytes());
            }
        }
        out
    }

    /// The same capture with other weights of its samples: whole words of the field.
    pub(crate) fn with_weights(&self, change: impl Fn(u64) -> u64) -> Vec<u8> {
        let (place, _) = Samples::new(self.sample_type).weight.expect("a weight");
        let mut out = self.bytes.clone();
        for (kind, range) in self.records() {
            if kind == SAMPLE {
                let at = range.start + place;
                let weight = change(u64_at(&out, at));
                out[at..at + 8].copy_from_slice(&weight.to_le_bytes());
            }
        }
        out
    }

    /// Address, latency and data source of every sample, in the order of the file.
    pub(crate) fn accesses(&self) -> Vec<(u64, u64, u64)> {
        let samples = self.sampled().into_iter();
        samples
            .map(|it| (it.address, it.latency, it.source))
            .collect()
    }

    /// Every sample, in the order of the file.
    pub(crate) fn sampled(&self) -> Vec<Sampled> {
        let samples = Samples::new(self.sample_type);
        let records = self.records().into_iter();
        records
            .filter(|(kind, _)| *kind == SAMPLE)
            .map(|(_, range)| {
                let record = &self.bytes[range];
                let half = |bit, part: usize| {
                    let at = samples.places.get(&bit);
                    at.map_or(0, |at| u32_at(record, at + 4 * part))
                };
                let word = |bit| samples.places.get(&bit).map_or(0, |at| u64_at(record, *at));
                Sampled {
                    ip: word(0),
                    tid: half(1, 1),
                    cpu: half(7, 0),
                    address: word(3),
                    latency: samples
                        .weight
                        .map_or(0, |(at, mask)| u64_at(record, at) & mask),
                    source: word(15),
                    physical: word(19),
                    period: word(8),
                }
            })
            .collect()
    }

    /// The counters of `perf c2c` after each record, by the rules of
    /// `c2c_decode_stats` (tools/perf/util/mem-events.c). `nomap` is not among
    /// them: it needs the address spaces.
    pub(crate) fn counters_after_each_record(&self) -> Vec<Counters> {
        let mut counters = Counters::default();
        let samples = Samples::new(self.sample_type);
        let mut all = vec![counters.clone()];
        for (kind, range) in self.records() {
            if kind == SAMPLE {
                let (address, source) = samples.read(&self.bytes[range]);
                counters.add(address, source);
            }
            all.push(counters.clone());
        }
        all
    }
}

/// One sample. What it does not hold is 0.
pub(crate) struct Sampled {
    pub(crate) ip: u64,
    pub(crate) tid: u32,
    pub(crate) cpu: u32,
    pub(crate) address: u64,
    pub(crate) latency: u64,
    pub(crate) source: u64,
    pub(crate) physical: u64,
    pub(crate) period: u64,
}

/// Where the fields are in a sample whose fields all have a fixed size.
struct Samples {
    /// By the bit of `sample_type`.
    places: BTreeMap<u32, usize>,
    address: usize,
    source: usize,
    /// WEIGHT, or WEIGHT_STRUCT, whose latency is its lower half.
    weight: Option<(usize, u64)>,
}

impl Samples {
    fn new(sample_type: u64) -> Self {
        // (bit, words) in the order of the record, up to PHYS_ADDR.
        const FIELDS: [(u32, usize); 14] = [
            (16, 1),
            (0, 1),
            (1, 1),
            (2, 1),
            (3, 1),
            (6, 1),
            (9, 1),
            (7, 1),
            (8, 1),
            (14, 1),
            (24, 1),
            (15, 1),
            (17, 1),
            (19, 1),
        ];
        const UNSIZED: u64 = 1 << 4 | 1 << 5 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 18;
        assert_eq!(sample_type & UNSIZED, 0, "samples of a fixed layout");
        let mut offset = 8;
        let mut places = BTreeMap::new();
        for (bit, words) in FIELDS {
            if sample_type & 1 << bit != 0 {
                places.insert(bit, offset);
                offset += words * 8;
            }
        }
        Self {
            address: places[&3],
            source: places[&15],
            weight: match (places.get(&14), places.get(&24)) {
                (Some(at), _) => Some((*at, u64::MAX)),
                (None, Some(at)) => Some((*at, u64::from(u32::MAX))),
                (None, None) => None,
            },
            places,
        }
    }

    fn load_latency(&self, record: &[u8]) -> Option<(u64, u64)> {
        let (address, source) = self.read(record);
        let (at, mask) = self.weight?;
        let latency = u64_at(record, at) & mask;
        (source & 0x2 != 0 && address != 0 && latency != 0).then_some((address, latency))
    }

    fn read(&self, record: &[u8]) -> (u64, u64) {
        (u64_at(record, self.address), u64_at(record, self.source))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("2 bytes"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}
