//! Who ran on which CPU when, as records of switches say.

use contend_perfdata::{At, SampleId, Switch};
use std::collections::BTreeMap;

/// A moment from which on a thread is on a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    /// In ns of the recording clock.
    pub(super) time: u64,
    /// The place of the record, for equal times.
    pos: u64,
    /// Process and thread; -1 where nobody knows.
    pub(super) pid: i32,
    pub(super) tid: i32,
}

/// What one record of a switch says.
#[derive(Clone, Copy, Debug)]
pub(super) struct SwitchSeen {
    cpu: u32,
    turn: Turn,
    /// Who was there before.
    before: Option<(i32, i32)>,
}

impl SwitchSeen {
    /// Takes a record with its trailer; absent where it does not say when and on
    /// which CPU.
    pub(super) fn new(switch: Switch, trailer: SampleId, pos: u64) -> Option<Self> {
        let (time, cpu) = (trailer.time?, trailer.cpu?);
        let own = trailer.pid_tid;
        let unknown = (-1, -1);
        let ((pid, tid), before) = match (switch.is_out, switch.other) {
            (true, next) => (next.unwrap_or(unknown), own),
            (false, before) => (own?, before),
        };
        Some(Self {
            cpu,
            turn: Turn {
                time,
                pos,
                pid,
                tid,
            },
            before,
        })
    }
}

/// The turns of all CPUs.
#[derive(Debug, Default)]
pub(super) struct Cpus {
    turns: BTreeMap<u32, Vec<Turn>>,
}

impl Cpus {
    /// From records in any order.
    pub(super) fn new(mut seen: Vec<SwitchSeen>) -> Self {
        seen.sort_unstable_by_key(|seen| (seen.cpu, seen.turn));
        let mut turns: BTreeMap<u32, Vec<Turn>> = BTreeMap::new();
        for SwitchSeen { cpu, turn, before } in seen {
            let of_cpu = turns.entry(cpu).or_default();
            if of_cpu.is_empty() {
                // The first switch tells who was there from the beginning. perf
                // does not look at it.
                let (pid, tid) = before.unwrap_or((-1, -1));
                of_cpu.push(Turn {
                    time: 0,
                    pos: 0,
                    pid,
                    tid,
                });
            }
            of_cpu.push(turn);
        }
        Self { turns }
    }

    /// Whether no switch is told of at all.
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// All turns of threads that are known: thread, moment, process.
    pub(super) fn turns(&self) -> impl Iterator<Item = (i32, At, i32)> {
        let turns = self.turns.values().flatten();
        turns
            .filter(|turn| turn.tid > 0 && turn.pid >= 0)
            .map(|turn| {
                let Turn { time, pos, .. } = *turn;
                (turn.tid, At { time, pos }, turn.pid)
            })
    }

    /// The turns of a CPU.
    pub(super) fn of(&self, cpu: u32) -> Turns<'_> {
        Turns {
            turns: self.turns.get(&cpu).map_or(&[], Vec::as_slice),
            last: 0,
        }
    }
}

/// The turns of a CPU, asked for moments that mostly come in order.
#[derive(Clone, Debug)]
pub(super) struct Turns<'a> {
    turns: &'a [Turn],
    last: usize,
}

impl Turns<'_> {
    /// Process and thread at a moment; absent where nothing is known.
    #[inline]
    pub(super) fn at(&mut self, time: u64) -> Option<(i32, i32)> {
        let is_here = |place: usize| {
            let here = self.turns.get(place)?;
            let next = self.turns.get(place + 1);
            let is_it = here.time <= time && next.is_none_or(|next| time < next.time);
            is_it.then_some(())
        };
        if is_here(self.last).is_none() {
            let after = self.turns.partition_point(|turn| turn.time <= time);
            self.last = after.checked_sub(1)?;
        }
        let turn = self.turns.get(self.last)?;
        (turn.tid >= 0).then_some((turn.pid, turn.tid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(time: u64, own: i32, switch: Switch) -> SwitchSeen {
        let trailer = SampleId {
            pid_tid: Some((own, own)),
            time: Some(time),
            cpu: Some(3),
            ..SampleId::default()
        };
        SwitchSeen::new(switch, trailer, time).unwrap()
    }

    #[test]
    fn switches_of_a_cpu_tell_who_runs() {
        let out = |next| Switch {
            is_out: true,
            other: Some((next, next)),
        };
        let cpus = Cpus::new(vec![seen(200, 8, out(0)), seen(100, 7, out(8))]);
        let mut turns = cpus.of(3);
        let mut at = |time| turns.at(time).map(|(_, tid)| tid);
        assert_eq!([at(0), at(99)], [Some(7), Some(7)]);
        assert_eq!(
            [at(250), at(100), at(199), at(200)],
            [Some(0), Some(8), Some(8), Some(0)]
        );
        assert_eq!(cpus.of(4).at(100), None);
    }

    #[test]
    fn without_the_other_side_only_a_switch_in_tells() {
        let plain = |is_out| Switch {
            is_out,
            other: None,
        };
        let cpus = Cpus::new(vec![seen(100, 7, plain(false)), seen(200, 7, plain(true))]);
        let mut turns = cpus.of(3);
        let mut at = |time| turns.at(time).map(|(_, tid)| tid);
        assert_eq!([at(50), at(150), at(250)], [None, Some(7), None]);
    }
}
