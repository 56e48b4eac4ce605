//! Who ended the waits.

use super::{NO_WAKERS, ns};
use crate::render::heads::{heading, more};
use crate::render::stacks::leaf_first;
use crate::render::style::{Style, WIDTH, count, cut, wrap};
use crate::result::{OffCpu, WakerFacts};
use std::io::{self, Write};

/// Writes a row for each pair of stacks, and what they are below it.
pub(super) fn wakers(
    out: &mut dyn Write,
    result: &OffCpu,
    rows: usize,
    style: Style,
) -> io::Result<()> {
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
pub(super) fn is_nobody(waker: &WakerFacts) -> bool {
    waker.tid.is_none() && waker.comm.as_deref() == Some("nobody")
}

/// Who ended a wait, in words.
pub(super) fn waker(waker: &WakerFacts) -> &str {
    match (waker.tid, waker.comm.as_deref()) {
        _ if is_nobody(waker) => "nobody: preempted",
        (_, Some(comm)) => comm,
        (Some(_), None) => "?",
        (None, None) => "waker not known",
    }
}
