//! Stacks, states and system calls: a row each.

use super::{max, ns};
use crate::render::heads::{heading, more};
use crate::render::stacks::leaf_first;
use crate::render::style::{Style, WIDTH, count, safe, wrap};
use crate::result::OffCpu;
use std::io::{self, Write};

/// Writes a row for each stack, on several lines where it is long.
pub(super) fn stacks(
    out: &mut dyn Write,
    result: &OffCpu,
    rows: usize,
    style: Style,
) -> io::Result<()> {
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

/// Writes a row for each state of the kernel's.
pub(super) fn states(out: &mut dyn Write, result: &OffCpu, style: Style) -> io::Result<()> {
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
            max(row.intervals, row.max_ns),
        )?;
    }
    Ok(())
}

/// Writes a row for each system call.
pub(super) fn syscalls(
    out: &mut dyn Write,
    result: &OffCpu,
    rows: usize,
    style: Style,
) -> io::Result<()> {
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
            max(row.intervals, row.max_ns),
        )?;
    }
    more(out, result.syscalls.len(), rows)
}
