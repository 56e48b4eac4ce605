//! Arm SPE through the public interface: planned records come back, whatever the
//! container, and damage costs no more than what it hit. The packets are written by
//! the fixtures, with layout code of their own.

#![allow(clippy::unwrap_used)]

use contend_fixtures::{Container, Rng, SpeCapture, SpePlan};
use contend_perfdata::{
    AuxChunk, AuxInfo, Decoded, PerfData, SpeDecoder, SpeRecord, SpeStats, spe_address as address,
};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a record says, in the form of a plan.
fn told(record: &SpeRecord, has_physical: bool) -> SpePlan {
    let operation = record.operation();
    let pc = record.raw_address(address::PC);
    SpePlan {
        operation: Some((operation.class, operation.payload)),
        events: (record.events() != 0).then_some(record.events()),
        source: record.source(),
        pc: pc.map(|value| (value & ((1 << 56) - 1), (value >> 61 & 3) as u8)),
        data: record.raw_address(address::DATA),
        physical: record.physical_address().filter(|_| has_physical),
        context: record.context().map(|value| (1, value)),
        latencies: [
            record.total_latency(),
            record.issue_latency(),
            record.translation_latency(),
        ],
        timestamp: record.timestamp(),
    }
}

/// Everything that is decoded of a file, chunk by chunk.
fn decode(bytes: Vec<u8>) -> Option<(Vec<SpePlan>, SpeStats)> {
    let data = PerfData::open(Arc::new(bytes)).ok()?;
    let (mut plans, mut stats) = (Vec::new(), SpeStats::default());
    let mut decoder = SpeDecoder::default();
    for chunk in &data.aux().chunks {
        let source = data.source_of(chunk).unwrap();
        let of_chunk = decoder.chunk(chunk, source, |decoded| {
            plans.push(told(decoded.record, true));
        });
        stats.merge(&of_chunk.unwrap());
    }
    Some((plans, stats))
}

/// A whole record: an operation and an instruction are always there.
fn plan() -> impl Strategy<Value = SpePlan> {
    let low = 0..1u64 << 56;
    let fixed = (0u8..3, any::<u8>(), low.clone(), 0u8..4);
    let rest = (
        proptest::option::of(1..u64::MAX),
        proptest::option::of(any::<u16>()),
        proptest::option::of(any::<u64>()),
        proptest::option::of(low),
        proptest::option::of(any::<u32>()),
        any::<[Option<u16>; 3]>(),
        proptest::option::of(any::<u64>()),
    );
    (fixed, rest).prop_map(|((class, payload, pc, level), rest)| {
        let (events, source, data, physical, context, latencies, timestamp) = rest;
        SpePlan {
            operation: Some((class, payload)),
            events,
            source,
            pc: Some((pc, level)),
            data,
            physical,
            context: context.map(|value| (1, value)),
            latencies,
            timestamp,
        }
    })
}

/// A load that can be told from its neighbours.
fn load(number: u64) -> SpePlan {
    SpePlan {
        operation: Some((1, 0)),
        events: Some(0x16),
        source: Some(9),
        pc: Some((SpeCapture::TEXT + 4 * number, 0)),
        data: Some(SpeCapture::HEAP + 8 * number),
        physical: Some(0x1_0000_0000 + 8 * number),
        context: Some((1, SpeCapture::PID)),
        latencies: [Some(100), Some(20), Some(3)],
        timestamp: Some(0x0102_0304_0000 + number),
    }
}

fn bytes_of(plans: &[SpePlan], align: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    plans.iter().for_each(|plan| plan.write(&mut bytes, align));
    bytes
}

fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut capture = SpeCapture::new(2);
    for chunk in chunks {
        capture.raw_chunk(0, chunk.clone(), 0, true);
    }
    capture.wrapped(Container::File).unwrap()
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        plans in proptest::collection::vec(plan(), 1..40),
        align in prop::sample::select(vec![0usize, 16, 64]),
        containers in prop::sample::select(vec![
            Container::File, Container::Pipe, Container::FileZstd, Container::Unfinished,
        ]),
    ) {
        let mut capture = SpeCapture::new(2);
        capture.chunk(1, &plans, align);
        capture.chunk(0, &plans, align);
        let bytes = capture.wrapped(containers).unwrap();
        let (read, stats) = decode(bytes).unwrap();
        prop_assert_eq!(&read[..plans.len()], &plans[..]);
        prop_assert_eq!(&read[plans.len()..], &plans[..]);
        let whole = SpeStats { records: 2 * plans.len() as u64, ..SpeStats::default() };
        prop_assert_eq!(stats, whole);
    }

    /// Nothing is made of nothing, and no byte is counted twice.
    #[test]
    fn random_bytes_are_counted(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
        let length = bytes.len() as u64;
        let (_, stats) = decode(file(&[bytes])).unwrap();
        prop_assert!(stats.skipped_bytes + stats.cut_bytes <= length);
        prop_assert!(stats.records * 11 <= length);
    }

    /// The same of bytes that are mostly headers of packets.
    #[test]
    fn random_packets_are_counted(
        bytes in proptest::collection::vec(
            prop::sample::select(vec![
                0u8, 0, 1, 0x49, 0x48, 0x4a, 0x52, 0x42, 0x71, 0x43, 0x65, 0x98, 0x99, 0xb0, 0xb2,
                0xb3, 0x20, 0x23, 0xff,
            ]),
            0..3000,
        ),
    ) {
        let length = bytes.len() as u64;
        let (_, stats) = decode(file(&[bytes])).unwrap();
        prop_assert!(stats.skipped_bytes + stats.cut_bytes <= length);
    }

    /// One byte of one record is wrong: all others come, unchanged.
    #[test]
    fn damage_costs_the_record_that_it_hits(
        victim in 0usize..50,
        at in 0usize..64,
        change in 1u8..=255,
        align in prop::sample::select(vec![0usize, 64]),
    ) {
        let plans: Vec<SpePlan> = (0..50).map(load).collect();
        let mut bytes = bytes_of(&plans, align);
        let size = bytes.len() / plans.len();
        bytes[victim * size + at % size] ^= change;
        let (read, stats) = decode(file(&[bytes])).unwrap();
        let others: Vec<&SpePlan> = plans.iter().enumerate()
            .filter(|(index, _)| *index != victim).map(|(_, plan)| plan).collect();
        let found = others.iter().filter(|plan| read.contains(plan)).count();
        // Without alignment a changed header may eat into its neighbour.
        let least = if align > 0 { others.len() } else { others.len() - 1 };
        prop_assert!(found >= least, "{found} of {}: {stats:?}", others.len());
        prop_assert!(read.len() <= plans.len());
    }
}

#[test]
fn a_chunk_that_ends_inside_a_record_loses_that_one_alone() {
    let plans: Vec<SpePlan> = (0..6).map(load).collect();
    for align in [0, 64] {
        let bytes = bytes_of(&plans, align);
        let size = bytes.len() / plans.len();
        for cut in 0..=bytes.len() {
            let (front, back) = bytes.split_at(cut);
            let (read, stats) = decode(file(&[front.to_vec(), back.to_vec()])).unwrap();
            let broken = usize::from(cut % size != 0);
            assert_eq!(read.len(), plans.len() - broken, "{align} {cut}: {stats:?}");
            assert!(
                read.iter().all(|plan| plans.contains(plan)),
                "{align} {cut}"
            );
            assert_eq!(stats.cut, broken as u64, "{align} {cut}");
            // What is left of it in the next chunk is no record, unless nothing but
            // padding is left.
            assert!(stats.damaged as usize <= broken, "{align} {cut}");
        }
    }
}

#[test]
fn a_cut_file_is_read_up_to_the_cut() {
    let plans: Vec<SpePlan> = (0..8).map(load).collect();
    let mut capture = SpeCapture::new(2);
    capture.chunk(0, &plans[..4], 64);
    capture.chunk(1, &plans[4..], 64);
    let whole = capture.wrapped(Container::File).unwrap();
    let mut most = 0;
    for length in 0..whole.len() {
        let Some((read, stats)) = decode(whole[..length].to_vec()) else {
            continue;
        };
        assert_eq!(read, plans[..read.len()], "{length}");
        assert!(
            read.len() >= most && stats.damaged == 0,
            "{length}: {stats:?}"
        );
        most = read.len();
    }
    assert_eq!(most, plans.len());
}

