//! The tables of `INDEX.md` that say how many samples each capture holds.

use std::path::Path;

/// The index has names up to this length: longer ones are cut.
pub(crate) const SHORTENED: usize = 60;

/// What the index says about one capture.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Relative to the folder of captures; maybe with `.xz` at the end.
    pub(crate) file: String,
    /// `(event name, samples)`. Names may be shortened, see [`SHORTENED`].
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

/// What `perf script` 7.2 prints, for the captures that it opens. It prints all
/// samples that there are, with two exceptions that are put right here.
pub(crate) fn read_perf(captures: &Path) -> Vec<Entry> {
    let table = captures.join("golden/samples-by-event.perf7.2.tsv");
    let text = std::fs::read_to_string(table).expect("samples by event");
    let mut entries = Vec::new();
    for line in text.lines() {
        let mut cells = line.split('\t');
        let (Some(file), Some("0"), Some(events)) = (cells.next(), cells.next(), cells.next())
        else {
            continue;
        };
        let events: Vec<(String, u64)> = events
            .split("; ")
            .filter_map(|part| part.rsplit_once(" ×"))
            .map(|(name, count)| (name.to_owned(), count.parse().expect("a count")))
            .collect();
        if events.is_empty() {
            // No samples, or perf refuses the file: the table does not say which.
            continue;
        }
        let samples = events.iter().map(|(_, count)| count).sum();
        let mut entry = Entry {
            file: file.to_owned(),
            events,
            complete: true,
            samples,
        };
        match file {
            // 895 samples of a virtual machine's guest, which perf leaves out.
            "odd/sevenevents-skylake-perf44.perf.data" => {
                entry.samples += 895;
                entry.events = [
                    ("cache-references", 66),
                    ("cache-misses", 46),
                    ("cycles", 3190),
                    ("instructions", 4177),
                    ("branches", 5204),
                    ("migrations", 3),
                ]
                .map(|(name, count)| (name.to_owned(), count))
                .to_vec();
            }
            // perf prints a sample of a group once for each of its two events.
            "odd/read-format-lost-group-perf66.perf.data" => {
                entry.samples /= 2;
                entry.events = vec![(entry.events[0].0.clone(), entry.samples)];
            }
            _ => {}
        }
        entries.push(entry);
    }
    entries
}

/// The local off-CPU captures that perf cannot open from a file, or whose samples
/// it refuses: the records are counted.
pub(crate) fn counted_by_hand() -> Vec<Entry> {
    let counted = [
        ("bpf-offcpu-time-raw", "offcpu-time", 3045),
        ("cpp-fp-a-pipe", "sched:sched_switch", 2148),
        ("cpp-fp-pipe", "sched:sched_switch", 2071),
    ];
    counted
        .map(|(name, event, samples)| Entry {
            file: format!("offcpu-local/{name}.data"),
            events: vec![(event.to_owned(), samples)],
            complete: true,
            samples,
        })
        .to_vec()
}
