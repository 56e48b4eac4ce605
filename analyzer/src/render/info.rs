//! `contend info` as a table.

use super::style::{Style, WIDTH, count, cut, cut_path, duration, wrap};
use crate::result::{Can, Info, MissingBinary, SpeQuality};
use std::io::{self, Write};

/// The questions that have a command.
const ANSWERED: [&str; 5] = ["c2c", "latency", "offcpu", "oncpu", "spe"];

/// Missing binaries that are listed; the document has all.
const MISSING: usize = 4;

/// Writes the table.
pub(crate) fn table(out: &mut dyn Write, info: &Info, color: bool) -> io::Result<()> {
    let style = Style { color };
    let capture = &info.capture;
    let mut fact = |name: &str, value: Option<String>| -> io::Result<()> {
        let value = value.filter(|value| !value.trim().is_empty());
        let lines = value.iter().flat_map(|value| wrap(value, WIDTH - 11, 0));
        for (number, line) in lines.enumerate() {
            let name = if number == 0 { name } else { "" };
            writeln!(out, "{}", format!("{name:<10} {line}").trim_end())?;
        }
        Ok(())
    };
    fact(
        "capture",
        Some(format!("{} ({})", capture.file, capture.format)),
    )?;
    fact("host", capture.host.clone())?;
    let kernel = [&capture.kernel, &capture.arch];
    let kernel: Vec<&str> = kernel.into_iter().flatten().map(String::as_str).collect();
    fact("kernel", (!kernel.is_empty()).then(|| kernel.join(" ")))?;
    fact("cpu", capture.cpu.clone())?;
    fact("cpus", cpus(info))?;
    fact("perf", capture.perf_version.clone())?;
    fact("command", capture.command.clone())?;
    fact("duration", capture.duration_s.map(duration))?;
    fact("spe", info.quality.spe.as_ref().map(spe))?;
    writeln!(out)?;
    writeln!(out, "{}", style.bold("Events"))?;
    for event in &info.events {
        let name = cut(&event.name, 59);
        let samples = count(event.samples);
        writeln!(out, "  {samples:>14} samples  {name:<59} {}", event.kind)?;
    }
    writeln!(out)?;
    writeln!(out, "{}", style.bold("Records"))?;
    let mut records: Vec<(&String, &u64)> = info.records.iter().collect();
    records.sort_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
    for (name, number) in records {
        writeln!(out, "  {:>14} {name}", count(*number))?;
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
    quality(out, &info.quality, style)
}

/// What Arm SPE sampled: how much, on which cores, how often.
fn spe(spe: &SpeQuality) -> String {
    let mut cores: Vec<(&str, usize)> = Vec::new();
    for cpu in spe.cpus.iter().filter(|cpu| cpu.records > 0) {
        match cores.iter_mut().find(|(core, _)| *core == cpu.core) {
            Some((_, cpus)) => *cpus += 1,
            None => cores.push((&cpu.core, 1)),
        }
    }
    let cores: Vec<String> = cores
        .iter()
        .map(|(core, cpus)| format!("{cpus} {core}"))
        .collect();
    let mut text = format!("{} records of {}", count(spe.records), cores.join(", "));
    if let Some(period) = spe.interval.period {
        text += &format!("; one in {} operations", count(period));
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
pub(super) fn quality(
    out: &mut dyn Write,
    quality: &crate::result::Quality,
    style: Style,
) -> io::Result<()> {
    let mut lines: Vec<String> = Vec::new();
    let mut counted = |number: u64, what: &str| {
        if number > 0 {
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
        0 if missing.is_empty() => {}
        0 => lines.push(match (of_kernel > 0, of_kernel < missing.len()) {
            (true, false) => "--kallsyms FILE takes the machine's /proc/kallsyms".to_owned(),
            (false, _) => "--symbol-dir DIR says where binaries are".to_owned(),
            (true, true) => "--symbol-dir DIR says where binaries are, --kallsyms FILE takes the \
                             machine's /proc/kallsyms"
                .to_owned(),
        }),
        more => lines.push(format!(
            "{more} more binaries are not here (`contend symbols` lists all); --symbol-dir DIR \
             says where they are{}",
            if of_kernel > 0 {
                ", --kallsyms FILE takes the machine's /proc/kallsyms"
            } else {
                ""
            }
        )),
    }
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    writeln!(out, "{}", style.bold("Lost, skipped or missing"))?;
    for line in lines {
        for line in wrap(&line, WIDTH - 2, 2) {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}

/// Whether it is the kernel or one of its modules, which no folder of binaries
/// helps.
fn is_kernel(binary: &MissingBinary) -> bool {
    let file = binary.path.rsplit('/').next().unwrap_or_default();
    let is_module = file.ends_with(".ko") || file.contains(".ko.");
    is_module || binary.path.starts_with('[') && !binary.path.starts_with("[vdso]")
}
