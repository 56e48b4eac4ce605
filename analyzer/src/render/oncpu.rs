//! `contend oncpu`: the tables, folded stacks, and the picture.

use super::flamegraph::{self, Kind, Label, Picture, Unit};
use super::info;
use super::style::{Style, WIDTH, count, cut, duration, safe, wrap};
use crate::result::{CaptureFacts, OnCpu, Quality, StackCost, StackFrame};
use std::io::{self, Write};
use std::sync::Arc;

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
    let taken = format!(
        "{} samples of {}, {}",
        count(result.samples),
        result.event,
        weight(result.weight, result.unit)
    );
    for line in wrap(&taken, WIDTH, 2) {
        writeln!(out, "{line}")?;
    }

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

    writeln!(out)?;
    writeln!(out, "{}", style.bold("Threads"))?;
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

    writeln!(out)?;
    writeln!(out, "{}", style.bold("Stacks, leaf first"))?;
    for stack in result.stacks.iter().take(top.unwrap_or(STACKS)) {
        let frames = stack.frames.iter().rev();
        let names = frames.map(|frame| format!("{}{}", frame.function, self::mark_of(frame)));
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

/// A line of folded stacks: headings, frames, weight.
pub(super) fn fold(headings: &[&str], frames: &[Arc<StackFrame>], weight: u64) -> String {
    let field = |text: &str| safe(text).replace(';', ":");
    let headings = headings.iter().map(|heading| field(heading));
    let frames = frames.iter().map(|frame| {
        let mark = match (frame.kernel, frame.inlined) {
            (true, _) => "_[k]",
            (false, true) => "_[i]",
            (false, false) => "",
        };
        format!("{}{mark}", field(&frame.function))
    });
    let fields: Vec<String> = headings.chain(frames).collect();
    format!("{} {weight}", fields.join(";"))
}

/// Draws the picture.
pub(crate) fn picture(out: &mut dyn Write, result: &OnCpu) -> io::Result<()> {
    let host = result.capture.host.as_deref().unwrap_or("unknown host");
    let picture = Picture {
        title: format!("On CPU · {host} · {}", result.event),
        subtitle: subtitle(
            &format!(
                "{} samples, {}",
                count(result.samples),
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

/// What stands on the frame of a function.
pub(super) fn label(frame: &StackFrame) -> Label {
    let kind = match frame {
        StackFrame { kernel: true, .. } => Kind::Kernel,
        StackFrame { named: false, .. } => Kind::Unnamed,
        StackFrame { inlined: true, .. } => Kind::Inlined,
        _ => Kind::User,
    };
    // What is in front of all of them tells none apart.
    let place = frame.function.strip_prefix("[kernel.kallsyms]+");
    match place.filter(|_| frame.kernel && !frame.named) {
        Some(place) => Label::new(&format!("kernel+{place}"), kind),
        None => Label::new(&frame.function, kind),
    }
}

/// What stands under the title: how much, what was lost, details, and of how long.
pub(super) fn subtitle(
    what: &str,
    details: Vec<String>,
    capture: &CaptureFacts,
    quality: &Quality,
) -> Vec<String> {
    let mut parts = vec![what.to_owned()];
    let lost = [
        (quality.lost_events, "records lost"),
        (quality.lost_samples, "samples lost"),
        (quality.truncated_bytes, "bytes missing"),
    ];
    let lost = lost.iter().filter(|(number, _)| *number > 0);
    let lost: Vec<String> = lost
        .map(|(number, what)| format!("{} {what}", count(*number)))
        .collect();
    if lost.is_empty() {
        parts.push("nothing lost".to_owned());
    }
    parts.extend(lost);
    parts.extend(details);
    parts.extend(
        capture
            .duration_s
            .map(|time| format!("{} recorded", duration(time))),
    );
    parts
}

fn mark(kernel: bool, inlined: bool) -> &'static str {
    match (kernel, inlined) {
        (true, _) => " [k]",
        (false, true) => " [i]",
        (false, false) => "",
    }
}

pub(super) fn mark_of(frame: &StackFrame) -> &'static str {
    mark(frame.kernel, frame.inlined)
}

fn weight(weight: u64, unit: &str) -> String {
    match unit {
        "ns" => format!("{} of CPU time", duration(weight as f64 / 1e9)),
        unit => format!("{} {unit}", count(weight)),
    }
}

pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    format!("{:.1} %", 100.0 * part as f64 / whole as f64)
}
