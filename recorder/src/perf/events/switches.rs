//! The scheduler's tracepoints, for want of BPF.

use super::super::plan::Choice;
use super::super::tool::PerfTool;
use super::{Events, Sampling};
use crate::host::{Host, Reach};
use crate::refusal::Refusal;
use crate::source::Target;

pub(super) fn sched(host: &Host, tool: &PerfTool, target: &Target) -> Result<Events, Refusal> {
    if !tool.has("switch-events") {
        return Err(Refusal::with(
            format!(
                "perf {} has no --switch-events, without which waiting times are wrong",
                tool.version_text
            ),
            "install perf 4.4 or later, or use a kernel on which the BPF collector works (see doctor)",
        ));
    }
    if !host.may_record(Reach::Tracepoints) {
        return Err(Refusal::with(
            "off-CPU time without BPF needs the scheduler's tracepoints, which only root may record",
            "run as root, or with CAP_PERFMON",
        ));
    }
    if !host.kernel.sched_tracepoints {
        return Err(Refusal::with(
            "off-CPU time without BPF needs the tracepoint sched:sched_switch, which cannot be read",
            host.kernel.open_tracepoints(),
        ));
    }
    let mut events = Events::sampled(vec![Choice::new(
        ["-e", "sched:sched_switch,sched:sched_waking"],
        "BPF is not used: each switch and each wakeup by the scheduler's tracepoints, with stacks",
    )]);
    events.sampling = Sampling::Each;
    events.notes.push("recording every switch costs more than the BPF collector does, and has no lock addresses and no system calls".into());
    if matches!(target, Target::Pids(_)) {
        events
            .notes
            .push("wakers are known where they are among the recorded processes".into());
    }
    Ok(events)
}
