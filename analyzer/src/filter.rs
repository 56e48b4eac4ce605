//! Which samples the user asked for.

use crate::space::AddressSpace;
use contend_perfdata::{At, MemorySample};
use std::ops::RangeInclusive;

/// The filters of the command line; empty lists accept everything.
#[derive(Debug, Default)]
pub struct Filter<'a> {
    /// Processes.
    pub pids: Vec<i32>,
    /// Threads.
    pub tids: Vec<i32>,
    /// CPUs.
    pub cpus: Vec<u32>,
    /// Names of threads, with the address space that knows them.
    pub comms: Option<(Vec<String>, &'a AddressSpace)>,
    /// Times in ns of the recording clock.
    pub time: Option<RangeInclusive<u64>>,
}

impl Filter<'_> {
    /// Whether the sample is wanted.
    #[inline]
    pub fn accepts(&self, sample: &MemorySample, at: At) -> bool {
        self.accepts_thread((sample.pid, sample.tid), sample.cpu, at)
    }

    /// Whether what a thread (process, thread) did on a CPU at a moment is
    /// wanted.
    #[inline]
    pub fn accepts_thread(&self, (pid, tid): (i32, i32), cpu: u32, at: At) -> bool {
        self.wants_ids((pid, tid))
            && self.wants_cpu(Some(cpu))
            && self
                .time
                .as_ref()
                .is_none_or(|range| range.contains(&at.time))
            && self
                .comms
                .as_ref()
                .is_none_or(|(_, space)| self.wants_comm(space.comm(tid, at)))
    }

    /// Whether a thread (process, thread) is wanted, as far as its numbers tell.
    #[inline]
    pub(crate) fn wants_ids(&self, (pid, tid): (i32, i32)) -> bool {
        wants(&self.pids, &pid) && wants(&self.tids, &tid)
    }

    /// Whether a CPU is wanted. One that is not told is wanted with all others
    /// only.
    #[inline]
    pub(crate) fn wants_cpu(&self, cpu: Option<u32>) -> bool {
        self.cpus.is_empty() || cpu.is_some_and(|cpu| self.cpus.contains(&cpu))
    }

    /// Whether a thread of this name is wanted.
    #[inline]
    pub(crate) fn wants_comm(&self, comm: Option<&str>) -> bool {
        self.comms
            .as_ref()
            .is_none_or(|(names, _)| names.iter().any(|name| Some(name.as_str()) == comm))
    }

    /// Whether every sample is wanted.
    pub fn is_empty(&self) -> bool {
        self.pids.is_empty()
            && self.tids.is_empty()
            && self.cpus.is_empty()
            && self.comms.is_none()
            && self.time.is_none()
    }
}

/// Whether a list accepts a value; an empty one accepts all.
#[inline]
fn wants<T: PartialEq>(list: &[T], value: &T) -> bool {
    list.is_empty() || list.contains(value)
}
