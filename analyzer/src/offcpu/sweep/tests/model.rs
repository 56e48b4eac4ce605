//! Any events, and a naive model of what they say.

use super::{IN, OUT, RECORD_IN, RECORD_OUT, event, found, spans, spans_of};
use crate::offcpu::event::{Event, Kind, Reason};
use crate::offcpu::interval::Interval;
use proptest::prelude::*;

/// A thread that moves truly, and what of it is recorded.
#[derive(Clone, Debug)]
struct Move {
    on: u64,
    off: u64,
    is_out_lost: bool,
    is_in_lost: bool,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = (
        1..1000u64,
        1..1000u64,
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
    );
    let one = one.prop_map(|(on, off, is_out_lost, is_in_lost)| Move {
        on,
        off,
        is_out_lost,
        is_in_lost,
    });
    prop::collection::vec(one, 0..40)
}

proptest! {
    /// Whatever is lost, no interval overlaps another, each exact one is a true
    /// one or spans lost switches, and each true one of which both ends were
    /// recorded is found.
    #[test]
    fn intervals_are_those_of_the_model(moves in moves(), second in any::<bool>()) {
        let mut events = Vec::new();
        let mut whole = Vec::new();
        let mut time = 1;
        for step in &moves {
            time += step.on;
            let start = time;
            time += step.off;
            if !step.is_out_lost {
                events.push(event(start, OUT));
                if second {
                    events.push(Event { pos: start + 1, ..event(start, RECORD_OUT) });
                }
            }
            if !step.is_in_lost {
                events.push(event(time, IN));
                if second {
                    events.push(Event { pos: time + 1, ..event(time, RECORD_IN) });
                }
            }
            if !step.is_out_lost && !step.is_in_lost {
                whole.push((start, time));
            }
        }
        let (intervals, counts) = found(&events, &[]);
        for pair in intervals.windows(2) {
            prop_assert!(pair[0].end <= pair[1].start);
        }
        let exact: Vec<_> = intervals.iter().filter(|it| !it.is_bound).copied().collect();
        for span in &whole {
            prop_assert!(spans_of(&exact).contains(span), "{span:?}");
        }
        prop_assert_eq!(counts.bounded as usize, intervals.len() - exact.len());
        prop_assert!(counts.open <= 1);
        if moves.iter().all(|step| !step.is_out_lost && !step.is_in_lost) {
            prop_assert_eq!(spans_of(&intervals), whole);
        }
    }

    /// Cutting the events off somewhere changes nothing before the cut but the
    /// interval that is open there.
    #[test]
    fn a_cut_leaves_what_was_before_it(moves in moves(), cut in 0..80usize) {
        let mut events = Vec::new();
        let mut time = 1;
        for step in &moves {
            time += step.on;
            events.push(event(time, OUT));
            time += step.off;
            events.push(event(time, IN));
        }
        let all = spans(&events);
        let cut = cut.min(events.len());
        prop_assert_eq!(spans(&events[..cut]), &all[..cut / 2]);
    }

    /// Any events at all: no panic, and no time is counted twice.
    #[test]
    fn time_is_conserved(
        steps in prop::collection::vec((0..50u64, 0..10u8, any::<bool>()), 0..200)
    ) {
        let mut time = 0;
        let mut events = Vec::new();
        for (pos, (step, kind, blocked)) in (0..).zip(steps) {
            time += step;
            let kind = match kind {
                0 => Kind::Begin,
                1 => Kind::End,
                2 | 3 => OUT,
                4 => RECORD_OUT,
                5 => IN,
                6 => RECORD_IN,
                7 => Kind::Ran,
                8 => Kind::Waking,
                _ => Kind::WakeupNew,
            };
            let mut event = Event { pos, ..event(time, kind) };
            if !blocked {
                event.reason = Reason::PREEMPTED;
            }
            events.push(event);
        }
        let (intervals, _) = found(&events, &[]);
        for pair in intervals.windows(2) {
            prop_assert!(pair[0].end <= pair[1].start);
        }
        let off: u64 = intervals.iter().map(Interval::ns).sum();
        prop_assert!(off <= time);
    }
}
