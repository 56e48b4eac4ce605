//! What tables and pictures of stacks begin with.

use super::style::{Style, WIDTH, count, duration, many, safe, wrap};
use crate::result::{CaptureFacts, Quality};
use crate::spe::Tables;
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Writes which capture it is, of which host, how long.
pub(super) fn capture(out: &mut dyn Write, capture: &CaptureFacts, style: Style) -> io::Result<()> {
    let title = [
        Some(capture.file.clone()),
        capture.host.clone(),
        capture.duration_s.map(duration),
    ];
    let title: Vec<String> = title.into_iter().flatten().collect();
    for line in wrap(&title.join(" · "), WIDTH, 2) {
        writeln!(out, "{}", style.bold(&line))?;
    }
    Ok(())
}

/// Writes which capture it is, of which machine, how long, and whether it is damaged: what
/// depends on hardware begins with that.
pub(super) fn machine(
    out: &mut dyn Write,
    capture: &CaptureFacts,
    quality: &Quality,
    style: Style,
) -> io::Result<()> {
    let mut facts = vec![safe(&capture.file)];
    facts.extend(capture.host.as_deref().map(safe));
    facts.extend(processor(capture, quality).as_deref().map(safe));
    facts.extend(capture.cpus_online.map(|cpus| match capture.nodes.len() {
        0 => format!("{cpus} CPUs"),
        1 => format!("{cpus} CPUs, 1 node"),
        nodes => format!("{cpus} CPUs, {nodes} nodes"),
    }));
    facts.extend(capture.duration_s.map(duration));
    for line in wrap(&facts.join(" · "), WIDTH, 2) {
        writeln!(out, "{}", style.bold(&line))?;
    }
    let missing = quality.truncated_bytes;
    if missing > 0 {
        let bytes = match missing {
            1 => "1 byte is".to_owned(),
            bytes => format!("{} bytes are", count(bytes)),
        };
        let text = format!(
            "The capture is cut off or damaged, {bytes} missing or unreadable: copy it again or record again"
        );
        for line in wrap(&text, WIDTH, 2) {
            writeln!(out, "{}", style.alarm(&line))?;
        }
    }
    Ok(())
}

/// What the capture was recorded on: Arm machines tell numbers, which the kinds of
/// cores are the names of.
pub(super) fn processor(capture: &CaptureFacts, quality: &Quality) -> Option<String> {
    let spe = quality.spe.iter().flat_map(|spe| &spe.cpus);
    let cores: BTreeSet<&str> = spe.map(|cpu| cpu.core.as_str()).collect();
    match cores.is_empty() {
        true => told(capture),
        false => Some(cores.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

/// The same with the numbers of the kinds of cores, in the order of their CPUs.
pub(super) fn processor_with_numbers(capture: &CaptureFacts, quality: &Quality) -> Option<String> {
    let spe = quality.spe.iter().flat_map(|spe| &spe.cpus);
    let numbered = spe.filter_map(|cpu| Some(format!("{} ({})", cpu.core, cpu.midr?)));
    let mut cores: Vec<String> = Vec::new();
    for core in numbered {
        if !cores.contains(&core) {
            cores.push(core);
        }
    }
    match cores.is_empty() {
        true => told(capture),
        false => Some(cores.join(", ")),
    }
}

/// What the header says, with the name of an Arm core beside its number.
fn told(capture: &CaptureFacts) -> Option<String> {
    let cpu = capture.cpu.as_ref()?;
    let is_arm = capture.arch.as_deref() == Some("aarch64");
    let name = Tables::built_in_name(cpu).filter(|_| is_arm);
    Some(name.map_or_else(|| cpu.clone(), |name| format!("{name} ({cpu})")))
}

/// Writes a sentence, on several lines where it is long.
pub(super) fn wrapped(out: &mut dyn Write, text: &str) -> io::Result<()> {
    for line in wrap(text, WIDTH, 2) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Writes the title of a table, below an empty line.
pub(super) fn heading(out: &mut dyn Write, title: &str, style: Style) -> io::Result<()> {
    writeln!(out)?;
    writeln!(out, "{}", style.bold(title))
}

/// Writes how many rows a table leaves out.
pub(super) fn more(out: &mut dyn Write, all: usize, shown: usize) -> io::Result<()> {
    match all.saturating_sub(shown) {
        0 => Ok(()),
        more => writeln!(out, "  {} more (--top; --json has all)", count(more as u64)),
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
        (quality.lost_events, "record", "lost"),
        (quality.lost_samples, "sample", "lost"),
        (quality.truncated_bytes, "byte", "missing"),
    ];
    let lost = lost.iter().filter(|(number, ..)| *number > 0);
    let lost: Vec<String> = lost
        .map(|(number, noun, what)| format!("{} {what}", many(*number, noun)))
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

/// A share of something, or a dash where that is nothing.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    format!("{:.1} %", 100.0 * part as f64 / whole as f64)
}
