//! Second pass: the samples of the shown lines, one by one, with every mapping
//! known.

use super::code_pages::{CodePage, PAGE};
use super::early::Versions;
use super::identity::LineId;
use super::kinds::{KindId, Kinds, ToldSource};
use super::lines::{RawKey, RawLine};
use super::replay::Replay;
use super::rows::{Filed, RowKey, RowKeys, Rows};
use super::sieve::Sieve;
use crate::capture::Capture;
use crate::filter::Filter;
use crate::space::AddressSpace;
use crate::spe::{Ops, SpeTrace};
use crate::survey::SAMPLE;
use crate::topology::Topology;
use anyhow::Result;
use contend_perfdata::{At, Batch, CpuMode, EventTable, MemorySample};
use foldhash::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// Where the samples of a raw line go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// All to one shown line, which has a mapping or has none. The first pass has
    /// filed the samples of the chunks that it walked with this version of its hot
    /// lines or a later one.
    Shown {
        line: u32,
        is_mapped: bool,
        since: u32,
    },
    /// Each by the mapping at its time.
    Varies,
}

/// The version of hot lines that never came.
pub(super) const NEVER: u32 = u32::MAX;

impl Target {
    /// From which version on the first pass has filed the samples.
    fn since(&self) -> u32 {
        match *self {
            Self::Shown { since, .. } => since,
            Self::Varies => NEVER,
        }
    }
}

/// What the second pass looks for.
pub(super) struct Plan<'a> {
    pub(super) space: &'a AddressSpace,
    pub(super) topology: &'a Topology,
    pub(super) filter: &'a Filter<'a>,
    pub(super) line_size: u64,
    pub(super) row_keys: RowKeys,
    /// What it looks for first: the addresses of all targets.
    pub(super) sieve: Sieve,
    pub(super) targets: HashMap<RawKey, Target>,
    /// The shown lines by identity, for raw lines whose mapping varies.
    pub(super) shown: HashMap<LineId, u32>,
    pub(super) unmapped_code: HashSet<CodePage>,
    /// What the first pass walked each chunk with.
    pub(super) versions: Versions,
    /// What Arm SPE recorded.
    pub(super) spe: Option<&'a SpeTrace>,
    /// Whether to keep what [`super::replay`] needs.
    pub(super) replay: bool,
}

/// What the second pass found.
#[derive(Default)]
pub(super) struct Details {
    pub(super) rows: Rows,
    /// Loads and stores whose code is not mapped.
    pub(super) unmapped_code: u64,
    /// Those of them whose data is mapped.
    pub(super) unmapped_code_only: u64,
    pub(super) replay: Vec<Replay>,
}

/// Walks the chunks again that have something to file, and adds to the rows that
/// the first pass has filed.
pub(super) fn run(capture: &Capture, plan: &Plan<'_>, filed: Rows) -> Result<Details> {
    let mut all = Details {
        rows: filed,
        ..Details::default()
    };
    let events = capture.data().events();
    let latest = plan.targets.values().map(Target::since).max();
    // The code of any sample may be among what is looked for.
    let latest = if plan.unmapped_code.is_empty() {
        latest.unwrap_or(0)
    } else {
        NEVER
    };
    let (workers, _) = capture.walk_some(
        |first| plan.versions.at(first) < latest,
        || (Kinds::new(), Details::default()),
        |(kinds, details), batch| {
            details.batch(batch, events, plan, kinds);
            kinds.fold_if_large();
        },
    )?;
    let mut workers = workers;
    if let Some(trace) = plan.spe {
        let waiting = Mutex::new(workers);
        let wake = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (states, _) = trace.chunks(
            capture,
            |first| plan.versions.at(first) < latest,
            wake,
            |worker, ops| {
                if let Some((kinds, details)) = worker {
                    details.operations(ops, plan, kinds);
                    kinds.fold_if_large();
                }
            },
        )?;
        workers = states.into_iter().flatten().collect();
    }
    for (_, details) in workers {
        all.unmapped_code += details.unmapped_code;
        all.unmapped_code_only += details.unmapped_code_only;
        all.replay.extend(details.replay);
        all.rows.merge(details.rows);
    }
    Ok(all)
}

