//! What those who may less get instead.

use super::{all, command, printed};
use crate::hosts;
use contend_record::perf::{Kind, PerfOptions};
use contend_record::source::Target;

#[test]
fn tracepoints_that_cannot_be_read() {
    let id = ("sys/kernel/tracing/events/sched/sched_switch/id", "");
    let absent = hosts::changed("skylake", &[id]);
    let text = all(&absent, &hosts::perf(), Kind::OffCpu);
    assert!(text.contains("`mount -t tracefs"), "{text}");
    let mounts = (
        "proc/mounts",
        "tracefs /sys/kernel/tracing tracefs rw,nosuid 0 0\n",
    );
    let closed = hosts::changed("skylake", &[id, mounts]);
    let text = all(&closed, &hosts::perf(), Kind::OffCpu);
    assert!(text.contains("remount,mode=755"), "{text}");
}

/// Bits of `CapEff`: none, and CAP_PERFMON alone.
const NO_RIGHTS: (&str, &str) = ("proc/self/status", "CapEff:\t0000000000000000\n");
const PERFMON: (&str, &str) = ("proc/self/status", "CapEff:\t0000004000000000\n");
const PARANOID: &str = "proc/sys/kernel/perf_event_paranoid";

#[test]
fn without_privilege() {
    let tool = hosts::perf();
    let own = Target::Pids(vec![]);
    let default = PerfOptions::default();

    // The kernel and other users' processes are out of reach.
    let host = hosts::changed("skylake", &[NO_RIGHTS, (PARANOID, "2\n")]);
    let text = printed(&host, &tool, Kind::C2c, &own, &default);
    let command_line = command(&text);
    assert!(
        command_line.contains("cpu/mem-loads,ldlat=30/Pu") && command_line.contains("-p PID"),
        "{text}"
    );
    assert!(
        !command_line.contains("--phys-data") && !command_line.contains(" -m "),
        "{text}"
    );
    let everyone = all(&host, &tool, Kind::Cpu);
    assert!(
        everyone.contains("kernel.perf_event_paranoid of 0, it is 2"),
        "{everyone}"
    );
    let offcpu = printed(&host, &tool, Kind::OffCpu, &own, &default);
    assert!(offcpu.contains("tracepoints"), "{offcpu}");

    // Debian's 3 and Ubuntu's 4 close perf to all but root.
    let closed = hosts::changed("skylake", &[NO_RIGHTS, (PARANOID, "3\n")]);
    let text = printed(&closed, &tool, Kind::Cpu, &own, &default);
    assert!(text.contains("is 3: only root"), "{text}");
    let granted = hosts::changed("skylake", &[PERFMON, (PARANOID, "3\n")]);
    assert!(all(&granted, &tool, Kind::C2c).contains("--phys-data"));

    // IBS samples the kernel too, unless software filters it.
    let zen4 = hosts::changed("zen4", &[NO_RIGHTS, (PARANOID, "2\n")]);
    let text = printed(&zen4, &tool, Kind::C2c, &own, &default);
    assert!(
        text.starts_with("contend-record: IBS cannot leave the kernel out"),
        "{text}"
    );
    let zen5 = hosts::changed("zen5", &[NO_RIGHTS, (PARANOID, "2\n")]);
    assert!(printed(&zen5, &tool, Kind::C2c, &own, &default).contains("ibs_op/swfilt=1/u"));

    // SPE keeps physical addresses for the privileged.
    let arm = hosts::changed("graviton3", &[NO_RIGHTS, (PARANOID, "2\n")]);
    let text = printed(&arm, &tool, Kind::C2c, &own, &default);
    assert!(
        !command(&text).contains("pa_enable") && command(&text).contains("/u "),
        "{text}"
    );

    let none = hosts::changed("skylake", &[(PARANOID, "")]);
    assert!(all(&none, &tool, Kind::Cpu).contains("no perf events"));
}
