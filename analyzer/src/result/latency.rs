//! The result of `contend latency`.

use super::{CaptureFacts, Hex, MemoryObject, Quality};
use crate::latency::HeatMap;
use crate::memory::{Level, Op, Snoop, Where};
use serde::Serialize;

/// The `contend.latency/1` document.
#[derive(Clone, Debug, Serialize)]
pub struct LatencyReport {
    /// `contend.latency/1`.
    pub schema: &'static str,
    /// The capture.
    pub capture: CaptureFacts,
    /// What was lost or skipped.
    pub quality: Quality,
    /// What groups are told apart by, as the option.
    pub by: &'static str,
    /// Which latency, as the option.
    pub metric: &'static str,
    /// What latencies are counted in.
    pub unit: &'static str,
    /// What the metric means on the hardware of the capture.
    pub meaning: &'static str,
    /// Latencies below this many `unit` were not sampled; of events with different
    /// thresholds the largest. Absent where all were, or nothing tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u64>,
    /// The events whose samples were taken.
    pub events: Vec<LatencyEvent>,
    /// What an access costs that waits for nothing.
    pub baseline: LatencyBaseline,
    /// How far percentiles may be above the exact ones, as a share of them.
    pub precision: f64,
    /// What groups are ordered by: `lost_estimated`, or `lost` where periods are
    /// not known.
    pub order: &'static str,
    /// All accesses together.
    pub total: Distribution,
    /// The groups that lost most, these first.
    pub groups: Vec<LatencyGroup>,
    /// What the groups that are not shown are together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<RestGroups>,
    /// Latencies over time, for a picture.
    #[serde(skip)]
    pub(crate) heat: Option<HeatMap>,
}

/// An event whose samples are accesses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LatencyEvent {
    /// Its name.
    pub name: String,
    /// Accesses with a latency.
    pub count: u64,
    /// Accesses without.
    pub without: u64,
    /// Latencies below were not sampled; absent where all were, or nothing tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u64>,
    /// Whether it has a threshold; absent where nothing tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_threshold: Option<bool>,
    /// Whether its samples tell how many accesses they stand for.
    pub has_period: bool,
}

/// Medians of the capture's own hits in the first two levels of the core's caches.
/// What a latency is above it is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LatencyBaseline {
    /// Of loads; absent when no such load has a latency: then all of it is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<u64>,
    /// How many loads it is the median of.
    pub load_hits: u64,
    /// Of stores; absent likewise: then they are compared with loads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<u64>,
    /// How many stores it is the median of.
    pub store_hits: u64,
}

/// How some latencies are distributed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Distribution {
    /// Accesses with a latency.
    pub count: u64,
    /// Accesses without: the hardware gave none, and they are in no other number.
    pub without: u64,
    /// Sum of the latencies, exact.
    pub sum: u128,
    /// Mean; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Least one, exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// Median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<u64>,
    /// 90th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p90: Option<u64>,
    /// 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<u64>,
    /// 99.9th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p999: Option<u64>,
    /// Largest one, exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// Sum of what the latencies of the samples are above the baseline.
    pub lost: u128,
    /// The same of all accesses that the samples stand for, by their periods; absent
    /// where an event does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_estimated: Option<u128>,
    /// How many accesses the samples with a latency stand for; absent likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accesses_estimated: Option<u128>,
    /// The histogram, ascending, without empty buckets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buckets: Vec<LatencyBucket>,
}

/// Latencies from `low` to `high`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LatencyBucket {
    /// The least latency that it takes.
    pub low: u64,
    /// The largest latency that it takes.
    pub high: u64,
    /// How many it has.
    pub count: u64,
}

/// One group.
#[derive(Clone, Debug, Serialize)]
pub struct LatencyGroup {
    /// What its accesses have in common.
    pub key: LatencyKey,
    /// Its share of what was lost, by `order`.
    pub share: f64,
    /// Its latencies.
    #[serde(flatten)]
    pub latency: Distribution,
}

/// What the accesses of a group have in common.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum LatencyKey {
    /// Who answered.
    Source {
        /// What the accesses did.
        op: Op,
        /// Which level answered.
        level: Level,
        /// What the coherence protocol found.
        snoop: Snoop,
        /// From where.
        #[serde(rename = "where")]
        place: Where,
        /// The raw code of the data source (Arm SPE); absent when the records had
        /// none.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<Hex>,
        /// The kind of core that gave the code (Arm SPE).
        #[serde(skip_serializing_if = "Option::is_none")]
        cpu_model: Option<String>,
    },
    /// A function.
    Function {
        /// Its name; where there is none, its binary and the place in it.
        function: String,
        /// Its binary; absent where no code is mapped.
        #[serde(skip_serializing_if = "Option::is_none")]
        dso: Option<String>,
        /// Whether it is the kernel's.
        kernel: bool,
    },
    /// A cache line.
    Line {
        /// The address of its first byte, as its slowest access had it.
        address: Hex,
        /// What it is part of; absent when nothing is mapped there.
        #[serde(skip_serializing_if = "Option::is_none")]
        object: Option<MemoryObject>,
        /// The process of its slowest access.
        pid: i32,
    },
    /// A thread.
    Thread {
        /// Process.
        pid: i32,
        /// Thread.
        tid: i32,
        /// Its last name; absent when the capture does not tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        comm: Option<String>,
    },
    /// A CPU.
    Cpu {
        /// Its number; absent when samples do not tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        cpu: Option<u32>,
    },
    /// Nodes.
    Node {
        /// The node of the CPU; absent when the capture does not tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<u32>,
        /// The node of the data; absent when the samples have no physical address,
        /// or the capture does not tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        memory_node: Option<u64>,
    },
}

/// Groups that are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RestGroups {
    /// How many they are.
    pub groups: u64,
    /// Their accesses with a latency.
    pub count: u64,
    /// Their accesses without.
    pub without: u64,
    /// Sum of their latencies.
    pub sum: u128,
    /// Their share of what was lost.
    pub share: f64,
}
