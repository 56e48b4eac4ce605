//! How much time off the CPU there is, and of which kinds.

use super::{intervals_and_sums, ns};
use crate::render::heads::{self, percent};
use crate::render::style::{Style, many};
use crate::result::OffCpu;
use std::io::{self, Write};

/// Writes it.
pub(super) fn summary(out: &mut dyn Write, result: &OffCpu, style: Style) -> io::Result<()> {
    heads::capture(out, &result.capture, style)?;
    let what = format!(
        "{} off the CPU in {} of {}, from {}",
        ns(result.total_ns),
        many(result.intervals, "interval"),
        many(result.threads.len() as u64, "thread"),
        result.source,
    );
    heads::wrapped(out, &what)?;
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
        let (more, what_then) = match idle.hidden {
            true => ("more", "left out here"),
            false => ("of it", "--hide-idle leaves them out"),
        };
        let text = format!(
            "{} {more} are waits for work (events, time, tasks), in {}: {what_then}",
            ns(idle.total_ns),
            intervals_and_sums(idle.intervals, idle.sums),
        );
        heads::wrapped(out, &text)?;
    }
    if let Some(sums) = &result.sums {
        let text = format!(
            "{} of it in {} of shorter intervals, whose number is not recorded",
            ns(sums.total_ns),
            many(sums.samples, "sum")
        );
        heads::wrapped(out, &text)?;
    }
    Ok(())
}
