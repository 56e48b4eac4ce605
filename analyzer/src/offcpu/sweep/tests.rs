//! What the sweep makes of sequences of events.

mod model;
mod told;

use super::{SweepCounts, sweep};
use crate::offcpu::event::{Detail, Event, INTERRUPT, Kind, NO_CPU, NO_PID, Reason, Witness};
use crate::offcpu::interval::{Interval, State, Waker};
use crate::offcpu::losses::{Loss, Losses, Told};
use Witness::{Record, Tracepoint};

const SLEEPING: Reason = Reason {
    letter: b'S',
    is_blocked: true,
};

fn event(time: u64, kind: Kind) -> Event {
    Event {
        time,
        pos: time,
        tid: 7,
        pid: NO_PID,
        stack: Default::default(),
        other: 0,
        cpu: NO_CPU,
        kind,
        reason: match kind {
            Kind::Out(_) => SLEEPING,
            _ => Reason::UNKNOWN,
        },
    }
}

fn found(events: &[Event], details: &[Detail]) -> (Vec<Interval>, SweepCounts) {
    let mut intervals = Vec::new();
    let losses = Losses::default();
    let counts = sweep(events, details, &losses, |interval| {
        intervals.push(*interval)
    });
    (intervals, counts)
}

fn spans(events: &[Event]) -> Vec<(u64, u64, bool)> {
    let (intervals, _) = found(events, &[]);
    let spans = intervals.iter();
    spans
        .map(|interval| (interval.start, interval.end, interval.is_bound))
        .collect()
}

fn spans_of(intervals: &[Interval]) -> Vec<(u64, u64)> {
    intervals
        .iter()
        .map(|interval| (interval.start, interval.end))
        .collect()
}

const OUT: Kind = Kind::Out(Tracepoint);
const IN: Kind = Kind::In(Tracepoint);
const RECORD_OUT: Kind = Kind::Out(Record);
const RECORD_IN: Kind = Kind::In(Record);

#[test]
fn threads_that_are_only_seen_to_come_are_not_odd() {
    let odd = |events: &[Event]| found(events, &[]).1.odd_ins;
    assert_eq!(odd(&[event(10, IN), event(20, IN), event(30, IN)]), 0);
    assert_eq!(odd(&[event(10, IN), event(20, IN), event(30, OUT)]), 1);
    assert_eq!(
        odd(&[
            event(5, OUT),
            event(10, IN),
            event(20, IN),
            event(30, RECORD_IN)
        ]),
        1
    );
}

#[test]
fn out_and_in_are_an_interval() {
    let events = [
        event(10, IN),
        event(100, OUT),
        event(250, IN),
        event(400, OUT),
    ];
    assert_eq!(spans(&events), [(100, 250, false)]);
    assert_eq!(found(&events, &[]).1.open, 1);
}

#[test]
fn an_in_that_is_missing_leaves_an_upper_bound() {
    assert_eq!(
        spans(&[event(100, OUT), event(300, OUT), event(350, IN)]),
        [(100, 300, true), (300, 350, false)]
    );
    // It ran in between.
    let ran = [
        event(100, OUT),
        event(20_000, Kind::Ran),
        event(90_000, OUT),
    ];
    assert_eq!(spans(&ran), [(100, 20_000, true)]);
    // It was still leaving.
    let leaving = [event(100, OUT), event(102, Kind::Ran), event(900, OUT)];
    assert_eq!(spans(&leaving), [(100, 900, true)]);
    // The end is known after all.
    let both = [event(100, OUT), event(20_000, Kind::Ran), event(20_001, IN)];
    assert_eq!(spans(&both), [(100, 20_001, false)]);
}

/// A loss at 500.
fn lost_on(cpu: u32) -> Told {
    let loss = Loss {
        time: 500,
        pos: 500,
        cpu,
        id: 0,
        count: 1,
    };
    Told {
        losses: vec![loss],
        ..Told::default()
    }
}

#[test]
fn what_spans_a_loss_is_an_upper_bound() {
    let on = |cpu: u32, event: Event| Event { cpu, ..event };
    let events = [
        on(0, event(100, OUT)),
        on(0, event(200, IN)),
        on(1, event(300, OUT)),
        on(1, event(700, IN)),
        on(1, event(800, OUT)),
        on(1, event(900, IN)),
    ];
    // The thread may have run on another CPU, as long as it was off this one.
    for cpu in [0, 7, NO_CPU] {
        let losses = Losses::new(lost_on(cpu), &events);
        let mut found = Vec::new();
        let counts = sweep(&events, &[], &losses, |interval| found.push(*interval));
        let bounds: Vec<bool> = found.iter().map(|interval| interval.is_bound).collect();
        // Nothing of CPU 7 was seen before: it may have been at any time.
        assert_eq!(bounds, [cpu != 0, true, false], "{cpu}");
        let over_losses = if cpu == 0 { 1 } else { 2 };
        assert_eq!((counts.over_losses, counts.bounded), (over_losses, 0));
    }
}

