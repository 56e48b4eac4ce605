//! What became of the data of Arm SPE: the `spe` object of `quality`.

use super::Hex;
use serde::Serialize;
use std::collections::BTreeMap;

/// Records and losses of Arm SPE. Present where the capture has its data.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SpeQuality {
    /// Whole records, which are one sampled operation each.
    pub records: u64,
    /// Records with damage inside, which were left out.
    pub damaged_records: u64,
    /// Bytes of them, and of what stood between them and the next whole record.
    pub skipped_bytes: u64,
    /// Records that the end of a chunk cuts off, which were left out.
    pub cut_records: u64,
    /// Bytes of them.
    pub cut_bytes: u64,
    /// Counts of the chunks and of what the kernel said of them.
    #[serde(flatten)]
    pub area: AreaFacts,
    /// Bytes of chunks that the end of the file cuts off.
    pub truncated_chunk_bytes: u64,
    /// Records by how it is known whose they are.
    pub attribution: Attributions,
    /// Records without a time.
    pub without_time: u64,
    /// Records by operation: `load_general`, `store_atomic`, `branch` and so on.
    pub operations: BTreeMap<String, u64>,
    /// Atomic read-modify-writes, told as loads or as stores.
    pub atomic: u64,
    /// Load-exclusives and store-exclusives.
    pub exclusive: u64,
    /// Load-acquires and store-releases, and atomics that are one.
    pub acquire_release: u64,
    /// Loads without a data-source packet.
    pub loads_without_source: u64,
    /// Loads whose data-source number the table of their core does not have.
    pub loads_with_unknown_source: u64,
    /// How often operations were sampled.
    pub interval: Interval,
    /// By CPU.
    pub cpus: Vec<SpeCpu>,
    /// Losses over time.
    pub timeline: Vec<SpeSpan>,
}

/// Counts of chunks of the AUX area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AreaFacts {
    /// Chunks that are in the capture.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Gaps between chunks.
    pub gaps: u64,
    /// Bytes of them.
    pub gap_bytes: u64,
    #[serde(flatten)]
    /// What the kernel said.
    pub told: AuxFacts,
}

/// What the kernel's AUX records say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuxFacts {
    /// How many there are.
    pub aux_records: u64,
    /// How often the buffer was full, and samples were lost.
    pub truncated: u64,
    /// How often there were gaps in the data.
    pub partial: u64,
    /// How often a sample was dropped because one was still on its way: at least one
    /// each time.
    pub collisions: u64,
    /// How many say that the buffer is gone round in (a snapshot): data that was written
    /// over before it was copied is lost.
    pub overwritten: u64,
    /// How many announce data of which nothing is in the capture.
    pub missing_chunks: u64,
    /// Bytes that they announce.
    pub missing_bytes: u64,
}

/// Records by how it is known whose they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attributions {
    /// The record names its thread.
    pub context: u64,
    /// The thread was on the CPU then, as records of switches say.
    pub switch: u64,
    /// The buffer is a thread's own.
    pub buffer: u64,
    /// Nothing tells.
    pub unknown: u64,
    /// Records whose thread is known, and of which no record tells the process.
    pub without_process: u64,
    /// Records that name their thread and were held against records of switches: one
    /// in sixteen, where switches tell who ran.
    pub compared: u64,
    /// Records of these of which switches tell another thread.
    pub contradicted: u64,
}

/// How often operations were sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Interval {
    /// Operations between two samples, as it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<u64>,
    /// Operations between two samples as the hardware is set to it: it counts in 256s.
    /// Absent where it is not told, and below the least, where kernels differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<u64>,
    /// The least that the hardware is capable of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_interval: Option<u64>,
    /// Mean time between two records of one CPU, in ns, behind all filters and
    /// losses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_ns: Option<f64>,
}

/// One CPU.
#[derive(Clone, Debug, Serialize)]
pub struct SpeCpu {
    /// Its number; absent for records whose CPU is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// Its core.
    pub core: String,
    /// Its `MIDR_EL1`; absent where the capture does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub midr: Option<Hex>,
    /// Whether the data-source numbers of its core are known.
    pub sources_known: bool,
    /// Whole records.
    pub records: u64,
    /// Mean time between two of them, in ns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_ns: Option<f64>,
    /// Its chunks.
    #[serde(flatten)]
    pub area: AreaFacts,
}

/// Losses in a span of time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SpeSpan {
    /// Its first moment, in ns of the recording clock.
    pub from_ns: u64,
    /// Behind its last moment.
    pub to_ns: u64,
    /// Bytes that the kernel announced.
    pub bytes: u64,
    /// What the kernel said.
    #[serde(flatten)]
    pub told: AuxFacts,
}
