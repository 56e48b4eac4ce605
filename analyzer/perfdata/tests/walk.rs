//! The record walk against the list of records that was written.
#![allow(clippy::unwrap_used)]

use contend_perfdata::{Endianness, Segment, Walker};
use proptest::prelude::*;
use std::sync::Arc;

const SAMPLE: u32 = 9;
const AUXTRACE: u32 = 71;
const COMPRESSED: u32 = 81;
const COMPRESSED2: u32 = 83;

fn record(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend(0u16.to_le_bytes());
    bytes.extend(u16::try_from(8 + body.len()).unwrap().to_le_bytes());
    bytes.extend(body);
    bytes
}

/// Records whose bodies tell them apart: the first word counts them.
fn records(sizes: &[u16]) -> Vec<Vec<u8>> {
    let numbered = sizes.iter().enumerate();
    numbered
        .map(|(number, &words)| {
            let mut body = (number as u64).to_le_bytes().to_vec();
            body.resize(8 + 8 * usize::from(words), 0xa5);
            record(SAMPLE, &body)
        })
        .collect()
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
}

fn walker(bytes: Vec<u8>, compressed: bool, chunk: usize) -> Walker {
    let range = 0..bytes.len() as u64;
    let segment = Segment {
        source: Arc::new(bytes),
        range,
        base: 0,
        compressed,
        payload: 0,
    };
    Walker::new(vec![segment], Endianness::LittleEndian, chunk)
}

/// Every record's place, kind and number, in the order of the file, and how
/// many bytes were lost.
fn walked(walker: &Walker, threads: usize) -> (Vec<(u64, u32, u64)>, u64) {
    let (states, report) = walker
        .walk(&pool(threads), Vec::new, |seen, batch| {
            for record in batch.records() {
                let number = record.body.first_chunk().copied().map(u64::from_le_bytes);
                seen.push((record.pos, record.kind, number.unwrap_or(u64::MAX)));
            }
        })
        .unwrap();
    let mut all = states.concat();
    all.sort_unstable();
    (all, report.lost_bytes())
}

fn expected(records: &[Vec<u8>]) -> Vec<(u64, u32, u64)> {
    let mut pos = 0;
    let numbered = records.iter().enumerate();
    numbered
        .map(|(number, bytes)| {
            let entry = (pos, SAMPLE, number as u64);
            pos += bytes.len() as u64;
            entry
        })
        .collect()
}

fn compressed(records: &[Vec<u8>], kind: u32, chunk: usize) -> Vec<u8> {
    let mut context = zstd_safe::CCtx::create();
    let mut file = Vec::new();
    let plain = records.concat();
    for piece in plain.chunks(chunk) {
        let mut out = vec![0; zstd_safe::compress_bound(piece.len()) + 64];
        let mut output = zstd_safe::OutBuffer::around(&mut out[..]);
        let mut input = zstd_safe::InBuffer::around(piece);
        context.compress_stream(&mut output, &mut input).unwrap();
        while context.flush_stream(&mut output).unwrap() > 0 {}
        let length = output.pos();
        let mut body = Vec::new();
        if kind == COMPRESSED2 {
            body.extend((length as u64).to_le_bytes());
        }
        body.extend(&out[..length]);
        if kind == COMPRESSED2 {
            body.resize(body.len().next_multiple_of(8), 0);
        }
        file.extend(record(kind, &body));
    }
    file
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_record_is_seen_once_for_any_chunk_and_thread_count(
        sizes in prop::collection::vec(0u16..600, 1..400),
        chunk in 1usize..40_000,
        threads in 1usize..5,
    ) {
        let records = records(&sizes);
        let walker = walker(records.concat(), false, chunk);
        let wanted = (expected(&records), 0);
        prop_assert_eq!(&walked(&walker, threads), &wanted);
        // The second walk uses the cuts that the first one proved.
        prop_assert_eq!(&walked(&walker, threads), &wanted);
    }

    #[test]
    fn a_cut_file_gives_its_whole_records(
        sizes in prop::collection::vec(0u16..600, 1..200),
        keep in 0.0f64..1.0,
        chunk in 1usize..40_000,
    ) {
        let records = records(&sizes);
        let mut bytes = records.concat();
        let cut = (bytes.len() as f64 * keep) as usize;
        bytes.truncate(cut);
        let whole: Vec<_> = expected(&records)
            .into_iter()
            .zip(&records)
            .filter(|((pos, ..), bytes)| *pos as usize + bytes.len() <= cut)
            .map(|(entry, _)| entry)
            .collect();
        let read: usize = records.iter().take(whole.len()).map(Vec::len).sum();
        let walker = walker(bytes, false, chunk);
        let wanted = (whole, (cut - read) as u64);
        prop_assert_eq!(&walked(&walker, 2), &wanted);
        prop_assert_eq!(&walked(&walker, 2).0, &wanted.0);
    }

    #[test]
    fn compressed_records_give_the_same_records(
        sizes in prop::collection::vec(0u16..600, 1..200),
        piece in 100usize..60_000,
        chunk in 1usize..100_000,
        kind in prop::sample::select(vec![COMPRESSED, COMPRESSED2]),
        threads in 1usize..4,
    ) {
        let records = records(&sizes);
        let walker = walker(compressed(&records, kind, piece), true, chunk);
        let wanted = (expected(&records), 0);
        prop_assert_eq!(&walked(&walker, threads), &wanted);
        prop_assert_eq!(&walked(&walker, threads), &wanted);
    }

    #[test]
    fn arbitrary_bytes_end_the_walk_and_nothing_else(
        bytes in prop::collection::vec(any::<u8>(), 0..20_000),
        packed in any::<bool>(),
    ) {
        let walker = walker(bytes, packed, 4096);
        walked(&walker, 2);
        walked(&walker, 1);
    }
}

