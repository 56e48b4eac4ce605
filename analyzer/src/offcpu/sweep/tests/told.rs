//! Intervals that a collector tells of.

use super::{IN, OUT, SLEEPING, event, found, lost_on, spans_of};
use crate::offcpu::event::{Detail, Event, Kind, NO_CPU, StackId};
use crate::offcpu::interval::State;
use crate::offcpu::losses::Losses;
use crate::offcpu::sweep::sweep;

/// A collector tells of an interval in one record: nothing of it is lost.
#[test]
fn what_a_collector_tells_spans_no_loss() {
    let detail = Detail {
        start: 300,
        ..Detail::default()
    };
    let told = event(700, Kind::Span);
    for events in [
        vec![told],
        vec![event(300, OUT), event(700, IN), told],
        vec![event(300, OUT), told, event(701, IN)],
    ] {
        let losses = Losses::new(lost_on(NO_CPU), &events);
        let mut found = Vec::new();
        let counts = sweep(&events, &[detail], &losses, |interval| {
            found.push(*interval)
        });
        assert_eq!(found.len(), 1, "{events:?}");
        assert!(!found[0].is_bound, "{events:?}");
        assert_eq!(counts.over_losses + counts.bounded, 0, "{events:?}");
    }
}

#[test]
fn what_a_collector_tells_adds_to_what_switches_show() {
    let detail = Detail {
        start: 103,
        word: 0xf00,
        ..Detail::default()
    };
    // The collector may tell before or after the switch is.
    for (told, closed) in [(199, 200), (201, 200)] {
        let mut events = [event(100, OUT), event(told, Kind::Span), event(closed, IN)];
        events.sort_by_key(|event| event.time);
        let (intervals, counts) = found(&events, &[detail]);
        assert_eq!(spans_of(&intervals), [(100, 200)]);
        assert_eq!((intervals[0].word, counts.twice), (0xf00, 1));
    }
    let (intervals, counts) = found(&[event(190, Kind::Span)], &[detail]);
    assert_eq!((spans_of(&intervals), counts.twice), (vec![(103, 190)], 0));
}

#[test]
fn overlapping_intervals_of_a_collector_are_counted() {
    let detail = |start| Detail {
        start,
        ..Detail::default()
    };
    let told = |time, other| Event {
        other,
        ..event(time, Kind::Span)
    };
    let details = [detail(100), detail(150)];
    let (_, counts) = found(&[told(200, 0), told(300, 1)], &details);
    assert_eq!(counts.overlapping, 1);
    let details = [detail(100), detail(200)];
    let (_, counts) = found(&[told(200, 0), told(300, 1)], &details);
    assert_eq!(counts.overlapping, 0);
}

#[test]
fn a_detail_finds_its_interval_on_either_side() {
    let span = Event {
        other: 0,
        ..event(200, Kind::Span)
    };
    let mut more = Event {
        other: 1,
        ..event(200, Kind::Detail)
    };
    more.reason = SLEEPING;
    let details = [
        Detail {
            start: 100,
            ..Detail::default()
        },
        Detail {
            syscall: Some(202),
            waker: Some((5, 180)),
            ..Detail::default()
        },
    ];
    for events in [[span, more], [more, span]] {
        let (intervals, _) = found(&events, &details);
        assert_eq!(intervals.len(), 1);
        assert_eq!(intervals[0].syscall, Some(202));
        assert_eq!(intervals[0].state(), State::Blocked(b'S'));
        assert_eq!(intervals[0].runnable_ns(), 20);
    }
}

#[test]
fn what_a_collector_calls_open_is_no_interval() {
    let span = Event {
        other: 0,
        ..event(200, Kind::Span)
    };
    let open = Event {
        other: 1,
        ..event(200, Kind::Detail)
    };
    let details = [
        Detail {
            start: 100,
            ..Detail::default()
        },
        Detail {
            is_open: true,
            ..Detail::default()
        },
    ];
    for events in [[span, open], [open, span]] {
        let (intervals, counts) = found(&events, &details);
        assert!(intervals.is_empty());
        assert_eq!(counts.open, 1);
    }
}

#[test]
fn the_stack_of_a_waker_finds_its_interval() {
    let waking = Event {
        other: 5,
        stack: StackId::any(3),
        ..event(180, Kind::Waking)
    };
    let span = Event {
        other: 0,
        ..event(200, Kind::Span)
    };
    let more = Event {
        other: 1,
        reason: SLEEPING,
        ..event(200, Kind::Detail)
    };
    let details = [
        Detail {
            start: 100,
            ..Detail::default()
        },
        Detail {
            waker: Some((5, 180)),
            ..Detail::default()
        },
    ];
    let (intervals, _) = found(&[waking, span, more], &details);
    assert_eq!(
        intervals[0].wake.map(|wake| wake.stack),
        Some(StackId::any(3))
    );
    // Of an earlier waking it is not.
    let earlier = Event {
        time: 150,
        ..waking
    };
    let (intervals, _) = found(&[earlier, span, more], &details);
    assert_eq!(
        intervals[0].wake.map(|wake| wake.stack),
        Some(StackId::EMPTY)
    );
}
