//! One sampled operation with all that is known of it.

use super::core::Core;
use crate::memory::Class;
use contend_perfdata::{At, CpuMode, DataSrc, MemorySample, OpClass, Operation};

/// How it is known whose operation it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Attribution {
    /// The record says the thread itself (context packet).
    Context,
    /// The thread was on the CPU then, as records of switches say.
    Switch,
    /// The buffer is a thread's own.
    Buffer,
    /// It is not known.
    Unknown,
}

/// One operation that Arm SPE sampled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpeOp<'a> {
    /// When, for look-ups in the address space. Where the record has no time, that
    /// of the kernel's record about its chunk, or the end of the capture.
    pub(crate) at: At,
    /// When, in ns of the recording clock; absent where the record has no time.
    pub(crate) time: Option<u64>,
    /// The CPU; [`MemorySample::NO_CPU`] where it is not known.
    pub(crate) cpu: u32,
    /// The process; -1 where it is not known.
    pub(crate) pid: i32,
    /// The thread; -1 where it is not known.
    pub(crate) tid: i32,
    /// How it is known.
    pub(crate) by: Attribution,
    /// Kernel or user, by the address of the instruction.
    pub(crate) mode: CpuMode,
    /// The instruction (AVMA); 0 where the record does not say.
    pub(crate) ip: u64,
    /// The data (AVMA); 0 where the record does not say.
    pub(crate) addr: u64,
    /// The data (physical); 0 where the record does not say.
    pub(crate) phys_addr: u64,
    /// What was done: [`Operation::op_class`], [`Operation::is_load`] and so on.
    pub(crate) operation: Operation,
    /// What happened, as bits of `spe_event`.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tests hold what is read against what was written")
    )]
    pub(crate) events: u64,
    /// Who answered, as a number of the core; absent without such a packet.
    pub(crate) code: Option<u16>,
    /// The core, with its name ([`Core::name`]).
    pub(crate) core: &'a Core,
    /// Cycles from dispatch to completion; absent without such a packet.
    pub(crate) total: Option<u16>,
    /// Cycles from dispatch to issue; absent without such a packet.
    pub(crate) issue: Option<u16>,
    /// Cycles of address translation; absent without such a packet.
    pub(crate) translation: Option<u16>,
    /// The data source as perf 7.2 makes it, for perf's counters only.
    pub(crate) perf_src: DataSrc,
    /// The data source as the record tells it: see [`SpeOp::class`].
    pub(crate) told: DataSrc,
    /// A number below 1024 that mostly is the same where both data sources are, and
    /// another where they are not.
    pub(crate) source_hint: u16,
}

impl SpeOp<'_> {
    /// The exclusive class; absent for what is no load or store. Without a
    /// data-source packet level and snoop are unknown, unless the core's numbers
    /// are not known and its events tell.
    pub(crate) fn class(&self) -> Option<Class> {
        Class::of(self.told)
    }

    /// Whether perf takes it for a memory sample: loads, stores, and vector
    /// operations that touch no memory (`arm_spe_sample` in
    /// `tools/perf/util/arm-spe.c`). perf also takes branches with link and
    /// returns, by mistake.
    #[inline]
    pub(crate) fn is_perf_memory(&self) -> bool {
        use OpClass::{SimdOther, SmeOther, SveOther};
        self.operation.is_memory()
            || matches!(self.operation.op_class(), SimdOther | SveOther | SmeOther)
    }

    /// As a memory sample, with the data source of perf and the total latency as
    /// weight.
    #[inline]
    pub(crate) fn sample(&self) -> MemorySample {
        MemorySample {
            ip: self.ip,
            pid: self.pid,
            tid: self.tid,
            time: self.at.time,
            addr: self.addr,
            cpu: self.cpu,
            period: 1,
            weight: u64::from(self.total.unwrap_or(0)),
            data_src: self.perf_src,
            phys_addr: self.phys_addr,
        }
    }
}
