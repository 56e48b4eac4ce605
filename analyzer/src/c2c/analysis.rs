//! The analysis from end to end.

use super::early::{EarlyRows, HotLines, Versions};
use super::excess::Excess;
use super::identity::{self, LineId, RawRef};
use super::kinds::Totals;
use super::lines::{RawKey, RawLine};
use super::pass1::{self, Task};
use super::pass2::{self, NEVER, Plan, Target};
use super::ranking::{Lines, Shown};
use super::replay::{self, ReplayedLines};
use super::rows::{Coalesce, LineDetail, RowKeys, Rows};
use super::sieve::Sieve;
use crate::capture::Capture;
use crate::filter::Filter;
use crate::memory::{Counter, Counters};
use crate::space::{AddressSpace, MapId};
use crate::spe::{SpeSums, SpeTrace};
use crate::survey::Survey;
use crate::topology::Topology;
use anyhow::{Result, bail};
use contend_perfdata::{CpuMode, WalkReport};
use foldhash::{HashMap, HashSet};

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
    /// Cycles of loads beyond the usual, where it can tell neither; of Arm SPE only.
    Latency,
}

impl Sort {
    /// The metric of a set of counters.
    pub(super) fn metric(self, counters: &Counters) -> u64 {
        self.metric_by(|counter| counters.get(counter))
    }

    pub(super) fn metric_by(self, get: impl Fn(Counter) -> u64) -> u64 {
        match self {
            Self::Total => get(Counter::LclHitm) + get(Counter::RmtHitm),
            Self::Remote => get(Counter::RmtHitm),
            Self::Local => get(Counter::LclHitm),
            Self::Peer => get(Counter::LclPeer) + get(Counter::RmtPeer),
            // In no counter.
            Self::Latency => 0,
        }
    }
}

/// What the user asked for.
#[derive(Debug)]
pub struct Options<'a> {
    /// The order of lines; otherwise all HITMs, or peer snoops for an Arm capture
    /// without HITM.
    pub sort: Option<Sort>,
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
    /// What it is ordered by.
    pub(super) metric: u64,
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
    /// What Arm SPE recorded, and what was counted of it.
    pub(super) spe: Option<(SpeTrace, SpeSums)>,
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
    /// Present where lines are ordered by it.
    pub(super) excess: Option<Excess>,
    pub(super) coalesce: Vec<Coalesce>,
    pub(super) lines: Vec<ShownLine>,
    /// Empty unless it was asked for.
    pub(super) replayed: Option<ReplayedLines>,
}

impl Analysis {
    /// What Arm SPE recorded.
    pub(crate) fn spe(&self) -> Option<&(SpeTrace, SpeSums)> {
        self.spe.as_ref()
    }

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
    let early_topology = Topology::new(&capture.header().features);
    let spe = SpeTrace::gather(capture)?;
    // A cut capture may not tell its architecture.
    let is_arm = is_arm(capture) || spe.is_some();
    let row_keys = RowKeys::new(options.line_size, &options.coalesce);
    let task = Task {
        filter: &options.filter,
        line_size: options.line_size,
        row_keys,
        topology: &early_topology,
        spe: spe.as_ref(),
        hot: hot_lines(is_arm, &options),
    };
    let mut first = pass1::run(capture, &task)?;
    let space = capture.address_space(&mut first.survey);
    // A pipe may tell it behind the first sample.
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
            spe.as_ref(),
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
    let show_all = options.show_all;
    let sort = match options.sort {
        Some(sort) => sort,
        None => {
            let is_dark = spe.is_some() && !options.replay;
            usual_sort(is_arm, is_dark, &first.totals.counters, options.replay)
        }
    };
    let excess = match (&spe, sort) {
        (Some(trace), Sort::Latency) => Some(Excess::find(
            capture,
            trace,
            &options.filter,
            options.line_size,
        )?),
        (None, Sort::Latency) => {
            bail!("--sort latency needs Arm SPE data; the capture has none")
        }
        _ => None,
    };
    let sums = capture
        .pool()
        .install(|| lines.sums(&first.shards, sort, excess.as_ref(), show_all));
    let (shared_lines, shared, unmapped_data) =
        (sums.shared_lines, sums.shared.clone(), sums.unmapped);
    let shown = lines.shown(&first.shards, sums, show_all);

