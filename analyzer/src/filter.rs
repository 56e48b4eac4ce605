//! Which samples the user asked for.

use crate::space::AddressSpace;
use contend_perfdata::{At, MemorySample, SampleLayout};
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
        fn wants<T: PartialEq>(list: &[T], value: &T) -> bool {
            list.is_empty() || list.contains(value)
        }
        wants(&self.pids, &pid)
            && wants(&self.tids, &tid)
            && wants(&self.cpus, &cpu)
            && self
                .time
                .as_ref()
                .is_none_or(|range| range.contains(&at.time))
            && self.comms.as_ref().is_none_or(|(names, space)| {
                let comm = space.comm(tid, at);
                comm.is_some_and(|comm| names.iter().any(|name| name == comm))
            })
    }

    /// Whether a sample that has not been decoded is wanted.
    #[inline(never)]
    pub fn accepts_sample(&self, layout: &SampleLayout, body: &[u8], at: At) -> bool {
        let sample = layout.decode_memory(body);
        sample.is_ok_and(|sample| self.accepts(&sample, at))
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
