//! `contend info` as a table.

use super::heads::processor_with_numbers;
use super::style::{Style, WIDTH, count, cut, cut_path, duration, wrap};
use crate::result::{Can, CaptureFacts, EventFacts, Info, MissingBinary, Quality, SpeQuality};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The questions that have a command.
const ANSWERED: [&str; 5] = ["c2c", "latency", "offcpu", "oncpu", "spe"];

/// Missing binaries that are listed; the document has all.
const MISSING: usize = 4;

/// Writes the table.
pub(crate) fn table(out: &mut dyn Write, info: &Info, color: bool) -> io::Result<()> {
    let style = Style { color };
    let capture = &info.capture;
    fact(
        out,
        "capture",
        Some(format!("{} ({})", capture.file, capture.format)),
    )?;
    fact(out, "host", capture.host.clone())?;
    let kernel = [&capture.kernel, &capture.arch];
    let kernel: Vec<&str> = kernel.into_iter().flatten().map(String::as_str).collect();
    fact(
        out,
        "kernel",
        (!kernel.is_empty()).then(|| kernel.join(" ")),
    )?;
    let processor = processor_with_numbers(capture, &info.quality);
    fact(out, "cpu", processor)?;
    fact(out, "cpus", cpus(info))?;
    let first = (
        capture,
        &info.quality,
        info.events.as_slice(),
        &info.records,
    );
    content(out, first, style)?;
    for other in &info.other_captures {
        let kind = other.kind.as_deref().unwrap_or("of no known kind");
        writeln!(out)?;
        let title = format!("Also in the bundle: {} ({kind})", other.member);
        writeln!(out, "{}", style.bold(&title))?;
        let theirs = (
            &other.capture,
            &other.quality,
            other.events.as_slice(),
            &other.records,
        );
        content(out, theirs, style)?;
    }
    writeln!(out)?;
    writeln!(out, "{}", style.bold("Questions"))?;
    for (question, can) in &info.can {
        match can {
            Can::Yes if ANSWERED.contains(question) => writeln!(out, "  {question:<8} yes")?,
            Can::Yes => writeln!(out, "  {question:<8} yes, but this version cannot show it")?,
            Can::No(reason) => {
                for (number, line) in wrap(reason, WIDTH - 15, 0).into_iter().enumerate() {
                    let (question, no) = match number {
                        0 => (*question, "no:"),
                        _ => ("", ""),
                    };
                    writeln!(out, "  {question:<8} {no:<3} {line}")?;
                }
            }
        }
    }
    quality(out, &info.quality, style)?;
    for other in &info.other_captures {
        losses(
            out,
            &format!("Lost, skipped or missing in {}", other.member),
            &other.quality,
            style,
        )?;
    }
    Ok(())
}

/// A line that names a fact, if it is known.
fn fact(out: &mut dyn Write, name: &str, value: Option<String>) -> io::Result<()> {
    let value = value.filter(|value| !value.trim().is_empty());
    let lines = value.iter().flat_map(|value| wrap(value, WIDTH - 11, 0));
    for (number, line) in lines.enumerate() {
        let name = if number == 0 { name } else { "" };
        writeln!(out, "{}", format!("{name:<10} {line}").trim_end())?;
    }
    Ok(())
}

/// How a capture was recorded, and what is in it.
fn content(
    out: &mut dyn Write,
    (capture, quality, events, records): (
        &CaptureFacts,
        &Quality,
        &[EventFacts],
        &BTreeMap<String, u64>,
    ),
    style: Style,
) -> io::Result<()> {
    fact(out, "perf", capture.perf_version.clone())?;
    fact(out, "command", capture.command.clone())?;
    fact(out, "duration", capture.duration_s.map(duration))?;
    fact(out, "spe", quality.spe.as_ref().map(spe))?;
    writeln!(out)?;
    writeln!(out, "{}", style.bold("Events"))?;
    for event in events {
        let name = cut(&event.name, 59);
        let samples = count(event.samples);
        writeln!(out, "  {samples:>14} samples  {name:<59} {}", event.kind)?;
    }
    writeln!(out)?;
    writeln!(out, "{}", style.bold("Records"))?;
    let mut records: Vec<(&String, &u64)> = records.iter().collect();
    records.sort_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
    for (name, number) in records {
        writeln!(out, "  {:>14} {name}", count(*number))?;
    }
    Ok(())
}

/// What Arm SPE sampled: how much, on which cores, how often.
fn spe(spe: &SpeQuality) -> String {
    let mut cores: Vec<(&str, usize)> = Vec::new();
    for cpu in spe.cpus.iter().filter(|cpu| cpu.records > 0) {
        // Where it is not known which CPU, it is not known how many.
        let cpus = usize::from(cpu.cpu.is_some());
        match cores.iter_mut().find(|(core, _)| *core == cpu.core) {
            Some((_, known)) => *known += cpus,
            None => cores.push((&cpu.core, cpus)),
        }
    }
    let cores: Vec<String> = cores
        .iter()
        .map(|(core, cpus)| match cpus {
            0 => (*core).to_owned(),
            cpus => format!("{cpus} {core}"),
        })
        .collect();
    let mut text = format!("{} records", count(spe.records));
    if !cores.is_empty() {
        text += &format!(" of {}", cores.join(", "));
    }
    let interval = &spe.interval;
    if let Some(period) = interval.period {
        let effective = interval.effective.unwrap_or(period);
        text += &format!("; one in {} operations", count(effective));
        if effective != period {
            text += &format!(" ({} asked for)", count(period));
        }
        if let Some(least) = interval.min_interval.filter(|&least| period < least) {
            text += &format!(" asked for, {} is the least of the core", count(least));
        }
    }
    if let Some(mean) = spe.interval.mean_ns {
        text += &format!(", every {:.0} ns of a CPU", mean);
    }
    let by = &spe.attribution;
    for (records, how) in [
        (by.context, "name their thread"),
        (by.switch, "have the thread that switches tell"),
        (by.buffer, "have the thread of their buffer"),
        (by.unknown, "are of unknown threads"),
    ] {
        if records > 0 {
            text += &format!("; {} {how}", count(records));
        }
    }
    if by.compared > 0 {
        let agree = by.compared - by.contradicted;
        text += &format!(
            "; switches say the same of {} of {} that were compared",
            count(agree),
            count(by.compared)
        );
    }
    text
}