/// Chunks are read piece by piece; damage may stand where a piece ends.
#[test]
fn long_chunks_are_read_in_pieces() {
    let plans: Vec<SpePlan> = (0..20_000).map(load).collect();
    for align in [0, 64] {
        let mut bytes = bytes_of(&plans, align);
        let size = bytes.len() / plans.len();
        let hit: Vec<usize> = (0..plans.len()).step_by(97).collect();
        for &index in &hit {
            bytes[index * size] = 0xff;
        }
        // Long damage: more than is searched at once.
        let blank = 8_000..12_000;
        bytes[blank.start * size..blank.end * size].fill(0xff);
        let (read, stats) = decode(file(&[bytes])).unwrap();
        // Without alignment nothing tells where the record behind it begins.
        let end = if align == 0 { blank.end + 1 } else { blank.end };
        let lost = |index: &usize| hit.contains(index) || (blank.start..end).contains(index);
        let left = (0..plans.len()).filter(|index| !lost(index));
        let wanted: Vec<SpePlan> = left.map(|index| plans[index]).collect();
        assert!(
            read == wanted,
            "{align}: {} of {}: {stats:?}",
            read.len(),
            wanted.len()
        );
        assert_eq!(
            stats.skipped_bytes,
            ((plans.len() - wanted.len()) * size) as u64,
            "{align}"
        );
    }
}

/// What a decoder keeps from one chunk to the next, and how much it reads at once,
/// changes nothing.
#[test]
fn any_size_of_pieces_finds_the_same() {
    let plans: Vec<SpePlan> = (0..3000).map(load).collect();
    let mut long = bytes_of(&plans, 64);
    long[500..700].fill(0xff);
    let short = bytes_of(&plans[..3], 64);
    let chunk_of = |length: usize| AuxChunk {
        pos: 0,
        segment: 0,
        place: 0,
        size: length as u64,
        available: length as u64,
        aux_offset: 0,
        index: 0,
        tid: -1,
        cpu: 0,
    };
    for bytes in [&long, &short] {
        let read = |decoder: &mut SpeDecoder| {
            let mut read = Vec::new();
            let each = |decoded: Decoded<'_>| {
                read.push((decoded.offset, told(decoded.record, true)));
            };
            let chunk = chunk_of(bytes.len());
            let stats = decoder.chunk(&chunk, bytes, each).unwrap();
            (read, stats)
        };
        let usual = read(&mut SpeDecoder::default());
        assert!(usual.1.records > 0);
        for size in [0, 1, 70_000, usize::MAX] {
            let mut decoder = SpeDecoder::in_pieces(size);
            assert!(read(&mut decoder) == usual, "{size}");
            assert!(read(&mut decoder) == usual, "{size}, again");
        }
    }
}

/// Where a chunk begins in the AUX area is a number of the file, which may be any.
#[test]
fn an_area_may_end_where_words_do() {
    // Behind the first packet, at place 1, one that pads up to place 16.
    let mut bytes = bytes_of(&[load(1)], 0);
    bytes.splice(9..9, [0x23].into_iter().chain([0; 14]));
    let length = bytes.len() as u64;
    let chunk = AuxChunk {
        pos: 0,
        segment: 0,
        place: 0,
        size: length,
        available: length,
        aux_offset: 8u64.wrapping_neg(),
        index: 0,
        tid: -1,
        cpu: 0,
    };
    let mut read = Vec::new();
    let mut decoder = SpeDecoder::default();
    let each = |decoded: Decoded<'_>| read.push(told(decoded.record, true));
    decoder.chunk(&chunk, &bytes, each).unwrap();
    assert_eq!(read, [load(1)]);
}

