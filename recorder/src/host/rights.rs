//! What this process may do: `capabilities(7)`.

use super::tree::Tree;

/// The rights that recording needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Bits of `CapEff` in `/proc/self/status`.
    effective: u64,
    /// Most files that may be open, `RLIMIT_NOFILE`, its hard limit.
    pub open_files: Option<u64>,
}

/// Numbers of include/uapi/linux/capability.h.
mod bit {
    pub(super) const IPC_LOCK: u32 = 14;
    pub(super) const SYS_PTRACE: u32 = 19;
    pub(super) const SYS_ADMIN: u32 = 21;
    pub(super) const SYSLOG: u32 = 34;
    pub(super) const PERFMON: u32 = 38;
    pub(super) const BPF: u32 = 39;
}

impl Rights {
    pub(super) fn read(tree: &Tree) -> Self {
        let status = tree.text("proc/self/status").unwrap_or_default();
        let effective = status
            .lines()
            .find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok())
            .unwrap_or(0);
        // Max open files            1024                 524288               files
        let limits = tree.text("proc/self/limits").unwrap_or_default();
        let open_files = limits.lines().find_map(|line| {
            line.strip_prefix("Max open files")?
                .split_whitespace()
                .nth(1)?
                .parse()
                .ok()
        });
        Self {
            effective,
            open_files,
        }
    }

    fn has(self, bit: u32) -> bool {
        self.effective >> bit & 1 == 1
    }

    /// All of perf's events, whatever `perf_event_paranoid` says.
    #[must_use]
    pub fn perfmon(self) -> bool {
        self.has(bit::PERFMON) || self.has(bit::SYS_ADMIN)
    }

    /// Loading BPF programs that trace.
    #[must_use]
    pub fn bpf(self) -> bool {
        self.has(bit::SYS_ADMIN) || self.has(bit::BPF) && self.has(bit::PERFMON)
    }

    /// Buffers beyond `perf_event_mlock_kb`.
    #[must_use]
    pub fn lock_memory(self) -> bool {
        self.has(bit::IPC_LOCK)
    }

    /// Mappings and binaries of other users' processes.
    #[must_use]
    pub fn read_processes(self) -> bool {
        self.has(bit::SYS_PTRACE)
    }

    /// Addresses in `/proc/kallsyms` with `kptr_restrict` of 1.
    #[must_use]
    pub fn kernel_addresses(self) -> bool {
        self.has(bit::SYSLOG)
    }
}
