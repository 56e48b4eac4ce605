//! The analysis from end to end.

use super::counts::LineCounts;
use super::identity::{self, LineId, RawRef};
use super::kinds::Totals;
use super::lines::{RawKey, RawLine};
use super::pass1;
use super::pass2::{self, Plan, Target};
use super::replay::{self, ReplayedLines};
use super::rows::{Coalesce, LineDetail};
use super::sieve::Sieve;
use crate::capture::Capture;
use crate::filter::Filter;
use crate::memory::{Counter, Counters};
use crate::space::{AddressSpace, MapId};
use crate::survey::Survey;
use crate::topology::Topology;
use anyhow::Result;
use contend_perfdata::{At, CpuMode, WalkReport};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

/// A line is shown when it has at least this share of the metric of all shared
/// lines (`DISPLAY_LINE_LIMIT` in `tools/perf/builtin-c2c.c`).
const SHOWN_SHARE: f64 = 0.001;

/// What lines are ordered and chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// All HITMs.
    Total,
    /// HITMs that perf calls remote.
    Remote,
    /// HITMs that perf calls local.
    Local,
    /// Loads that another cache answered, where the hardware cannot tell HITM.
    Peer,
}

impl Sort {
    /// The metric of a set of counters.
    pub(super) fn metric(self, counters: &Counters) -> u64 {
        self.metric_by(|counter| counters.get(counter))
    }

    fn metric_by(self, get: impl Fn(Counter) -> u64) -> u64 {
        match self {
            Self::Total => get(Counter::LclHitm) + get(Counter::RmtHitm),
            Self::Remote => get(Counter::RmtHitm),
            Self::Local => get(Counter::LclHitm),
            Self::Peer => get(Counter::LclPeer) + get(Counter::RmtPeer),
        }
    }
}

/// What the user asked for.
#[derive(Debug)]
pub struct Options<'a> {
    /// The order of lines.
    pub sort: Sort,
    /// What rows are told apart by, besides the offset.
    pub coalesce: Vec<Coalesce>,
    /// Whether to show lines without the metric too.
    pub show_all: bool,
    /// Bytes of a cache line: a power of two.
    pub line_size: u64,
    /// Which samples to take.
    pub filter: Filter<'a>,
    /// Whether to find what perf computes in the order of time.
    pub replay: bool,
}

/// A line with all that is known of it.
#[derive(Debug)]
pub(super) struct ShownLine {
    /// The virtual address that the first sample gave it.
    pub(super) address: u64,
    /// The mapping of that sample.
    pub(super) map: Option<MapId>,
    /// The mode of all its samples.
    pub(super) mode: CpuMode,
    pub(super) detail: LineDetail,
}

/// What the analysis found.
#[derive(Debug)]
pub struct Analysis {
    /// What was noted on the way.
    pub survey: Survey,
    /// Where the walk ended early.
    pub walk: WalkReport,
    /// Samples that the filters left out.
    pub filtered: u64,
    /// Processes and mappings.
    pub space: AddressSpace,
    /// perf's counters of all samples.
    pub counters: Counters,
    /// Loads and stores whose data address has no mapping.
    pub unmapped_data: u64,
    /// Loads and stores whose instruction has no mapping.
    pub unmapped_code: u64,
    /// perf's counters of all shared lines.
    pub shared: Counters,
    /// How many lines are shared.
    pub shared_lines: u64,
    /// How many lines were sampled.
    pub sampled_lines: u64,
    pub(super) totals: Totals,
    pub(super) sort: Sort,
    pub(super) coalesce: Vec<Coalesce>,
    pub(super) lines: Vec<ShownLine>,
    /// Empty unless it was asked for.
    pub(super) replayed: Option<ReplayedLines>,
}

impl Analysis {
    /// How many samples are memory accesses.
    pub fn memory_samples(&self) -> u64 {
        self.totals.classes.values().map(|total| total.count).sum()
    }
}

