//! The result of `contend c2c`.

use super::{CaptureFacts, Hex, Quality};
use crate::c2c::{Replayed, Verdict};
use crate::memory::{Class, Counters};
use crate::stats::Ratio;
use serde::Serialize;

/// The `contend.c2c/1` document.
#[derive(Clone, Debug, Serialize)]
pub struct C2c {
    /// `contend.c2c/1`.
    pub schema: &'static str,
    /// The capture.
    pub capture: CaptureFacts,
    /// What was lost or skipped.
    pub quality: Quality,
    /// The order of lines: `tot`, `rmt`, `lcl`, `peer` or `latency`.
    pub sort: &'static str,
    /// The median latency of all loads, in cycles, where lines are ordered by what
    /// is beyond.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_latency: Option<u64>,
    /// perf's counters of all samples.
    pub perf_counters: Counters,
    /// How many lines were sampled.
    pub sampled_lines: u64,
    /// How many of them had a HITM or a peer snoop.
    pub shared_lines: u64,
    /// perf's counters of all shared lines, as far as perf sums them up;
    /// `blk_data` holds both kinds of blocked accesses.
    #[serde(skip)]
    pub shared_counters: Counters,
    /// Every memory sample in exactly one class.
    pub classes: Vec<ClassRow>,
    /// Shares with their intervals.
    pub ratios: Ratios,
    /// The shown lines in order.
    pub lines: Vec<Line>,
    /// For perf's own layout.
    #[serde(skip)]
    pub compat: Compat,
}

/// What perf prints and documents do not hold.
#[derive(Clone, Debug, Default)]
pub struct Compat {
    /// Names of the events.
    pub events: Vec<String>,
    /// What rows are told apart by: `offset`, then the fields of `--coalesce`.
    pub coalesce: Vec<&'static str>,
}

/// One exclusive class.
#[derive(Clone, Debug, Serialize)]
pub struct ClassRow {
    /// The class.
    #[serde(flatten)]
    pub class: Class,
    /// Samples.
    pub count: u64,
    /// Sum of their weights, in cycles.
    pub latency_sum: u64,
}

/// Shares of the exclusive classes; absent when there is nothing to share.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ratios {
    /// HITM loads per sampled load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hitm_per_load: Option<Ratio>,
    /// HITM loads per load that left its own last-level cache, or was answered
    /// by another core of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hitm_per_llc_miss: Option<Ratio>,
    /// Remote HITM loads per HITM load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_per_hitm: Option<Ratio>,
    /// Loads that another core's cache answered, per sampled load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_per_load: Option<Ratio>,
    /// The names of those of which the hardware that recorded cannot tell the
    /// numerator: they are absent, not zero.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_told: Vec<&'static str>,
}

/// A cache line.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Its place, from 0.
    pub rank: usize,
    /// The virtual address that the first sample gave it.
    pub address: Hex,
    /// Its part of all samples' metric, 0 to 1.
    pub share: f64,
    /// Memory nodes of its physical addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub node: Vec<u32>,
    /// What is mapped there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<MemoryObject>,
    /// perf's counters.
    pub perf_counters: Counters,
    /// Cycles of its loads beyond the median each, where lines are ordered by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excess_latency: Option<u64>,
    /// Latencies of its loads.
    pub latency: Latency,
    /// Why it is contended.
    pub verdict: Verdict,
    /// The reason of the verdict.
    pub why: String,
    /// Who stands for threads in the verdict: `cpu`, where the capture does not tell
    /// threads. Absent where they are told, or there is no verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged_by: Option<&'static str>,
    /// Threads that stored to it, most stores first.
    pub writers: Vec<Access>,
    /// Threads that loaded from it, most HITM loads first.
    pub readers: Vec<Access>,
    /// The rows that perf shows.
    pub rows: Vec<Row>,
    /// How many rows have ordinary loads only; perf hides them.
    pub hidden_rows: usize,
    /// For perf's own layout.
    #[serde(skip)]
    pub compat: LineCompat,
}

/// What a data address belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryObject {
    /// The variable, that of the row with the most samples that count; absent
    /// without symbols.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the line begins: bytes from the start of the variable, 0 where the
    /// variable begins in the line; without a name, from the start of the mapped
    /// file.
    pub offset: Hex,
    /// The mapped file, or what the kernel calls the memory (`[heap]`).
    pub dso: String,
}

