//! The picture.

use super::wakers::{is_nobody, waker};
use super::{NO_WAKERS, View, intervals_and_sums, kind_of_wait, ns};
use crate::render::flamegraph::{self, Kind, Label, Picture, State, Unit};
use crate::render::heads::subtitle;
use crate::render::stacks::label;
use crate::render::style::many;
use crate::result::{LockRow, LockStack, OffCpu, OffCpuStack, WakerRow};
use std::io::{self, Write};

/// Why there is no picture; absent when there is one.
pub(crate) fn nothing_to_draw(result: &OffCpu, view: Option<View>) -> Option<String> {
    let has_time = match view {
        Some(View::Waker) if result.wakers.is_empty() => {
            return Some(format!("no picture: who ended the waits was {NO_WAKERS}"));
        }
        Some(View::Waker) => result.wakers.iter().any(|row| row.total_ns > 0),
        Some(View::Lock) if result.locks.is_empty() => {
            return Some("no picture: no wait for a lock was recognised".to_owned());
        }
        Some(View::Lock) => result.locks.iter().any(|row| row.total_ns > 0),
        _ => result.stacks.iter().any(|row| row.total_ns > 0),
    };
    let nothing = match result.idle {
        Some(idle) if idle.hidden => {
            "no picture: all waits are for work, which --hide-idle leaves out"
        }
        _ => "no picture: all intervals together are 0 ns long",
    };
    (!has_time).then(|| nothing.to_owned())
}

/// Draws the picture: stacks below their state, or below the lock that they wait for, or
/// waits with the stack that ended them on top.
pub(crate) fn picture(out: &mut dyn Write, result: &OffCpu, view: Option<View>) -> io::Result<()> {
    let host = result.capture.host.as_deref().unwrap_or("unknown host");
    let state = match result.state {
        "all" => String::new(),
        state => format!(", {state}"),
    };
    let by = match view {
        Some(View::Waker) => ", and who ended it",
        Some(View::Lock) => ", by lock",
        _ => "",
    };
    let what = format!("Off CPU{state}{by}");
    let command = result.capture.file.rsplit('/').next().unwrap_or_default();
    let mut sums = result.sums.map_or(0, |sums| sums.samples);
    let (mut time, mut intervals) = (result.total_ns, result.intervals);
    if view == Some(View::Lock) {
        let locks = result.locks.iter();
        (time, intervals) = locks.fold((0u64, 0), |(time, intervals), row| {
            (time.saturating_add(row.total_ns), intervals + row.intervals)
        });
        // Which of them were for a lock is not kept.
        sums = 0;
    }
    let total = format!("{} in {}", ns(time), intervals_and_sums(intervals, sums));
    let mut parts = Vec::new();
    let mut others = result.total_ns.saturating_sub(time);
    if let Some(summed) = result.sums.filter(|_| view == Some(View::Lock)) {
        others = others.saturating_sub(summed.total_ns);
        parts.push(format!(
            "{} of sums, not told for which lock, left out",
            ns(summed.total_ns)
        ));
    }
    if others > 0 {
        parts.push(format!("{} for no lock left out", ns(others)));
    }
    if let Some(idle) = result.idle.filter(|idle| idle.hidden) {
        parts.push(format!("{} of waits for work left out", ns(idle.total_ns)));
    }
    if result.open > 0 {
        let open = many(result.open, "interval");
        parts.push(format!("{open} without an end, not counted"));
    }
    if let Some(bounds) = &result.upper_bounds {
        let intervals = many(bounds.intervals, "interval");
        let time = ns(bounds.total_ns);
        parts.push(format!("{time} in {intervals} at most"));
    }
    let warnings = result.quality.warnings.len() as u64;
    if warnings > 0 {
        parts.push(many(warnings, "warning"));
    }
    let picture = Picture {
        title: format!("{what} · {host} · {command}"),
        subtitle: subtitle(&total, parts, &result.capture, &result.quality),
        unit: Unit::Nanoseconds,
    };
    match view {
        Some(View::Waker) => flamegraph::draw(out, &picture, result.wakers.iter().map(woken)),
        Some(View::Lock) => {
            let mut processes = result.locks.iter().map(|row| row.pid);
            let first = processes.next();
            let is_one = processes.all(|pid| Some(pid) == first);
            let locks = result.locks.iter();
            let stacks = locks.flat_map(|row| {
                let stacks = row.stacks.iter();
                stacks.map(move |stack| locked(row, stack, is_one))
            });
            flamegraph::draw(out, &picture, stacks)
        }
        _ => flamegraph::draw(out, &picture, result.stacks.iter().map(waiting)),
    }
}

