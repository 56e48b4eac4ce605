//! The tables of `INDEX.md` that say how many samples each capture holds.

use std::path::Path;

/// What the index says about one capture.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Relative to the folder of captures; maybe with `.xz` at the end.
    pub(crate) file: String,
    /// `(event name, samples)`. Names that the index shortens have `…` in them.
    pub(crate) events: Vec<(String, u64)>,
    /// False when the index leaves some events out.
    pub(crate) complete: bool,
    pub(crate) samples: u64,
}

/// Reads the tables under mem, offcpu and odd. The columns are found by their titles.
pub(crate) fn read(captures: &Path) -> Vec<Entry> {
    let text =
        std::fs::read_to_string(captures.join("INDEX.md")).expect("the index of the captures");
    let mut entries = Vec::new();
    let mut columns = None;
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.len() < 4 {
            columns = None;
            continue;
        }
        let find = |title: &str| cells.iter().position(|cell| *cell == title);
        if let (Some(events), Some(samples)) = (find("events ×samples"), find("samples")) {
            columns = Some((events, samples));
            continue;
        }
        let Some((events, samples)) = columns else {
            continue;
        };
        let Some(file) = cells[1]
            .strip_prefix('`')
            .and_then(|cell| cell.strip_suffix('`'))
        else {
            continue;
        };
        let parts = cells[events]
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let parsed: Vec<Option<(String, u64)>> = parts
            .map(|part| {
                let (name, count) = part.rsplit_once(" ×")?;
                Some((name.to_owned(), count.parse().ok()?))
            })
            .collect();
        entries.push(Entry {
            file: file.to_owned(),
            complete: parsed.iter().all(Option::is_some),
            events: parsed.into_iter().flatten().collect(),
            samples: cells[samples].parse().unwrap_or_else(|_| panic!("{line}")),
        });
    }
    entries
}

/// The samples of the local off-CPU captures: those that perf 7.2 printed, which
/// are all there are in these files, and for what perf cannot open from a file
/// or refuses the sample records in them, counted by walking the record headers.
pub(crate) fn read_offcpu_local(captures: &Path) -> Vec<Entry> {
    let table = captures.join("golden/samples-by-event.perf7.2.tsv");
    let text = std::fs::read_to_string(table).expect("samples by event");
    let mut entries = Vec::new();
    for line in text.lines() {
        let mut cells = line.split('\t');
        let (Some(file), Some("0"), Some(events)) = (cells.next(), cells.next(), cells.next())
        else {
            continue;
        };
        if !file.starts_with("offcpu-local/") {
            continue;
        }
        let events: Vec<(String, u64)> = events
            .split("; ")
            .filter_map(|part| part.rsplit_once(" ×"))
            .map(|(name, count)| (name.to_owned(), count.parse().expect("a count")))
            .collect();
        let samples = events.iter().map(|(_, count)| count).sum();
        entries.push(Entry {
            file: file.to_owned(),
            events,
            complete: true,
            samples,
        });
    }
    for (name, samples) in [
        ("bpf-offcpu-time-raw", 3045),
        ("cpp-fp-a-pipe", 2148),
        ("cpp-fp-pipe", 2071),
    ] {
        let event = if name.starts_with("bpf") {
            "offcpu-time"
        } else {
            "sched:sched_switch"
        };
        entries.push(Entry {
            file: format!("offcpu-local/{name}.data"),
            events: vec![(event.to_owned(), samples)],
            complete: true,
            samples,
        });
    }
    entries
}
