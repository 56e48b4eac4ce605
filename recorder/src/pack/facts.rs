//! Facts of the machine out of `/proc` and `/sys`, packed under their own paths.

use contend_bundle::HostFacts;
use std::fs;
use std::path::{Path, PathBuf};

/// Facts at most: a machine of a thousand CPUs has about 40,000.
const MAX_FACTS: usize = 50_000;

/// Files, a part of `*` standing for all numbered or named entries there.
const FACTS: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/version",
    "/proc/meminfo",
    "/proc/sys/kernel/kptr_restrict",
    "/proc/sys/kernel/numa_balancing",
    "/proc/sys/kernel/perf_event_max_sample_rate",
    "/proc/sys/kernel/perf_event_max_stack",
    "/proc/sys/kernel/perf_event_mlock_kb",
    "/proc/sys/kernel/perf_event_paranoid",
    "/proc/sys/kernel/sched_autogroup_enabled",
    "/proc/sys/kernel/threads-max",
    "/sys/bus/event_source/devices/*/caps/*",
    "/sys/bus/event_source/devices/*/cpumask",
    "/sys/bus/event_source/devices/*/cpus",
    "/sys/bus/event_source/devices/*/type",
    "/sys/devices/system/clocksource/clocksource0/current_clocksource",
    "/sys/devices/system/cpu/isolated",
    "/sys/devices/system/cpu/nohz_full",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/possible",
    "/sys/devices/system/cpu/smt/active",
    "/sys/devices/system/cpu/vulnerabilities/*",
    "/sys/devices/system/cpu/cpu*/cache/*/coherency_line_size",
    "/sys/devices/system/cpu/cpu*/cache/*/id",
    "/sys/devices/system/cpu/cpu*/cache/*/level",
    "/sys/devices/system/cpu/cpu*/cache/*/shared_cpu_list",
    "/sys/devices/system/cpu/cpu*/cache/*/size",
    "/sys/devices/system/cpu/cpu*/cache/*/type",
    "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    "/sys/devices/system/cpu/cpu*/regs/identification/midr_el1",
    "/sys/devices/system/cpu/cpu*/topology/cluster_id",
    "/sys/devices/system/cpu/cpu*/topology/core_cpus_list",
    "/sys/devices/system/cpu/cpu*/topology/core_id",
    "/sys/devices/system/cpu/cpu*/topology/die_id",
    "/sys/devices/system/cpu/cpu*/topology/physical_package_id",
    "/sys/devices/system/node/has_cpu",
    "/sys/devices/system/node/has_memory",
    "/sys/devices/system/node/online",
    "/sys/devices/system/node/node*/cpulist",
    "/sys/devices/system/node/node*/distance",
    "/sys/devices/system/node/node*/meminfo",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/kernel/notes",
    "/sys/kernel/security/lockdown",
];

/// The files that are there.
pub(super) fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for pattern in FACTS {
        expand(Path::new("/"), pattern.trim_start_matches('/'), &mut found);
    }
    found
}

fn expand(folder: &Path, pattern: &str, found: &mut Vec<PathBuf>) {
    if found.len() >= MAX_FACTS {
        return;
    }
    let (part, rest) = match pattern.split_once('/') {
        Some((part, rest)) => (part, Some(rest)),
        None => (pattern, None),
    };
    let next = |path: PathBuf, found: &mut Vec<PathBuf>| match rest {
        Some(rest) => expand(&path, rest, found),
        None if path.is_file() && found.len() < MAX_FACTS => found.push(path),
        None => {}
    };
    let Some(start) = part.strip_suffix('*') else {
        return next(folder.join(part), found);
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            let end = name.strip_prefix(start);
            // `cpu*` is the CPUs, not `cpufreq`.
            end.is_some_and(|end| start.is_empty() || end.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .collect();
    names.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    for name in names {
        next(folder.join(name), found);
    }
}

/// The machine as the manifest has it.
#[must_use]
pub(super) fn host() -> HostFacts {
    let (name, kernel, arch) = uname();
    HostFacts {
        name,
        kernel,
        arch,
        cpu: cpu_model(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
        cpus_online: cpus(
            &fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default(),
        ),
    }
}

/// Name, release and architecture of `uname(2)`.
fn uname() -> (Option<String>, Option<String>, Option<String>) {
    // SAFETY: plain data, for which zeros are valid, and a valid place for the answer.
    let names = unsafe {
        let mut names: libc::utsname = std::mem::zeroed();
        (libc::uname(&mut names) == 0).then_some(names)
    };
    let Some(names) = names else {
        return (None, None, None);
    };
    let text = |field: &[libc::c_char]| {
        let bytes: Vec<u8> = field
            .iter()
            .take_while(|&&c| c != 0)
            .map(|&c| c as u8)
            .collect();
        Some(String::from_utf8_lossy(&bytes).into_owned()).filter(|text| !text.is_empty())
    };
    (
        text(&names.nodename),
        text(&names.release),
        text(&names.machine),
    )
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    // x86, Power, Arm of 32 bits; others have no name there.
    let keys = ["model name", "cpu", "Model", "Hardware"];
    keys.iter().find_map(|key| {
        cpuinfo.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == *key && !value.trim().is_empty()).then(|| value.trim().to_owned())
        })
    })
}

/// How many CPUs a list such as `0-3,8` has.
fn cpus(list: &str) -> Option<u32> {
    let mut count = 0u32;
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_counted() {
        assert_eq!(cpus("0-3,8\n"), Some(5));
        assert_eq!(cpus("0"), Some(1));
        for list in ["", "x", "3-1", "0-4294967295"] {
            assert_eq!(cpus(list), None, "{list}");
        }
    }

    #[test]
    fn facts_of_this_machine_are_found() {
        let files = files();
        let has = |path: &str| files.iter().any(|file| file == Path::new(path));
        assert!(has("/proc/cpuinfo") && has("/sys/devices/system/cpu/online"));
        assert!(
            files
                .iter()
                .all(|file| contend_bundle::layout::fact(&file.to_string_lossy()).is_some())
        );
        let host = host();
        assert!(host.kernel.is_some() && host.cpus_online.is_some());
    }

    #[test]
    fn cpus_have_names() {
        assert_eq!(cpu_model("model name\t: X 1\n").as_deref(), Some("X 1"));
        assert_eq!(
            cpu_model("processor\t: 0\ncpu\t\t: POWER9\n").as_deref(),
            Some("POWER9")
        );
        assert_eq!(cpu_model("processor\t: 0\n"), None);
    }
}
