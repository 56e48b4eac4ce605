//! The floor under every analysis: walks the record headers of a file's data
//! section, as often as asked, and counts records. The first walk has to find
//! where chunks can be cut, later ones know.
//!
//! ```text
//! cargo run --release -p contend-perfdata --example walk -- FILE [THREADS [WALKS]]
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use contend_perfdata::{DEFAULT_CHUNK, Endianness, FileSource, Segment, Source, Walker};
use std::sync::Arc;
use std::time::Instant;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .expect("usage: walk FILE [THREADS [WALKS]]");
    let threads = arguments.next().map_or(0, |count| count.parse().unwrap());
    let source = FileSource::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut header = [0; 104];
    source.fill_at(0, &mut header).unwrap();
    let word = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap());
    let (start, length) = (word(40), word(48));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    let source: Arc<dyn Source> = Arc::new(source);
    let walks = arguments.next().map_or(1, |count| count.parse().unwrap());
    let segment = Segment {
        source: Arc::clone(&source),
        range: start..start + length,
        base: 0,
        compressed: false,
        payload: 0,
    };
    let walker = Walker::new(vec![segment], Endianness::LittleEndian, DEFAULT_CHUNK);
    for _ in 0..walks {
        let begin = Instant::now();
        let (counts, report) = walker
            .walk(
                &pool,
                || 0u64,
                |count, batch| *count += batch.records().count() as u64,
            )
            .unwrap();
        let total: u64 = counts.iter().sum();
        println!(
            "{total} records, {} bytes lost, {:.1} ms",
            report.lost_bytes(),
            begin.elapsed().as_secs_f64() * 1e3
        );
    }
}