/// Analyzes a capture.
///
/// # Errors
/// When the capture cannot be read.
pub fn analyze(capture: &mut Capture, options: Options<'_>) -> Result<Analysis> {
    let mut first = pass1::run(capture, &options.filter, options.line_size)?;
    let space = capture.address_space(&mut first.survey);
    let topology = Topology::new(&capture.header().features);

    let (resolved, unmapped_code) = capture.pool().install(|| {
        let resolved = identity::resolve_lines(&space, &first.shards, options.line_size);
        let unmapped = identity::unmapped_code(&space, first.code);
        (resolved, unmapped)
    });
    let varying = if resolved.varying.is_empty() {
        Vec::new()
    } else {
        let found = pass2::resolve_varying(
            capture,
            &space,
            &options.filter,
            options.line_size,
            &resolved.varying,
        )?;
        // In the order of the lines, so that nothing depends on hashing.
        let mut found: Vec<(LineId, RawLine)> = found.into_iter().collect();
        found.sort_unstable_by_key(|(id, _)| *id);
        found
    };
    let lines = Lines::new(&first.shards, resolved.lines, varying);
    let shared = lines.shared(&first.shards);
    let shown = lines.shown(&first.shards, &shared.counters, &options);
    let unmapped_data = lines.unmapped(&first.shards);

    let targets = targets(&shown, &first.shards, &resolved.varying);
    let sieve = if unmapped_code.is_empty() {
        Sieve::new(targets.keys().map(|key| key.line))
    } else {
        // The code of any sample may be among what is looked for.
        Sieve::Open
    };
    let details = if shown.is_empty() && unmapped_code.is_empty() {
        pass2::Details::default()
    } else {
        let plan = Plan {
            space: &space,
            topology: &topology,
            filter: &options.filter,
            line_size: options.line_size,
            coalesce: &options.coalesce,
            sieve,
            targets,
            shown: (0..)
                .zip(&shown)
                .map(|(index, line)| (line.id, index))
                .collect(),
            unmapped_code,
            replay: options.replay,
        };
        pass2::run(capture, &plan)?
    };
    let mut counters = first.totals.counters.clone();
    counters.add(Counter::Nomap, unmapped_data + details.unmapped_code_only);
    let replayed = options
        .replay
        .then(|| capture.pool().install(|| replay::replay(details.replay)));
    let unmapped_code = details.unmapped_code;
    let details = details.rows.into_lines(shown.len());
    let shown_lines = shown
        .into_iter()
        .zip(details)
        .map(|(line, detail)| {
            let Shown { first, key, .. } = line;
            let mode = CpuMode::from_misc(u16::from(key.mode));
            ShownLine {
                address: key.line,
                map: space.find(mode, key.pid, key.line, first),
                mode,
                detail,
            }
        })
        .collect();
    Ok(Analysis {
        survey: first.survey,
        walk: first.report,
        filtered: first.filtered,
        space,
        counters,
        unmapped_data,
        unmapped_code,
        shared_lines: shared.count,
        shared: shared.counters,
        sampled_lines: lines.groups.len() as u64,
        totals: first.totals,
        sort: options.sort,
        coalesce: options.coalesce,
        lines: shown_lines,
        replayed,
    })
}

/// Where the samples of each raw line go in the second pass.
fn targets(
    shown: &[Shown],
    shards: &[Vec<RawLine>],
    varying: &FxHashSet<RawKey>,
) -> FxHashMap<RawKey, Target> {
    let mut targets = FxHashMap::default();
    for key in varying {
        targets.insert(*key, Target::Varies);
    }
    for (index, line) in (0..).zip(shown) {
        for &RawRef { shard, index: raw } in &line.raw {
            let key = shards[shard as usize][raw as usize].key;
            let target = Target::Shown {
                line: index,
                is_mapped: !line.id.is_unmapped(),
            };
            targets.insert(key, target);
        }
    }
    targets
}

/// A line that is shown, before its details are known.
struct Shown {
    id: LineId,
    /// Its first sample, and the raw line of that.
    first: At,
    key: RawKey,
    raw: Vec<RawRef>,
}

/// Sums over all shared lines.
struct Shared {
    count: u64,
    counters: Counters,
}

/// All lines in the order in which perf breaks ties: each a run of raw lines.
struct Lines {
    entries: Vec<(LineId, RawRef)>,
    varying: Vec<(LineId, RawLine)>,
    /// Where in `entries` each line begins and ends.
    groups: Vec<(u32, u32)>,
}

/// The shard number of raw lines that are not in a shard but in
/// [`Lines::varying`].
const VARYING: u32 = u32::MAX;

impl Lines {
    fn new(
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
            counts.add(&self.raw(shards, *place).tally);
        }
        counts
    }

    fn shared(&self, shards: &[Vec<RawLine>]) -> Shared {
        let mut shared = Shared {
            count: 0,
            counters: Counters::default(),
        };
        for &group in &self.groups {
            let counts = self.counts(shards, group);
            if counts.is_shared() {
                shared.count += 1;
                counts.add_to(&mut shared.counters);
            }
        }
        shared
    }

    /// How many samples have no mapping for their data.
    fn unmapped(&self, shards: &[Vec<RawLine>]) -> u64 {
        let unmapped = self.entries.iter().filter(|(id, _)| id.is_unmapped());
        unmapped
            .map(|(_, place)| LineCounts::from(&self.raw(shards, *place).tally).looked_up())
            .sum()
    }

    /// The lines to show, in perf's order.
    fn shown(
        &self,
        shards: &[Vec<RawLine>],
        shared: &Counters,
        options: &Options<'_>,
    ) -> Vec<Shown> {
        let total = options.sort.metric(shared) as f64;
        let mut chosen: Vec<(u64, (u32, u32))> = Vec::new();
        for &group in &self.groups {
            let counts = self.counts(shards, group);
            let metric = options.sort.metric_by(|counter| counts.get(counter));
            if options.show_all || (metric > 0 && metric as f64 / total >= SHOWN_SHARE) {
                chosen.push((metric, group));
            }
        }
        // Stable: ties stay in the order of the groups.
        chosen.sort_by_key(|(metric, _)| std::cmp::Reverse(*metric));
        let shown = chosen.into_iter().filter_map(|(_, group)| {
            let group = self.group(group);
            let places = group.iter().map(|(_, place)| *place);
            let raw = places.clone().map(|place| self.raw(shards, place));
            let (first, key) = raw.map(|raw| (raw.first, raw.key)).min()?;
            Some(Shown {
                id: group[0].0,
                first,
                key,
                raw: places.filter(|place| place.shard != VARYING).collect(),
            })
        });
        shown.collect()
    }
}
