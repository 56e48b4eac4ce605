//! What Arm SPE recorded, in numbers: `cargo run --example spe FILE`.

use contend_perfdata::{FileSource, PerfData, SpeDecoder};
use std::collections::BTreeMap;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: spe FILE")?;
    let data = PerfData::open(Arc::new(FileSource::new(std::fs::File::open(path)?)?))?;
    let aux = data.aux();
    let mut decoder = SpeDecoder::default();
    let mut total = contend_perfdata::SpeStats::default();
    let mut classes: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut latencies = [0u64; 3];
    for chunk in &aux.chunks {
        let Some(source) = data.source_of(chunk) else {
            continue;
        };
        let stats = decoder.chunk(chunk, source, |decoded| {
            let record = decoded.record;
            let operation = record.operation();
            let way = if operation.is_store() {
                "store"
            } else if operation.is_load() {
                "load"
            } else {
                ""
            };
            *classes
                .entry((way, operation.op_class().name()))
                .or_default() += 1;
            latencies[0] += u64::from(record.total_latency().unwrap_or(0));
            latencies[1] += u64::from(record.issue_latency().unwrap_or(0));
            latencies[2] += u64::from(record.translation_latency().unwrap_or(0));
        })?;
        total.merge(&stats);
    }
    println!("{} chunks, {total:?}", aux.chunks.len());
    println!("total, issue, translation latency: {latencies:?}");
    for ((way, class), count) in classes {
        println!("{count:>10} {way} {class}");
    }
    Ok(())
}
