//! All lines with their counters: which are shared, which are shown.

use super::analysis::Sort;
use super::counts::LineCounts;
use super::excess::Excess;
use super::identity::{LineId, RawRef};
use super::lines::{RawKey, RawLine};
use crate::memory::Counters;
use contend_perfdata::At;
use rayon::prelude::*;

/// A line is shown when it has at least this share of the metric of all shared
/// lines (`DISPLAY_LINE_LIMIT` in `tools/perf/builtin-c2c.c`).
const SHOWN_SHARE: f64 = 0.001;

/// A line that is shown, before its details are known.
pub(super) struct Shown {
    pub(super) id: LineId,
    /// Its first sample, and the raw line of that.
    pub(super) first: At,
    pub(super) key: RawKey,
    /// What it is ordered by.
    pub(super) metric: u64,
    /// The raw lines that are in the table.
    pub(super) raw: Vec<RawRef>,
}

/// So many lines a thread goes over before it looks for more.
const GROUPS_AT_ONCE: usize = 4096;

/// Sums over all lines, and which of them have what lines are chosen by.
#[derive(Default)]
pub(super) struct Sums {
    /// How many lines are shared, and perf's counters of them.
    pub(super) shared_lines: u64,
    pub(super) shared: Counters,
    /// How many loads and stores have no mapping for their data.
    pub(super) unmapped: u64,
    /// The metric of all shared lines; of all lines where it is latency.
    metric: u64,
    /// The metric of every line that may be shown.
    candidates: Vec<(u64, (u32, u32))>,
}

impl Sums {
    /// Adds those of the lines that come next.
    fn join(&mut self, next: Self) {
        self.shared_lines += next.shared_lines;
        self.shared.merge(&next.shared);
        self.unmapped += next.unmapped;
        self.candidates.extend(next.candidates);
    }
}

/// All lines in the order in which perf breaks ties: each a run of raw lines.
pub(super) struct Lines {
    entries: Vec<(LineId, RawRef)>,
    varying: Vec<(LineId, RawLine)>,
    /// Where in `entries` each line begins and ends.
    groups: Vec<(u32, u32)>,
}

/// The shard number of raw lines that are not in a shard but in
/// [`Lines::varying`].
const VARYING: u32 = u32::MAX;

impl Lines {
    pub(super) fn new(
        shards: &[Vec<RawLine>],
        mut entries: Vec<(LineId, RawRef)>,
        varying: Vec<(LineId, RawLine)>,
    ) -> Self {
        debug_assert!(shards.len() < VARYING as usize);
        if !varying.is_empty() {
            entries.extend((0..).zip(&varying).map(|(index, (id, _))| {
                let place = RawRef {
                    shard: VARYING,
                    index,
                };
                (*id, place)
            }));
            entries.par_sort_unstable();
        }
        let mut groups = Vec::new();
        let mut start = 0;
        for run in entries.chunk_by(|(a, _), (b, _)| a == b) {
            let end = start + run.len() as u32;
            groups.push((start, end));
            start = end;
        }
        Self {
            entries,
            varying,
            groups,
        }
    }

    /// How many lines there are.
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    fn raw<'a>(&'a self, shards: &'a [Vec<RawLine>], place: RawRef) -> &'a RawLine {
        if place.shard == VARYING {
            &self.varying[place.index as usize].1
        } else {
            &shards[place.shard as usize][place.index as usize]
        }
    }

    fn group(&self, (start, end): (u32, u32)) -> &[(LineId, RawRef)] {
        &self.entries[start as usize..end as usize]
    }

    /// The counters of a line.
    fn counts(&self, shards: &[Vec<RawLine>], group: (u32, u32)) -> LineCounts {
        let mut counts = LineCounts::default();
        for (_, place) in self.group(group) {
            counts.add(&self.raw(shards, *place).counts);
        }
        counts
    }

    /// Goes over all lines once, on the threads of the current pool: a table of lines
    /// is larger than a cache.
    pub(super) fn sums(
        &self,
        shards: &[Vec<RawLine>],
        sort: Sort,
        excess: Option<&Excess>,
        show_all: bool,
    ) -> Sums {
        let parts: Vec<Sums> = self
            .groups
            .par_chunks(GROUPS_AT_ONCE)
            .map(|groups| self.sums_of(groups, shards, sort, excess, show_all))
            .collect();
        let mut sums = Sums::default();
        for part in parts {
            sums.join(part);
        }
        sums.metric = match excess {
            Some(excess) => excess.total,
            None => sort.metric(&sums.shared),
        };
        sums
    }

    /// The sums of some lines, without the metric of all.
    fn sums_of(
        &self,
        groups: &[(u32, u32)],
        shards: &[Vec<RawLine>],
        sort: Sort,
        excess: Option<&Excess>,
        show_all: bool,
    ) -> Sums {
        let mut sums = Sums::default();
        for &group in groups {
            let counts = self.counts(shards, group);
            if counts.is_shared() {
                sums.shared_lines += 1;
                counts.add_to(&mut sums.shared);
            }
            if self.group(group)[0].0.is_unmapped() {
                sums.unmapped += counts.looked_up();
            }
            let metric = match excess {
                Some(excess) => {
                    let places = self.group(group).iter();
                    let of =
                        |&(_, place): &(LineId, RawRef)| excess.of(&self.raw(shards, place).key);
                    places.map(of).sum()
                }
                None => sort.metric_by(|counter| counts.get(counter)),
            };
            if metric > 0 || show_all {
                sums.candidates.push((metric, group));
            }
        }
        sums
    }

    /// The lines to show, in perf's order.
    pub(super) fn shown(&self, shards: &[Vec<RawLine>], sums: Sums, show_all: bool) -> Vec<Shown> {
        let total = sums.metric as f64;
        let mut chosen = sums.candidates;
        chosen.retain(|(metric, _)| show_all || *metric as f64 / total >= SHOWN_SHARE);
        // Stable: ties stay in the order of the groups.
        chosen.sort_by_key(|(metric, _)| std::cmp::Reverse(*metric));
        let shown = chosen.into_iter().filter_map(|(metric, group)| {
            let group = self.group(group);
            let places = group.iter().map(|(_, place)| *place);
            let raw = places.clone().map(|place| self.raw(shards, place));
            let (first, key) = raw.map(|raw| (raw.first, raw.key)).min()?;
            Some(Shown {
                id: group[0].0,
                first,
                key,
                metric,
                raw: places.filter(|place| place.shard != VARYING).collect(),
            })
        });
        shown.collect()
    }
}
