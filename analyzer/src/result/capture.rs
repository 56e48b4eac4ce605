//! What the capture says of itself and of the machine it comes from.

use crate::capture::Capture;
use crate::survey::Survey;
use serde::Serialize;

/// A NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeFacts {
    /// Its number on the recording machine.
    pub id: u32,
    /// Its CPUs, as the kernel writes lists: `0-7,16-23`.
    pub cpus: String,
}

/// The `capture` object of every document. Fields are absent when the capture
/// does not tell.
#[derive(Clone, Debug, Serialize)]
pub struct CaptureFacts {
    /// The path as the user named it.
    pub file: String,
    /// `perf.data`, `pipe` or `dir`.
    pub format: &'static str,
    /// The recording machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its kernel release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Its architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Its processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// CPUs that were online.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus_online: Option<u32>,
    /// CPUs that could be online.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus_available: Option<u32>,
    /// NUMA nodes in the order of the capture.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeFacts>,
    /// Bytes of a cache line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_size: Option<u64>,
    /// The version of the perf that recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub perf_version: Option<String>,
    /// The command that recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Time of the first record, in ns of the recording clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_ns: Option<u64>,
    /// Time of the last record, in ns of the recording clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_ns: Option<u64>,
    /// Seconds between the two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
}

impl CaptureFacts {
    /// Gathers the facts of a capture.
    pub fn new(capture: &Capture, survey: &Survey) -> Self {
        let features = &capture.header().features;
        let nodes = features.numa_topology.iter().map(|node| NodeFacts {
            id: node.id,
            cpus: cpu_ranges(node.cpus.iter().copied()),
        });
        let times = survey.times();
        let command = (!features.cmdline.is_empty()).then(|| features.cmdline.join(" "));
        Self {
            file: capture.path().display().to_string(),
            format: capture.form().name(),
            host: features.hostname.clone(),
            kernel: features.os_release.clone(),
            arch: features.arch.clone(),
            cpu: features.cpu_desc.clone().or_else(|| features.cpuid.clone()),
            cpus_online: features.nr_cpus.map(|cpus| cpus.online),
            cpus_available: features.nr_cpus.map(|cpus| cpus.available),
            nodes: nodes.collect(),
            line_size: features.cache_line_size().map(u64::from),
            perf_version: features.perf_version.clone(),
            command: command.or_else(|| features.workload_cmd.clone()),
            first_ns: times.map(|(first, _)| first),
            last_ns: times.map(|(_, last)| last),
            duration_s: times.map(|(first, last)| (last - first) as f64 / 1e9),
        }
    }
}

/// Writes ascending CPU numbers as the kernel does: `0-7,16-23`.
pub(crate) fn cpu_ranges(cpus: impl IntoIterator<Item = u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for cpu in cpus {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(cpu) => *last = cpu,
            _ => ranges.push((cpu, cpu)),
        }
    }
    let texts = ranges.iter().map(|&(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    texts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_are_written_as_the_kernel_does() {
        assert_eq!(cpu_ranges([0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(cpu_ranges([]), "");
    }
}
