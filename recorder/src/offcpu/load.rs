//! Loads the BPF programs, or says in one line why they cannot be.

use super::Options;
use super::counters::{Counters, IN_KERNEL};
use super::kernel_types::KernelTypes;
use super::patch;
use crate::source::Target;
use anyhow::{Context, Result, anyhow, bail};
use aya::maps::{HashMap, MapData, PerCpuArray, RingBuf};
use aya::programs::{BtfTracePoint, Iter, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader, Pod, VerifierLogLevel, include_bytes_aligned};
use std::io::Read;
use std::path::Path;

/// For kernels from 5.15 on, and for older ones (5.8).
static OBJECT: &[u8] = include_bytes_aligned!("../../bpf/offcpu.bpf.o");
static OLD_OBJECT: &[u8] = include_bytes_aligned!("../../bpf/offcpu-old.bpf.o");

const KERNEL_TYPES: &str = "/sys/kernel/btf/vmlinux";

/// Programs and what they attach to, in the order of attaching: nothing comes back
/// that was not seen to leave.
const TRACEPOINTS: [(&str, &str); 4] = [
    ("offcpu_fork", "sched_process_fork"),
    ("offcpu_exit", "sched_process_exit"),
    ("offcpu_waking", "sched_waking"),
    ("offcpu_switch", "sched_switch"),
];

/// Room in the maps `tids` and `comms` of `offcpu.bpf.c`.
pub(super) const MAX_TIDS: usize = 4096;
pub(super) const MAX_COMMS: usize = 256;

/// The counters of one CPU.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct PerCpu([u64; IN_KERNEL]);

// SAFETY: numbers without padding.
unsafe impl Pod for PerCpu {}

/// A name as the kernel keeps it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Comm([u8; 16]);

// SAFETY: bytes without padding.
unsafe impl Pod for Comm {}

/// The loaded programs.
#[derive(Debug)]
pub(super) struct Programs {
    ebpf: Ebpf,
}

/// Why the collector cannot work on this machine, as far as can be told without
/// loading it: one line.
#[must_use]
pub fn why_not() -> Option<String> {
    if !Path::new(KERNEL_TYPES).exists() {
        return Some(format!(
            "BPF: the kernel does not describe its types ({KERNEL_TYPES} is missing); it needs CONFIG_DEBUG_INFO_BTF"
        ));
    }
    let lockdown = std::fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    if lockdown.contains("[confidentiality]") {
        return Some(
            "BPF: the kernel is locked down (confidentiality), which forbids BPF programs to read its memory"
                .to_owned(),
        );
    }
    // Numbers of processes are those of the first namespace in BPF programs.
    // 0xeffffffc is PROC_PID_INIT_INO.
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if !namespace.as_os_str().is_empty() && namespace != Path::new("pid:[4026531836]") {
        return Some(
            "BPF: this is a container with process numbers of its own; run it on the host, or with the host's (--pid=host)"
                .to_owned(),
        );
    }
    None
}

/// Bytes of the ring buffer: 8 MiB, more where many CPUs write into it.
fn ring_bytes() -> u32 {
    // All of them, whatever this process itself may use: that may be little in a cgroup.
    let cpus = super::sideband::online_cpus().map_or(1, |cpus| cpus.len());
    let wanted = (cpus as u32).saturating_mul(256 << 10).next_power_of_two();
    wanted.clamp(8 << 20, 64 << 20)
}

