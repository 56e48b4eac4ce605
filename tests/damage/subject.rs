//! What is cut, and what is expected of a cut.

use crate::common::capture::Capture;
use crate::common::counters::Counters;
use crate::common::{shared_captures, synthetic};
use std::path::{Path, PathBuf};

const REALISTIC: [&str; 6] = [
    "b_heap", "a_static", "c_atomic", "d_mutex", "f_config", "g_rust",
];

/// Synthetic captures whose events all have samples of one fixed layout, which
/// is all that the decoder of these tests reads.
const SYNTHETIC: [&str; 4] = ["false-sharing", "attr-64", "attr-136", "unknown-records"];
const MORE_SYNTHETIC: [&str; 3] = ["amd-zen2", "amd-zen4", "power10"];

pub(crate) fn everything() -> bool {
    std::env::var_os("CONTEND_TEST_FULL").is_some()
}

/// One capture, the places of its records, and the counters after each.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) capture: Capture,
    /// End of each record; the first is the start of the data section.
    pub(crate) ends: Vec<usize>,
    counters: Vec<Counters>,
}

impl Subject {
    pub(crate) fn new(name: &str, bytes: Vec<u8>) -> Self {
        let capture = Capture::new(bytes);
        let mut ends = vec![capture.data.start];
        ends.extend(capture.records().iter().map(|(_, range)| range.end));
        let counters = capture.counters_after_each_record();
        assert_eq!(counters.len(), ends.len());
        Self {
            name: name.to_owned(),
            capture,
            ends,
            counters,
        }
    }

    /// The counters of the whole records in the first `at` bytes; nothing when
    /// these end in the header.
    pub(crate) fn before(&self, at: usize) -> Option<&Counters> {
        let whole = self.ends.partition_point(|end| *end <= at);
        Some(&self.counters[whole.checked_sub(1)?])
    }

    /// Bytes of the data section that are lost with a cut at `at`: those that are
    /// gone, and those of the record that was cut.
    pub(crate) fn lost(&self, at: usize) -> usize {
        let whole = self.ends.partition_point(|end| *end <= at);
        let read = whole.checked_sub(1).map_or(0, |last| self.ends[last]);
        self.capture.data.end - read
    }
}

/// What is cut here: the demo, other small captures and a real one; all that the
/// decoder reads when everything is asked for.
pub(crate) fn subjects() -> Vec<Subject> {
    let mut names = SYNTHETIC.to_vec();
    let mut real = 1;
    if everything() {
        names.extend(MORE_SYNTHETIC);
        real = REALISTIC.len();
    }
    let all = synthetic::all();
    let mut subjects: Vec<Subject> = names
        .iter()
        .map(|name| {
            let capture = all.iter().find(|capture| capture.name == *name);
            Subject::new(name, capture.expect(name).bytes.clone())
        })
        .collect();
    if let Some(shared) = shared_captures() {
        subjects.extend(REALISTIC.iter().take(real).map(|name| {
            let file = shared.join(format!("mem-realistic/{name}.perf.data"));
            Subject::new(name, read(&file))
        }));
    }
    subjects
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Numbers that look arbitrary and are the same in every run.
pub(crate) fn arbitrary(count: usize, below: usize) -> impl Iterator<Item = usize> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    })
}

/// A scratch file that goes away with its folder.
pub(crate) struct Scratch {
    _folder: tempfile::TempDir,
    pub(crate) file: PathBuf,
}

impl Scratch {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cut.perf.data");
        std::fs::write(&file, bytes).unwrap();
        Self {
            _folder: folder,
            file,
        }
    }
}
