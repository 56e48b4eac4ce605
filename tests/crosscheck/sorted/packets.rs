//! Arm SPE records of a capture, read a second time: from the description of the
//! packets (Arm ARM, chapter D18 "Statistical Profiling Extension Sample Record
//! Specification"), and without searching behind damage: where records have a size,
//! the next one is known.

use crate::common::compare::hex;
use serde_json::Value;
use std::ops::Range;
use std::path::Path;

/// `PERF_RECORD_AUXTRACE`, behind whose record its bytes are.
const AUXTRACE: u32 = 71;

/// `PERF_RECORD_SWITCH_CPU_WIDE`.
const SWITCH_CPU_WIDE: u32 = 15;

/// A type of records that does not exist.
const NOBODYS: u32 = 200;

/// Bytes of a context packet.
const CONTEXT: usize = 5;

/// Metrics by the index of their counter packet.
pub(super) const METRICS: [&str; 3] = ["weight", "issue", "translation"];

/// One sampled operation. Absent is what has no packet.
#[derive(Clone, Default)]
pub(super) struct Record {
    pub(super) cpu: u32,
    /// Class, and the byte that tells more.
    pub(super) operation: Option<(u8, u8)>,
    pub(super) events: u64,
    pub(super) code: Option<u64>,
    pub(super) context: Option<u32>,
    /// Where in its chunk that is.
    context_at: Option<usize>,
    /// Total, issue, translation.
    pub(super) latencies: [Option<u64>; 3],
    /// Virtual address of the instruction.
    pub(super) pc: u64,
    pub(super) address: u64,
    pub(super) physical: u64,
}

impl Record {
    /// Load or store; absent when it is neither.
    pub(super) fn op(&self) -> Option<&'static str> {
        let (class, more) = self.operation?;
        (class == 1).then_some(["load", "store"][usize::from(more & 1)])
    }

    /// Whether the kernel's code did it.
    pub(super) fn is_kernel(&self) -> bool {
        self.pc >> 63 == 1
    }
}

