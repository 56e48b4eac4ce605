//! When the recorder lost records: a thread that is off the CPU across such a time
//! may have run in between.

use super::event::{Event, NO_CPU};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// A record that tells of lost ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    /// When it was written, in ns of the recording clock.
    pub(super) time: u64,
    /// The place of the record.
    pub(super) pos: u64,
    /// The CPU that it was written on; `u32::MAX` when the record does not tell.
    pub(super) cpu: u32,
    /// The id of the event for which it was written.
    pub(super) id: u64,
    /// How many were lost.
    pub(super) count: u64,
}

/// What `perf record` read when it ended: how many records of an event found no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// Absent when the record does not tell.
    pub(super) id: Option<u64>,
    pub(super) count: u64,
    /// Whether records of the event tell switches.
    pub(super) has_switches: bool,
}

/// What a capture tells of losses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) losses: Vec<Loss>,
    pub(super) counted: Vec<Counted>,
    /// The CPU whose buffer the records of an id go to; none where each thread has a
    /// buffer (`perf record --per-thread`).
    /// With the place of the record that says so: of two that say otherwise the first
    /// counts.
    pub(super) cpu_of: FxHashMap<u64, (u64, Option<u32>)>,
    /// Where perf had emptied all buffers once more.
    pub(super) rounds: Vec<u64>,
}

impl Told {
    /// Adds what another worker has read.
    pub(super) fn merge(&mut self, other: Self) {
        self.losses.extend(other.losses);
        self.counted.extend(other.counted);
        for (id, (pos, cpu)) in other.cpu_of {
            self.place(id, pos, cpu);
        }
        self.rounds.extend(other.rounds);
    }

    /// The record at `pos` says to which CPU's buffer the records of an id go.
    pub(super) fn place(&mut self, id: u64, pos: u64, cpu: Option<u32>) {
        let known = self.cpu_of.entry(id).or_insert((pos, cpu));
        *known = (*known).min((pos, cpu));
    }

    /// To which CPU's buffer the records of an id go, and whether that is told.
    fn cpu_of(&self, id: u64) -> Option<Option<u32>> {
        self.cpu_of.get(&id).map(|&(_, cpu)| cpu)
    }

    /// The CPU of the buffer in which there was no room.
    fn buffer(&self, loss: &Loss) -> Option<u32> {
        let known = self.cpu_of(loss.id);
        known.unwrap_or((loss.cpu != NO_CPU).then_some(loss.cpu))
    }

    /// How many records were lost that no LOST told any more, by the CPU of the buffer;
    /// of all together where it is not known for some. The kernel counts each once more
    /// for its event (`__perf_output_begin` in `kernel/events/ring_buffer.c`).
    fn untold(&self) -> BTreeMap<Option<u32>, u64> {
        let cpu_of = |id: Option<u64>| self.cpu_of(id?);
        let is_known = self.counted.iter().all(|it| cpu_of(it.id).is_some())
            && self.losses.iter().all(|it| cpu_of(Some(it.id)).is_some());
        let buffer = |id| if is_known { cpu_of(id).flatten() } else { None };
        let mut untold: BTreeMap<Option<u32>, u64> = BTreeMap::new();
        // Some hardware's drivers count there what they were told to leave out.
        let with_switches = self.counted.iter().filter(|it| it.has_switches);
        for counted in with_switches {
            untold.entry(buffer(counted.id)).or_default();
        }
        for counted in &self.counted {
            if let Some(sum) = untold.get_mut(&buffer(counted.id)) {
                *sum = sum.saturating_add(counted.count);
            }
        }
        for loss in &self.losses {
            if let Some(sum) = untold.get_mut(&buffer(Some(loss.id))) {
                *sum = sum.saturating_sub(loss.count);
            }
        }
        untold.retain(|_, count| *count > 0);
        untold
    }
}

/// The times in which something was lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// Begin and end, apart from each other, in the order of time.
    windows: Vec<(u64, u64)>,
}

/// A loss, and the records of its buffer around it: place and time.
struct Edges {
    loss: Loss,
    before: Option<(u64, u64)>,
    after: Option<(u64, u64)>,
}

