//! `contend symbols` as a table.

use super::info;
use super::style::{Style, WIDTH, count, cut_path, safe};
use crate::result::Symbols;
use std::io::{self, Write};

/// Writes the table.
pub(crate) fn table(out: &mut dyn Write, result: &Symbols, color: bool) -> io::Result<()> {
    let style = Style { color };
    let found = result.binaries.iter().filter(|it| it.state == "found");
    let title = format!(
        "{} of {} binaries are here",
        found.count(),
        result.binaries.len()
    );
    writeln!(out, "{}", style.bold(&title))?;
    let header = format!(
        "  {:>10}  {:<8} {:<40} {}",
        "samples", "state", "binary", "build-id"
    );
    writeln!(out, "{}", style.dim(&header))?;
    for binary in &result.binaries {
        let id = binary.build_id.as_deref().unwrap_or("not recorded");
        writeln!(
            out,
            "  {:>10}  {:<8} {:<40} {}",
            count(binary.samples),
            binary.state,
            cut_path(&binary.path, 40),
            safe(id),
        )?;
        let mut below = |what: &str, text: &str| writeln!(out, "{:14}{what} {}", "", safe(text));
        if let Some(file) = &binary.file {
            let is_file = binary.wanted.is_none() && !binary.path.starts_with('[');
            let mut remarks: Vec<&str> = binary.source.into_iter().collect();
            if is_file && !binary.verified {
                remarks.push("not verified");
            }
            if is_file && !binary.source_lines {
                remarks.push("no source lines");
            }
            below("file", &format!("{file} ({})", remarks.join(", ")))?;
        }
        if let Some(debug) = &binary.debug {
            below("debug", debug)?;
        }
        if let Some(shared) = &binary.shared {
            below("shared", shared)?;
        }
        for other in &binary.refused {
            let id = other.build_id.as_deref().unwrap_or("none");
            // "refused" and what stands around path and build-id.
            let columns = 14 + 8 + other.path.chars().count() + 12 + id.len();
            if columns <= WIDTH {
                below("refused", &format!("{} (build-id {id})", other.path))?;
            } else {
                below("refused", &other.path)?;
                below("       ", &format!("(build-id {id})"))?;
            }
        }
        if let Some(wanted) = &binary.wanted {
            let how = if wanted == "/proc/kallsyms" {
                "--kallsyms with a copy of the machine's".to_owned()
            } else {
                "in a --symbol-dir:".to_owned()
            };
            below("wanted", &format!("{how} {wanted}"))?;
        }
    }
    let mut quality = result.quality.clone();
    // They are in the table.
    quality.missing_binaries.clear();
    info::quality(out, &quality, style)
}