#[test]
fn payload_that_looks_like_records_is_not_walked() {
    // An AUXTRACE payload full of plausible headers, over several chunks.
    let payload = records(&[1; 3000]).concat();
    let mut aux = vec![0; 40];
    aux[..8].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    let before = records(&[5, 5]);
    let mut bytes = before.concat();
    let aux_at = bytes.len() as u64;
    bytes.extend(record(AUXTRACE, &aux));
    bytes.extend(&payload);
    let after_at = bytes.len() as u64;
    bytes.extend(records(&[7]).concat());
    let walker = walker(bytes, false, 4096);
    for threads in [1, 3] {
        let (seen, lost) = walked(&walker, threads);
        let places: Vec<_> = seen.iter().map(|&(pos, kind, _)| (pos, kind)).collect();
        let wanted = [
            (0, SAMPLE),
            (56, SAMPLE),
            (aux_at, AUXTRACE),
            (after_at, SAMPLE),
        ];
        assert_eq!((places.as_slice(), lost), (wanted.as_slice(), 0));
    }
}

#[test]
fn a_record_of_size_zero_ends_the_walk_with_the_loss() {
    let mut bytes = records(&[1; 10]).concat();
    let good = bytes.len();
    bytes.extend([9, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(records(&[1; 10]).concat());
    let lost = (bytes.len() - good) as u64;
    let walker = walker(bytes, false, 4096);
    let (seen, reported) = walked(&walker, 2);
    assert_eq!((seen.len(), reported), (10, lost));
    assert_eq!(walked(&walker, 2).0.len(), 10);
}

#[test]
fn a_zstd_bomb_does_not_grow_memory() {
    // 256 MiB of one record kind whose size field is valid, compressed to some
    // kilobytes, in a single COMPRESSED record.
    let one = record(SAMPLE, &[0; 56]);
    let plain: Vec<u8> = one.iter().copied().cycle().take(256 << 20).collect();
    let mut packed = vec![0; 60_000];
    let length = zstd_safe::compress(&mut packed[..], &plain, 3).unwrap();
    let walker = walker(record(COMPRESSED, &packed[..length]), true, 1 << 20);
    let (states, report) = walker
        .walk(
            &pool(2),
            || (0u64, 0usize),
            |(count, largest), batch| {
                *count += batch.records().count() as u64;
                *largest = (*largest).max(batch.len());
            },
        )
        .unwrap();
    let total: u64 = states.iter().map(|(count, _)| count).sum();
    let largest = states.iter().map(|(_, largest)| *largest).max().unwrap();
    assert_eq!((total, report.lost_bytes()), ((256 << 20) / 64, 0));
    assert!(largest < 4 << 20, "a batch of {largest} bytes");
}

/// A record of simpleperf's form, whose size has 32 bits, inside a zstd stream: 7
/// KB of it would become 250 MB in memory.
#[test]
fn a_huge_record_in_a_compressed_stream_is_damage() {
    const SIMPLEPERF_DSO: u32 = 32_770;
    for size in [1u32 << 16, 4 << 20, 252 << 20] {
        let small = records(&[1, 2]);
        let mut huge = SIMPLEPERF_DSO.to_le_bytes().to_vec();
        huge.extend(((size >> 16) as u16).to_le_bytes());
        huge.extend((size as u16).to_le_bytes());
        // Enough of it that a reader who waits for the whole would have to grow.
        huge.resize(8 << 20, 0);
        let file = compressed(&[small.concat(), huge], COMPRESSED, 32 << 10);
        let walker = walker(file, true, 4096);
        let longest = |longest: &mut usize, batch: &contend_perfdata::Batch| {
            *longest = batch.len().max(*longest);
        };
        let (longest, report) = walker.walk(&pool(2), || 0, longest).unwrap();
        assert!(longest.into_iter().all(|length| length < 1 << 20), "{size}");
        assert_eq!(report.damage.len(), 1, "{size}: {report:?}");
        let what = report.damage[0].what;
        assert!(what.contains("impossible size"), "{size}: {what}");
        assert_eq!(walked(&walker, 2).0, expected(&small), "{size}");
    }
}

/// The blocks of a zstd stream in front of a damaged one come, whatever the chunks:
/// zstd gives nothing of a call that fails.
#[test]
fn a_damaged_block_costs_no_block_before_it() {
    let records = records(&[40; 1000]);
    let mut context = zstd_safe::CCtx::create();
    let (mut packed, mut last) = (Vec::new(), 0);
    for block in records.chunks(100) {
        let block = block.concat();
        let mut out = vec![0; zstd_safe::compress_bound(block.len()) + 64];
        let mut output = zstd_safe::OutBuffer::around(&mut out[..]);
        let mut input = zstd_safe::InBuffer::around(&block);
        context.compress_stream(&mut output, &mut input).unwrap();
        while context.flush_stream(&mut output).unwrap() > 0 {}
        let length = output.pos();
        last = packed.len();
        packed.extend(&out[..length]);
    }
    // Its type, which no block has.
    packed[last] |= 6;
    let whole = expected(&records[..900]);
    for chunk in [0, 100_000, 4 << 20] {
        let walker = walker(record(COMPRESSED, &packed), true, chunk);
        let (seen, lost) = walked(&walker, 1);
        assert_eq!((seen.len(), seen == whole), (900, true), "{chunk}");
        assert_eq!(lost, (packed.len() - last) as u64, "{chunk}");
    }
}

/// Damage is told in the order of the segments, not of their offsets, which mean
/// different files.
#[test]
fn damage_is_in_the_order_of_the_segments() {
    let segment = |base: u64, whole: u16| {
        let mut bytes = records(&vec![0; usize::from(whole)]).concat();
        bytes.extend([0; 16]);
        let range = 0..bytes.len() as u64;
        let source: Arc<dyn contend_perfdata::Source> = Arc::new(bytes);
        Segment {
            source,
            range,
            base,
            compressed: false,
            payload: 0,
        }
    };
    let segments = vec![segment(0, 9), segment(1 << 44, 2), segment(2 << 44, 5)];
    let walker = Walker::new(segments, Endianness::LittleEndian, 4096);
    for _ in 0..2 {
        let (_, report) = walker.walk(&pool(3), || (), |(), _| ()).unwrap();
        let offsets: Vec<u64> = report.damage.iter().map(|damage| damage.offset).collect();
        assert!(
            [vec![9 * 16, 2 * 16, 5 * 16], vec![]].contains(&offsets),
            "{offsets:?}"
        );
    }
}
