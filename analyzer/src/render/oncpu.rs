//! `contend oncpu`: the tables, folded stacks, and the picture.

use super::flamegraph::{self, Kind, Label, Picture, Unit};
use super::heads::{self, heading, percent, subtitle};
use super::info;
use super::stacks::{fold, label, mark, mark_of};
use super::style::{Style, WIDTH, count, cut, duration, many, wrap};
use crate::result::{OnCpu, StackCost};
use std::io::{self, Write};

/// Functions and stacks unless asked otherwise: what fits a screen.
const FUNCTIONS: usize = 20;
const STACKS: usize = 5;

/// Threads in the table; the document has all.
const THREADS: usize = 8;

/// Writes the tables.
pub(crate) fn table(
    out: &mut dyn Write,
    result: &OnCpu,
    top: Option<usize>,
    color: bool,
) -> io::Result<()> {
    let style = Style { color };
    heads::capture(out, &result.capture, style)?;
    let taken = format!(
        "{} of {}, {}",
        many(result.samples, "sample"),
        result.event,
        weight(result.weight, result.unit)
    );
    heads::wrapped(out, &taken)?;

    writeln!(out)?;
    let header = format!("{:>6} {:>6}  {:<60} binary", "self", "total", "function");
    writeln!(out, "{}", style.dim(&header))?;
    let share = |part: u64| percent(part, result.weight);
    for function in result.functions.iter().take(top.unwrap_or(FUNCTIONS)) {
        let mark = mark(function.kernel, function.inlined);
        let name = format!("{}{mark}", cut(&function.function, 60 - mark.len()));
        writeln!(
            out,
            "{:>6} {:>6}  {name:<60} {}",
            share(function.self_weight),
            share(function.total_weight),
            cut(function.dso.as_deref().unwrap_or("-"), WIDTH - 75),
        )?;
    }
    let more = result
        .functions
        .len()
        .saturating_sub(top.unwrap_or(FUNCTIONS));
    if more > 0 {
        writeln!(
            out,
            "{:>14}{} more functions (--top; --json has all)",
            "",
            count(more as u64)
        )?;
    }

    heading(out, "Threads", style)?;
    for thread in result.threads.iter().take(THREADS) {
        let comm = thread.comm.as_deref().unwrap_or("?");
        writeln!(
            out,
            "{:>6}  {}/{}",
            share(thread.weight),
            cut(comm, 40),
            thread.tid
        )?;
    }
    if result.threads.len() > THREADS {
        let more = result.threads.len() - THREADS;
        writeln!(out, "{:>8}{} more (--json has all)", "", count(more as u64))?;
    }

    heading(out, "Stacks, leaf first", style)?;
    for stack in result.stacks.iter().take(top.unwrap_or(STACKS)) {
        let frames = stack.frames.iter().rev();
        let names = frames.map(|frame| format!("{}{}", frame.function, mark_of(frame)));
        let comm = stack.comm.as_deref().unwrap_or("?");
        let names: Vec<String> = names.chain([comm.to_owned()]).collect();
        let text = names.join(" ← ");
        for (number, line) in wrap(&text, WIDTH - 8, 2).into_iter().enumerate() {
            let share = if number == 0 {
                share(stack.weight)
            } else {
                String::new()
            };
            writeln!(out, "{share:>6}  {line}")?;
        }
    }
    info::quality(out, &result.quality, style)
}

/// Writes a line for each stack: thread and frames from the root with `;`
/// between them, and the weight. Frames in the kernel end in `_[k]`, inlined ones
/// in `_[i]`, as tools for such lines know them.
pub(crate) fn folded(out: &mut dyn Write, result: &OnCpu) -> io::Result<()> {
    let mut lines: Vec<String> = result.stacks.iter().map(folded_line).collect();
    lines.sort_unstable();
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn folded_line(stack: &StackCost) -> String {
    let comm = [stack.comm.as_deref().unwrap_or("?")];
    fold(&comm, &stack.frames, stack.weight)
}

/// Draws the picture.
pub(crate) fn picture(out: &mut dyn Write, result: &OnCpu) -> io::Result<()> {
    let host = result.capture.host.as_deref().unwrap_or("unknown host");
    let picture = Picture {
        title: format!("On CPU · {host} · {}", result.event),
        subtitle: subtitle(
            &format!(
                "{}, {}",
                many(result.samples, "sample"),
                weight(result.weight, result.unit)
            ),
            Vec::new(),
            &result.capture,
            &result.quality,
        ),
        unit: match result.unit {
            "ns" => Unit::Nanoseconds,
            unit => Unit::Count(unit),
        },
    };
    let stacks = result.stacks.iter().map(|stack| {
        let comm = Label::new(stack.comm.as_deref().unwrap_or("?"), Kind::Thread);
        let frames = stack.frames.iter().map(|frame| label(frame));
        (std::iter::once(comm).chain(frames).collect(), stack.weight)
    });
    flamegraph::draw(out, &picture, stacks)
}

fn weight(weight: u64, unit: &str) -> String {
    match unit {
        "ns" => format!("{} of CPU time", duration(weight as f64 / 1e9)),
        unit => format!("{} {unit}", count(weight)),
    }
}
