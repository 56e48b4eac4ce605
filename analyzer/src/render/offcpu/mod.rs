//! `contend offcpu`: tables, folded stacks, and the picture.

mod folded;
mod locks;
mod picture;
mod rows;
mod summary;
mod threads;
mod wakers;

pub(crate) use folded::{folded, remarks};
pub(crate) use picture::{nothing_to_draw, picture};

use super::info;
use super::style::{Style, duration, many};
use crate::result::{OffCpu, OffCpuStack};
use locks::locks;
use rows::{stacks, states, syscalls};
use std::io::{self, Write};
use summary::summary;
use threads::threads;
use wakers::wakers;

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

/// Headings between a thread and its frames: why a wait is none that matters, and
/// that the stack is not its own.
fn kind_of_wait(stack: &OffCpuStack) -> Vec<String> {
    let idle = stack.idle.map(|idle| format!("idle: {idle}"));
    let old = stack
        .last_known
        .then(|| "stack of the last sample".to_owned());
    idle.into_iter().chain(old).collect()
}

fn ns(value: u64) -> String {
    duration(value as f64 / 1e9)
}

/// A number that may not be there.
fn or_dash(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), ns)
}

/// The longest of some intervals. Sums have none, and so no longest.
fn max(intervals: u64, longest: u64) -> String {
    or_dash((intervals > 0).then_some(longest))
}

/// How many intervals and sums of shorter ones something was recorded as.
fn intervals_and_sums(intervals: u64, sums: u64) -> String {
    let sums_of = || format!("{} of short intervals", many(sums, "sum"));
    match (intervals, sums) {
        (_, 0) => many(intervals, "interval"),
        (0, _) => sums_of(),
        _ => format!("{} and {}", many(intervals, "interval"), sums_of()),
    }
}