/// Sums up, by line, the samples of raw lines whose mapping varies.
pub(super) fn resolve_varying(
    capture: &Capture,
    space: &AddressSpace,
    spe: Option<&SpeTrace>,
    filter: &Filter,
    line_size: u64,
    varying: &HashSet<RawKey>,
) -> Result<HashMap<LineId, RawLine>> {
    let events = capture.data().events();
    let sieve = Sieve::new(varying.iter().map(|key| key.line));
    type State = (Kinds, HashMap<LineId, RawLine>);
    let start = || -> State { (Kinds::new(), HashMap::default()) };
    let wanted = |addr| sieve.may_hold(addr & !(line_size - 1));
    let file = |(kinds, lines): &mut State, found: &Found<'_>| {
        let Found { sample, at, .. } = *found;
        let key = RawKey::new(sample, found.misc, line_size);
        if !varying.contains(&key) {
            return;
        }
        let kind = found.kind(kinds);
        let id = line_of(space, sample, key, at);
        let line = lines.entry(id).or_insert_with(|| RawLine::new(key, at));
        line.file(key, at);
        line.counts.add(&kinds.get(kind).line.into());
    };
    let (mut workers, _) = capture.walk(start, |state, batch| {
        each_sample(batch, events, filter, wanted, |found| file(state, found));
        state.0.fold_if_large();
    })?;
    if let Some(trace) = spe {
        let (more, _) = trace.chunks(
            capture,
            |_| true,
            start,
            |state, ops| {
                each_operation(ops, filter, wanted, |found| file(state, found));
                state.0.fold_if_large();
            },
        )?;
        workers.extend(more);
    }
    let mut all: HashMap<LineId, RawLine> = HashMap::default();
    for (_, lines) in workers {
        for (id, more) in lines {
            match all.entry(id) {
                std::collections::hash_map::Entry::Vacant(empty) => {
                    empty.insert(more);
                }
                std::collections::hash_map::Entry::Occupied(mut known) => {
                    known.get_mut().merge(&more);
                }
            }
        }
    }
    Ok(all)
}

fn line_of(space: &AddressSpace, sample: &MemorySample, key: RawKey, at: At) -> LineId {
    let mode = CpuMode::from_misc(u16::from(key.mode));
    let map = space.find(mode, sample.pid, sample.addr, at);
    LineId::new(space, key, map)
}

/// A sample that is looked for.
struct Found<'a> {
    sample: &'a MemorySample,
    /// Its data source as it is told, where perf may have another.
    told: Option<ToldSource>,
    misc: u16,
    at: At,
}

impl Found<'_> {
    fn kind(&self, kinds: &mut Kinds) -> KindId {
        let (src, has_addr) = (self.sample.data_src, self.sample.addr != 0);
        match self.told {
            Some(told) => kinds.of_told(src, told, has_addr),
            None => kinds.of(src, has_addr),
        }
    }
}

