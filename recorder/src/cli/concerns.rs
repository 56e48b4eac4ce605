//! Which options concern what is recorded.

use super::options::Record;
use super::recording::What;
use crate::perf::{CallGraph, Kind, PerfOptions};
use anyhow::{Result, bail};
use std::path::Path;

/// Ends with an error for an option that would have no effect: who gave it would take the
/// capture for another one.
pub(super) fn check(what: What, asked: &Record) -> Result<()> {
    use What::{All, C2c, Cpu, OffCpu, Spe};
    let is_otherwise = asked.call_graph.is_some_and(|how| how != CallGraph::Fp);
    let concerns: [(&str, bool, &[What]); 11] = [
        ("-F", asked.frequency.is_some(), &[Cpu, C2c, All]),
        ("-c", asked.period.is_some(), &[C2c, Spe, All]),
        ("--ldlat", asked.ldlat.is_some(), &[C2c, Spe, All]),
        (
            "--call-graph",
            asked.call_graph.is_some(),
            &[Cpu, C2c, All, OffCpu],
        ),
        ("--min-block", asked.min_block.is_some(), &[OffCpu, All]),
        ("--wakers", asked.wakers, &[OffCpu, All]),
        ("--kernel-stacks", asked.kernel_stacks, &[OffCpu, All]),
        ("--user-stacks", asked.user_stacks, &[OffCpu, All]),
        ("--tid", !asked.tid.is_empty(), &[OffCpu, All]),
        ("--comm", !asked.comm.is_empty(), &[OffCpu, All]),
        ("--cgroup", asked.cgroup.is_some(), &[OffCpu, All]),
    ];
    for (option, is_given, whom) in concerns {
        if is_given && !whom.contains(&what) {
            let names: Vec<_> = whom.iter().map(|what| what.name()).collect();
            bail!(
                "{option} has no effect on {}: it concerns {}",
                what.name(),
                names.join(", ")
            );
        }
    }
    if what == OffCpu && is_otherwise {
        bail!(
            "the collector takes stacks by frame pointers only: leave --call-graph out (--kernel-stacks and --user-stacks choose whose)"
        );
    }
    Ok(())
}

/// What of it perf gets for a capture of this kind.
pub(super) fn of_perf(what: What, kind: Kind, asked: &Record) -> PerfOptions {
    let memory = matches!(kind, Kind::C2c | Kind::Spe);
    let is_all = what == What::All;
    PerfOptions {
        // Rates and stacks of both at once would fit one of them only.
        frequency: asked.frequency.filter(|_| kind == Kind::Cpu || !is_all),
        period: asked.period.filter(|_| memory),
        ldlat: asked.ldlat.filter(|_| memory),
        call_graph: asked.call_graph.filter(|_| !(memory && is_all)),
        max_bytes: None,
    }
}

/// Options of waits that perf in the place of the collector does not know.
pub(super) fn lost_without_bpf(asked: &Record) -> Vec<&'static str> {
    let given = [
        ("--min-block", asked.min_block.is_some()),
        ("--wakers", asked.wakers),
        ("--kernel-stacks", asked.kernel_stacks),
        ("--user-stacks", asked.user_stacks),
        ("--tid", !asked.tid.is_empty()),
        ("--comm", !asked.comm.is_empty()),
        ("--cgroup", asked.cgroup.is_some()),
    ];
    let given = given.into_iter().filter(|option| option.1);
    given.map(|option| option.0).collect()
}

/// The processes, if there are any of them.
///
/// # Errors
/// Which is none.
pub(super) fn living(pids: &[u32]) -> Result<Vec<u32>> {
    for &pid in pids {
        let folder = format!("/proc/{pid}");
        if !Path::new(&folder).exists() {
            bail!("-p {pid}: there is no such process");
        }
        let status = std::fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
        let process = status
            .lines()
            .find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok());
        if let Some(process) = process.filter(|&process: &u32| process != pid) {
            bail!(
                "-p {pid} is a thread of process {process}: -p {process} records it (waits of this thread alone: with --tid {pid})"
            );
        }
    }
    Ok(pids.to_vec())
}
