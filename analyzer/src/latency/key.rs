//! What accesses are told apart by, and which group an access belongs to.

use super::access::{Access, Source};
use crate::c2c::{LineId, RawKey};
use crate::space::{AddressSpace, DsoKind, During, MapId};
use crate::symbols::{Jit, Spot};
use crate::topology::Topology;
use contend_perfdata::{At, CpuMode, MemorySample};

/// What accesses are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Who answered.
    Source,
    /// The function of the instruction.
    Function,
    /// The cache line of the data.
    Line,
    /// The thread.
    Thread,
    /// The CPU.
    Cpu,
    /// The node of the CPU, and the one of the data.
    Node,
}

impl By {
    /// The name of the option.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Function => "function",
            Self::Line => "line",
            Self::Thread => "thread",
            Self::Cpu => "cpu",
            Self::Node => "node",
        }
    }
}

/// A group before it has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum GroupKey {
    Source(Source),
    /// An instruction; of memory without a file with its process. Functions are made
    /// of these when all are known.
    Code(Option<(Spot, i32)>),
    Line(LineId),
    Thread(i32, i32),
    Cpu(Option<u32>),
    /// The place of the CPU's node in the capture's list, and the number of that of
    /// the data.
    Node(Option<u16>, Option<u64>),
}

/// What of an access its group depends on, apart from the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RawGroup(pub(super) u64, pub(super) u64);

/// From when on all accesses with one raw group are in one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Valid {
    /// Always.
    Always,
    /// From a moment on.
    Since(At),
    /// Each has to be looked up.
    Once,
}

/// Behind every record.
const END: At = At {
    time: u64::MAX,
    pos: u64::MAX,
};

/// Finds the groups of accesses.
pub(super) struct Keys<'a> {
    pub(super) by: By,
    pub(super) space: &'a AddressSpace,
    pub(super) jit: &'a Jit,
    pub(super) topology: &'a Topology,
    pub(super) line_size: u64,
}

impl Keys<'_> {
    /// What tells the group of an access, as far as the access itself does.
    #[inline]
    pub(super) fn raw(&self, access: &Access) -> RawGroup {
        let (pid, tid) = access.thread;
        let pid = u64::from(pid.cast_unsigned());
        match self.by {
            By::Source => {
                let class = access.source.class;
                let class = (class.op as u64) << 24
                    | (class.level as u64) << 16
                    | (class.snoop as u64) << 8
                    | class.place as u64;
                let code = access.source.code.map_or(0, |code| u64::from(code) + 1);
                RawGroup(class << 32 | code, access.source.model)
            }
            By::Function => RawGroup(access.ip, pid),
            By::Line => {
                let line = access.addr & !(self.line_size - 1);
                RawGroup(line, pid << 8 | u64::from(access.mode))
            }
            By::Thread => RawGroup(pid, tid.cast_unsigned().into()),
            By::Cpu => RawGroup(access.cpu.into(), 0),
            By::Node => {
                let memory = self.topology.node_of_address(access.phys_addr);
                RawGroup(
                    access.cpu.into(),
                    memory.map_or(0, |node| node.wrapping_add(1)),
                )
            }
        }
    }

    /// The group of an access, and for which others with the same raw group it is
    /// the group too.
    pub(super) fn group(&self, access: &Access) -> (GroupKey, Valid) {
        let (pid, tid) = access.thread;
        match self.by {
            By::Source => (GroupKey::Source(access.source), Valid::Always),
            By::Function => {
                let map = self.space.find_code(pid, access.ip, access.at);
                let key = map.map(|map| self.instruction(map, access));
                (GroupKey::Code(key), self.code_validity(access, map))
            }
            By::Line => {
                let key = self.raw_line(access);
                let mode = CpuMode::from_misc(access.mode.into());
                let map = self.space.find(mode, pid, access.addr, access.at);
                let line = GroupKey::Line(LineId::new(self.space, key, map));
                (line, self.line_validity(access, mode))
            }
            By::Thread => (GroupKey::Thread(pid, tid), Valid::Always),
            By::Cpu => {
                let cpu = (access.cpu != MemorySample::NO_CPU).then_some(access.cpu);
                (GroupKey::Cpu(cpu), Valid::Always)
            }
            By::Node => {
                let cpu = (access.cpu != MemorySample::NO_CPU).then_some(access.cpu);
                let node = cpu.and_then(|cpu| self.topology.node_of_cpu(cpu));
                let memory = self.topology.node_of_address(access.phys_addr);
                (GroupKey::Node(node, memory), Valid::Always)
            }
        }
    }

    fn raw_line(&self, access: &Access) -> RawKey {
        RawKey {
            line: access.addr & !(self.line_size - 1),
            pid: access.thread.0,
            mode: access.mode,
        }
    }

    fn instruction(&self, map: MapId, access: &Access) -> (Spot, i32) {
        let pid = access.thread.0;
        let kind = self.space.dso(self.space.map(map).dso).kind;
        let spot = self.jit.spot(self.space, map, pid, access.ip, access.at);
        // Only in memory without a file does an address mean different code in
        // each process.
        (spot, if kind == DsoKind::Anonymous { pid } else { 0 })
    }

    fn code_validity(&self, access: &Access, map: Option<MapId>) -> Valid {
        let pid = access.thread.0;
        if self.jit.is_timed(pid) {
            return Valid::Once;
        }
        let during = |mode| self.space.find_during(mode, pid, access.ip, access.at, END);
        let same = match (during(CpuMode::User), map) {
            (During::Same(Some(_)), _) => true,
            // Nothing in the process: then the kernel's.
            (During::Same(None), _) => during(CpuMode::Kernel) != During::Varies,
            (During::Varies, _) => false,
        };
        match same {
            true => Valid::Since(access.at),
            false => Valid::Once,
        }
    }

    /// Mappings begin and end on pages, and so all of a line has one; those of the
    /// kernel do not, and there both ends of a line are looked up.
    fn line_validity(&self, access: &Access, mode: CpuMode) -> Valid {
        let pid = access.thread.0;
        let during = |address| self.space.find_during(mode, pid, address, access.at, END);
        let first = access.addr & !(self.line_size - 1);
        let ends = match mode {
            CpuMode::Kernel => [first, first | (self.line_size - 1)],
            _ => [access.addr; 2],
        };
        match ends.map(during) {
            [During::Same(a), During::Same(b)] if a == b => Valid::Since(access.at),
            _ => Valid::Once,
        }
    }
}