/// The driver pads up to where it lets the hardware go on; a record in front of it
/// may be short, so that the padding begins where no record would.
#[test]
fn a_record_in_front_of_long_padding_is_no_damage() {
    let plans: Vec<SpePlan> = (0..16).map(load).collect();
    let short = SpePlan {
        operation: Some((2, 0)),
        pc: Some((SpeCapture::TEXT, 0)),
        ..SpePlan::default()
    };
    for padding in [100, 5_000, 40_000] {
        let mut front = bytes_of(&plans, 64);
        short.write(&mut front, 0);
        let end = (front.len() + padding).next_multiple_of(64);
        front.resize(end, 0);
        let behind = [front.clone(), bytes_of(&plans, 64)].concat();
        for (bytes, records) in [(front, 17), (behind, 33)] {
            let (read, stats) = decode(file(&[bytes])).unwrap();
            let whole = SpeStats {
                records,
                ..SpeStats::default()
            };
            assert_eq!((read.len() as u64, stats), (records, whole), "{padding}");
            assert_eq!(read[16], short, "{padding}");
        }
    }
}

#[test]
fn both_versions_of_metadata_are_found() {
    let mut capture = SpeCapture::new(2);
    capture.chunk(0, &[load(1)], 64);
    for metadata in [None, Some(vec![(0x410f_d4f0, 0xf0), (0x410f_d4f0, 0xf0)])] {
        capture.metadata = metadata;
        for container in [Container::File, Container::Pipe, Container::PipeZstd] {
            let bytes = capture.wrapped(container).unwrap();
            let data = PerfData::open(Arc::new(bytes)).unwrap();
            let Some(AuxInfo::Spe(Some(found))) = &data.aux().info else {
                panic!("{:?}", data.aux().info)
            };
            assert_eq!(
                found.cpus.len(),
                capture.metadata.as_ref().map_or(0, Vec::len)
            );
            let conv = data.aux().time_conv.unwrap();
            assert_eq!(conv.time(25_000_000), 1_000_000_000, "{container:?}");
        }
    }
}

/// Runs of `fuzz` when nobody says how long.
const RUNS: u64 = 300;

/// A long random test beside the fuzz targets (`fuzz/run`):
/// `CONTEND_FUZZ_SECONDS=600 cargo test -p contend-perfdata --test spe fuzz`.
#[test]
fn fuzz() {
    let seconds = std::env::var("CONTEND_FUZZ_SECONDS").ok();
    let seconds: Option<u64> = seconds.and_then(|text| text.parse().ok());
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut capture = SpeCapture::new(2);
    capture.metadata = Some(vec![(0x411f_d401, 0xf0); 2]);
    let plans: Vec<SpePlan> = (0..60).map(load).collect();
    capture.chunk(0, &plans, 64);
    capture.chunk(1, &plans, 0);
    let files: Vec<Vec<u8>> = [Container::File, Container::Pipe, Container::FileZstd]
        .map(|container| capture.wrapped(container).unwrap())
        .to_vec();
    let seed = std::env::var("CONTEND_FUZZ_SEED").ok();
    let mut rng = Rng::new(seed.and_then(|text| text.parse().ok()).unwrap_or(0x5be));
    let mut runs = 0u64;
    // As many runs on every machine, unless somebody gives it time.
    while end.map_or(runs < RUNS, |end| Instant::now() < end) {
        let mut bytes = files[rng.below(files.len() as u64) as usize].clone();
        for _ in 0..rng.between(1, 8) {
            let at = rng.below(bytes.len() as u64) as usize;
            match rng.below(4) {
                0 => bytes[at] = rng.bits() as u8,
                1 => bytes[at] ^= 1 << rng.below(8),
                2 => {
                    let to = bytes.len().min(at + rng.below(40) as usize);
                    bytes.drain(at..to);
                }
                _ => {
                    let from = rng.below(bytes.len() as u64) as usize;
                    let to = bytes.len().min(from + rng.below(80) as usize);
                    let piece = bytes[from..to].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        let length = bytes.len() as u64;
        if let Some((_, stats)) = decode(bytes) {
            assert!(
                stats.skipped_bytes + stats.cut_bytes <= 4 * length,
                "run {runs}"
            );
        }
        runs += 1;
    }
    eprintln!("{runs} runs");
}
