//! Facts of the machine that decide what can be recorded on it.
//!
//! All are read below a root folder: `/`, or a tree of recorded files in the
//! tests. Nothing here changes anything, and nothing fails: what cannot be read
//! is absent.

mod cpu;
mod kernel;
mod place;
mod pmu;
mod rights;
mod tree;

pub use cpu::{Cpu, Vendor, Zen};
pub use kernel::{Kernel, Lockdown, Version};
pub use place::Machine;
pub use pmu::Pmu;
pub use rights::Rights;

use std::path::{Path, PathBuf};
use tree::{Tree, cpu_list};

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Where the facts were read: `/`, or a recorded tree.
    pub root: PathBuf,
    /// Its processor.
    pub cpu: Cpu,
    /// Its units that count and sample, by name.
    pub pmus: Vec<Pmu>,
    /// Its kernel.
    pub kernel: Kernel,
    /// What this process may do.
    pub rights: Rights,
    /// Metal or a virtual machine.
    pub machine: Machine,
    /// The container that this runs in.
    pub container: Option<String>,
    /// Whether numbers of processes are this container's own.
    pub own_pids: bool,
    /// NUMA nodes: number and CPUs.
    pub nodes: Vec<(u32, Vec<u32>)>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of memory that could still be had.
    pub memory_available: Option<u64>,
}

impl Host {
    /// Reads the facts below `root`, which is `/` on a real machine.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let tree = Tree::new(root);
        let (memory, memory_available) = place::memory(&tree);
        let mut nodes: Vec<(u32, Vec<u32>)> = tree
            .names("sys/devices/system/node")
            .iter()
            .filter_map(|name| {
                let list = tree.text(&format!("sys/devices/system/node/{name}/cpulist"))?;
                Some((name.strip_prefix("node")?.parse().ok()?, cpu_list(&list)))
            })
            .collect();
        nodes.sort();
        Self {
            root: root.to_owned(),
            cpu: Cpu::read(&tree),
            pmus: Pmu::read_all(&tree),
            kernel: Kernel::read(&tree),
            rights: Rights::read(&tree),
            machine: Machine::read(&tree),
            container: place::container(&tree),
            own_pids: place::own_pids(&tree),
            nodes,
            memory,
            memory_available,
        }
    }

    /// The unit of this name.
    #[must_use]
    pub fn pmu(&self, name: &str) -> Option<&Pmu> {
        self.pmus.iter().find(|pmu| pmu.name == name)
    }

    /// The units of the cores: `cpu`, or on hybrid machines `cpu_core` and
    /// `cpu_atom`, or Arm's, one a kind of core.
    #[must_use]
    pub fn core_pmus(&self) -> Vec<&Pmu> {
        let core = |name: &str| {
            matches!(name, "cpu" | "cpu_core" | "cpu_atom" | "cpu_lowpower")
                || name.starts_with("armv8_")
                || name.starts_with("armv9_")
        };
        self.pmus.iter().filter(|pmu| core(&pmu.name)).collect()
    }

    /// Arm's units of statistical profiling, one a kind of core.
    #[must_use]
    pub fn spe_pmus(&self) -> Vec<&Pmu> {
        self.pmus
            .iter()
            .filter(|pmu| pmu.name.starts_with("arm_spe"))
            .collect()
    }

    /// Whether events of the kernel and of all CPUs may be opened.
    ///
    /// `perf_event_paranoid`: -1 allows all, 0 all but raw tracepoints, 1 no events of
    /// whole CPUs, 2 none of the kernel (Documentation/admin-guide/sysctl/kernel.rst).
    #[must_use]
    pub fn may_record(&self, what: Reach) -> bool {
        let limit = match what {
            Reach::Tracepoints => -1,
            Reach::AllCpus => 0,
            Reach::Kernel => 1,
            Reach::Own => 2,
        };
        self.rights.perfmon()
            || self
                .kernel
                .paranoid
                .is_some_and(|paranoid| paranoid <= limit)
    }
}

/// How far recording reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Tracepoints with their payload.
    Tracepoints,
    /// Whole CPUs, whatever runs there.
    AllCpus,
    /// The kernel, in one's own processes.
    Kernel,
    /// One's own processes in user mode.
    Own,
}