#[test]
fn two_witnesses_are_one_interval() {
    let mut record = event(101, RECORD_OUT);
    record.reason = Reason::BLOCKED;
    let events = [
        event(100, OUT),
        record,
        event(200, IN),
        event(201, RECORD_IN),
        event(300, OUT),
        event(301, RECORD_OUT),
        event(400, RECORD_IN),
    ];
    let (intervals, counts) = found(&events, &[]);
    assert_eq!(spans(&events), [(100, 200, false), (300, 400, false)]);
    assert_eq!(intervals[0].state(), State::Blocked(b'S'));
    assert_eq!(counts, SweepCounts::default());
}

#[test]
fn equal_times_are_read_as_the_thread_can_have_moved() {
    // The file has the switch in before the switch out, or behind it.
    for (first, second) in [(OUT, IN), (IN, OUT)] {
        let events = [
            event(10, IN),
            Event {
                pos: 1,
                ..event(50, first)
            },
            Event {
                pos: 2,
                ..event(50, second)
            },
            event(90, OUT),
            event(95, IN),
        ];
        assert_eq!(spans(&events), [(50, 50, false), (90, 95, false)]);
        let events = [
            event(10, OUT),
            Event {
                pos: 1,
                ..event(50, first)
            },
            Event {
                pos: 2,
                ..event(50, second)
            },
            event(90, IN),
        ];
        assert_eq!(spans(&events), [(10, 50, false), (50, 90, false)]);
    }
}

#[test]
fn who_wakes_first_is_the_waker() {
    let wake = |time, kind, other| Event {
        other,
        ..event(time, kind)
    };
    let events = [
        event(100, OUT),
        wake(150, Kind::Waking, 42),
        wake(152, Kind::Wakeup, 9),
        event(170, IN),
        // Not off the CPU: it means nothing.
        wake(175, Kind::Waking, 43),
        event(200, OUT),
        wake(260, Kind::Waking, INTERRUPT),
        event(261, IN),
    ];
    let (intervals, _) = found(&events, &[]);
    let wakes: Vec<_> = intervals
        .iter()
        .map(|interval| (interval.runnable_ns(), interval.wake.unwrap().waker))
        .collect();
    assert_eq!(
        wakes,
        [(20, Some(Waker::Thread(42))), (1, Some(Waker::Interrupt))]
    );
}

#[test]
fn preempted_threads_are_not_woken() {
    let mut out = event(100, OUT);
    out.reason = Reason::PREEMPTED;
    let events = [out, event(120, Kind::Waking), event(150, IN)];
    let (intervals, _) = found(&events, &[]);
    assert_eq!(intervals[0].state(), State::Preempted);
    assert_eq!(intervals[0].wake, None);
}

#[test]
fn a_new_thread_waits_for_its_first_cpu() {
    let events = [
        event(90, Kind::Begin),
        event(100, Kind::WakeupNew),
        event(130, IN),
        event(200, OUT),
    ];
    let (intervals, counts) = found(&events, &[]);
    assert_eq!(spans(&events), [(100, 130, false)]);
    assert_eq!((intervals[0].state(), counts.open), (State::Started, 1));
}

#[test]
fn the_end_of_a_thread_is_no_wait() {
    let mut dead = event(300, OUT);
    dead.reason = Reason::of_letter(b'X');
    let counts = |events: &[Event]| (spans(events).len(), found(events, &[]).1.open);
    assert_eq!(counts(&[event(10, IN), dead]), (0, 0));
    let told = [
        event(10, IN),
        event(290, Kind::End),
        event(300, OUT),
        event(301, RECORD_OUT),
    ];
    assert_eq!(counts(&told), (0, 0));
    // The number goes to another thread.
    let again = [
        event(10, OUT),
        event(500, Kind::Begin),
        event(600, OUT),
        event(700, IN),
    ];
    assert_eq!(spans(&again), [(600, 700, false)]);
    assert_eq!(found(&again, &[]).1.open, 1);
}
