//! `contend offcpu`: tables, folded stacks, and the picture.

use super::flamegraph::{self, Kind, Label, Picture, State, Unit};
use super::info;
use super::oncpu::{fold, label, mark_of, percent, subtitle};
use super::style::{Style, WIDTH, count, cut, duration, many, safe, wrap};
use crate::result::{LengthBucket, LockRow, OffCpu, OffCpuStack, StackFrame, WakerFacts, WakerRow};
use std::io::{self, Write};
use std::sync::Arc;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// By stack.
    Stack,
    /// By lock.
    Lock,
    /// By who ended the wait.
    Waker,
    /// By thread.
    Thread,
    /// By state.
    State,
    /// By system call.
    Syscall,
}

/// Rows of a table that was asked for, and of one among several.
const ROWS: usize = 20;
const FEW_ROWS: usize = 8;

/// What to do where there is no view by waker.
const NO_WAKERS: &str = "not recorded: record with -e sched:sched_switch,sched:sched_waking";

/// Stacks of a lock, and threads that it names.
const LOCK_STACKS: usize = 2;
const NAMED: usize = 4;

/// Eighths of a character, for bars.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Writes the summary and one view; without one, the most telling three.
pub(crate) fn table(
    out: &mut dyn Write,
    result: &OffCpu,
    view: Option<View>,
    top: Option<usize>,
    color: bool,
) -> io::Result<()> {
    let style = Style { color };
    summary(out, result, style)?;
    let rows = top.unwrap_or(ROWS);
    match view {
        Some(View::Stack) => stacks(out, result, rows, style)?,
        Some(View::Lock) => locks(out, result, rows, style)?,
        Some(View::Waker) => wakers(out, result, rows, style)?,
        Some(View::Thread) => threads(out, result, rows, true, style)?,
        Some(View::State) => states(out, result, style)?,
        Some(View::Syscall) => syscalls(out, result, rows, style)?,
        None => {
            let rows = top.unwrap_or(FEW_ROWS);
            threads(out, result, rows, false, style)?;
            locks(out, result, rows, style)?;
            stacks(out, result, rows, style)?;
        }
    }
    info::quality(out, &result.quality, style)
}

fn summary(out: &mut dyn Write, result: &OffCpu, style: Style) -> io::Result<()> {
    let capture = &result.capture;
    let title = [
        Some(capture.file.clone()),
        capture.host.clone(),
        capture.duration_s.map(duration),
    ];
    let title: Vec<String> = title.into_iter().flatten().collect();
    for line in wrap(&title.join(" · "), WIDTH, 2) {
        writeln!(out, "{}", style.bold(&line))?;
    }
    let what = format!(
        "{} off the CPU in {} of {}, from {}",
        ns(result.total_ns),
        many(result.intervals, "interval"),
        many(result.threads.len() as u64, "thread"),
        result.source,
    );
    for line in wrap(&what, WIDTH, 2) {
        writeln!(out, "{line}")?;
    }
    let by_state = &result.by_state;
    for (name, value, what) in [
        ("blocked", by_state.blocked, "waiting for something"),
        (
            "preempted",
            by_state.preempted,
            "another thread had the CPU",
        ),
        ("runnable", by_state.runnable, "woken, waiting for a CPU"),
        ("unknown", by_state.unknown, "the capture does not tell"),
    ] {
        if value > 0 {
            let share = percent(value, result.total_ns);
            writeln!(out, "  {name:<10} {:>9} {share:>7}  {what}", ns(value))?;
        }
    }
    if let Some(idle) = &result.idle {
        let text = format!(
            "{} in {} {} waits for work (events, time, tasks): {}",
            ns(idle.total_ns),
            many(idle.intervals, "interval"),
            if idle.hidden { "more are" } else { "of it are" },
            if idle.hidden {
                "left out here"
            } else {
                "--hide-idle leaves them out"
            },
        );
        for line in wrap(&text, WIDTH, 2) {
            writeln!(out, "{line}")?;
        }
    }
    if let Some(sums) = &result.sums {
        let text = format!(
            "{} of it in {} of shorter intervals, whose number is not recorded",
            ns(sums.total_ns),
            many(sums.samples, "sum")
        );
        writeln!(out, "{text}")?;
    }
    Ok(())
}

fn heading(out: &mut dyn Write, title: &str, style: Style) -> io::Result<()> {
    writeln!(out)?;
    writeln!(out, "{}", style.bold(title))
}

fn more(out: &mut dyn Write, all: usize, shown: usize) -> io::Result<()> {
    match all.saturating_sub(shown) {
        0 => Ok(()),
        more => writeln!(out, "  {} more (--top; --json has all)", count(more as u64)),
    }
}

