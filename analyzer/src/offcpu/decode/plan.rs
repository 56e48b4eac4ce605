//! How the records of a capture are read, settled once.

use crate::event_kind::{EventKind, OffCpuLayout, is_clock};
use crate::offcpu::payload::{SwitchPayload, WakePayload};
use contend_perfdata::{Attr, AttrFlags, Header};

/// The kernel tells preemption in SWITCH records from this version on.
const TELLS_PREEMPTION: (u32, u32) = (4, 17);

/// How the samples of an event are read.
#[derive(Clone, Debug)]
pub(super) enum Reader {
    /// With whether every switch was recorded, not one of many.
    Switch(Option<SwitchPayload>, bool),
    Waking(Option<WakePayload>),
    Wakeup(Option<WakePayload>),
    WakeupNew(Option<WakePayload>),
    OffCpu(OffCpuLayout),
    Detail,
    Waker,
    /// Its period is time on the CPU.
    Clock,
    /// Its samples only show that a thread ran.
    Ran,
}

/// What all workers need to know of the capture.
#[derive(Debug)]
pub(in crate::offcpu) struct Plan {
    pub(super) readers: Vec<Reader>,
    /// By event, whether its records tell switches.
    switches: Vec<bool>,
    /// Whether SWITCH records tell preemption.
    pub(super) tells_preemption: bool,
    /// Whether stacks of running threads are all that there is.
    pub(super) wants_last_stack: bool,
}

impl Plan {
    /// Prepares for a capture.
    pub(in crate::offcpu) fn new(header: &Header) -> Self {
        let features = &header.features;
        let kinds = EventKind::all(&header.attrs, features);
        let readers = header.attrs.iter().zip(&kinds).map(|(event, kind)| {
            let attr = &event.attr;
            match kind {
                EventKind::SchedSwitch => {
                    Reader::Switch(SwitchPayload::of(attr, features), is_complete(attr))
                }
                EventKind::SchedWaking => Reader::Waking(WakePayload::of(attr, features)),
                EventKind::SchedWakeup => Reader::Wakeup(WakePayload::of(attr, features)),
                EventKind::SchedWakeupNew => Reader::WakeupNew(WakePayload::of(attr, features)),
                EventKind::OffCpu(layout) => Reader::OffCpu(*layout),
                EventKind::OffCpuDetail => Reader::Detail,
                EventKind::OffCpuWaker => Reader::Waker,
                EventKind::Cpu if is_clock(attr) => Reader::Clock,
                _ => Reader::Ran,
            }
        });
        let switches = header.attrs.iter().zip(&kinds).map(|(event, kind)| {
            let is_asked = event.attr.has_flags(AttrFlags::CONTEXT_SWITCH);
            is_asked || matches!(kind, EventKind::SchedSwitch | EventKind::OffCpu(_))
        });
        let has_stacks = header
            .attrs
            .iter()
            .zip(&kinds)
            .any(|(event, kind)| match kind {
                EventKind::SchedSwitch => is_complete(&event.attr),
                EventKind::OffCpu(_) => true,
                _ => false,
            });
        let release = features.os_release.as_deref().and_then(version);
        Self {
            readers: readers.collect(),
            switches: switches.collect(),
            tells_preemption: release.is_none_or(|release| release >= TELLS_PREEMPTION),
            wants_last_stack: !has_stacks,
        }
    }
}

impl Plan {
    /// Whether records of an event tell switches.
    pub(super) fn has_switches(&self, event: usize) -> bool {
        self.switches.get(event).copied().unwrap_or(false)
    }
}

/// Whether every occurrence of a tracepoint was recorded, not one of many.
fn is_complete(attr: &Attr) -> bool {
    !attr.is_frequency() && attr.sample_period_or_freq <= 1
}

/// Major and minor of a kernel release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
