//! Side bands written down by hand.

use crate::space::{AddressSpace, MapId};
use contend_perfdata::{At, BuildId, CpuMode, FileId, Inode, Mmap, SideBand};
use std::ops::Range;

pub(super) const MAP_SHARED: u32 = 1;
pub(super) const MAP_PRIVATE: u32 = 2;
pub(super) const MAP_HUGETLB: u32 = 0x4_0000;

/// Records of a capture; each stands behind the one before it.
#[derive(Clone, Default)]
pub(super) struct Script {
    events: Vec<(At, SideBand)>,
    build_ids: Vec<BuildId>,
}

/// The moment behind all records of a time.
pub(super) fn at(time: u64) -> At {
    At {
        time,
        pos: u64::MAX,
    }
}

/// A file on a device.
pub(super) fn inode(inode: u64) -> FileId {
    FileId::Inode(Inode {
        major: 8,
        minor: 1,
        inode,
        generation: 0,
    })
}

/// A private mapping of a file of which only the path is known.
pub(super) fn mapping(pid: i32, range: Range<u64>, path: &str) -> Mmap {
    Mmap {
        pid,
        tid: pid,
        start: range.start,
        length: range.end - range.start,
        file_offset: 0,
        path: path.as_bytes().into(),
        file: FileId::Unknown,
        protection: Some(5),
        flags: MAP_PRIVATE,
        is_data: false,
        mode: CpuMode::User,
    }
}

/// A mapping of the kernel, as perf describes it.
pub(super) fn kernel_mapping(range: Range<u64>, name: &str) -> Mmap {
    Mmap {
        flags: 0,
        mode: CpuMode::Kernel,
        ..mapping(-1, range, name)
    }
}

impl Script {
    pub(super) fn event(mut self, time: u64, event: SideBand) -> Self {
        let pos = self.events.len() as u64;
        self.events.push((At { time, pos }, event));
        self
    }

    pub(super) fn mmap(self, time: u64, mmap: Mmap) -> Self {
        self.event(time, SideBand::Mmap(mmap))
    }

    pub(super) fn map(self, time: u64, pid: i32, range: Range<u64>, path: &str) -> Self {
        self.mmap(time, mapping(pid, range, path))
    }

    pub(super) fn kernel(self, time: u64, range: Range<u64>, name: &str) -> Self {
        self.mmap(time, kernel_mapping(range, name))
    }

    /// A process forks; the child's only thread has the number of the child.
    pub(super) fn fork(self, time: u64, parent: i32, child: i32) -> Self {
        self.fork_of(time, (parent, parent), (child, child), false)
    }

    /// Parent and child as (process, thread).
    pub(super) fn fork_of(
        self,
        time: u64,
        (parent_pid, parent_tid): (i32, i32),
        (pid, tid): (i32, i32),
        exec: bool,
    ) -> Self {
        let fork = SideBand::Fork {
            pid,
            parent_pid,
            tid,
            parent_tid,
            exec,
        };
        self.event(time, fork)
    }

    pub(super) fn comm(self, time: u64, pid: i32, tid: i32, name: &str) -> Self {
        self.named(time, (pid, tid), name, false)
    }

    pub(super) fn exec(self, time: u64, pid: i32, name: &str) -> Self {
        self.named(time, (pid, pid), name, true)
    }

    fn named(self, time: u64, (pid, tid): (i32, i32), name: &str, exec: bool) -> Self {
        let comm = SideBand::Comm {
            pid,
            tid,
            name: name.as_bytes().into(),
            exec,
        };
        self.event(time, comm)
    }

    pub(super) fn exit(self, time: u64, pid: i32) -> Self {
        self.event(time, SideBand::Exit { pid, tid: pid })
    }

    pub(super) fn ksymbol(self, time: u64, start: u64, length: u32, name: &str) -> Self {
        self.symbol(time, start, length, name, false)
    }

    pub(super) fn unregister(self, time: u64, start: u64, length: u32, name: &str) -> Self {
        self.symbol(time, start, length, name, true)
    }

    fn symbol(self, time: u64, start: u64, length: u32, name: &str, unregister: bool) -> Self {
        let ksymbol = SideBand::Ksymbol {
            start,
            length,
            kind: 1,
            unregister,
            name: name.as_bytes().into(),
        };
        self.event(time, ksymbol)
    }

    /// A line of the header's table of build-ids.
    pub(super) fn build_id(mut self, path: &str, bytes: &[u8]) -> Self {
        self.build_ids.push(BuildId {
            pid: -1,
            misc: 0,
            build_id: bytes.to_vec(),
            filename: path.to_owned(),
        });
        self
    }

    /// The records in the opposite order, at their old places.
    pub(super) fn shuffled(mut self) -> Self {
        self.events.reverse();
        self
    }

    pub(super) fn space(self) -> AddressSpace {
        AddressSpace::build(self.events, &self.build_ids)
    }
}

/// What a process has at an address behind all records of a time: name and
/// place in it.
pub(super) fn seen(space: &AddressSpace, pid: i32, address: u64, time: u64) -> Option<String> {
    let map = space.find(CpuMode::User, pid, address, at(time))?;
    Some(described(space, map, address))
}

/// The same of the kernel.
pub(super) fn seen_in_kernel(space: &AddressSpace, address: u64, time: u64) -> Option<String> {
    let map = space.find(CpuMode::Kernel, 0, address, at(time))?;
    Some(described(space, map, address))
}

pub(super) fn described(space: &AddressSpace, map: MapId, address: u64) -> String {
    let dso = space.dso(space.map(map).dso);
    let relative = space.map_relative(map, address);
    format!("{}+{relative:#x}", dso.display_name())
}

/// Asserts what is at an address; `""` is nothing.
#[track_caller]
pub(super) fn assert_seen(space: &AddressSpace, pid: i32, address: u64, time: u64, what: &str) {
    let found = seen(space, pid, address, time).unwrap_or_default();
    assert_eq!(found, what, "process {pid}, {address:#x}, time {time}");
}
