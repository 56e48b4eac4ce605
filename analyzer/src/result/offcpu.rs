//! The result of `contend offcpu`.

use super::stack::functions;
use super::{CaptureFacts, Hex, Quality, StackFrame};
use serde::Serialize;
use std::sync::Arc;

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
    /// Waits for work: for events, connections, time, tasks of a pool. Absent
    /// when none was recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
    /// What `locks` are told apart by: `futex_word`, or `call` where the capture
    /// has only stacks.
    pub locks_by: &'static str,
    /// The threads, longest first.
    pub threads: Vec<ThreadRow>,
    /// Locks, longest waited for first.
    pub locks: Vec<LockRow>,
    /// System calls, longest first.
    pub syscalls: Vec<SyscallRow>,
    /// Who ended which waits, longest first.
    pub wakers: Vec<WakerRow>,
    /// Stacks with which threads left the CPU, longest first.
    pub stacks: Vec<OffCpuStack>,
}

/// Waits for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Idle {
    /// How many there are.
    pub intervals: u64,
    /// How many sums of shorter ones there are beside them.
    #[serde(skip_serializing_if = "is_zero")]
    pub sums: u64,
    /// How long they are together.
    pub total_ns: u64,
    /// Whether they were left out of all other numbers.
    pub hidden: bool,
}

/// A lock, or what waits like for one.
#[derive(Clone, Debug, Serialize)]
pub struct LockRow {
    /// The futex word (AVMA).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub word: Option<Hex>,
    /// The variable that it is in, where it is static, with the offset in it; or
    /// the call that waits and the function that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The process; absent when the capture does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// How often a thread waited for it.
    pub intervals: u64,
    /// How long together.
    pub total_ns: u64,
    /// How long at most.
    pub max_ns: u64,
    /// How much of it were waits for work; absent when nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ns: Option<u64>,
    /// The threads that waited, by number.
    pub waiters: Vec<i32>,
    /// The threads that ended waits for it, most often first.
    pub holders: Vec<Holder>,
    /// The stacks with which they waited, longest first.
    pub stacks: Vec<LockStack>,
}

/// A thread that ended waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The thread.
    pub tid: i32,
    /// Its name; absent when the capture does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// How many waits it ended.
    pub wakes: u64,
}

/// A stack that waited for a lock.
#[derive(Clone, Debug, Serialize)]
pub struct LockStack {
    /// From the root to the leaf.
    #[serde(serialize_with = "functions")]
    pub frames: Vec<Arc<StackFrame>>,
    /// How often.
    pub intervals: u64,
    /// How long together.
    pub total_ns: u64,
}

/// A system call in which threads were off the CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyscallRow {
    /// Its name, or `syscall N`; `none` outside of any, `unknown` when the
    /// capture does not tell.
    pub syscall: String,
    /// How many intervals.
    pub intervals: u64,
    /// How long together.
    pub total_ns: u64,
    /// How long at most.
    pub max_ns: u64,
}

/// Who made a thread runnable.
#[derive(Clone, Debug, Serialize)]
pub struct WakerFacts {
    /// The thread; absent when an interrupt did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tid: Option<i32>,
    /// Its name, or `interrupt`; absent when the capture does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// Its stack then, from the root to the leaf.
    #[serde(serialize_with = "functions")]
    pub frames: Vec<Arc<StackFrame>>,
}

/// Waits that ended in the same way.
#[derive(Clone, Debug, Serialize)]
pub struct WakerRow {
    /// Who ended them.
    pub waker: WakerFacts,
    /// The name of the threads that waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiter: Option<String>,
    /// The stack with which they waited, from the root to the leaf.
    #[serde(serialize_with = "functions")]
    pub waiter_frames: Vec<Arc<StackFrame>>,
    /// How many.
    pub intervals: u64,
    /// How long together.
    pub total_ns: u64,
}

/// A stack with which threads left the CPU.
#[derive(Clone, Debug, Serialize)]
pub struct OffCpuStack {
    /// `blocked`, `preempted`, `runnable` or `unknown`. A wait that was blocked
    /// and then runnable is in two.
    pub state: &'static str,
    /// The name of the threads; absent when the capture does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// From the root to the leaf.
    #[serde(serialize_with = "functions")]
    pub frames: Vec<Arc<StackFrame>>,
    /// The first frame in the kernel, from 0; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_from: Option<usize>,
    /// The frames that are inlined into the one before them, from 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inlined: Vec<usize>,
    /// What it waited for when it had nothing to do: `epoll`, `sleep` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<&'static str>,
    /// Whether it is the stack of the last sample before, as none was taken when
    /// the thread left.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub last_known: bool,
    /// How many intervals; none for sums.
    pub intervals: u64,
    /// How long together.
    pub total_ns: u64,
    /// How long at most.
    pub max_ns: u64,
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