impl Losses {
    /// The kernel tells of a loss when there is room again, in front of the next
    /// record of the same buffer (`__perf_output_begin` in
    /// `kernel/events/ring_buffer.c`). What is lost was to stand behind the last
    /// record in front of it. Each CPU has a buffer. Where it is not known whose it
    /// was, that may be any since perf emptied all of them before the last time. What
    /// is lost behind the last record of a buffer only the counters tell that perf reads
    /// at the end.
    pub(super) fn new(mut told: Told, events: &[Event]) -> Self {
        let untold = told.untold();
        if told.losses.is_empty() && untold.is_empty() {
            return Self::default();
        }
        told.losses.sort_unstable_by_key(|loss| loss.pos);
        told.rounds.sort_unstable();
        let mut last_of: FxHashMap<u32, (u64, u64)> = FxHashMap::default();
        for event in events.iter().filter(|event| event.cpu != NO_CPU) {
            let last = last_of.entry(event.cpu).or_default();
            *last = (*last).max((event.pos, event.time));
        }
        let rounds = Rounds::new(&told.rounds, events);
        let mut windows: Vec<(u64, u64)> = Vec::new();
        let mut by_cpu: FxHashMap<u32, Vec<Edges>> = FxHashMap::default();
        for loss in &told.losses {
            match told.buffer(loss).filter(|cpu| last_of.contains_key(cpu)) {
                Some(cpu) => by_cpu.entry(cpu).or_default().push(Edges {
                    loss: *loss,
                    before: None,
                    after: None,
                }),
                None => windows.push((rounds.since(loss.pos).min(loss.time), loss.time)),
            }
        }
        for event in events {
            let edges = by_cpu.get_mut(&event.cpu);
            if let Some(edges) = edges.filter(|_| event.cpu != NO_CPU) {
                note(edges, (event.pos, event.time));
            }
        }
        for edges in by_cpu.values_mut() {
            for at in 1..edges.len() {
                // Nothing was read between two losses.
                let last = edges[at - 1].loss;
                edges[at].before = edges[at].before.or(Some((last.pos, last.time)));
            }
            windows.extend(edges.iter().map(Edges::window));
        }
        for cpu in untold.keys() {
            let last = cpu.and_then(|cpu| last_of.get(&cpu));
            let start = last.map_or_else(|| rounds.since(u64::MAX), |(_, time)| *time);
            windows.push((start, u64::MAX));
        }
        windows.sort_unstable();
        windows.dedup_by(|next, last| {
            let is_one = next.0 <= last.1;
            if is_one {
                last.1 = last.1.max(next.1);
            }
            is_one
        });
        Self { windows }
    }

    /// Whether something was lost at some time between these two.
    pub(super) fn between(&self, start: u64, end: u64) -> bool {
        let first = self.windows.partition_point(|window| window.1 <= start);
        self.windows.get(first).is_some_and(|window| window.0 < end)
    }
}

impl Edges {
    /// The time of the record itself is taken before that of the next one, or
    /// behind it.
    fn window(&self) -> (u64, u64) {
        let end = self.after.map_or(u64::MAX, |(_, time)| time);
        let end = end.min(self.loss.time);
        let start = self.before.map_or(0, |(_, time)| time);
        (start.min(end.saturating_sub(1)), end)
    }
}

/// When the records that perf read at a time were written.
struct Rounds<'a> {
    /// Where each ends.
    ends: &'a [u64],
    /// The first time in each, that behind the last end too.
    first: Vec<u64>,
}

impl<'a> Rounds<'a> {
    fn new(ends: &'a [u64], events: &[Event]) -> Self {
        let mut first = vec![u64::MAX; ends.len() + 1];
        for event in events {
            let round = ends.partition_point(|&end| end < event.pos);
            first[round] = first[round].min(event.time);
        }
        Self { ends, first }
    }

    /// The first time of what was read with a record, or the time before: a buffer that
    /// was full had been read then.
    fn since(&self, pos: u64) -> u64 {
        let round = self.ends.partition_point(|&end| end < pos);
        let last_two = round.saturating_sub(1)..=round;
        let times = self.first[last_two].iter().copied();
        match times.min() {
            None | Some(u64::MAX) => 0,
            Some(time) => time,
        }
    }
}

