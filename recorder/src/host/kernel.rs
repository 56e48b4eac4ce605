//! The kernel: its version, and what it lets us do.

use super::tree::Tree;
use std::fmt;
use std::fs::File;
use std::io::Read;

/// Major and minor number of a release of Linux or perf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// The first `N.N` in the text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.split(|c: char| !c.is_ascii_digit() && c != '.')
            .find_map(|word| {
                let mut numbers = word.split('.');
                Some(Self(
                    numbers.next()?.parse().ok()?,
                    numbers.next()?.parse().ok()?,
                ))
            })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}.{}", self.0, self.1)
    }
}

/// How far the kernel is closed to root (`kernel_lockdown(7)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockdown {
    /// Not, or the kernel has no lockdown.
    None,
    /// Nothing may change the kernel; reading it is allowed.
    Integrity,
    /// Nor may anything read it: no BPF that reads kernel memory, no perf of the kernel.
    Confidentiality,
}

/// The kernel and its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// The numbers in front of it.
    pub version: Version,
    /// `kernel.perf_event_paranoid`; `None` when the kernel has no perf events, or
    /// hides them from this container.
    pub paranoid: Option<i32>,
    /// `kernel.perf_event_max_sample_rate`, samples a second on one CPU.
    pub max_rate: Option<u32>,
    /// `kernel.perf_event_mlock_kb`, KiB of buffer a CPU for who has no privilege.
    pub mlock_kb: Option<u64>,
    /// `kernel.kptr_restrict`.
    pub kptr_restrict: Option<i32>,
    /// `kernel.unprivileged_bpf_disabled`.
    pub unprivileged_bpf_disabled: Option<i32>,
    /// How far it is locked down.
    pub lockdown: Lockdown,
    /// Whether it has `/sys/kernel/btf/vmlinux`.
    pub btf: bool,
    /// Whether that tells of the type of the scheduler's tracepoint, which
    /// `tp_btf/sched_switch` attaches to.
    pub btf_sched_switch: bool,
    /// Whether `sched:sched_switch` can be opened by name (tracefs is mounted
    /// and may be read).
    pub sched_tracepoints: bool,
    /// Whether tracefs is mounted, readable or not.
    pub tracefs: bool,
    /// Whether kernel page tables are isolated from user space (KPTI).
    pub kpti: bool,
    /// Names of loaded modules.
    pub modules: Vec<String>,
    /// Whether the firmware describes an SPE unit, driver or not.
    pub spe_device: bool,
}

impl Kernel {
    pub(super) fn read(tree: &Tree) -> Self {
        let release = tree.text("proc/sys/kernel/osrelease").unwrap_or_default();
        let sysctl = |name: &str| tree.number(&format!("proc/sys/kernel/{name}"));
        let meltdown = tree.text("sys/devices/system/cpu/vulnerabilities/meltdown");
        let modules = tree.text("proc/modules").unwrap_or_default();
        Self {
            version: Version::parse(&release).unwrap_or_default(),
            release,
            paranoid: sysctl("perf_event_paranoid"),
            max_rate: tree.number("proc/sys/kernel/perf_event_max_sample_rate"),
            mlock_kb: tree.number("proc/sys/kernel/perf_event_mlock_kb"),
            kptr_restrict: sysctl("kptr_restrict"),
            unprivileged_bpf_disabled: sysctl("unprivileged_bpf_disabled"),
            lockdown: lockdown(
                &tree
                    .text("sys/kernel/security/lockdown")
                    .unwrap_or_default(),
            ),
            btf: tree.has("sys/kernel/btf/vmlinux"),
            btf_sched_switch: btf_names(tree, b"btf_trace_sched_switch"),
            sched_tracepoints: ["sys/kernel/tracing", "sys/kernel/debug/tracing"]
                .iter()
                .any(|at| {
                    tree.text(&format!("{at}/events/sched/sched_switch/id"))
                        .is_some()
                }),
            tracefs: tree
                .text("proc/mounts")
                .is_some_and(|mounts| mounts.contains(" tracefs ")),
            kpti: meltdown.is_some_and(|text| text.contains("PTI")),
            modules: modules
                .lines()
                .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
                .collect(),
            // "arm,spe-v1" from ACPI's MADT (drivers/perf/arm_pmu_acpi.c), "spe-pmu"
            // by convention in device trees.
            spe_device: tree
                .names("sys/bus/platform/devices")
                .iter()
                .any(|name| name.contains("spe-v1") || name.contains("spe-pmu")),
        }
    }

    /// What makes `sched:sched_switch` readable.
    #[must_use]
    pub fn open_tracepoints(&self) -> &'static str {
        if self.tracefs {
            "run as root, or `mount -o remount,mode=755 /sys/kernel/tracing`"
        } else {
            "`mount -t tracefs tracefs /sys/kernel/tracing`, outside of containers and of lockdown=confidentiality"
        }
    }

    /// Whether this is a kernel of Red Hat or SUSE, whose old numbers hide newer code.
    #[must_use]
    pub fn is_backported(&self) -> bool {
        self.release.contains(".el") || self.release.ends_with("-default")
    }
}

/// `none [integrity] confidentiality`: the one in brackets holds.
fn lockdown(text: &str) -> Lockdown {
    if text.contains("[confidentiality]") {
        Lockdown::Confidentiality
    } else if text.contains("[integrity]") {
        Lockdown::Integrity
    } else {
        Lockdown::None
    }
}

/// Whether the kernel's BTF has a name in its table of strings.
fn btf_names(tree: &Tree, name: &[u8]) -> bool {
    /// The BTF of a distribution's kernel has 4 to 8 MB.
    const LONGEST: u64 = 64 << 20;
    let mut bytes = Vec::new();
    let read = File::open(tree.at("sys/kernel/btf/vmlinux"))
        .and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
    read.is_ok() && bytes.split(|&byte| byte == 0).any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::{Lockdown, Version, lockdown};

    #[test]
    fn versions() {
        assert_eq!(Version::parse("6.18.44-fc-v595"), Some(Version(6, 18)));
        assert_eq!(Version::parse("perf version 6.1.192"), Some(Version(6, 1)));
        assert_eq!(
            Version::parse("perf version 4.18.0-513.el8.x86_64"),
            Some(Version(4, 18))
        );
        assert_eq!(Version::parse("perf version 6.8"), Some(Version(6, 8)));
        assert_eq!(
            Version::parse("perf version 5.14.rc3.g1"),
            Some(Version(5, 14))
        );
        assert_eq!(Version::parse("perf version unknown"), None);
        assert!(Version(5, 9) < Version(5, 12));
    }

    #[test]
    fn lockdowns() {
        assert_eq!(lockdown("[none] integrity confidentiality"), Lockdown::None);
        assert_eq!(
            lockdown("none integrity [confidentiality]"),
            Lockdown::Confidentiality
        );
        assert_eq!(lockdown(""), Lockdown::None);
    }
}
