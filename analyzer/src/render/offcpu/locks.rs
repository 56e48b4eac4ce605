//! Locks: who waited, who ended the waits, and where they waited.

use super::{max, ns};
use crate::render::heads::{heading, more};
use crate::render::stacks::leaf_first;
use crate::render::style::{Style, WIDTH, count, many, wrap};
use crate::result::{LockRow, OffCpu};
use std::io::{self, Write};

/// Stacks of a lock, and threads that it names.
const LOCK_STACKS: usize = 2;
const NAMED: usize = 4;

/// Writes a row for each lock, and lines below it.
pub(super) fn locks(
    out: &mut dyn Write,
    result: &OffCpu,
    rows: usize,
    style: Style,
) -> io::Result<()> {
    let has_calls = result.locks.iter().any(|row| row.word.is_none());
    let title = match result.locks_by {
        "futex_word" if has_calls => {
            "Locks, by futex word; the kernel's own by the call that waits"
        }
        "futex_word" => "Locks, by futex word",
        _ => "Locks, by the call that waits (the capture has no futex words)",
    };
    heading(out, title, style)?;
    if result.locks.is_empty() {
        let hidden = result.idle.is_some_and(|idle| idle.hidden);
        let but = if hidden {
            " besides waits for work, which are left out"
        } else {
            ""
        };
        writeln!(out, "  no wait for a lock was recognised{but}")?;
        if !result.quality.missing_binaries.is_empty() {
            writeln!(out, "  names are missing, below, so that there may be some")?;
        }
        return Ok(());
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
    let numbers = [
        ns(row.total_ns),
        count(row.intervals),
        max(row.intervals, row.max_ns),
    ];
    let [total, intervals, longest] = numbers;
    let mut start = format!("  {total:>9} {intervals:>9} {longest:>9}  ");
    for line in wrap(&name, WIDTH - 33, 2) {
        writeln!(out, "{start}{line}")?;
        start = " ".repeat(33);
    }
    let mut below = |text: String| -> io::Result<()> {
        for line in wrap(&text, WIDTH - 33, 2) {
            writeln!(out, "{:33}{line}", "")?;
        }
        Ok(())
    };
    if let Some(idle) = row.idle_ns {
        below(format!("{} of it waits for work", ns(idle)))?;
    }
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