/// A stack below the lock that it waits for. Whose process that is needs no telling
/// where there is one.
fn locked(row: &LockRow, stack: &LockStack, is_one_process: bool) -> (Vec<Label>, u64) {
    let word = row.word.map(|word| word.to_string());
    let mut name = [row.name.clone(), word]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    if let Some(pid) = row.pid.filter(|_| !is_one_process) {
        name = format!("{name} (process {pid})");
    }
    let mut labels = vec![heading_label(&format!("W: {name}"))];
    labels.extend(stack.frames.iter().map(|frame| label(frame)));
    let labels = labels.into_iter().map(|label| label.of(State::Waited));
    (labels.collect(), stack.total_ns)
}

/// A stack below its state and its thread.
fn waiting(stack: &OffCpuStack) -> (Vec<Label>, u64) {
    // Letters in front stay where a frame is narrow.
    let (letter, name, state) = match stack.state {
        "blocked" => ("B", "blocked", State::Blocked),
        "preempted" => ("P", "preempted", State::Preempted),
        "runnable" => ("R", "runnable, waiting for a CPU", State::Runnable),
        _ => ("?", "state unknown", State::Unknown),
    };
    let comm = stack.comm.as_deref().unwrap_or("?");
    let headings = [format!("{letter}: {name}"), format!("{letter}: {comm}")];
    let headings = headings.into_iter().chain(kind_of_wait(stack));
    let labels = headings
        .map(|text| heading_label(&text))
        .chain(stack.frames.iter().map(|frame| label(frame)))
        .map(|label| label.of(state));
    (labels.collect(), stack.total_ns)
}

/// A wait with the stack that ended it on top, its root above.
fn woken(row: &WakerRow) -> (Vec<Label>, u64) {
    let (letter, state) = match is_nobody(&row.waker) {
        true => ("P", State::Preempted),
        false => ("W", State::Waited),
    };
    let comm = row.waiter.as_deref().unwrap_or("?");
    let mut labels = vec![heading_label(&format!("{letter}: {comm}")).of(state)];
    labels.extend(row.waiter_frames.iter().map(|frame| label(frame).of(state)));
    let (text, state) = match waker(&row.waker) {
        name if row.waker.tid.is_some() || name == "interrupt" => {
            (format!("← woken by {name}"), State::Waker)
        }
        nobody => (nobody.to_owned(), state),
    };
    labels.push(heading_label(&text).of(state));
    let frames = row.waker.frames.iter().rev();
    labels.extend(frames.map(|frame| label(frame).of(State::Waker)));
    (labels, row.total_ns)
}