/// A variable and a byte in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Bytes from its start.
    pub offset: Hex,
}

/// A function that the compiler put into another one, or that other one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InlineFrame {
    /// Its name; absent when the debug information has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The source line in it: of the instruction in the first, of the call in
    /// the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// What a thread did on a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Access {
    /// The process.
    pub pid: i32,
    /// The thread.
    pub tid: i32,
    /// The CPU, where nothing tells the thread; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// Its name when the capture ended; absent when the capture never told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// Sampled loads.
    pub loads: u64,
    /// Sampled stores.
    pub stores: u64,
    /// Loads that found the line modified elsewhere.
    pub hitm: u64,
    /// Loads that another cache answered.
    pub peer: u64,
    /// Which offsets it loaded (readers) or stored (writers), ascending.
    pub offsets: Vec<Hex>,
}

/// Latencies of loads, in cycles as the hardware means them. Means are perf's:
/// each sample is in the first that it belongs to. Percentiles are of all loads
/// with a latency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Mean of the remote HITM loads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_rmt_hitm: Option<f64>,
    /// Mean of the local HITM loads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_lcl_hitm: Option<f64>,
    /// Mean of the loads that a remote peer answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_rmt_peer: Option<f64>,
    /// Mean of the loads that a local peer answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_lcl_peer: Option<f64>,
    /// Mean of the other loads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_load: Option<f64>,
    /// Median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<u64>,
    /// 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<u64>,
    /// Largest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

/// A row of a line: one offset and instruction unless coalesced otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Bytes from the start of the line.
    pub offset: Hex,
    /// The instruction; absent when rows are not told apart by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Hex>,
    /// The instruction relative to its mapping: in a file, the offset in it;
    /// absent when it has no mapping, or rows are not told apart by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_offset: Option<Hex>,
    /// The process of its first sample.
    pub pid: i32,
    /// Its threads, ascending.
    pub tids: Vec<i32>,
    /// The function; absent without symbols.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The binary of the instruction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dso: Option<String>,
    /// Source line, `file:line`, of the innermost inlined function; absent
    /// without debug information.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// From the innermost inlined function out to the one that was compiled;
    /// empty where nothing is inlined.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inlined: Vec<InlineFrame>,
    /// The variable at the offset; absent without symbols.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<Variable>,
    /// perf's counters.
    pub perf_counters: Counters,
    /// Latencies of its loads.
    pub latency: Latency,
    /// How many CPUs took part.
    pub cpus: usize,
    /// Which ones: `0-7,16`.
    pub cpu_list: String,
    /// The nodes of these CPUs, by their place in the capture's list.
    pub nodes: Vec<u16>,
    /// For perf's own layout.
    #[serde(skip)]
    pub compat: RowCompat,
}

/// What perf prints of a line and documents do not hold.
#[derive(Clone, Debug, Default)]
pub struct LineCompat {
    /// What depends on the order of samples.
    pub replayed: Replayed,
    /// What the rows that perf hides need.
    pub hidden: HiddenWidths,
}

/// The widest cells of the rows that perf hides, in bytes: its columns are as
/// wide as all rows of a line need. All are 0 unless perf's layout was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HiddenWidths {
    /// How many rows they are.
    pub rows: usize,
    /// How many of them have code without a name.
    pub unnamed: usize,
    /// Of the function.
    pub symbol: usize,
    /// Of the source line.
    pub source: usize,
    /// Of the binary.
    pub object: usize,
    /// Of the name of the thread.
    pub comm: usize,
    /// Of the list of memory nodes.
    pub memory_nodes: usize,
}

/// What perf prints of a row and documents do not hold. Texts and addresses are
/// empty unless perf's layout was asked for.
#[derive(Clone, Debug)]
pub struct RowCompat {
    /// What depends on the order of samples.
    pub replayed: Replayed,
    /// Memory nodes of the physical addresses.
    pub memory_nodes: Vec<u32>,
    /// The thread of the first sample.
    pub tid: i32,
    /// Its name, as perf has it: `:TID` when the capture never tells. Also there
    /// when rows are told apart by process or thread.
    pub comm: String,
    /// The binary in perf's short form; absent when the instruction has no
    /// mapping.
    pub object: Option<String>,
    /// The instruction inside its mapping, as perf prints it where it has no
    /// symbol.
    pub code_offset: u64,
    /// The letter for the mode of the samples: `.` user, `k` kernel, `H` other.
    pub level: char,
}