/// Moves the edges of losses, which are in the order of their places, to a record.
fn note(edges: &mut [Edges], here: (u64, u64)) {
    let next = edges.partition_point(|edge| edge.loss.pos < here.0);
    if let Some(edge) = next.checked_sub(1).and_then(|at| edges.get_mut(at)) {
        edge.after = Some(edge.after.map_or(here, |known| known.min(here)));
    }
    if let Some(edge) = edges.get_mut(next) {
        edge.before = edge.before.max(Some(here));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offcpu::event::{Kind, NO_PID, NO_STACK, Reason};

    fn seen(pos: u64, cpu: u32, time: u64) -> Event {
        Event {
            time,
            pos,
            tid: 1,
            pid: NO_PID,
            stack: NO_STACK,
            other: 0,
            cpu,
            kind: Kind::Ran,
            reason: Reason::UNKNOWN,
        }
    }

    fn loss(pos: u64, cpu: u32, time: u64) -> Loss {
        Loss {
            time,
            pos,
            cpu,
            id: u64::from(cpu),
            count: 10,
        }
    }

    fn told(losses: Vec<Loss>) -> Told {
        of_buffers(&[], losses)
    }

    /// Losses where it is told of which CPU the buffers of ids are.
    fn of_buffers(cpu_of: &[(u64, Option<u32>)], losses: Vec<Loss>) -> Told {
        Told {
            losses,
            cpu_of: cpu_of.iter().map(|&(id, cpu)| (id, (0, cpu))).collect(),
            ..Told::default()
        }
    }

    #[test]
    fn what_is_lost_lies_between_the_records_of_its_buffer() {
        let events = [
            seen(1, 0, 100),
            seen(2, 0, 200),
            seen(3, 1, 290),
            seen(5, 0, 400),
            seen(6, 1, 410),
        ];
        let losses = Losses::new(told(vec![loss(4, 0, 390)]), &events);
        assert_eq!(losses.windows, [(200, 390)]);
        // Touching is not spanning.
        for (start, end, is_in) in [
            (100, 200, false),
            (100, 201, true),
            (250, 260, true),
            (389, 500, true),
            (390, 500, false),
            (0, 900, true),
        ] {
            assert_eq!(losses.between(start, end), is_in, "{start} {end}");
        }
        // The next record's own time is taken before that of the loss.
        let late = Losses::new(told(vec![loss(4, 0, 405)]), &events);
        assert_eq!(late.windows, [(200, 400)]);
    }

    #[test]
    fn without_a_buffer_it_may_be_any_that_was_read_then() {
        // Read in three rounds; in each of two buffers, one after the other.
        let events = [
            seen(1, NO_CPU, 100),
            seen(2, NO_CPU, 120),
            seen(4, NO_CPU, 250),
            seen(5, NO_CPU, 200),
            seen(8, NO_CPU, 391),
        ];
        let rounds = vec![3, 6];
        let of = |losses: Vec<Loss>, cpu_of: &[(u64, Option<u32>)]| {
            let told = Told {
                rounds: rounds.clone(),
                ..of_buffers(cpu_of, losses)
            };
            Losses::new(told, &events).windows
        };
        assert_eq!(of(vec![loss(7, NO_CPU, 390)], &[]), [(200, 390)]);
        assert_eq!(of(vec![loss(4, NO_CPU, 190)], &[]), [(100, 190)]);
        // Each thread has a buffer, so the CPU does not tell which.
        assert_eq!(of(vec![loss(7, 1, 390)], &[(1, None)]), [(200, 390)]);
        // Nothing in front of it, and nothing behind.
        let alone = Losses::new(told(vec![loss(4, NO_CPU, 390)]), &[]);
        assert_eq!(alone.windows, [(0, 390)]);
        assert!(!Losses::new(Told::default(), &events).between(0, u64::MAX));
    }

    /// Whichever worker read what.
    #[test]
    fn of_two_that_tell_the_buffer_of_an_id_the_first_counts() {
        let of = |told: &[(u64, Option<u32>)]| {
            let mut all = Told::default();
            for &(pos, cpu) in told {
                let mut one = Told::default();
                one.place(7, pos, cpu);
                all.merge(one);
            }
            all.cpu_of(7)
        };
        assert_eq!(of(&[(10, Some(1)), (20, Some(2))]), Some(Some(1)));
        assert_eq!(of(&[(20, Some(2)), (10, Some(1))]), Some(Some(1)));
        assert_eq!(of(&[(20, Some(2)), (10, None)]), Some(None));
    }

    #[test]
    fn what_is_lost_at_the_end_only_counters_tell() {
        let events = [
            seen(1, 0, 100),
            seen(2, 1, 150),
            seen(5, 0, 500),
            seen(6, 1, 480),
        ];
        let of = |counted: &[(u64, u64, bool)], losses: Vec<Loss>| {
            let counted = counted.iter().map(|&(id, count, has_switches)| Counted {
                id: Some(id),
                count,
                has_switches,
            });
            let told = Told {
                counted: counted.collect(),
                rounds: vec![3],
                ..of_buffers(&[(0, Some(0)), (1, Some(1)), (2, Some(1))], losses)
            };
            Losses::new(told, &events).windows
        };
        // The buffers tell of ten each.
        let lost = || vec![loss(4, 0, 400), loss(4, 1, 300)];
        let dated = [(100, 400)];
        assert_eq!(of(&[], lost()), dated);
        assert_eq!(of(&[(0, 10, true), (1, 10, true)], lost()), dated);
        let tail = [(100, 400), (480, u64::MAX)];
        assert_eq!(of(&[(0, 10, true), (1, 13, true)], lost()), tail);
        // Two events share the buffer of a CPU.
        assert_eq!(of(&[(1, 4, true), (2, 6, false)], lost()), dated);
        assert_eq!(of(&[(1, 4, true), (2, 7, false)], lost()), tail);
        // No switch was lost.
        assert_eq!(of(&[(1, 13, false)], lost()), dated);
        // Whose it was is not known.
        assert_eq!(of(&[(9, 21, true)], lost()), [(100, u64::MAX)]);
        assert_eq!(of(&[(9, 20, true)], lost()), dated);
    }

    #[test]
    fn losses_that_meet_are_one() {
        let events = [seen(1, 0, 100), seen(2, 1, 150), seen(9, 0, 700)];
        let losses = vec![loss(4, 1, 300), loss(3, 0, 200), loss(6, 0, 600)];
        let losses = Losses::new(told(losses), &events);
        assert_eq!(losses.windows, [(100, 600)]);
    }
}
