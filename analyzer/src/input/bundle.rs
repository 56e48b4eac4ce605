//! Opens the capture in a bundle.

use super::{Form, Input, Which};
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

pub(super) fn open_packed(file: File, which: Which<'_>) -> Result<Input> {
    open(Bundle::from_file(file, &Limits::default())?, which)
}

pub(super) fn open_unpacked(path: &Path, which: Which<'_>) -> Result<Input> {
    open(Bundle::open(path, &Limits::default())?, which)
}

/// Opens the capture that is meant and notes what is not read or not there.
fn open(bundle: Bundle, which: Which<'_>) -> Result<Input> {
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
    let Some(&first) = captures.first() else {
        bail!("{}", no_capture(&bundle));
    };
    let asked = match which {
        Which::Kinds(kinds) => of_kind(&bundle, &captures, kinds),
        Which::Member(member) => captures.iter().copied().find(|&name| name == member),
    };
    let name = asked.unwrap_or(first);
    if captures.len() > 1 && asked.is_none() {
        let others: Vec<&str> = captures.iter().copied().filter(|&it| it != name).collect();
        let facts = &bundle.manifest().captures;
        let has_kind = |it: &&str| {
            facts
                .iter()
                .any(|facts| facts.member == **it && facts.kind.is_some())
        };
        let how = if others.iter().all(has_kind) {
            ", which the commands of their kinds read"
        } else {
            "; unpack it (`tar --zstd -xf`) and name the file of another"
        };
        notes.push(format!(
            "the bundle has {} captures: {name} is read, and not {}{how}",
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

/// Whether a note says that captures of a bundle are not read; for who reads all.
pub(crate) fn tells_of_unread(note: &str) -> bool {
    note.starts_with("the bundle has ") && note.contains(" is read, and not ")
}

/// The first capture that the manifest says to be of one of these kinds.
fn of_kind<'a>(bundle: &Bundle, captures: &[&'a str], kinds: &[&str]) -> Option<&'a str> {
    let facts = &bundle.manifest().captures;
    let is_it = |name: &str| {
        let mut named = facts.iter().filter(|facts| facts.member == name);
        named.any(|facts| {
            facts
                .kind
                .as_deref()
                .is_some_and(|kind| kinds.contains(&kind))
        })
    };
    captures.iter().copied().find(|name| is_it(name))
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
