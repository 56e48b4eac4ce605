//! What the records of a capture say that SPE's operations need to know.

use super::cpus::SwitchSeen;
use super::loss::AuxSeen;
use super::tasks::Tasks;
use crate::capture::Capture;
use contend_perfdata::{At, AuxRecord, Batch, RecordHeader, SideBand, Switch, record_kind};

/// More switches than this are not kept, and then none is used: half a gigabyte of
/// them.
const MOST_SWITCHES: usize = 1 << 24;

/// What the records of a capture say.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) switches: Vec<SwitchSeen>,
    pub(super) dropped_switches: bool,
    pub(super) seen: Vec<AuxSeen>,
    pub(super) tasks: Vec<(i32, At, i32)>,
    /// The first time of a record and the last one.
    pub(super) times: Option<(u64, u64)>,
}

impl Gathered {
    pub(super) fn batch(&mut self, batch: &Batch, capture: &Capture) {
        let events = capture.data().events();
        let endian = events.endian();
        for record in batch.records() {
            let kind = record.kind;
            if kind == record_kind::SAMPLE || kind >= record_kind::USER_TYPE_START {
                continue;
            }
            let trailer = events.trailer_of(record.body).parse(record.body, endian);
            let time = trailer.time.filter(|&time| time != u64::MAX).unwrap_or(0);
            if time > 0 {
                self.times = join(self.times, Some((time, time)));
            }
            match kind {
                record_kind::AUX => {
                    if let Some(aux) = AuxRecord::parse(record.body, endian) {
                        self.seen.push(AuxSeen {
                            record: aux,
                            time,
                            cpu: trailer.cpu,
                            tid: trailer.pid_tid.map(|(_, tid)| tid),
                        });
                    }
                }
                record_kind::SWITCH | record_kind::SWITCH_CPU_WIDE => {
                    let switch = Switch::parse(kind, record.misc, record.body, endian);
                    let seen =
                        switch.and_then(|switch| SwitchSeen::new(switch, trailer, record.pos));
                    self.switches.extend(seen);
                    if self.switches.len() > MOST_SWITCHES {
                        self.dropped_switches = true;
                        self.switches.clear();
                    }
                }
                _ => {
                    let header = RecordHeader {
                        kind,
                        misc: record.misc,
                    };
                    let event = SideBand::parse(header, record.body, endian);
                    if let Ok(Some(event)) = event
                        && let Some((tid, pid)) = Tasks::told(&event)
                    {
                        let pos = record.pos;
                        self.tasks.push((tid, At { time, pos }, pid));
                    }
                }
            }
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.switches.extend(other.switches);
        self.dropped_switches |= other.dropped_switches || self.switches.len() > MOST_SWITCHES;
        self.seen.extend(other.seen);
        self.tasks.extend(other.tasks);
        self.times = join(self.times, other.times);
    }
}

/// The span of both spans.
fn join(a: Option<(u64, u64)>, b: Option<(u64, u64)>) -> Option<(u64, u64)> {
    let both = a.into_iter().chain(b);
    both.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}
