//! One frame of a stack, before it has a name.

use crate::space::{AddressSpace, DsoKind, MapId};
use crate::symbols::Spot;
use contend_perfdata::{At, CpuMode};

/// In which mode a frame runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Mode {
    /// In a process.
    User,
    /// In the kernel.
    Kernel,
    /// In the hypervisor.
    Hypervisor,
    /// In a guest, its kernel or a process of it.
    Guest,
}

impl Mode {
    /// The mode in which the address space looks addresses up; absent where the
    /// capture has no mappings.
    fn of_space(self) -> Option<CpuMode> {
        match self {
            Self::User => Some(CpuMode::User),
            Self::Kernel => Some(CpuMode::Kernel),
            Self::Hypervisor | Self::Guest => None,
        }
    }
}

impl From<CpuMode> for Mode {
    fn from(mode: CpuMode) -> Self {
        match mode {
            CpuMode::Kernel => Self::Kernel,
            // What old writers do not tell is a process's.
            CpuMode::User | CpuMode::Unknown => Self::User,
            CpuMode::Hypervisor => Self::Hypervisor,
            CpuMode::GuestKernel | CpuMode::GuestUser => Self::Guest,
        }
    }
}

/// An instruction of a stack, as a key: equal wherever its binary is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Frame {
    /// Code in a binary, in the kernel, or in memory without a file.
    Code {
        /// Its mode.
        mode: Mode,
        /// The instruction, or the call for callers.
        spot: Spot,
        /// The process, where the code is in memory without a file: only there
        /// does an address mean different code in each process. Else 0.
        pid: i32,
    },
    /// An address at which no code is mapped.
    Nowhere {
        /// Its mode.
        mode: Mode,
        /// The address (AVMA).
        address: u64,
    },
}

impl Frame {
    /// The frame of an address (AVMA) in a process.
    pub(super) fn new(space: &AddressSpace, mode: Mode, pid: i32, address: u64, at: At) -> Self {
        let found = mode.of_space();
        let found = found.and_then(|mode| space.find_executable(mode, pid, address, at));
        match found {
            Some(map) => Self::in_map(space, mode, pid, map, address),
            None => Self::Nowhere { mode, address },
        }
    }

    /// The frame of an address in a mapping.
    pub(super) fn in_map(
        space: &AddressSpace,
        mode: Mode,
        pid: i32,
        map: MapId,
        address: u64,
    ) -> Self {
        let kind = space.dso(space.map(map).dso).kind;
        Self::Code {
            mode,
            spot: Spot::code(space, map, address),
            pid: if kind == DsoKind::Anonymous { pid } else { 0 },
        }
    }

    /// The mode.
    pub(crate) fn mode(self) -> Mode {
        match self {
            Self::Code { mode, .. } | Self::Nowhere { mode, .. } => mode,
        }
    }

    /// Whether no code is mapped there.
    pub(super) fn is_nowhere(self) -> bool {
        matches!(self, Self::Nowhere { .. })
    }
}
