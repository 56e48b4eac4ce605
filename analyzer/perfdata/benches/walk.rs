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

use contend_fixtures::{Big, Container, captures};
use contend_perfdata::{DEFAULT_CHUNK, FileSource, PerfData, Source, Walker};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::sync::Arc;

fn write(content: impl FnOnce(&mut dyn Write)) -> (PerfData, u64) {
    let mut file = BufWriter::new(tempfile::tempfile().unwrap());
    content(&mut file);
    let source = FileSource::new(file.into_inner().unwrap()).unwrap();
    let bytes = source.len();
    (PerfData::open(Arc::new(source)).unwrap(), bytes)
}

fn big() -> (PerfData, u64) {
    let big = Big {
        samples: 1_000_000,
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

fn stages(c: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().build().unwrap();
    let (data, bytes) = big();

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
                for record in batch.records().filter(|record| record.kind == 9) {
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
                for record in batch.records().filter(|record| record.kind == 9) {
                    let sample = layout.decode(record.body).unwrap();
                    *sum = sum.wrapping_add(sample.addr.unwrap_or(0) ^ sample.time.unwrap_or(0));
                }
            };
            black_box(walker.walk(&pool, || 0, each).unwrap().0)
        });
    });
    samples.finish();

    let wrapped = captures()
        .iter()
        .map(|capture| capture.wrapped(Container::FileZstd, true).unwrap())
        .max_by_key(Vec::len)
        .unwrap();
    let (data, bytes) = write(|out| out.write_all(&wrapped).unwrap());
    let walker = data.walker(DEFAULT_CHUNK);
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
