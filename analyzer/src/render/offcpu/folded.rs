//! Folded stacks, for other tools.

use super::{intervals_and_sums, kind_of_wait, ns};
use crate::render::stacks::fold;
use crate::render::style::many;
use crate::result::OffCpu;
use std::io::{self, Write};

/// What who takes the folded stacks should know, a line each: they have no room
/// for it.
pub(crate) fn remarks(result: &OffCpu) -> Vec<String> {
    let hidden = result.idle.filter(|idle| idle.hidden);
    let hidden = hidden.map(|idle| {
        format!(
            "{} in {} of waits for work are left out (--hide-idle)",
            ns(idle.total_ns),
            intervals_and_sums(idle.intervals, idle.sums)
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
