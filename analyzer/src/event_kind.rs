//! What an event means, decided once from its attribute and name. Nobody looks
//! at names again.

use contend_perfdata::{Attr, EventAttr, Features, SampleFormat};

/// `PERF_TYPE_HARDWARE`.
const HARDWARE: u32 = 0;
/// `PERF_TYPE_SOFTWARE`.
const SOFTWARE: u32 = 1;
/// `PERF_TYPE_TRACEPOINT`.
const TRACEPOINT: u32 = 2;
/// `PERF_COUNT_SW_CPU_CLOCK` and `PERF_COUNT_SW_TASK_CLOCK`.
const CLOCKS: [u64; 2] = [0, 1];
/// `PERF_COUNT_SW_BPF_OUTPUT`.
const BPF_OUTPUT: u64 = 10;
/// `PERF_COUNT_SW_DUMMY`.
const DUMMY: u64 = 9;

/// The names of the off-CPU event, of the event with what it has no room for (who
/// woke the thread, its state, its system call), and of that with the waker's stack.
const OFF_CPU: &str = "offcpu-time";
const OFF_CPU_DETAIL: &str = "offcpu-detail";
const OFF_CPU_WAKER: &str = "offcpu-waker";

/// How the samples of an `offcpu-time` event are laid out. Which of them it is
/// shows in the fields that they have (`tools/perf/util/bpf_off_cpu.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OffCpuLayout {
    /// The bundled collector's: a sample an interval, call chain, and the futex
    /// word as data address.
    Collector,
    /// perf's of 5.19 to 6.14: sums with a call chain, written at the end.
    PerfChain,
    /// perf's from 6.15 on: all that counts is in the raw field.
    PerfRaw,
}

/// What an event measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// Memory accesses with their data source.
    Memory,
    /// Arm's statistical profiling extension: its samples are in the AUX area.
    Spe,
    /// Switches between threads.
    SchedSwitch,
    /// Threads that are woken, told by who wakes them.
    SchedWaking,
    /// Threads that are woken, told where they will run.
    SchedWakeup,
    /// The same of threads that begin.
    SchedWakeupNew,
    /// Time off the CPU.
    OffCpu(OffCpuLayout),
    /// What else is known of such an interval.
    OffCpuDetail,
    /// The stack of who ended it.
    OffCpuWaker,
    /// Another tracepoint.
    Tracepoint,
    /// A clock or a hardware counter that samples running code.
    Cpu,
    /// Carries side-band records only.
    Dummy,
    /// Anything else.
    Other,
}

impl EventKind {
    /// The kinds of all events, in the order of the attributes.
    pub(crate) fn all(events: &[EventAttr], features: &Features) -> Vec<Self> {
        let kinds = events.iter().map(|event| Self::of(event, features));
        kinds.collect()
    }

    /// The kind of an event.
    pub(crate) fn of(event: &EventAttr, features: &Features) -> Self {
        let name = event.display_name(features);
        let attr = &event.attr;
        if name.starts_with("arm_spe") {
            Self::Spe
        } else if attr.kind == TRACEPOINT {
            Self::of_tracepoint(attr, &name, features)
        } else if name == OFF_CPU || is_nameless_off_cpu(event, features) {
            Self::OffCpu(OffCpuLayout::of(attr))
        } else if name == OFF_CPU_DETAIL {
            Self::OffCpuDetail
        } else if name == OFF_CPU_WAKER {
            Self::OffCpuWaker
        } else if attr.kind == SOFTWARE && attr.config == DUMMY {
            Self::Dummy
        } else if attr.has(SampleFormat::DATA_SRC) && !has_data_for_stacks(attr) {
            Self::Memory
        } else if attr.kind == SOFTWARE && !is_clock(attr) {
            Self::Other
        } else {
            Self::Cpu
        }
    }

    /// By the id in the capture's formats where they are known, else by name:
    /// the user may have given an event any name.
    fn of_tracepoint(attr: &Attr, name: &str, features: &Features) -> Self {
        let formats = features.tracing_data.as_ref();
        let known = formats.and_then(|formats| formats.event(attr.config));
        let known = known.map(|event| format!("{}:{}", event.system, event.name));
        match known.as_deref().unwrap_or(name) {
            "sched:sched_switch" => Self::SchedSwitch,
            "sched:sched_waking" => Self::SchedWaking,
            "sched:sched_wakeup" => Self::SchedWakeup,
            "sched:sched_wakeup_new" => Self::SchedWakeupNew,
            _ => Self::Tracepoint,
        }
    }

    /// The name in documents.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Spe => "spe",
            Self::SchedSwitch => "sched_switch",
            Self::SchedWaking => "sched_waking",
            Self::SchedWakeup => "sched_wakeup",
            Self::SchedWakeupNew => "sched_wakeup_new",
            Self::OffCpu(_) => "offcpu",
            Self::OffCpuDetail => "offcpu_detail",
            Self::OffCpuWaker => "offcpu_waker",
            Self::Tracepoint => "tracepoint",
            Self::Cpu => "cpu",
            Self::Dummy => "dummy",
            Self::Other => "other",
        }
    }
}

impl OffCpuLayout {
    fn of(attr: &Attr) -> Self {
        let has_chain = attr.has(SampleFormat::CALLCHAIN);
        if attr.has(SampleFormat::ADDR) {
            Self::Collector
        } else if attr.has(SampleFormat::RAW) && !has_chain {
            Self::PerfRaw
        } else {
            Self::PerfChain
        }
    }
}

/// Whether an event is one of a collector whose name is lost: names stand behind
/// the records, so a capture that is cut off has none, and nothing else writes
/// such events with a period.
fn is_nameless_off_cpu(event: &EventAttr, features: &Features) -> bool {
    let attr = &event.attr;
    let is_output = (attr.kind, attr.config) == (SOFTWARE, BPF_OUTPUT);
    let is_lost = event.name.is_none() && features.event_desc.is_empty();
    is_output && is_lost && attr.has(SampleFormat::PERIOD)
}

/// Whether the period of samples is time on the CPU, in ns.
pub(crate) fn is_clock(attr: &Attr) -> bool {
    attr.kind == SOFTWARE && CLOCKS.contains(&attr.config)
}

/// Whether an event has data sources only because `--call-graph dwarf` asks for
/// addresses: those of generic events never hold anything.
fn has_data_for_stacks(attr: &Attr) -> bool {
    let is_generic = [HARDWARE, SOFTWARE].contains(&attr.kind);
    is_generic && attr.has(SampleFormat::CALLCHAIN | SampleFormat::STACK_USER)
}