    let mut targets = targets(&shown, &first.shards, &resolved.varying);
    let is_early_right = unmapped_code.is_empty() && topology == early_topology;
    let early = std::mem::take(&mut first.early);
    let (filed, versions) = if is_early_right {
        adopt(early, &mut targets)
    } else {
        (Rows::default(), Versions::default())
    };
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
            row_keys,
            sieve,
            targets,
            shown: (0..)
                .zip(&shown)
                .map(|(index, line)| (line.id, index))
                .collect(),
            unmapped_code,
            versions,
            spe: spe.as_ref(),
            replay: options.replay,
        };
        pass2::run(capture, &plan, filed)?
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
            let Shown {
                first, key, metric, ..
            } = line;
            let mode = CpuMode::from_misc(u16::from(key.mode));
            ShownLine {
                address: key.line,
                map: space.find(mode, key.pid, key.line, first),
                mode,
                metric,
                detail,
            }
        })
        .collect();
    Ok(Analysis {
        survey: first.survey,
        walk: first.report,
        filtered: first.filtered,
        space,
        spe: spe.zip(first.spe),
        counters,
        unmapped_data,
        unmapped_code,
        shared_lines,
        shared,
        sampled_lines: lines.len() as u64,
        totals: first.totals,
        sort,
        excess,
        coalesce: options.coalesce,
        lines: shown_lines,
        replayed,
    })
}

/// What finds the lines whose rows the first pass files; absent where the second
/// one has to see every sample, or every line.
fn hot_lines(is_arm: bool, options: &Options<'_>) -> Option<HotLines> {
    if options.replay || options.show_all {
        return None;
    }
    // Whether an Arm capture has any HITM is not known yet.
    let guess = if is_arm { Sort::Peer } else { Sort::Total };
    HotLines::new(options.sort.unwrap_or(guess), &options.coalesce)
}

/// Takes the early rows of shown lines, and notes in the targets from where on
/// they are complete.
fn adopt(early: EarlyRows, targets: &mut HashMap<RawKey, Target>) -> (Rows, Versions) {
    let mut rows = Rows::default();
    let goals: Vec<Option<(u32, bool)>> = early
        .lines
        .iter()
        .map(|(key, version)| match targets.get_mut(key) {
            Some(Target::Shown {
                line,
                is_mapped,
                since,
            }) => {
                *since = *version;
                Some((*line, *is_mapped))
            }
            Some(Target::Varies) | None => None,
        })
        .collect();
    for (number, key, mut row) in early.rows.into_rows() {
        if let Some((line, is_mapped)) = goals[number as usize] {
            if is_mapped {
                row.part.all_mapped();
            }
            rows.take(line, key, row);
        }
    }
    (rows, early.versions)
}

fn is_arm(capture: &Capture) -> bool {
    let arch = capture.header().features.arch.as_deref();
    matches!(arch, Some("aarch64" | "arm64"))
}

/// The order of lines unless asked otherwise. perf takes peer snoops for every
/// Arm capture, as few Arm cores tell HITM. Where the hardware (`is_dark`: it may be
/// so) tells of neither there is latency.
fn usual_sort(is_arm: bool, is_dark: bool, counters: &Counters, as_perf: bool) -> Sort {
    let is_told = counters.get(Counter::TotHitm) + counters.get(Counter::TotPeer) > 0;
    if is_dark && !is_told {
        Sort::Latency
    } else if is_arm && (as_perf || counters.get(Counter::TotHitm) == 0) {
        Sort::Peer
    } else {
        Sort::Total
    }
}

/// Where the samples of each raw line go in the second pass.
fn targets(
    shown: &[Shown],
    shards: &[Vec<RawLine>],
    varying: &HashSet<RawKey>,
) -> HashMap<RawKey, Target> {
    let mut targets = HashMap::default();
    for key in varying {
        targets.insert(*key, Target::Varies);
    }
    for (index, line) in (0..).zip(shown) {
        for &RawRef { shard, index: raw } in &line.raw {
            let key = shards[shard as usize][raw as usize].key;
            let target = Target::Shown {
                line: index,
                is_mapped: !line.id.is_unmapped(),
                since: NEVER,
            };
            targets.insert(key, target);
        }
    }
    targets
}