fn threads(
    out: &mut dyn Write,
    result: &OffCpu,
    rows: usize,
    with_lengths: bool,
    style: Style,
) -> io::Result<()> {
    heading(out, "Threads", style)?;
    let header = format!(
        "  {:<16} {:>8} {:>9} {:>9} {:>7} {:>9} {:>9} {:>9}  lengths",
        "thread", "tid", "intervals", "total", "blocked", "p50", "p99", "max"
    );
    writeln!(out, "{}", style.dim(header.trim_end()))?;
    for row in result.threads.iter().take(rows) {
        let optional = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), ns);
        writeln!(
            out,
            "  {:<16} {:>8} {:>9} {:>9} {:>7} {:>9} {:>9} {:>9}  {}",
            cut(row.comm.as_deref().unwrap_or("?"), 16),
            row.tid,
            count(row.intervals),
            ns(row.total_ns),
            percent(row.by_state.blocked, row.total_ns),
            optional(row.p50_ns),
            optional(row.p99_ns),
            optional(row.max_ns),
            spark(&row.histogram),
        )?;
        if with_lengths {
            for bucket in &row.histogram {
                let largest = row.histogram.iter().map(|bucket| bucket.count).max();
                let width = (bucket.count * 40).div_ceil(largest.unwrap_or(1).max(1));
                writeln!(
                    out,
                    "  {:>25} {:>9}  {}",
                    format!("from {}", ns(bucket.low_ns)),
                    count(bucket.count),
                    "▇".repeat(width as usize),
                )?;
            }
        }
    }
    more(out, result.threads.len(), rows)
}

/// How many intervals have which length, from 1 µs to 1 s by powers of four.
fn spark(histogram: &[LengthBucket]) -> String {
    const COLUMNS: usize = 11;
    let mut columns = [0u64; COLUMNS];
    for bucket in histogram {
        let power = bucket.low_ns.checked_ilog2().unwrap_or(0) as usize;
        let column = power.saturating_sub(10) / 2;
        columns[column.min(COLUMNS - 1)] += bucket.count;
    }
    let largest = columns.iter().copied().max().unwrap_or(0).max(1);
    let bars = columns.iter().map(|&count| match count {
        0 => ' ',
        count => BARS[(count * 7).div_ceil(largest) as usize],
    });
    let text: String = bars.collect();
    text.trim_end().to_owned()
}

fn locks(out: &mut dyn Write, result: &OffCpu, rows: usize, style: Style) -> io::Result<()> {
    let title = match result.locks_by {
        "futex_word" => "Locks, by futex word",
        _ => "Locks, by the call that waits (the capture has no futex words)",
    };
    heading(out, title, style)?;
    if result.locks.is_empty() {
        return writeln!(out, "  no wait for a lock was recognised");
    }
    let header = format!("  {:>9} {:>9} {:>9}  lock", "total", "intervals", "max");
    writeln!(out, "{}", style.dim(&header))?;
    for row in result.locks.iter().take(rows) {
        lock(out, row)?;
    }
    more(out, result.locks.len(), rows)
}