fn heading_label(text: &str) -> Label {
    Label::new(text, Kind::Thread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Hex, StackFrame, WakerFacts};
    use std::sync::Arc;

    fn frame(function: &str, kernel: bool) -> Arc<StackFrame> {
        Arc::new(StackFrame {
            function: function.to_owned(),
            dso: None,
            kernel,
            inlined: false,
            named: true,
        })
    }

    fn row(tid: Option<i32>, comm: Option<&str>) -> WakerRow {
        WakerRow {
            waker: WakerFacts {
                tid,
                comm: comm.map(str::to_owned),
                frames: vec![frame("main", false), frame("try_to_wake_up", true)],
            },
            waiter: Some("worker".to_owned()),
            waiter_frames: vec![frame("pop", false)],
            intervals: 1,
            total_ns: 7,
        }
    }

    /// What stands between the waiter and its waker.
    fn between(row: &WakerRow) -> Vec<Label> {
        let (labels, weight) = woken(row);
        assert_eq!(weight, 7);
        let on_top = [("try_to_wake_up", Kind::Kernel), ("main", Kind::User)];
        let on_top = on_top.map(|(name, kind)| Label::new(name, kind).of(State::Waker));
        assert_eq!(labels[3..], on_top, "the leaf first");
        labels[..3].to_vec()
    }

    #[test]
    fn who_woke_is_told_and_who_was_woken_by_nobody() {
        let waited = |text: &str| heading_label(text).of(State::Waited);
        let pop = |state| Label::new("pop", Kind::User).of(state);
        for (tid, comm, text) in [
            (Some(5), Some("kick"), "← woken by kick"),
            (Some(5), None, "← woken by ?"),
            (None, Some("interrupt"), "← woken by interrupt"),
        ] {
            let expected = [
                waited("W: worker"),
                pop(State::Waited),
                heading_label(text).of(State::Waker),
            ];
            assert_eq!(between(&row(tid, comm)), expected);
        }
        let expected = [
            waited("W: worker"),
            pop(State::Waited),
            waited("waker not known"),
        ];
        assert_eq!(between(&row(None, None)), expected);
        let preempted = |text: &str| heading_label(text).of(State::Preempted);
        let expected = [
            preempted("P: worker"),
            pop(State::Preempted),
            preempted("nobody: preempted"),
        ];
        assert_eq!(between(&row(None, Some("nobody"))), expected);
        // A thread may have that name.
        let labels = between(&row(Some(5), Some("nobody")));
        assert_eq!(labels[0], waited("W: worker"));
        assert_eq!(
            labels[2],
            heading_label("← woken by nobody").of(State::Waker)
        );
    }

    #[test]
    fn stacks_stand_on_the_lock_that_they_wait_for() {
        let stack = LockStack {
            frames: vec![frame("main", false), frame("do_futex", true)],
            intervals: 2,
            total_ns: 9,
        };
        let mut row = LockRow {
            word: Some(Hex(0x1000)),
            name: Some("queue+0x8".to_owned()),
            pid: Some(7),
            intervals: 2,
            total_ns: 9,
            max_ns: 5,
            idle_ns: None,
            waiters: vec![1],
            holders: Vec::new(),
            stacks: Vec::new(),
        };
        let labels = |row: &LockRow, is_one| locked(row, &stack, is_one).0;
        let waited = |label: Label| label.of(State::Waited);
        let expected = [
            waited(heading_label("W: queue+0x8 0x1000")),
            waited(Label::new("main", Kind::User)),
            waited(Label::new("do_futex", Kind::Kernel)),
        ];
        assert_eq!(labels(&row, true), expected);
        assert_eq!(locked(&row, &stack, true).1, 9);
        let of = |text: &str| waited(heading_label(text));
        assert_eq!(
            labels(&row, false)[0],
            of("W: queue+0x8 0x1000 (process 7)")
        );
        row.name = None;
        assert_eq!(labels(&row, true)[0], of("W: 0x1000"));
        (row.word, row.name) = (None, Some("down_read in fault".to_owned()));
        assert_eq!(labels(&row, true)[0], of("W: down_read in fault"));
    }

    #[test]
    fn all_of_a_stack_has_its_state() {
        for (name, heading, state) in [
            ("blocked", "B: blocked", State::Blocked),
            ("preempted", "P: preempted", State::Preempted),
            (
                "runnable",
                "R: runnable, waiting for a CPU",
                State::Runnable,
            ),
            ("unknown", "?: state unknown", State::Unknown),
        ] {
            let stack = OffCpuStack {
                state: name,
                comm: None,
                frames: vec![frame("epoll_wait", true)],
                kernel_from: Some(0),
                inlined: Vec::new(),
                idle: Some("epoll"),
                last_known: true,
                intervals: 1,
                total_ns: 9,
                max_ns: 9,
            };
            let letter = &heading[..1];
            let headings = [
                heading,
                &format!("{letter}: ?"),
                "idle: epoll",
                "stack of the last sample",
            ];
            let mut expected: Vec<Label> = headings.map(heading_label).to_vec();
            expected.push(Label::new("epoll_wait", Kind::Kernel));
            let expected: Vec<Label> = expected.into_iter().map(|it| it.of(state)).collect();
            assert_eq!(waiting(&stack), (expected, 9));
        }
    }
}
