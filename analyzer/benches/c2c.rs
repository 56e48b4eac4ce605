//! The stages of `contend c2c` on a capture of a million samples in the page
//! cache, on one thread and on all.
//!
//! ```text
//! cargo bench -p contend
//! ```
//! * `survey`: what `contend info` does: the walk, kinds of records, times;
//! * `analyze`: both passes with the address space and the shown lines;
//! * `report`: from the analysis to the result;
//! * `json`: the result as text.
//!
//! What it takes from end to end, and how much less than perf, is measured by
//! `tests/bench/c2c-vs-perf.sh`.
#![allow(clippy::unwrap_used, missing_docs)]

use contend::{Analysis, Capture, Coalesce, Filter, Options, Sort, SymbolSources, analyze, report};
use contend_fixtures::Big;
use contend_perfdata::DEFAULT_CHUNK;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::io::BufWriter;

const SAMPLES: u64 = 1_000_000;
const LINE: u64 = 64;

fn analysis(capture: &mut Capture) -> Analysis {
    let options = Options {
        sort: Some(Sort::Total),
        coalesce: vec![Coalesce::Iaddr],
        show_all: false,
        line_size: LINE,
        filter: Filter::default(),
        replay: false,
    };
    analyze(capture, options).unwrap()
}

fn stages(c: &mut Criterion) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let big = Big {
        samples: SAMPLES,
        lines: 10_016,
        ..Big::default()
    };
    big.write(&mut BufWriter::new(file.as_file_mut())).unwrap();

    // What is timed has to give the right answer.
    let mut capture = Capture::open(file.path(), 0, DEFAULT_CHUNK).unwrap();
    assert_eq!(capture.survey().unwrap().0.total_samples(), SAMPLES);
    let found = analysis(&mut capture);
    assert_eq!(found.survey.total_samples(), SAMPLES);
    assert_eq!(found.memory_samples(), SAMPLES);
    assert!(found.shared_lines > 0 && found.sampled_lines >= found.shared_lines);
    let result = report(&capture, found, LINE, &SymbolSources::default()).unwrap();
    assert_eq!(result.quality.samples, SAMPLES);
    drop(result);

    let mut group = c.benchmark_group("c2c");
    group.throughput(Throughput::Elements(SAMPLES));
    for threads in [1, 0] {
        let name = if threads == 1 {
            "one thread"
        } else {
            "all threads"
        };
        let open = || Capture::open(file.path(), threads, DEFAULT_CHUNK).unwrap();
        group.bench_function(BenchmarkId::new("survey", name), |b| {
            b.iter_batched(
                open,
                |mut it| black_box(it.survey().unwrap()),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("analyze", name), |b| {
            b.iter_batched(
                open,
                |mut it| black_box(analysis(&mut it)),
                BatchSize::PerIteration,
            );
        });
    }
    let mut capture = Capture::open(file.path(), 0, DEFAULT_CHUNK).unwrap();
    group.bench_function("report", |b| {
        b.iter_batched(
            || {
                let mut capture = Capture::open(file.path(), 0, DEFAULT_CHUNK).unwrap();
                let analysis = analysis(&mut capture);
                (capture, analysis)
            },
            |(capture, analysis)| {
                black_box(report(&capture, analysis, LINE, &SymbolSources::default()))
            },
            BatchSize::PerIteration,
        );
    });
    let analysis = analysis(&mut capture);
    let result = report(&capture, analysis, LINE, &SymbolSources::default()).unwrap();
    group.bench_function("json", |b| {
        b.iter(|| serde_json::to_vec(black_box(&result)).unwrap())
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = stages
}
criterion_main!(benches);