impl Programs {
    pub(super) fn load(options: &Options) -> Result<Self> {
        if let Some(why) = why_not() {
            bail!("{why}");
        }
        let mut types = Vec::new();
        std::fs::File::open(KERNEL_TYPES)
            .and_then(|mut file| file.read_to_end(&mut types))
            .with_context(|| format!("BPF: {KERNEL_TYPES}"))?;
        let kernel =
            KernelTypes::open(&types).ok_or_else(|| anyhow!("BPF: {KERNEL_TYPES} is damaged"))?;
        let btf = Btf::parse(&types, aya::Endianness::default())
            .map_err(|error| anyhow!("BPF: {KERNEL_TYPES}: {error}"))?;

        let is_old = kernel_version() < (5, 15);
        let flags = |on: bool| u8::from(on);
        let (tgids, everyone) = match &options.target {
            Target::All => (&[][..], true),
            Target::Pids(pids) => (&pids[..], false),
        };
        let cgroup = match &options.cgroup {
            Some(path) => cgroup_of(path)?,
            None => (0, 0),
        };
        let min_block = u64::try_from(options.min_block.as_nanos()).unwrap_or(u64::MAX);
        let own = std::process::id();
        let began = super::collector::now();
        let has_state = flags(kernel.tracepoint_arguments("sched_switch") >= Some(4));
        let filters = [
            flags(!everyone),
            flags(!options.tids.is_empty()),
            flags(!options.comms.is_empty()),
        ];
        let stacks = [
            flags(options.user_stacks),
            flags(options.kernel_stacks),
            flags(options.wakers && !is_old),
        ];
        let saved = saved_registers();
        let mut object = if is_old { OLD_OBJECT } else { OBJECT }.to_vec();
        let preempt = patch::preempt_count(&mut object, &kernel);
        let mut loader = EbpfLoader::new();
        loader
            .btf(Some(&btf))
            .allow_unsupported_maps()
            .verifier_log_level(VerifierLogLevel::DISABLE)
            .map_max_entries("ring", ring_bytes())
            .override_global("min_block_ns", &min_block, true)
            .override_global("filter_cgroup", &cgroup.0, true)
            .override_global("filter_cgroup_level", &cgroup.1, true)
            .override_global("self_tgid", &own, true)
            .override_global("began_ns", &began, true)
            .override_global("filter_tgids", &filters[0], true)
            .override_global("filter_tids", &filters[1], true)
            .override_global("filter_comms", &filters[2], true)
            .override_global("with_user", &stacks[0], true)
            .override_global("with_kernel", &stacks[1], true)
            .override_global("with_wakers", &stacks[2], false)
            .override_global("has_state_argument", &has_state, true)
            .override_global("preempt_variable", &preempt, true)
            .override_global("regs_offset", &saved, false);
        let mut programs = Self::load_object(&mut loader, &object, &btf);
        if programs.is_err() && preempt != 0 {
            // Kernels without the addresses of variables (CONFIG_KALLSYMS_ALL) do not
            // give this one.
            loader.override_global("preempt_variable", &0u8, true);
            let object = if is_old { OLD_OBJECT } else { OBJECT };
            programs = Self::load_object(&mut loader, object, &btf);
        }
        if programs.is_err() {
            // Once more, for the reason.
            loader.verifier_log_level(VerifierLogLevel::VERBOSE);
            let object = if is_old { OLD_OBJECT } else { OBJECT };
            programs = Self::load_object(&mut loader, object, &btf);
        }
        let mut ebpf = programs?;
        fill(&mut ebpf, "tgids", tgids.iter().copied())?;
        fill(&mut ebpf, "tids", options.tids.iter().copied())?;
        fill(
            &mut ebpf,
            "comms",
            options.comms.iter().map(|comm| comm_key(comm)),
        )?;

        Ok(Self { ebpf })
    }

    fn load_object(loader: &mut EbpfLoader<'_>, object: &[u8], btf: &Btf) -> Result<Ebpf> {
        let mut ebpf = loader.load(object).map_err(|error| refused(&error))?;
        for (name, tracepoint) in TRACEPOINTS {
            if let Some(program) = ebpf.program_mut(name) {
                let program: &mut BtfTracePoint = program.try_into()?;
                program
                    .load(tracepoint, btf)
                    .map_err(|error| refused(&error))?;
            }
        }
        let open: &mut Iter = ebpf
            .program_mut("offcpu_open")
            .ok_or_else(|| anyhow!("BPF: the object has no program offcpu_open"))?
            .try_into()?;
        open.load("task", btf).map_err(|error| refused(&error))?;
        Ok(ebpf)
    }

    /// Begins to record.
    pub(super) fn attach(&mut self) -> Result<()> {
        for (name, _) in TRACEPOINTS {
            if let Some(program) = self.ebpf.program_mut(name) {
                let program: &mut BtfTracePoint = program.try_into()?;
                program.attach().map_err(|error| refused(&error))?;
            }
        }
        Ok(())
    }

    /// Ends recording: what is off the CPU now is written as it is.
    pub(super) fn detach(&mut self) -> Result<()> {
        for (name, _) in TRACEPOINTS {
            if let Some(program) = self.ebpf.program_mut(name) {
                let program: &mut BtfTracePoint = program.try_into()?;
                program.unload().map_err(|error| refused(&error))?;
            }
        }
        let Some(program) = self.ebpf.program_mut("offcpu_open") else {
            return Ok(());
        };
        let open: &mut Iter = program.try_into()?;
        let link = open.attach().map_err(|error| refused(&error))?;
        let mut file = open.take_link(link)?.into_file()?;
        // It writes nothing to those who read; reading runs it.
        std::io::copy(&mut file, &mut std::io::sink())?;
        Ok(())
    }

    /// The ring buffer; once.
    pub(super) fn take_ring(&mut self) -> Result<RingBuf<MapData>> {
        let map = self.ebpf.take_map("ring");
        let map = map.ok_or_else(|| anyhow!("BPF: the object has no map ring"))?;
        Ok(RingBuf::try_from(map)?)
    }

    /// What the programs have counted, into the counters.
    pub(super) fn count(&self, into: &mut Counters) -> Result<()> {
        let map = self.ebpf.map("counters");
        let map = map.ok_or_else(|| anyhow!("BPF: the object has no map counters"))?;
        let counters: PerCpuArray<_, PerCpu> = PerCpuArray::try_from(map)?;
        into.0[..IN_KERNEL].fill(0);
        for cpu in counters.get(&0, 0)?.iter() {
            for (sum, count) in into.0.iter_mut().zip(cpu.0) {
                *sum += count;
            }
        }
        Ok(())
    }
}