/// Calls `each` with every operation that perf takes for a memory sample, whose
/// data address is `wanted`, and that the filter accepts.
fn each_operation(
    ops: &mut Ops<'_>,
    filter: &Filter,
    wanted: impl Fn(u64) -> bool,
    mut each: impl FnMut(&Found<'_>),
) {
    let takes_all = filter.is_empty();
    ops.each(|op| {
        if !op.is_perf_memory() || !wanted(op.addr) {
            return;
        }
        let sample = op.sample();
        if takes_all || filter.accepts(&sample, op.at) {
            each(&Found {
                sample: &sample,
                told: Some(ToldSource::of(op)),
                misc: op.mode as u16,
                at: op.at,
            });
        }
    });
}

/// Calls `each` with every sample that can be decoded, whose data address is
/// `wanted`, and that the filter accepts.
fn each_sample(
    batch: &Batch,
    events: &EventTable,
    filter: &Filter,
    wanted: impl Fn(u64) -> bool,
    mut each: impl FnMut(&Found<'_>),
) {
    let takes_all = filter.is_empty();
    let mut sample = MemorySample::default();
    for record in batch.records() {
        if record.kind != SAMPLE {
            continue;
        }
        // Most samples end here; decoding them would take longer than all else.
        if let Some(addr) = events.addr_of(record.body)
            && !wanted(addr)
        {
            continue;
        }
        let Some(layout) = events
            .event_of(record.body)
            .and_then(|event| events.layout(event))
        else {
            continue;
        };
        let decoded = layout.decode_memory_in(record.body, record.window(), &mut sample);
        if decoded.is_err() {
            continue;
        }
        let at = At {
            time: sample.time,
            pos: record.pos,
        };
        if takes_all || filter.accepts(&sample, at) {
            each(&Found {
                sample: &sample,
                told: None,
                misc: record.misc,
                at,
            });
        }
    }
}

impl Details {
    fn batch(&mut self, batch: &Batch, events: &EventTable, plan: &Plan<'_>, kinds: &mut Kinds) {
        let version = plan.versions.at(batch.first_pos());
        let wanted = |addr| plan.sieve.may_hold(addr & !(plan.line_size - 1));
        each_sample(batch, events, plan.filter, wanted, |found| {
            self.file(found, version, plan, kinds);
        });
    }

    fn operations(&mut self, ops: &mut Ops<'_>, plan: &Plan<'_>, kinds: &mut Kinds) {
        let version = plan.versions.at(ops.pos());
        let wanted = |addr| plan.sieve.may_hold(addr & !(plan.line_size - 1));
        each_operation(ops, plan.filter, wanted, |found| {
            self.file(found, version, plan, kinds);
        });
    }

    fn file(&mut self, found: &Found<'_>, version: u32, plan: &Plan<'_>, kinds: &mut Kinds) {
        let Found {
            sample, misc, at, ..
        } = *found;

        let key = RawKey::new(sample, misc, plan.line_size);
        // The line, and whether its data is mapped.
        let line = match plan.targets.get(&key) {
            Some(target) if target.since() <= version => None,
            Some(&Target::Shown {
                line, is_mapped, ..
            }) => Some((line, is_mapped)),
            Some(Target::Varies) => {
                let id = line_of(plan.space, sample, key, at);
                let line = plan.shown.get(&id);
                line.map(|&line| (line, !id.is_unmapped()))
            }
            None => None,
        };
        let kind = found.kind(kinds);
        let kind = kinds.get(kind);
        let code_is_mapped = !kind.is_looked_up || plan.code_is_mapped(sample, at);
        if !code_is_mapped {
            let mode = CpuMode::from_misc(misc);
            let data = plan.space.find(mode, sample.pid, sample.addr, at);
            self.unmapped_code += 1;
            self.unmapped_code_only += u64::from(data.is_some());
        }
        let Some((line, is_mapped)) = line else {
            return;
        };
        let row = plan.row_key(sample, at);
        let filed = Filed {
            sample,
            at,
            kind,
            nomap: kind.is_looked_up && !(is_mapped && code_is_mapped),
            memory_node: plan.topology.node_of_address(sample.phys_addr),
        };
        self.rows.add(line, row, &filed);
        if plan.replay {
            self.replay.push(Replay {
                line,
                at,
                row,
                phys_addr: sample.phys_addr,
                phys_node_known: filed.memory_node.is_some(),
                weight: sample.weight,
                mean: kind.mean,
            });
        }
    }
}

impl Plan<'_> {
    /// Whether the instruction of a sample has a mapping.
    #[inline]
    fn code_is_mapped(&self, sample: &MemorySample, at: At) -> bool {
        if self.unmapped_code.is_empty() {
            return true;
        }
        let page = CodePage {
            pid: sample.pid,
            page: sample.ip / PAGE,
        };
        !self.unmapped_code.contains(&page)
            || self.space.find_code(sample.pid, sample.ip, at).is_some()
    }

    fn row_key(&self, sample: &MemorySample, at: At) -> RowKey {
        self.row_keys.of(sample, || {
            let map = self.space.find_code(sample.pid, sample.ip, at);
            map.map_or(0, |map| self.space.map(map).dso.index() + 1)
        })
    }
}
