//! The whole reader on the bytes of a file, whatever they are: if it opens, all of it
//! is touched.
//!
//! It never panics and never holds much more memory than the file has bytes. The
//! records are the same for any chunks, any number of threads and any walk; quick
//! ways to a field give what the full decoder gives; and the pieces of the AUX area
//! are inside the file.

#![no_main]

mod memory;
mod touch;

use contend_perfdata::{DEFAULT_CHUNK, PerfData, Walker};
use libfuzzer_sys::fuzz_target;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

/// What the reader may hold besides a multiple of the file: its buffers, of which
/// some have a fixed size, and two chunks for each thread.
const MOST_MEMORY: usize = 64 << 20;

fn pool(threads: usize) -> rayon::ThreadPool {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
    builder.build().expect("threads can be started")
}

static ONE: LazyLock<rayon::ThreadPool> = LazyLock::new(|| pool(1));
static TWO: LazyLock<rayon::ThreadPool> = LazyLock::new(|| pool(2));

fuzz_target!(|data: &[u8]| {
    let before = memory::reset();
    read(data);
    let most = memory::most() - before;
    assert!(
        most < MOST_MEMORY + 100 * data.len(),
        "{most} bytes are held for {} of a file",
        data.len()
    );
});

fn read(data: &[u8]) {
    let Ok(mut capture) = PerfData::open(Arc::new(data.to_vec())) else {
        return;
    };
    touch::header(&capture);
    touch::aux(&capture, data.len() as u64);
    walks(&capture);
    let touched = |_: &mut (), batch: &contend_perfdata::Batch| {
        for record in batch.records() {
            touch::record(&capture, &record);
        }
    };
    let walker = capture.walker(DEFAULT_CHUNK);
    walker
        .walk(&ONE, || (), touched)
        .expect("bytes in memory can be read");
    absorb(&mut capture, &walker);
    touch::header(&capture);
}

/// What is seen on a walk: a record by its place, kind and bytes.
type Seen = Vec<(u64, u32, u16, u64)>;

fn walk(walker: &Walker, pool: &rayon::ThreadPool) -> (Seen, u64) {
    let seen = |seen: &mut Seen, batch: &contend_perfdata::Batch| {
        for record in batch.records() {
            let mut hasher = DefaultHasher::new();
            record.body.hash(&mut hasher);
            seen.push((record.pos, record.kind, record.misc, hasher.finish()));
        }
    };
    let walked = walker.walk(pool, Seen::new, seen);
    let (states, report) = walked.expect("bytes in memory can be read");
    let mut all = states.concat();
    all.sort_unstable();
    (all, report.lost_bytes())
}

/// Walks in different ways, which have to see the same.
fn walks(capture: &PerfData) {
    let whole = capture.walker(DEFAULT_CHUNK);
    let parts = capture.walker(0);
    let wanted = walk(&whole, &ONE);
    assert!(wanted.0.is_sorted_by_key(|record| record.0));
    assert!(wanted.0.windows(2).all(|pair| pair[0].0 < pair[1].0));
    same("in parts", &walk(&parts, &ONE), &wanted);
    // The second walk knows the cuts, and reports no damage again.
    let (again, _) = walk(&parts, &ONE);
    same("for the second time", &(again, wanted.1), &wanted);
    same("by two threads", &walk(&capture.walker(0), &TWO), &wanted);
}

fn same(how: &str, walked: &(Seen, u64), wanted: &(Seen, u64)) {
    let mut pairs = walked.0.iter().zip(&wanted.0);
    let first = pairs.find(|(one, other)| one != other);
    let lengths = (walked.0.len(), wanted.0.len());
    let lost = (walked.1, wanted.1);
    assert!(
        walked == wanted,
        "{how}: {lengths:?} records, {lost:?} bytes lost, at first {first:?}"
    );
}

/// Hands over all records, as the reader of a pipe does.
fn absorb(capture: &mut PerfData, walker: &Walker) {
    let owned = |all: &mut Vec<_>, batch: &contend_perfdata::Batch| {
        for record in batch.records() {
            let body = record.body.to_vec();
            all.push((record.kind, record.misc, body, record.pos));
        }
    };
    let walked = walker.walk(&ONE, Vec::new, owned);
    for (kind, misc, body, pos) in walked.expect("bytes in memory can be read").0.concat() {
        let record = contend_perfdata::RawRecord::new(kind, misc, &body, pos);
        capture.absorb(&record);
    }
}
