//! When the recorder lost records: a thread that is off the CPU across such a time
//! may have run in between.

use super::event::{Event, NO_CPU};
use rustc_hash::FxHashMap;

/// A record that tells of lost ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    /// When it was written, in ns of the recording clock.
    pub(super) time: u64,
    /// The place of the record.
    pub(super) pos: u64,
    /// The CPU in whose buffer there was no room; `u32::MAX` when the record does
    /// not tell.
    pub(super) cpu: u32,
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
    /// record in front of it. Each CPU has a buffer. Where the CPU is not told,
    /// the records next to it are taken, whosever they are.
    pub(super) fn new(mut losses: Vec<Loss>, events: &[Event]) -> Self {
        if losses.is_empty() {
            return Self::default();
        }
        losses.sort_unstable_by_key(|loss| loss.pos);
        let mut by_cpu: FxHashMap<u32, Vec<Edges>> = FxHashMap::default();
        for loss in losses {
            by_cpu.entry(loss.cpu).or_default().push(Edges {
                loss,
                before: None,
                after: None,
            });
        }
        for event in events {
            let here = (event.pos, event.time);
            if event.cpu != NO_CPU
                && let Some(edges) = by_cpu.get_mut(&event.cpu)
            {
                note(edges, here);
            }
            if let Some(edges) = by_cpu.get_mut(&NO_CPU) {
                note(edges, here);
            }
        }
        let mut windows: Vec<(u64, u64)> = Vec::new();
        for edges in by_cpu.values_mut() {
            for at in 1..edges.len() {
                // Nothing was read between two losses.
                let last = edges[at - 1].loss;
                edges[at].before = edges[at].before.or(Some((last.pos, last.time)));
            }
            windows.extend(edges.iter().map(Edges::window));
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
        Loss { time, pos, cpu }
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
        let losses = Losses::new(vec![loss(4, 0, 390)], &events);
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
        let late = Losses::new(vec![loss(4, 0, 405)], &events);
        assert_eq!(late.windows, [(200, 400)]);
    }

    #[test]
    fn without_a_cpu_any_record_is_next_to_it() {
        let events = [seen(1, 0, 100), seen(3, 1, 290), seen(5, 0, 400)];
        let losses = Losses::new(vec![loss(4, NO_CPU, 390)], &events);
        assert_eq!(losses.windows, [(290, 390)]);
        // Nothing in front of it, and nothing behind.
        let alone = Losses::new(vec![loss(4, NO_CPU, 390)], &[]);
        assert_eq!(alone.windows, [(0, 390)]);
        assert!(!Losses::new(Vec::new(), &events).between(0, u64::MAX));
    }

    #[test]
    fn losses_that_meet_are_one() {
        let events = [seen(1, 0, 100), seen(2, 1, 150), seen(9, 0, 700)];
        let losses = vec![loss(4, 1, 300), loss(3, 0, 200), loss(6, 0, 600)];
        let losses = Losses::new(losses, &events);
        assert_eq!(losses.windows, [(100, 600)]);
    }
}
