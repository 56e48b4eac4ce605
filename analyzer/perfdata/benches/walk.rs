//! The stages of reading, on a capture of a million samples in the page cache.
//!
//! ```text
//! cargo bench -p contend-perfdata
//! ```
//! * `headers`: the walk over record headers alone, by chunk size: the floor
//!   under every analysis;
//! * `cuts`: the same while the places where chunks can be cut are not known;
//! * `samples`: the walk with the memory fields of every sample decoded, and
//!   with all its fields;
//! * `inflate`: the walk over a capture whose records are zstd-compressed.
#![allow(clippy::unwrap_used, missing_docs)]

use contend_fixtures::{Big, Capture, Container, captures};
use contend_perfdata::record_kind::SAMPLE;
use contend_perfdata::{DEFAULT_CHUNK, FileSource, PerfData, Source, Walker};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::sync::Arc;

const SAMPLES: u64 = 1_000_000;

fn write(content: impl FnOnce(&mut dyn Write)) -> (PerfData, u64) {
    let mut file = BufWriter::new(tempfile::tempfile().unwrap());
    content(&mut file);
    let source = FileSource::new(file.into_inner().unwrap()).unwrap();
    let bytes = source.len();
    (PerfData::open(Arc::new(source)).unwrap(), bytes)
}

fn big() -> (PerfData, u64) {
    let big = Big {
        samples: SAMPLES,
        lines: 10_016,
        ..Big::default()
    };
    write(|mut out| drop(big.write(&mut out).unwrap()))
}

fn count(walker: &Walker, pool: &rayon::ThreadPool) -> usize {
    let (counts, _) = walker
        .walk(
            pool,
            || 0,
            |count, batch| *count += black_box(batch.records().count()),
        )
        .unwrap();
    counts.into_iter().sum()
}

/// Samples, and those whose fields can be decoded.
fn count_samples(data: &PerfData, walker: &Walker, pool: &rayon::ThreadPool) -> (u64, u64) {
    let each = |(all, decoded): &mut (u64, u64), batch: &contend_perfdata::Batch| {
        for record in batch.records() {
            if record.kind == SAMPLE {
                *all += 1;
                let event = data.events().event_of(record.body);
                let layout = event.and_then(|event| data.events().layout(event));
                let sample = layout.map(|layout| layout.decode_memory(record.body));
                *decoded += u64::from(sample.is_some_and(|sample| sample.is_ok()));
            }
        }
    };
    let (counts, report) = walker.walk(pool, || (0, 0), each).unwrap();
    assert_eq!(report.lost_bytes(), 0);
    let sum = |a: (u64, u64), b: (u64, u64)| (a.0 + b.0, a.1 + b.1);
    counts.into_iter().fold((0, 0), sum)
}

fn stages(c: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().build().unwrap();
    let (data, bytes) = big();
    // What is timed has to see everything, whatever the chunks.
    for chunk in [1 << 20, DEFAULT_CHUNK, 16 << 20] {
        let found = count_samples(&data, &data.walker(chunk), &pool);
        assert_eq!(found, (SAMPLES, SAMPLES));
    }

    let mut headers = c.benchmark_group("headers");
    headers.throughput(Throughput::Bytes(bytes));
    for mib in [1, 2, 4, 8, 16] {
        let walker = data.walker(mib << 20);
        count(&walker, &pool);
        headers.bench_function(BenchmarkId::new("chunk MiB", mib), |b| {
            b.iter(|| count(&walker, &pool));
        });
    }
    headers.finish();

    let mut cuts = c.benchmark_group("cuts");
    cuts.throughput(Throughput::Bytes(bytes));
    cuts.bench_function("first walk", |b| {
        b.iter(|| count(&data.walker(DEFAULT_CHUNK), &pool));
    });
    cuts.finish();

    let walker = data.walker(DEFAULT_CHUNK);
    let layout = data.events().layout(0).unwrap();
    let mut samples = c.benchmark_group("samples");
    samples.throughput(Throughput::Bytes(bytes));
    samples.bench_function("memory fields", |b| {
        b.iter(|| {
            let each = |sum: &mut u64, batch: &contend_perfdata::Batch| {
                for record in batch.records().filter(|record| record.kind == SAMPLE) {
                    let sample = layout.decode_memory(record.body).unwrap();
                    *sum = sum.wrapping_add(sample.addr ^ sample.data_src.0 ^ sample.time);
                }
            };
            black_box(walker.walk(&pool, || 0, each).unwrap().0)
        });
    });
    samples.bench_function("all fields", |b| {
        b.iter(|| {
            let each = |sum: &mut u64, batch: &contend_perfdata::Batch| {
                for record in batch.records().filter(|record| record.kind == SAMPLE) {
                    let sample = layout.decode(record.body).unwrap();
                    *sum = sum.wrapping_add(sample.addr.unwrap_or(0) ^ sample.time.unwrap_or(0));
                }
            };
            black_box(walker.walk(&pool, || 0, each).unwrap().0)
        });
    });
    samples.finish();

    let all = captures();
    let wrap = |container| move |capture: &Capture| capture.wrapped(container, true).unwrap();
    let largest = all
        .iter()
        .max_by_key(|capture| wrap(Container::FileZstd)(capture).len())
        .unwrap();
    let (plain, _) = write(|out| out.write_all(&wrap(Container::File)(largest)).unwrap());
    let wrapped = wrap(Container::FileZstd)(largest);
    let (data, bytes) = write(|out| out.write_all(&wrapped).unwrap());
    let walker = data.walker(DEFAULT_CHUNK);
    let found = count_samples(&data, &walker, &pool);
    assert!(found.0 > 0);
    assert_eq!(
        found,
        count_samples(&plain, &plain.walker(DEFAULT_CHUNK), &pool)
    );
    let mut inflate = c.benchmark_group("inflate");
    inflate.throughput(Throughput::Bytes(bytes));
    inflate.bench_function("compressed records", |b| {
        b.iter(|| count(&walker, &pool));
    });
    inflate.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = stages
}
criterion_main!(benches);