fn fill<K: Pod>(ebpf: &mut Ebpf, name: &str, keys: impl Iterator<Item = K>) -> Result<()> {
    let map = ebpf.map_mut(name);
    let map = map.ok_or_else(|| anyhow!("BPF: the object has no map {name}"))?;
    let mut map: HashMap<_, K, u8> = HashMap::try_from(map)?;
    for key in keys {
        map.insert(key, 1, 0)
            .map_err(|_| anyhow!("off-CPU collector: too many {name} to filter by"))?;
    }
    Ok(())
}

fn comm_key(comm: &str) -> Comm {
    let mut key = [0; 16];
    let length = comm.len().min(15);
    key[..length].copy_from_slice(&comm.as_bytes()[..length]);
    Comm(key)
}

/// The id of a cgroup and how deep it is in the tree.
pub(super) fn cgroup_of(path: &Path) -> Result<(u64, u32)> {
    use std::os::unix::fs::MetadataExt;
    let path = std::fs::canonicalize(path)
        .with_context(|| format!("{}: no such cgroup", path.display()))?;
    let mut level = 0;
    let mut at = path.as_path();
    // The root of the tree alone has no type.
    while at.join("cgroup.type").exists() {
        level += 1;
        at = at.parent().unwrap_or(Path::new("/"));
    }
    if !at.join("cgroup.controllers").exists() {
        bail!(
            "{}: not a cgroup of the unified tree (v2), by which the collector filters",
            path.display()
        );
    }
    let id = std::fs::metadata(&path)?.ino();
    Ok((id, level))
}

/// Major and minor of the running kernel.
fn kernel_version() -> (u32, u32) {
    let release = super::kernel::Uname::get().release;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next().and_then(|text| text.parse().ok());
    (number().unwrap_or(0), number().unwrap_or(0))
}

/// Where old kernels keep the registers of a thread that is in the kernel, from the
/// lower end of its stack: at the other end, on x86 with nothing behind
/// (`task_pt_regs`).
fn saved_registers() -> u32 {
    /// `sizeof(struct pt_regs)` and `THREAD_SIZE` with pages of 4 KiB.
    #[cfg(target_arch = "aarch64")]
    const REGISTERS: u32 = 336;
    #[cfg(not(target_arch = "aarch64"))]
    const REGISTERS: u32 = 168;
    const STACK: u32 = 16 << 10;
    // SAFETY: takes no pointer.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // Stacks are whole pages.
    STACK.max(u32::try_from(page).unwrap_or(STACK)) - REGISTERS
}

/// Why the kernel refused, in one line, with what to do.
fn refused(error: &(dyn std::error::Error + 'static)) -> anyhow::Error {
    let mut chain = Vec::new();
    let mut at = Some(error);
    let mut number = None;
    while let Some(error) = at {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            number = error.raw_os_error();
        }
        chain.push(match error.downcast_ref::<ProgramError>() {
            Some(ProgramError::LoadError { verifier_log, .. }) => {
                verdict(&verifier_log.to_string())
            }
            _ => error.to_string(),
        });
        at = error.source();
    }
    if number == Some(libc::EPERM) {
        return anyhow!(
            "BPF: not permitted; run as root, or give the program CAP_BPF and CAP_PERFMON (setcap cap_bpf,cap_perfmon+ep)"
        );
    }
    let text = chain.join(": ");
    let text: Vec<&str> = text.split_whitespace().collect();
    let release = super::kernel::Uname::get().release;
    anyhow!(
        "BPF: kernel {release} refused the collector: {}",
        text.join(" ")
    )
}

/// What the verifier objects to: the end of its log, without its statistics.
fn verdict(log: &str) -> String {
    let statistics = ["processed ", "verification time ", "stack depth "];
    let lines = log
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !statistics.iter().any(|text| line.starts_with(text)));
    let lines: Vec<&str> = lines.collect();
    let last = &lines[lines.len().saturating_sub(3)..];
    if last.is_empty() {
        "a program was not loaded".to_owned()
    } else {
        last.join(" | ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_one_line() {
        let error = std::io::Error::from_raw_os_error(libc::EPERM);
        assert!(refused(&error).to_string().contains("CAP_PERFMON"));
        let error = std::io::Error::other("two\nlines");
        assert!(!refused(&error).to_string().contains('\n'));
    }

    #[test]
    fn names_are_cut_as_the_kernel_cuts_them() {
        let key = comm_key("a-very-long-name-of-a-thread").0;
        assert_eq!(&key, b"a-very-long-nam\0");
    }

    #[test]
    fn a_folder_is_no_cgroup() {
        let folder = tempfile::tempdir().unwrap();
        assert!(cgroup_of(folder.path()).is_err());
    }
}
