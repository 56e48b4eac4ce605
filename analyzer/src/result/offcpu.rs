//! The result of `contend offcpu`.

use super::{CaptureFacts, Quality};
use serde::Serialize;

/// The `contend.offcpu/1` document. All times are ns.
#[derive(Clone, Debug, Serialize)]
pub struct OffCpu {
    /// `contend.offcpu/1`.
    pub schema: &'static str,
    /// The capture.
    pub capture: CaptureFacts,
    /// What was lost or skipped.
    pub quality: Quality,
    /// What the intervals were found by: `sched_switch`, `switch_records`,
    /// `offcpu_time`, joined with `+`.
    pub source: String,
    /// Which time the numbers below are of: `all`, `blocked`, `preempted` or
    /// `runnable`.
    pub state: &'static str,
    /// How many intervals there are.
    pub intervals: u64,
    /// How long they are together, sums included.
    pub total_ns: u64,
    /// `total_ns` by what the threads waited for.
    pub by_state: ByState,
    /// Intervals without an end, which are in no other number.
    pub open: u64,
    /// Intervals of `intervals` whose end was not recorded: they are at most
    /// this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upper_bounds: Option<UpperBounds>,
    /// Time of which the collector kept only sums.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sums: Option<Sums>,
    /// `intervals` and `total_ns` by the state in which threads left the CPU,
    /// longest first.
    pub states: Vec<StateRow>,
    /// The threads, longest first.
    pub threads: Vec<ThreadRow>,
}

/// Time by what threads waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ByState {
    /// For something: until they were woken where the capture tells, otherwise
    /// until they ran again.
    pub blocked: u64,
    /// For the CPU that another thread had taken from them.
    pub preempted: u64,
    /// For a CPU, after they were woken.
    pub runnable: u64,
    /// For something that the capture does not tell.
    #[serde(skip_serializing_if = "is_zero")]
    pub unknown: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Intervals that may be shorter than they seem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct UpperBounds {
    /// How many there are.
    pub intervals: u64,
    /// Their part of the total.
    pub total_ns: u64,
}

/// Sums of intervals of which neither number nor times are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// How many sums there are, one for each thread and stack.
    pub samples: u64,
    /// Their part of the total.
    pub total_ns: u64,
}

/// Intervals that began in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateRow {
    /// `blocked`, `preempted`, `runnable` or `unknown`.
    pub state: &'static str,
    /// The kernel's letter: `S`, `D` and so on; absent when the capture does not
    /// tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub letter: Option<char>,
    /// How many there are.
    pub intervals: u64,
    /// How long they are together.
    pub total_ns: u64,
    /// How long the longest is.
    pub max_ns: u64,
}

/// A thread.
#[derive(Clone, Debug, Serialize)]
pub struct ThreadRow {
    /// Its process; absent when the capture does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The thread.
    pub tid: i32,
    /// Its name; absent when the capture does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// How many intervals it has.
    pub intervals: u64,
    /// How long they are together, sums included.
    pub total_ns: u64,
    /// How long the longest is; absent without intervals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ns: Option<u64>,
    /// The length that half of them do not exceed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ns: Option<u64>,
    /// The length that 99 % of them do not exceed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ns: Option<u64>,
    /// `total_ns` by what it waited for.
    pub by_state: ByState,
    /// Intervals without an end.
    pub open: u64,
    /// Intervals whose end was not recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upper_bounds: Option<UpperBounds>,
    /// Time of which only sums are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sums: Option<Sums>,
    /// How many intervals have which length: from `low_ns` up to, but not
    /// including, twice that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub histogram: Vec<LengthBucket>,
}

/// Intervals of about the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LengthBucket {
    /// The shortest that belongs to it: a power of two, or 0.
    pub low_ns: u64,
    /// How many there are.
    pub count: u64,
}
