//! Where the kernel runs: on metal, in a virtual machine, in a container.

use super::tree::Tree;

/// What is below the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Machine {
    /// The hardware itself, as far as can be told.
    Metal,
    /// A hypervisor, and whose it is.
    Virtual(String),
}

/// What vendors of virtual machines write into DMI (`sys_vendor` or
/// `product_name`), and what to call them.
const MAKERS: &[(&str, &str)] = &[
    ("Amazon EC2", "Amazon EC2"),
    ("Google Compute Engine", "Google Compute Engine"),
    ("Virtual Machine", "Hyper-V"),
    ("VMware", "VMware"),
    ("QEMU", "QEMU"),
    ("KVM", "KVM"),
    ("Xen", "Xen"),
    ("VirtualBox", "VirtualBox"),
    ("Alibaba Cloud", "Alibaba Cloud"),
    ("OpenStack", "OpenStack"),
    ("Bochs", "Bochs"),
];

impl Machine {
    pub(super) fn read(tree: &Tree) -> Self {
        let info = tree.text("proc/cpuinfo").unwrap_or_default();
        let dmi = ["sys_vendor", "product_name"].map(|name| {
            tree.text(&format!("sys/class/dmi/id/{name}"))
                .unwrap_or_default()
        });
        let metal = dmi[1].contains(".metal");
        let maker = MAKERS
            .iter()
            .find(|maker| dmi.iter().any(|text| text.contains(maker.0)));
        let flagged = info
            .lines()
            .find(|line| line.starts_with("flags"))
            .is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"));
        // x86 says it in a flag. Arm has none: there DMI or the device tree says it.
        let x86 = info.contains("vendor_id");
        if metal {
            Self::Metal
        } else if flagged || !x86 && (maker.is_some() || tree.has("proc/device-tree/hypervisor")) {
            Self::Virtual(maker.map_or_else(
                || "unknown hypervisor".to_owned(),
                |maker| maker.1.to_owned(),
            ))
        } else if info.contains("pSeries") {
            // An LPAR: PowerVM is always there, and gives the PMU through.
            Self::Virtual("PowerVM or KVM".to_owned())
        } else {
            Self::Metal
        }
    }
}

/// Which container this is in, if any.
pub(super) fn container(tree: &Tree) -> Option<String> {
    if let Some(name) = tree
        .text("run/systemd/container")
        .filter(|name| !name.is_empty())
    {
        return Some(name);
    }
    if tree.has("run/.containerenv") {
        return Some("podman".to_owned());
    }
    if tree.has(".dockerenv") {
        return Some("docker".to_owned());
    }
    let cgroup = tree.text("proc/1/cgroup").unwrap_or_default();
    ["kubepods", "docker", "libpod", "containerd", "lxc"]
        .iter()
        .find(|name| cgroup.contains(**name))
        .map(|name| (*name).to_owned())
}

/// Whether this is another PID namespace than the kernel's first, whose number is
/// `PROC_PID_INIT_INO` (include/linux/proc_ns.h).
pub(super) fn own_pids(tree: &Tree) -> bool {
    std::fs::read_link(tree.at("proc/self/ns/pid"))
        .is_ok_and(|name| name.as_os_str() != "pid:[4026531836]")
}

/// Bytes of memory: all, and what could still be had.
pub(super) fn memory(tree: &Tree) -> (Option<u64>, Option<u64>) {
    let info = tree.text("proc/meminfo").unwrap_or_default();
    let bytes = |name: &str| {
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()?
            .checked_mul(1024)
    };
    (bytes("MemTotal"), bytes("MemAvailable"))
}
