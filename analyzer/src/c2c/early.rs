//! Rows that the first pass files already.
//!
//! Which lines are shown is known for certain at the end of the first pass only,
//! but the lines that get hot are among the busiest after a few chunks. From then
//! on the first pass files the rows of their samples, and the second pass has to
//! read only the chunks before. A guess that was wrong costs a little memory, and
//! a line that nobody guessed the second pass in full; neither changes a number.
//!
//! ```text
//! chunk      0   1   2   3   4   5   6   7   8
//! set        0   0   0   1   1   2   2   2   2   which version its worker had
//! line A                 ├───────────────────    in the set from version 1 on
//! line B                         ├───────────    from version 2 on
//! pass 2     ├───────────────────┤               A up to here: 2, B: 4
//! ```

use super::analysis::Sort;
use super::counts::LineCounts;
use super::lines::RawKey;
use super::rows::{Coalesce, Rows};
use foldhash::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The share of the metric that makes a line hot: half of what a line needs to be
/// shown, since shares move until the end.
const HOT_SHARE: f64 = 0.0005;

/// The most lines in the set: no more than a thousand are shown.
const MOST_LINES: usize = 2048;

/// The most rows that a worker files in the first pass: they take a few
/// kilobytes each. A capture with more has nothing filed early.
const MOST_ROWS: usize = 1 << 14;

/// The hot lines at one moment of the first pass.
pub(super) struct HotSet {
    version: u32,
    /// The number of each line, and the first version that has it.
    lines: HashMap<RawKey, (u16, u32)>,
}

impl HotSet {
    fn empty() -> Self {
        Self {
            version: 0,
            lines: HashMap::default(),
        }
    }

    /// The number of a line from 1 up, or 0 if it is not hot.
    pub(super) fn number(&self, key: &RawKey) -> u16 {
        self.lines.get(key).map_or(0, |&(number, _)| number + 1)
    }

    /// The lines with their numbers from 0 up.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&RawKey, u16)> {
        self.lines.iter().map(|(key, &(number, _))| (key, number))
    }

    /// Counts the changes of the set.
    pub(super) fn version(&self) -> u32 {
        self.version
    }
}

/// The hot lines, as all workers of the first pass find them.
pub(super) struct HotLines {
    set: Mutex<Arc<HotSet>>,
    /// What lines will be ordered by.
    sort: Sort,
    /// The metric of all samples that were counted so far.
    total: AtomicU64,
    is_off: AtomicBool,
}

impl HotLines {
    /// No lines yet; `sort` is the likely order of lines. Absent where rows cannot
    /// be told apart before all mappings are known.
    pub(super) fn new(sort: Sort, coalesce: &[Coalesce]) -> Option<Self> {
        (!coalesce.contains(&Coalesce::Dso)).then(|| Self {
            set: Mutex::new(Arc::new(HotSet::empty())),
            sort,
            total: AtomicU64::new(0),
            is_off: AtomicBool::new(false),
        })
    }

    /// The set as it is now.
    pub(super) fn current(&self) -> Arc<HotSet> {
        Arc::clone(&self.set.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What lines are likely ordered by.
    pub(super) fn sort(&self) -> Sort {
        self.sort
    }

    /// Takes what a worker has learned from a chunk: how much the metric of all
    /// samples has grown, and lines that have many samples, with their counts.
    pub(super) fn learn(&self, growth: u64, busy: impl Iterator<Item = (RawKey, LineCounts)>) {
        let total = growth + self.total.fetch_add(growth, Ordering::Relaxed);
        let least = ((total as f64 * HOT_SHARE) as u64).max(1);
        let hot: Vec<RawKey> = busy
            .filter(|(_, counts)| self.sort.metric_by(|counter| counts.get(counter)) >= least)
            .map(|(key, _)| key)
            .collect();
        if !hot.is_empty() && !self.is_off() {
            self.add(&hot);
        }
    }

    fn add(&self, hot: &[RawKey]) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = |key: &&RawKey| !set.lines.contains_key(key);
        let new: Vec<RawKey> = hot.iter().filter(is_new).copied().collect();
        let room = MOST_LINES - set.lines.len();
        if new.is_empty() || room == 0 {
            return;
        }
        let version = set.version + 1;
        let mut lines = set.lines.clone();
        for key in new.into_iter().take(room) {
            let number = lines.len() as u16;
            lines.entry(key).or_insert((number, version));
        }
        *set = Arc::new(HotSet { version, lines });
    }

    /// Whether there are too many rows.
    pub(super) fn is_off(&self) -> bool {
        self.is_off.load(Ordering::Relaxed)
    }

    /// Gives up when a worker has too many rows.
    pub(super) fn check(&self, rows: &Rows) {
        if rows.len() > MOST_ROWS {
            self.is_off.store(true, Ordering::Relaxed);
        }
    }
}

/// Which version of the set each chunk was walked with.
#[derive(Clone, Debug, Default)]
pub(super) struct Versions {
    /// By the place of the first record of a chunk.
    chunks: Vec<(u64, u32)>,
}

impl Versions {
    /// Notes a chunk.
    pub(super) fn note(&mut self, first: u64, version: u32) {
        self.chunks.push((first, version));
    }

