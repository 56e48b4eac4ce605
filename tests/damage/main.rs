//! Captures that end too early, as those of a killed recorder or a full disk do.
//!
//! What is expected is counted by this test's own decoder: the counters of the
//! whole records before the cut. `CONTEND_TEST_FULL=1` tries every cut of every
//! capture; by default the largest captures get a sample of their cuts.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

use common::capture::{COUNTERS, Capture, Counters};
use common::compare;
use common::{contend_on, shared_captures};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Cuts at record boundaries tried on a capture unless everything is asked for.
const BOUNDARIES: usize = 400;
const ARBITRARY: usize = 1000;

fn everything() -> bool {
    std::env::var_os("CONTEND_TEST_FULL").is_some()
}

fn captures() -> Vec<PathBuf> {
    let mut files = vec![common::workspace().join("fixtures/demo/false-sharing.perf.data")];
    if let Some(shared) = shared_captures() {
        let mut names = vec!["b_heap", "g_rust"];
        if everything() {
            names.extend(["a_static", "c_atomic", "d_mutex", "f_config"]);
        }
        files.extend(
            names
                .iter()
                .map(|name| shared.join(format!("mem-realistic/{name}.perf.data"))),
        );
    }
    files
}

/// Numbers that look arbitrary and are the same in every run.
fn arbitrary(count: usize, below: usize) -> impl Iterator<Item = usize> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    })
}

/// One capture, the places of its records, and the counters after each.
struct Subject {
    name: String,
    capture: Capture,
    /// End of each record; the first is the start of the data section.
    ends: Vec<usize>,
    counters: Vec<Counters>,
}

impl Subject {
    fn new(file: &Path) -> Self {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let bytes =
            std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let capture = Capture::new(bytes);
        let mut ends = vec![capture.data.start];
        ends.extend(capture.records().iter().map(|(_, range)| range.end));
        let counters = capture.counters_after_each_record();
        Self {
            name,
            capture,
            ends,
            counters,
        }
    }

    /// Cuts the capture at `at` and compares. A difference is given back.
    fn cut(&self, at: usize, scratch: &Path) -> Result<(), String> {
        let file = scratch.join(format!("cut-{at}.perf.data"));
        std::fs::write(&file, &self.capture.bytes[..at]).unwrap();
        let ended = contend_on(&file, &["c2c", "--json", "--show-all", "--threads", "1"]);
        std::fs::remove_file(&file).unwrap();
        let fail = |what: String| Err(format!("{} cut at {at}: {what}", self.name));

        // Whole records before the cut; none when the cut is in the header.
        let whole = self.ends.partition_point(|end| *end <= at);
        let expected = whole.checked_sub(1).map(|index| &self.counters[index]);
        let samples = expected.map_or(0, |counters| counters.get("nr_entries"));
        if samples == 0 {
            // Nothing to report: a refusal in one line will do, or empty counters.
            return match ended.code {
                Some(2)
                    if ended.stderr.lines().count() == 1 && !ended.stderr.contains("panicked") =>
                {
                    Ok(())
                }
                Some(0) => Ok(()),
                code => fail(format!("exit {code:?}: {}", ended.stderr)),
            };
        }
        if ended.code != Some(0) {
            return fail(format!("exit {:?}: {}", ended.code, ended.stderr));
        }
        let document: Value = match serde_json::from_slice(&ended.stdout) {
            Ok(document) => document,
            Err(error) => return fail(error.to_string()),
        };
        let counters = compare::Counters(&document["perf_counters"]);
        let expected = expected.unwrap();
        for name in COUNTERS {
            if counters.get(name) != expected.get(name) {
                return fail(format!(
                    "{name}: {}, before the cut are {}",
                    counters.get(name),
                    expected.get(name)
                ));
            }
        }
        let quality = &document["quality"];
        let warnings = quality["warnings"].as_array().map_or(0, Vec::len);
        if at < self.capture.bytes.len() && warnings == 0 {
            return fail("no warning".to_owned());
        }
        let partial = at - self.ends[whole - 1];
        if at < self.capture.data.end
            && partial > 0
            && quality["truncated_bytes"].as_u64().unwrap_or(0) == 0
        {
            return fail(format!(
                "{partial} bytes of a record were dropped without a word"
            ));
        }
        if at < self.capture.data.end && quality["truncated_bytes"].as_u64().is_none() {
            return fail("no truncated_bytes".to_owned());
        }
        Ok(())
    }

    fn cut_all(&self, cuts: &[usize]) -> Vec<String> {
        let scratch = tempfile::tempdir().unwrap();
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..workers)
                .map(|worker| {
                    let scratch = scratch.path();
                    scope.spawn(move || {
                        let mine = cuts.iter().skip(worker).step_by(workers);
                        mine.filter_map(|at| self.cut(*at, scratch).err())
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            handles
                .into_iter()
                .flat_map(|handle| handle.join().unwrap())
                .collect()
        })
    }
}

#[test]
fn cut_at_record_boundaries() {
    for file in captures() {
        let subject = Subject::new(&file);
        let step = if everything() {
            1
        } else {
            subject.ends.len().div_ceil(BOUNDARIES)
        };
        let mut cuts: Vec<usize> = subject.ends.iter().copied().step_by(step).collect();
        cuts.extend(subject.ends.iter().rev().take(8));
        cuts.sort_unstable();
        cuts.dedup();
        compare::assert_none("cut at record boundaries", &subject.cut_all(&cuts));
    }
}

#[test]
fn cut_at_arbitrary_bytes() {
    for file in captures() {
        let subject = Subject::new(&file);
        let mut cuts: Vec<usize> = arbitrary(ARBITRARY, subject.capture.bytes.len()).collect();
        cuts.sort_unstable();
        cuts.dedup();
        compare::assert_none("cut at arbitrary bytes", &subject.cut_all(&cuts));
    }
}

/// A capture of only the records before the cut, otherwise intact, has the very
/// lines that the cut one has: also `nomap`, which needs the address spaces.
#[test]
fn a_cut_capture_equals_an_intact_one_that_ends_there() {
    let scratch = tempfile::tempdir().unwrap();
    for file in captures() {
        let subject = Subject::new(&file);
        for tenth in 1..10 {
            let records = subject.ends.len() * tenth / 10;
            let [cut, short] =
                ["cut", "short"].map(|name| scratch.path().join(format!("{name}.perf.data")));
            std::fs::write(&cut, &subject.capture.bytes[..subject.ends[records]]).unwrap();
            std::fs::write(
                &short,
                subject.capture.with_records(|index, _| index < records),
            )
            .unwrap();
            let [cut, short] =
                [cut, short].map(|file| contend_on(&file, &["c2c", "--json", "--show-all"]));
            if short.code == Some(2) && cut.code == Some(2) {
                continue;
            }
            let what = format!("{}, {records} records", subject.name);
            let [cut, short] = [cut, short].map(|ended| ended.json(&what));
            assert_eq!(cut["perf_counters"], short["perf_counters"], "{what}");
            assert_eq!(cut["classes"], short["classes"], "{what}");
            let keys = |document: &Value| -> Vec<(String, String, usize)> {
                let lines = document["lines"].as_array().unwrap();
                let key = |line: &Value| {
                    let rows = line["rows"].as_array().map_or(0, Vec::len);
                    (
                        line["address"].to_string(),
                        line["perf_counters"].to_string(),
                        rows,
                    )
                };
                lines.iter().map(key).collect()
            };
            assert_eq!(keys(&cut), keys(&short), "{what}");
        }
    }
}