fn lock(out: &mut dyn Write, row: &LockRow) -> io::Result<()> {
    let word = row.word.map(|word| word.to_string());
    let name = [row.name.clone(), word].into_iter().flatten();
    let mut name = name.collect::<Vec<_>>().join(" ");
    if let Some(pid) = row.pid {
        name = format!("{name} (process {pid})");
    }
    writeln!(
        out,
        "  {:>9} {:>9} {:>9}  {}",
        ns(row.total_ns),
        count(row.intervals),
        ns(row.max_ns),
        cut(&name, WIDTH - 33),
    )?;
    let mut below = |text: String| -> io::Result<()> {
        for line in wrap(&text, WIDTH - 33, 2) {
            writeln!(out, "{:33}{line}", "")?;
        }
        Ok(())
    };
    let waiters: Vec<String> = row.waiters.iter().take(NAMED).map(i32::to_string).collect();
    let others = row.waiters.len().saturating_sub(NAMED);
    let others = match others {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    below(format!("waited: {}{others}", waiters.join(", ")))?;
    let holders = row.holders.iter().take(NAMED).map(|holder| {
        let comm = holder.comm.as_deref().unwrap_or("?");
        format!("{comm}/{} {}", holder.tid, many(holder.wakes, "time"))
    });
    let holders: Vec<String> = holders.collect();
    if !holders.is_empty() {
        below(format!("woken by: {}", holders.join(", ")))?;
    }
    for stack in row.stacks.iter().take(LOCK_STACKS) {
        below(format!(
            "{} {}",
            ns(stack.total_ns),
            leaf_first(&stack.frames)
        ))?;
    }
    Ok(())
}

/// The frames in one line. Those of one binary that have no names, as the kernel's
/// without its symbols, tell nothing one by one.
fn leaf_first(frames: &[Arc<StackFrame>]) -> String {
    if frames.is_empty() {
        return "no stack".to_owned();
    }
    let same = |a: &Arc<StackFrame>, b: &Arc<StackFrame>| {
        !a.named && !b.named && a.dso == b.dso && a.kernel == b.kernel
    };
    let runs: Vec<&[Arc<StackFrame>]> = frames.chunk_by(same).collect();
    let runs = runs.into_iter().rev().map(|run| match run {
        [frame] => format!("{}{}", frame.function, mark_of(frame)),
        run => {
            let frame = &run[0];
            let object = frame.dso.as_deref().unwrap_or("[unknown]");
            format!("{object} ×{}{}", run.len(), mark_of(frame))
        }
    });
    runs.collect::<Vec<_>>().join(" ← ")
}

fn stacks(out: &mut dyn Write, result: &OffCpu, rows: usize, style: Style) -> io::Result<()> {
    heading(out, "Stacks, leaf first", style)?;
    let header = format!("  {:>9} {:>9}  {:<10} stack", "total", "intervals", "state");
    writeln!(out, "{}", style.dim(&header))?;
    for stack in result.stacks.iter().take(rows) {
        let comm = stack.comm.as_deref().unwrap_or("?");
        let mut text = format!("{} ← {comm}", leaf_first(&stack.frames));
        if let Some(idle) = stack.idle {
            text = format!("(idle: {idle}) {text}");
        }
        if stack.last_known {
            text = format!("(last known) {text}");
        }
        for (number, line) in wrap(&text, WIDTH - 34, 2).into_iter().enumerate() {
            let start = match number {
                0 => format!(
                    "  {:>9} {:>9}  {:<10}",
                    ns(stack.total_ns),
                    count(stack.intervals),
                    stack.state
                ),
                _ => " ".repeat(33),
            };
            writeln!(out, "{start} {line}")?;
        }
    }
    more(out, result.stacks.len(), rows)
}

fn wakers(out: &mut dyn Write, result: &OffCpu, rows: usize, style: Style) -> io::Result<()> {
    heading(out, "Who ended the waits", style)?;
    if result.wakers.is_empty() {
        return writeln!(out, "  {NO_WAKERS}");
    }
    let header = format!("  {:>9} {:>9}  waker → waiter", "total", "intervals");
    writeln!(out, "{}", style.dim(&header))?;
    for row in result.wakers.iter().take(rows) {
        let waker = waker(&row.waker);
        let tid = row
            .waker
            .tid
            .map_or_else(String::new, |tid| format!("/{tid}"));
        let waiter = row.waiter.as_deref().unwrap_or("?");
        writeln!(
            out,
            "  {:>9} {:>9}  {}",
            ns(row.total_ns),
            count(row.intervals),
            cut(&format!("{waker}{tid} → {waiter}"), WIDTH - 23),
        )?;
        for (what, frames) in [
            ("woke in", &row.waker.frames),
            ("waited in", &row.waiter_frames),
        ] {
            if frames.is_empty() {
                continue;
            }
            for line in wrap(&format!("{what} {}", leaf_first(frames)), WIDTH - 25, 2) {
                writeln!(out, "{:25}{line}", "")?;
            }
        }
    }
    more(out, result.wakers.len(), rows)
}

/// Whether there was no wait to end: the thread was preempted.
fn is_nobody(waker: &WakerFacts) -> bool {
    waker.tid.is_none() && waker.comm.as_deref() == Some("nobody")
}

/// Who ended a wait, in words.
fn waker(waker: &WakerFacts) -> &str {
    match (waker.tid, waker.comm.as_deref()) {
        _ if is_nobody(waker) => "nobody: preempted",
        (_, Some(comm)) => comm,
        (Some(_), None) => "?",
        (None, None) => "waker not known",
    }
}

fn states(out: &mut dyn Write, result: &OffCpu, style: Style) -> io::Result<()> {
    heading(out, "States in which threads left the CPU", style)?;
    let header = format!(
        "  {:<10} {:<6} {:>9} {:>9} {:>9}",
        "state", "letter", "intervals", "total", "max"
    );
    writeln!(out, "{}", style.dim(&header))?;
    for row in &result.states {
        let letter = row
            .letter
            .map_or_else(|| "-".to_owned(), |letter| safe(&letter.to_string()));
        writeln!(
            out,
            "  {:<10} {letter:<6} {:>9} {:>9} {:>9}",
            row.state,
            count(row.intervals),
            ns(row.total_ns),
            ns(row.max_ns),
        )?;
    }
    Ok(())
}

fn syscalls(out: &mut dyn Write, result: &OffCpu, rows: usize, style: Style) -> io::Result<()> {
    heading(out, "System calls", style)?;
    let header = format!(
        "  {:<20} {:>9} {:>9} {:>9}",
        "system call", "intervals", "total", "max"
    );
    writeln!(out, "{}", style.dim(&header))?;
    for row in result.syscalls.iter().take(rows) {
        writeln!(
            out,
            "  {:<20} {:>9} {:>9} {:>9}",
            row.syscall,
            count(row.intervals),
            ns(row.total_ns),
            ns(row.max_ns),
        )?;
    }
    more(out, result.syscalls.len(), rows)
}

/// Headings between a thread and its frames: why a wait is none that matters, and
/// that the stack is not its own.
fn kind_of_wait(stack: &OffCpuStack) -> Vec<String> {
    let idle = stack.idle.map(|idle| format!("idle: {idle}"));
    let old = stack
        .last_known
        .then(|| "stack of the last sample".to_owned());
    idle.into_iter().chain(old).collect()
}

/// What who takes the folded stacks should know, a line each: they have no room
/// for it.
pub(crate) fn remarks(result: &OffCpu) -> Vec<String> {
    let hidden = result.idle.filter(|idle| idle.hidden);
    let hidden = hidden.map(|idle| {
        format!(
            "{} in {} of waits for work are left out (--hide-idle)",
            ns(idle.total_ns),
            many(idle.intervals, "interval")
        )
    });
    let quality = &result.quality;
    let lost = quality.lost_events + quality.lost_samples;
    let lost = (lost > 0).then(|| format!("{} lost", many(lost, "record")));
    let warnings = quality.warnings.len() as u64;
    let warnings = (warnings > 0).then(|| {
        format!(
            "{} (the table and --json have the text)",
            many(warnings, "warning")
        )
    });
    [hidden, lost, warnings].into_iter().flatten().collect()
}

/// Why there is no picture; absent when there is one.
pub(crate) fn nothing_to_draw(result: &OffCpu, view: Option<View>) -> Option<String> {
    let has_time = match view {
        Some(View::Waker) if result.wakers.is_empty() => {
            return Some(format!("no picture: who ended the waits was {NO_WAKERS}"));
        }
        Some(View::Waker) => result.wakers.iter().any(|row| row.total_ns > 0),
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

/// Writes a line for each stack: state, thread and frames from the root, and ns.
pub(crate) fn folded(out: &mut dyn Write, result: &OffCpu) -> io::Result<()> {
    let lines = result.stacks.iter().filter(|stack| stack.total_ns > 0);
    let mut lines: Vec<String> = lines
        .map(|stack| {
            let mut headings = vec![stack.state, stack.comm.as_deref().unwrap_or("?")];
            let kind = kind_of_wait(stack);
            headings.extend(kind.iter().map(String::as_str));
            fold(&headings, &stack.frames, stack.total_ns)
        })
        .collect();
    lines.sort_unstable();
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// Draws the picture: stacks below their state, or waits with the stack that
/// ended them on top.
pub(crate) fn picture(out: &mut dyn Write, result: &OffCpu, view: Option<View>) -> io::Result<()> {
    let host = result.capture.host.as_deref().unwrap_or("unknown host");
    let is_by_waker = view == Some(View::Waker);
    let what = match (result.state, is_by_waker) {
        ("all", false) => "Off CPU".to_owned(),
        ("all", true) => "Off CPU, and who ended it".to_owned(),
        (state, false) => format!("Off CPU, {state}"),
        (state, true) => format!("Off CPU, {state}, and who ended it"),
    };
    let command = result.capture.file.rsplit('/').next().unwrap_or_default();
    let sums = result
        .sums
        .map(|sums| format!("{} of short intervals", many(sums.samples, "sum")));
    let total = format!(
        "{} in {}{}",
        ns(result.total_ns),
        many(result.intervals, "interval"),
        sums.map_or_else(String::new, |sums| format!(" and {sums}")),
    );
    let mut parts = Vec::new();
    if let Some(idle) = result.idle.filter(|idle| idle.hidden) {
        parts.push(format!("{} of waits for work left out", ns(idle.total_ns)));
    }
    if result.open > 0 {
        let open = many(result.open, "interval");
        parts.push(format!("{open} without an end, not counted"));
    }
    if let Some(bounds) = &result.upper_bounds {
        let bounds_ns = bounds.total_ns;
        let bounds = many(bounds.intervals, "upper bound");
        parts.push(format!("{bounds} of {}", ns(bounds_ns)));
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
    if is_by_waker {
        return flamegraph::draw(out, &picture, result.wakers.iter().map(woken));
    }
    flamegraph::draw(out, &picture, result.stacks.iter().map(waiting))
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

fn ns(value: u64) -> String {
    duration(value as f64 / 1e9)
}