fn cpus(info: &Info) -> Option<String> {
    let capture = &info.capture;
    let mut text = format!("{} online", capture.cpus_online?);
    if let Some(available) = capture.cpus_available {
        text += &format!(", {available} available");
    }
    let nodes: Vec<String> = capture
        .nodes
        .iter()
        .map(|node| format!("{}: {}", node.id, node.cpus))
        .collect();
    if !nodes.is_empty() {
        text += &format!("; nodes {}", nodes.join(", "));
    }
    if let Some(size) = capture.line_size {
        text += &format!("; {size}-byte lines");
    }
    Some(text)
}

/// Writes what was lost, skipped or missing; nothing when nothing was.
pub(super) fn quality(out: &mut dyn Write, quality: &Quality, style: Style) -> io::Result<()> {
    losses(out, "Lost, skipped or missing", quality, style)
}

/// The same under another title.
fn losses(out: &mut dyn Write, title: &str, quality: &Quality, style: Style) -> io::Result<()> {
    let mut lines: Vec<String> = Vec::new();
    let mut counted = |number: u64, what: &str| {
        if number > 0 {
            let what = match number {
                1 => singular(what),
                _ => what.to_owned(),
            };
            lines.push(format!("{} {what}", count(number)));
        }
    };
    counted(
        quality.lost_events,
        "records lost: the kernel's buffer was full",
    );
    counted(quality.lost_samples, "samples lost");
    counted(
        quality.throttled,
        "times throttled: the sampling rate was too high",
    );
    counted(
        quality.truncated_bytes,
        "bytes of the capture are missing or could not be read",
    );
    for (reason, number) in &quality.skipped {
        counted(*number, reason);
    }
    lines.extend(quality.warnings.iter().cloned());
    for binary in quality.missing_binaries.iter().take(MISSING) {
        let id = binary.build_id.as_ref();
        // Why it is not taken is among the warnings.
        let refused = format!("is not used for {}: ", binary.path);
        if quality.warnings.iter().any(|text| text.contains(&refused)) {
            continue;
        }
        let (id, columns) = match id {
            Some(id) => (format!("build-id {id}"), 60),
            None if binary.path.starts_with('[') => {
                ("its build-id was not recorded".to_owned(), 60)
            }
            None => ("no build-id: record with --buildid-all".to_owned(), 32),
        };
        let path = cut_path(&binary.path, columns);
        lines.push(format!("no names: {path} is not here ({id})"));
    }
    let missing = &quality.missing_binaries;
    let of_kernel = missing.iter().filter(|binary| is_kernel(binary)).count();
    match missing.len().saturating_sub(MISSING) {
        0 => {}
        1 => lines.push("1 more binary is not here: `contend symbols` lists all".to_owned()),
        more => lines.push(format!(
            "{more} more binaries are not here: `contend symbols` lists all"
        )),
    }
    let hint = match (of_kernel > 0, of_kernel < missing.len()) {
        (false, false) => None,
        (true, false) => Some("--kallsyms FILE takes the machine's /proc/kallsyms"),
        (false, true) => Some("--symbol-dir DIR says where binaries are"),
        (true, true) => Some(
            "--symbol-dir DIR says where binaries are, --kallsyms FILE takes the machine's \
             /proc/kallsyms",
        ),
    };
    lines.extend(hint.map(str::to_owned));
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    writeln!(out, "{}", style.bold(title))?;
    for line in lines {
        for line in wrap(&line, WIDTH - 2, 2) {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}

/// What is said of several things, said of one.
fn singular(what: &str) -> String {
    const NOUNS: [&str; 7] = [
        "bytes", "chains", "look-ups", "records", "samples", "stacks", "times",
    ];
    let mut words: Vec<&str> = what.split(' ').collect();
    let noun = words
        .iter_mut()
        .find(|word| NOUNS.contains(&word.trim_end_matches(':')));
    if let Some(noun) = noun {
        *noun = noun.strip_suffix('s').unwrap_or(noun);
    }
    let text = words.join(" ");
    text.replacen(" that follow ", " that follows ", 1)
        .replacen("capture are missing", "capture is missing", 1)
}

/// Whether it is the kernel or one of its modules, which no folder of binaries
/// helps.
fn is_kernel(binary: &MissingBinary) -> bool {
    let file = binary.path.rsplit('/').next().unwrap_or_default();
    let is_module = file.ends_with(".ko") || file.contains(".ko.");
    is_module || binary.path.starts_with('[') && !binary.path.starts_with("[vdso]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_has_no_plural() {
        for (several, one) in [
            ("stacks without a frame", "stack without a frame"),
            (
                "records lost: the kernel's buffer was full",
                "record lost: the kernel's buffer was full",
            ),
            (
                "bytes of the capture are missing or could not be read",
                "byte of the capture is missing or could not be read",
            ),
            (
                "user stacks that follow frame pointers",
                "user stack that follows frame pointers",
            ),
            ("something else", "something else"),
        ] {
            assert_eq!(singular(several), one);
        }
    }
}