    /// The version at the chunk with this first record.
    pub(super) fn at(&self, first: u64) -> u32 {
        let behind = self.chunks.partition_point(|&(chunk, _)| chunk <= first);
        let chunk = behind.checked_sub(1).map(|index| self.chunks[index]);
        chunk.map_or(0, |(_, version)| version)
    }
}

/// What the first pass has filed.
#[derive(Default)]
pub(super) struct EarlyRows {
    /// By the number of the line in the set. Their `nomap` counts the samples that
    /// perf looks up: whether their data is mapped is not known yet.
    pub(super) rows: Rows,
    /// The lines of the set by number, each with the first version that has it.
    pub(super) lines: Vec<(RawKey, u32)>,
    pub(super) versions: Versions,
}

impl EarlyRows {
    /// Joins what all workers have filed; nothing when they had to give up.
    pub(super) fn join(hot: &HotLines, parts: impl Iterator<Item = (Rows, Versions)>) -> Self {
        if hot.is_off() {
            return Self::default();
        }
        let set = hot.current();
        let mut lines = vec![(RawKey::default(), 0); set.lines.len()];
        for (key, &(number, version)) in &set.lines {
            lines[usize::from(number)] = (*key, version);
        }
        let mut all = Self {
            lines,
            ..Self::default()
        };
        for (rows, versions) in parts {
            all.rows.merge(rows);
            all.versions.chunks.extend(versions.chunks);
        }
        all.versions.chunks.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::c2c::{Analysis, Options, analyze, report};
    use crate::capture::Capture;
    use crate::filter::Filter;
    use crate::memory::Counter;
    use crate::symbols::SymbolSources;
    use contend_fixtures::Big;

    fn key(line: u64) -> RawKey {
        RawKey {
            line,
            ..RawKey::default()
        }
    }

    fn hitms(count: u32) -> LineCounts {
        LineCounts::of(Counter::LclHitm, count)
    }

    #[test]
    fn lines_with_a_large_share_get_in_once_and_stay() {
        let hot = HotLines::new(Sort::Total, &[]).unwrap();
        hot.learn(
            100_000,
            [(key(64), hitms(49)), (key(128), hitms(50))].into_iter(),
        );
        let first = hot.current();
        assert_eq!((first.number(&key(64)), first.number(&key(128))), (0, 1));
        hot.learn(0, [(key(128), hitms(90)), (key(64), hitms(60))].into_iter());
        let second = hot.current();
        assert_eq!((first.version(), second.version()), (1, 2));
        assert_eq!((second.number(&key(64)), second.number(&key(128))), (2, 1));
        let early = EarlyRows::join(&hot, std::iter::empty());
        assert_eq!(early.lines, [(key(128), 1), (key(64), 2)]);
    }

    /// A capture with hot lines, walked in chunks of so many bytes.
    fn analyzed(threads: usize, chunk: usize, coalesce: Coalesce) -> (Capture, Analysis) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let big = Big {
            samples: 40_000,
            lines: 500,
            rows_per_line: 3,
            cpus: 64,
        };
        big.write(file.as_file_mut()).unwrap();
        let mut capture = Capture::open(file.path(), threads, chunk).unwrap();
        let options = Options {
            sort: None,
            coalesce: vec![coalesce, Coalesce::Tid],
            show_all: false,
            line_size: 64,
            filter: Filter::default(),
            replay: false,
        };
        let analysis = analyze(&mut capture, options).unwrap();
        (capture, analysis)
    }

    /// Of a capture with hot lines the second pass reads a part only, and finds
    /// what it finds when it reads all.
    #[test]
    fn the_second_pass_reads_little() {
        // With more threads than one it reads as much as lay in front of where the
        // others were when the lines were found, which differs from run to run.
        let forms = [(1, 16 << 10), (1, 1 << 30), (2, 16 << 10)];
        for (coalesce, reads_little) in [(Coalesce::Iaddr, true), (Coalesce::Dso, false)] {
            let results = forms.map(|(threads, chunk)| {
                let (capture, analysis) = analyzed(threads, chunk, coalesce);
                let (walks, read, all) = capture.meter().state();
                let is_cut = chunk < 1 << 30;
                assert_eq!(walks, 2);
                if threads == 1 {
                    assert_eq!(
                        read < all / 4,
                        is_cut && reads_little,
                        "{read} of {all} bytes"
                    );
                }
                let sources = SymbolSources::default();
                let result = report(&capture, analysis, 64, &sources).unwrap();
                assert_eq!(result.lines.len(), 16);
                serde_json::to_string(&result.lines).unwrap()
            });
            for other in &results[1..] {
                assert!(results[0] == *other, "{coalesce:?}: the lines differ");
            }
        }
    }

    #[test]
    fn the_set_stays_small() {
        let hot = HotLines::new(Sort::Total, &[]).unwrap();
        for line in 0..2 * MOST_LINES as u64 {
            hot.learn(1, [(key(64 * line), hitms(1000))].into_iter());
        }
        assert_eq!(hot.current().lines.len(), MOST_LINES);
    }

    #[test]
    fn chunks_know_their_version_and_binaries_come_too_early() {
        let mut versions = Versions::default();
        for (at, version) in [(100, 0), (200, 2), (300, 3)] {
            versions.note(at, version);
        }
        let found = [99, 100, 199, 200, 1000].map(|at| versions.at(at));
        assert_eq!(found, [0, 0, 0, 2, 3]);
        assert!(HotLines::new(Sort::Total, &[Coalesce::Iaddr, Coalesce::Dso]).is_none());
    }
}