fn word(bytes: &[u8], at: usize, len: usize) -> u64 {
    let bytes = &bytes[at..at + len];
    let each = bytes.iter().rev();
    each.fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Type and place of every record, and what is behind those with bytes behind them.
fn walk(bytes: &[u8]) -> Vec<(u32, usize, Range<usize>)> {
    let (start, len) = (word(bytes, 40, 8) as usize, word(bytes, 48, 8) as usize);
    let (mut at, mut records) = (start, Vec::new());
    let end = (start + len).min(bytes.len());
    while at + 48 <= end {
        let kind = word(bytes, at, 4) as u32;
        let body_end = at + word(bytes, at + 6, 2) as usize;
        let next = match kind {
            AUXTRACE => body_end + word(bytes, at + 8, 8) as usize,
            _ => body_end,
        };
        records.push((kind, at, body_end..next.min(end)));
        at = next;
    }
    records
}

/// CPU and place of every chunk, in the order of the file.
fn chunks(bytes: &[u8]) -> Vec<(u32, Range<usize>)> {
    let all = walk(bytes).into_iter();
    all.filter(|(kind, ..)| *kind == AUXTRACE)
        .map(|(_, at, chunk)| (word(bytes, at + 40, 4) as u32, chunk))
        .collect()
}

/// The capture without anything that tells threads: padding in place of context packets,
/// and switches of a type that nobody knows.
pub(crate) fn without_threads(file: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(file).unwrap();
    let mut contexts = Vec::new();
    for (cpu, chunk) in chunks(&bytes) {
        let records = read_all(cpu, &bytes[chunk.clone()]).expect("intact records");
        contexts.extend(records.iter().map(|record| {
            let at = record.context_at.expect("a context packet");
            chunk.start + at
        }));
    }
    for at in contexts {
        bytes[at..at + CONTEXT].fill(0);
    }
    for (kind, at, _) in walk(&bytes) {
        if kind == SWITCH_CPU_WIDE {
            bytes[at..at + 4].copy_from_slice(&NOBODYS.to_le_bytes());
        }
    }
    bytes
}

/// Virtual addresses are 56 bits; the kernel's are filled up with ones.
fn virtual_address(payload: u64) -> u64 {
    let address = payload & ((1 << 56) - 1);
    match address >> 52 & 0xf {
        0xf => address | 0xff << 56,
        _ => address,
    }
}

/// Program counters have the exception level beside the address.
fn program_counter(payload: u64) -> u64 {
    let address = payload & ((1 << 56) - 1);
    let (level, is_non_secure) = (payload >> 61 & 3, payload >> 63 == 1);
    match is_non_secure && (level == 1 || level == 2) {
        true => address | 0xff << 56,
        false => address,
    }
}

/// The records of some bytes, each behind the one before; absent when something is there
/// that is no packet, or the last record has no end.
fn read_all(cpu: u32, bytes: &[u8]) -> Option<Vec<Record>> {
    let new = || Record {
        cpu,
        ..Record::default()
    };
    let (mut records, mut record) = (Vec::new(), new());
    let (mut at, mut is_open) = (0, false);
    while at < bytes.len() {
        let first = bytes[at];
        if first == 0 {
            at += 1;
            continue;
        }
        if first == 0x01 || first == 0x71 {
            at += if first == 0x01 { 1 } else { 9 };
            records.push(std::mem::replace(&mut record, new()));
            is_open = false;
            continue;
        }
        is_open = true;
        // An extended header holds the upper bits of an index.
        let is_extended = first & 0xfc == 0x20;
        if is_extended && *bytes.get(at + 1)? == 0 {
            let alignment = 2usize << (first & 0xf);
            at = (at + 1).next_multiple_of(alignment);
            continue;
        }
        let (header, upper) = match is_extended {
            true => (bytes[at + 1], usize::from(first & 3) << 3),
            false => (first, 0),
        };
        at += if is_extended { 2 } else { 1 };
        let len = 1 << (header >> 4 & 3);
        let payload = word(bytes.get(..at + len)?, at, len);
        at += len;
        let index = upper | usize::from(header & 7);
        match header {
            _ if header & 0xf8 == 0xb0 => match index {
                0 => record.pc = program_counter(payload),
                2 => record.address = virtual_address(payload),
                3 => record.physical = payload & ((1 << 56) - 1),
                _ => {}
            },
            _ if header & 0xf8 == 0x98 => {
                if let Some(latency) = record.latencies.get_mut(index) {
                    *latency = Some(payload);
                }
            }
            _ if header & 0xcf == 0x42 => record.events = payload,
            _ if header & 0xcf == 0x43 => record.code = Some(payload),
            _ if header & 0xfc == 0x64 => {
                record.context = Some(payload as u32);
                record.context_at = Some(at - CONTEXT);
            }
            _ if header & 0xfc == 0x48 => record.operation = Some((header & 3, payload as u8)),
            _ => return None,
        }
    }
    (at == bytes.len() && !is_open).then_some(records)
}

/// Every record, in the order of the file. With `slots` each has so many bytes, and
/// those that are damaged are left out.
pub(super) fn records(bytes: &[u8], slots: Option<usize>) -> Vec<Record> {
    let mut records = Vec::new();
    for (cpu, chunk) in chunks(bytes) {
        let Some(len) = slots else {
            records.extend(read_all(cpu, &bytes[chunk]).expect("intact records"));
            continue;
        };
        for slot in bytes[chunk].chunks(len) {
            let read = read_all(cpu, slot).unwrap_or_default();
            records.extend(<[Record; 1]>::try_from(read).into_iter().flatten());
        }
    }
    records
}

/// What was read is what was planted: the sums of all three latencies by kind of core
/// and source and of all stores, those of loads by contended line.
fn check(name: &str, records: &[Record], truth: &Value) {
    assert_eq!(records.len() as u64, truth["records"], "{name}");
    let sums = |wanted: &dyn Fn(&Record) -> bool| {
        let mut sums = [0; 4];
        for record in records.iter().filter(|record| wanted(record)) {
            sums[0] += 1;
            for (sum, latency) in sums[1..].iter_mut().zip(record.latencies) {
                *sum += latency.unwrap_or(0);
            }
        }
        sums
    };
    let planted = |latency: &Value| {
        ["n", "total", "issue", "translation"].map(|field| latency[field].as_u64().unwrap())
    };
    let models = models(truth);
    for row in truth["loads_by_source"].as_array().unwrap() {
        let code = row["source"].as_str().filter(|code| *code != "none");
        let is_it = |record: &Record| {
            record.op() == Some("load")
                && record.code == code.map(hex)
                && models[record.cpu as usize] == row["cpu_model"]
        };
        assert_eq!(sums(&is_it), planted(&row["latency"]), "{name}: {row}");
    }
    for hot in truth["hot_lines"].as_array().unwrap() {
        let addresses = hot["address"].as_array().unwrap().iter();
        let addresses: Vec<u64> = addresses.map(|text| hex(text.as_str().unwrap())).collect();
        let of = |record: &Record, op| {
            record.op() == Some(op) && addresses.contains(&(record.address & !63))
        };
        let [loads, latencies, ..] = sums(&|record| of(record, "load"));
        let [stores, ..] = sums(&|record| of(record, "store"));
        let planted = ["loads", "load_latency_sum", "stores"].map(|field| &hot[field]);
        assert_eq!(
            [loads, latencies, stores].map(Value::from).each_ref(),
            planted,
            "{name}: {hot}"
        );
    }
    let stores = sums(&|record| record.op() == Some("store"));
    assert_eq!(stores, planted(&truth["store_latency"]), "{name}: stores");
}

/// The truth's name of each CPU's core.
pub(super) fn models(truth: &Value) -> Vec<String> {
    let cpus = truth["per_cpu"].as_array().unwrap().iter();
    cpus.map(|cpu| cpu["model"].as_str().unwrap().to_owned())
        .collect()
}

/// Records of a capture with this truth. Of damaged ones there are all that are intact, and
/// at most as many more as were damaged.
pub(super) fn read(name: &str, file: &Path, truth: &Value) -> Vec<Record> {
    let damaged = truth["losses"]["records_damaged"].as_u64().unwrap();
    let slots = (damaged > 0).then_some(64);
    let records = records(&std::fs::read(file).unwrap(), slots);
    if damaged == 0 {
        check(name, &records, truth);
    } else {
        let intact = truth["records"].as_u64().unwrap();
        let all = intact..=intact + damaged;
        assert!(
            all.contains(&(records.len() as u64)),
            "{name}: {}",
            records.len()
        );
    }
    records
}
