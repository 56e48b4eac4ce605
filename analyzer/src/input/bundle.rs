//! Opens the capture in a bundle.

use super::{Form, Input};
use anyhow::{Result, bail};
use contend_bundle::{Bundle, Limits, layout, looks_like_archive};
use contend_perfdata::{FileSource, PerfData, Source};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Bytes by which an archive is known: one block of a tar.
const PROBE: usize = 512;
/// Notes of the manifest that are repeated.
const MOST_NOTES: usize = 20;
/// Names that are listed of a bundle without a capture.
const NAMES_LISTED: usize = 5;

/// Whether a file is an archive. No perf.data begins like one.
pub(super) fn is_packed(source: &FileSource) -> Result<bool> {
    let mut first = [0; PROBE];
    let count = source.fill_at(0, &mut first)?;
    Ok(looks_like_archive(&first[..count]))
}

/// Whether a directory is an unpacked bundle.
pub(super) fn is_unpacked(path: &Path) -> bool {
    path.join(layout::MANIFEST).is_file()
}

pub(super) fn open_packed(file: File) -> Result<Input> {
    open(Bundle::from_file(file, &Limits::default())?)
}

pub(super) fn open_unpacked(path: &Path) -> Result<Input> {
    open(Bundle::open(path, &Limits::default())?)
}

/// Opens the first capture and notes what is not read or not there.
fn open(bundle: Bundle) -> Result<Input> {
    let mut notes = bundle.notes().to_vec();
    let own = &bundle.manifest().notes;
    notes.extend(own.iter().take(MOST_NOTES).cloned());
    if own.len() > MOST_NOTES {
        notes.push(format!(
            "the manifest has {} notes more",
            own.len() - MOST_NOTES
        ));
    }
    let captures: Vec<&str> = bundle.captures().collect();
    let Some((&name, others)) = captures.split_first() else {
        bail!("{}", no_capture(&bundle));
    };
    if !others.is_empty() {
        notes.push(format!(
            "the bundle has {} captures: {name} is read, and not {}; unpack it \
             (`tar --zstd -xf`) and name the file of another",
            captures.len(),
            others.join(", ")
        ));
    }
    let extracted = bundle.extract(name)?;
    notes.extend(extracted.note);
    let data = PerfData::open(Arc::new(FileSource::new(extracted.file)?))?;
    Ok(Input {
        data,
        form: Form::Bundle,
        bundle: Some(Arc::new(bundle)),
        notes,
    })
}

fn no_capture(bundle: &Bundle) -> String {
    let members = bundle.members();
    let mut names: Vec<&str> = members.iter().map(|member| member.name()).collect();
    let more = names.len().saturating_sub(NAMES_LISTED);
    names.truncate(NAMES_LISTED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let why = match bundle.notes().first() {
        Some(note) if !bundle.is_whole() => format!("; {note}"),
        _ => String::new(),
    };
    format!(
        "the bundle has no capture, a member that ends in {}; it has {}{more}{why}",
        layout::CAPTURE_SUFFIX,
        names.join(", ")
    )
}
