//! Which processor this is.

use super::tree::{Tree, cpu_list};

/// Who made the processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// `GenuineIntel`.
    Intel,
    /// `AuthenticAMD`.
    Amd,
    /// `HygonGenuine`: Zen 1 under another name.
    Hygon,
    /// Any 64-bit Arm; who designed the core stands in its MIDR.
    Arm,
    /// IBM Power.
    Power,
    /// Anything else, as `/proc/cpuinfo` names it.
    Other(String),
}

/// The processor as `/proc/cpuinfo` and sysfs tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Who made it.
    pub vendor: Vendor,
    /// `x86_64`, `aarch64`, `ppc64le` …; empty when not known.
    pub arch: String,
    /// x86 family, extended family added; 0 elsewhere.
    pub family: u32,
    /// x86 model, extended model added; 0 elsewhere.
    pub model: u32,
    /// Arm's MIDR_EL1 of each kind of core, distinct, in order of CPUs.
    pub midrs: Vec<u64>,
    /// Its name for people.
    pub name: String,
    /// CPUs in use, at least 1.
    pub online: u32,
}

/// AMD's generations, as far as they differ in what IBS can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Zen {
    /// Family 17h and Hygon's 18h.
    One,
    /// Family 19h, models 00-0F and 20-5F.
    Three,
    /// The rest of family 19h.
    Four,
    /// Family 1Ah and later.
    Five,
}

/// Implementer and part number of MIDR_EL1 (arch/arm64/include/asm/cputype.h) of
/// the cores that have SPE, and what they are called.
const CORES: &[(u64, u64, &str)] = &[
    (0x41, 0xd0c, "Neoverse N1"),
    (0x41, 0xd40, "Neoverse V1"),
    (0x41, 0xd49, "Neoverse N2"),
    (0x41, 0xd4f, "Neoverse V2"),
    (0x41, 0xd83, "Neoverse V3AE"),
    (0x41, 0xd84, "Neoverse V3"),
    (0x41, 0xd8e, "Neoverse N3"),
    (0x48, 0xd01, "HiSilicon TSV110"),
    (0x48, 0xd02, "HiSilicon HIP09"),
    (0x6d, 0xd49, "Azure Cobalt 100"),
    (0xc0, 0xac3, "AmpereOne"),
    (0xc0, 0xac4, "AmpereOne A"),
];

impl Cpu {
    pub(super) fn read(tree: &Tree) -> Self {
        let info = tree.text("proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            info.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key.trim() == name).then(|| value.trim().to_owned())
            })
        };
        let midrs = midrs(tree, &info);
        let number = |name| field(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let (vendor, name) = if let Some(vendor) = field("vendor_id") {
            let vendor = match vendor.as_str() {
                "GenuineIntel" => Vendor::Intel,
                "AuthenticAMD" => Vendor::Amd,
                "HygonGenuine" => Vendor::Hygon,
                _ => Vendor::Other(vendor),
            };
            (vendor, field("model name"))
        } else if let Some(midr) = midrs.first() {
            (Vendor::Arm, Some(core_name(*midr)))
        } else if let Some(power) = field("cpu").filter(|cpu| cpu.starts_with("POWER")) {
            (Vendor::Power, Some(power))
        } else {
            (Vendor::Other("unknown".into()), None)
        };
        let arch = match vendor {
            Vendor::Intel | Vendor::Amd | Vendor::Hygon => "x86_64".to_owned(),
            Vendor::Arm => "aarch64".to_owned(),
            Vendor::Power => "ppc64le".to_owned(),
            Vendor::Other(_) => tree.text("proc/sys/kernel/arch").unwrap_or_default(),
        };
        let online = tree
            .text("sys/devices/system/cpu/online")
            .map(|list| cpu_list(&list).len())
            .filter(|&count| count > 0)
            .unwrap_or_else(|| {
                info.lines()
                    .filter(|line| line.starts_with("processor"))
                    .count()
            });
        Self {
            vendor,
            arch,
            family: number("cpu family"),
            model: number("model"),
            midrs,
            name: name.unwrap_or_else(|| "unknown CPU".into()),
            online: u32::try_from(online).unwrap_or(u32::MAX).max(1),
        }
    }

    /// AMD's generation; `None` for other vendors and for what came before Zen.
    ///
    /// The models are those of arch/x86/kernel/cpu/amd.c (`bsp_init_amd`).
    #[must_use]
    pub fn zen(&self) -> Option<Zen> {
        match (&self.vendor, self.family, self.model) {
            (Vendor::Hygon, ..) | (Vendor::Amd, 0x17, _) => Some(Zen::One),
            (Vendor::Amd, 0x19, 0x00..=0x0f | 0x20..=0x5f) => Some(Zen::Three),
            (Vendor::Amd, 0x19, _) => Some(Zen::Four),
            (Vendor::Amd, 0x1a.., _) => Some(Zen::Five),
            _ => None,
        }
    }

    /// Whether one of its cores has this implementer and part number.
    #[must_use]
    pub fn has_core(&self, implementer: u64, part: u64) -> bool {
        self.midrs
            .iter()
            .any(|midr| (midr >> 24 & 0xff, midr >> 4 & 0xfff) == (implementer, part))
    }
}

/// MIDR_EL1 of every CPU, from sysfs or put together from what cpuinfo says.
fn midrs(tree: &Tree, info: &str) -> Vec<u64> {
    let mut midrs: Vec<u64> = Vec::new();
    let mut note = |midr| {
        if !midrs.contains(&midr) {
            midrs.push(midr);
        }
    };
    let mut cpus: Vec<u32> = tree
        .names("sys/devices/system/cpu")
        .iter()
        .filter_map(|name| name.strip_prefix("cpu")?.parse().ok())
        .collect();
    cpus.sort_unstable();
    for cpu in cpus {
        let path = format!("sys/devices/system/cpu/cpu{cpu}/regs/identification/midr_el1");
        if let Some(midr) = tree.text(&path).as_deref().and_then(hex) {
            note(midr);
        }
    }
    // Before 4.9, and in containers that hide the registers, only cpuinfo has them.
    let mut parts = [0u64; 4];
    for line in info.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        let number = hex(value).or_else(|| value.parse().ok()).unwrap_or(0);
        match key.trim() {
            "CPU implementer" => parts[0] = number,
            "CPU variant" => parts[1] = number,
            "CPU part" => parts[2] = number,
            "CPU revision" => {
                parts[3] = number;
                let [implementer, variant, part, revision] = parts;
                note(
                    (implementer & 0xff) << 24
                        | (variant & 0xf) << 20
                        | 0xf << 16
                        | (part & 0xfff) << 4
                        | revision & 0xf,
                );
            }
            _ => {}
        }
    }
    midrs
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

fn core_name(midr: u64) -> String {
    let (implementer, part) = (midr >> 24 & 0xff, midr >> 4 & 0xfff);
    CORES
        .iter()
        .find(|core| (core.0, core.1) == (implementer, part))
        .map_or_else(
            || format!("Arm core with implementer {implementer:#x}, part {part:#x}"),
            |core| core.2.to_owned(),
        )
}
