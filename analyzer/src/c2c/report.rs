//! From the analysis to the result.

mod rows;

use super::analysis::{Analysis, ShownLine, Sort};
use super::part::{MEANS, Part};
use super::rows::{Coalesce, LineDetail};
use super::uses::{Actor, Use, UseKey};
use super::verdict;
use crate::capture::Capture;
use crate::memory::{Class, Counter, Op};
use crate::result::{
    Access, C2c, CaptureFacts, ClassRow, Compat, FILTERED, Hex, Latency, Line, LineCompat,
    MemoryObject, Quality, Ratios, Row, Variable,
};
use crate::space::{AddressSpace, DsoKind, MapId};
use crate::spe::{self, Core};
use crate::stats::{Ratio, Weights};
use crate::symbols::{Jit, Locator, Names, Spot, SymbolSources};
use crate::topology::Topology;
use anyhow::Result;
use contend_perfdata::At;
use foldhash::HashMap;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Makes the result of an analysis, with the names that can be found.
///
/// # Errors
/// When a file or folder of `sources` that the user named cannot be used.
pub fn report(
    capture: &Capture,
    analysis: Analysis,
    line_size: u64,
    sources: &SymbolSources,
) -> Result<C2c> {
    let topology = Topology::new(&capture.header().features);
    let mut facts = CaptureFacts::new(capture, &analysis.survey);
    facts.line_size = Some(line_size);
    let mut quality = Quality::new(capture, &analysis.survey, &analysis.walk);
    let classes: Vec<ClassRow> = analysis
        .totals
        .classes
        .iter()
        .map(|(&class, total)| ClassRow {
            class,
            count: total.count,
            latency_sum: total.latency_sum,
        })
        .collect();
    quality.memory_samples = Some(classes.iter().map(|row| row.count).sum());
    quality.unmapped_addr = Some(analysis.unmapped_data);
    quality.unresolved_ip = Some(analysis.unmapped_code);
    quality.skip(FILTERED, analysis.filtered);
    if let Some((trace, sums)) = &analysis.spe {
        spe::report(capture, trace, sums, &mut quality);
    }
    for (reason, count) in analysis.space.notes() {
        quality.skip(reason, *count);
    }
    let metric_total = match &analysis.excess {
        Some(excess) => excess.total,
        None => analysis.sort.metric(&analysis.counters),
    };
    let baseline = analysis.excess.as_ref().map(|excess| excess.baseline);
    if let Some(baseline) = baseline {
        quality.warnings.push(format!(
            "neither HITM nor peer snoops order the lines here but excess latency: the cycles of \
             their loads beyond {baseline} each, the median of all loads"
        ));
    }
    let cores = analysis.spe.as_ref().map(|(trace, _)| trace.cores());
    let ratios = ratios(&classes, cores);
    let events = capture.header().attrs.iter();
    let compat = Compat {
        events: events
            .map(|event| event.display_name(&capture.header().features))
            .collect(),
        coalesce: coalesce_names(&analysis.coalesce),
    };
    let Analysis {
        space,
        lines,
        replayed,
        sort,
        coalesce,
        ..
    } = analysis;
    let locator = Locator::new(sources, capture)?;
    let mut context = Context {
        space: &space,
        jit: Jit::open(&space, &locator, capture.is_monotonic()),
        names: Names::default(),
        topology: &topology,
        sort,
        baseline,
        coalesce: &coalesce,
        end: At {
            time: u64::MAX,
            pos: u64::MAX,
        },
        replayed: replayed.as_ref(),
    };
    let spots = lines.iter().flat_map(|line| context.spots(line)).collect();
    context.names = Names::look_up(&space, &context.jit, spots, &locator, capture.pool())?;
    quality.missing_binaries = std::mem::take(&mut context.names.missing);
    quality.warnings.append(&mut context.names.warnings);
    let lines = (0..)
        .zip(lines)
        .map(|(rank, line)| context.line(rank, line, metric_total));
    Ok(C2c {
        schema: "contend.c2c/1",
        capture: facts,
        quality,
        sort: sort.name(),
        baseline_latency: baseline,
        perf_counters: analysis.counters,
        sampled_lines: analysis.sampled_lines,
        shared_lines: analysis.shared_lines,
        shared_counters: analysis.shared,
        ratios,
        classes,
        lines: lines.collect(),
        compat,
    })
}

impl Sort {
    /// The name of the option.
    pub fn name(self) -> &'static str {
        match self {
            Self::Total => "tot",
            Self::Remote => "rmt",
            Self::Local => "lcl",
            Self::Peer => "peer",
            Self::Latency => "latency",
        }
    }

    /// What rows are ordered by behind the offset, and hidden without.
    fn row_metrics(self) -> &'static [Counter] {
        match self {
            Self::Total => &[Counter::TotHitm],
            Self::Remote => &[Counter::RmtHitm, Counter::LclHitm],
            Self::Local => &[Counter::LclHitm, Counter::RmtHitm],
            Self::Peer => &[Counter::TotPeer],
            Self::Latency => &[Counter::Store, Counter::Load],
        }
    }
}

fn coalesce_names(fields: &[Coalesce]) -> Vec<&'static str> {
    let names = fields.iter().map(|field| match field {
        Coalesce::Iaddr => "iaddr",
        Coalesce::Pid => "pid",
        Coalesce::Tid => "tid",
        Coalesce::Dso => "dso",
    });
    std::iter::once("offset").chain(names).collect()
}

/// `cores` are those that recorded, where the capture is one of Arm SPE: few of them tell
/// modified lines, and 0 of so many would be a claim that nobody can make.
fn ratios<'a>(classes: &[ClassRow], cores: Option<impl Iterator<Item = &'a Core>>) -> Ratios {
    let count = |wanted: fn(&Class) -> bool| -> u64 {
        let rows = classes.iter().filter(|row| wanted(&row.class));
        rows.map(|row| row.count).sum()
    };
    let loads = count(|class| class.op == Op::Load);
    let hitm = count(Class::is_hitm);
    // A HITM from the node's own last-level cache is no miss of it, yet the
    // line had to come from another core: it counts among the misses here.
    let misses = count(|class| class.is_llc_miss() || class.is_hitm());
    let peers = count(Class::is_peer);
    let (can_hitm, can_peers) = cores.map_or((true, true), |cores| {
        cores.fold((hitm > 0, peers > 0), |(hitm, peers), core| {
            (hitm || core.tells_modified(), peers || core.tells_peers())
        })
    });
    let names = [
        ("hitm_per_load", can_hitm),
        ("hitm_per_llc_miss", can_hitm),
        ("peer_per_load", can_peers),
    ];
    let not_told = names.iter().filter(|(_, is_told)| !is_told);
    Ratios {
        hitm_per_load: Ratio::new(hitm, loads).filter(|_| can_hitm),
        hitm_per_llc_miss: Ratio::new(hitm, misses).filter(|_| can_hitm),
        remote_per_hitm: Ratio::new(count(|class| class.is_hitm() && class.is_remote()), hitm),
        peer_per_load: Ratio::new(peers, loads).filter(|_| can_peers),
        not_told: not_told.map(|&(name, _)| name).collect(),
    }
}

struct Context<'a> {
    space: &'a AddressSpace,
    jit: Jit,
    names: Names,
    topology: &'a Topology,
    sort: Sort,
    /// The usual latency, where lines are ordered by what is beyond.
    baseline: Option<u64>,
    coalesce: &'a [Coalesce],
    /// Behind every record.
    end: At,
    /// Present when perf's layout was asked for.
    replayed: Option<&'a super::replay::ReplayedLines>,
}

impl Context<'_> {
    fn line(&self, rank: usize, line: ShownLine, metric_total: u64) -> Line {
        let ShownLine {
            address,
            map,
            mode,
            metric: ordered_by,
            detail,
        } = line;
        let LineDetail {
            mut part,
            rows,
            uses,
        } = detail;
        let mut judgement = verdict::judge(&uses);
        if let Some(baseline) = self.baseline {
            verdict::unjudged(&mut judgement, &uses, ordered_by, baseline);
        }
        let counters = part.counters();
        let (mut rows, hidden): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .partition(|(_, row)| self.is_row_shown(row));
        rows.sort_by_cached_key(|(key, row)| self.row_order(key, row, mode));
        let place = LinePlace { address, map };
        let number = rank as u32;
        let replayed = |key| self.replayed?.rows.get(&(number, key)).copied();
        let rows: Vec<Row> = rows
            .into_iter()
            .map(|(key, row)| self.row(key, row, mode, place, replayed(key).unwrap_or_default()))
            .collect();
        let replayed = self.replayed.map(|all| all.lines.get(&number).copied());
        let compat = match replayed {
            Some(replayed) => LineCompat {
                replayed: replayed.unwrap_or_default(),
                hidden: self.hidden_widths(&hidden, mode),
            },
            None => LineCompat::default(),
        };
        let metric = match self.sort {
            Sort::Latency => ordered_by,
            sort => sort.metric(&counters),
        };
        let memory_nodes: Vec<u32> = part.memory_nodes.iter().collect();
        Line {
            rank,
            address: Hex(address),
            share: if metric_total == 0 {
                0.0
            } else {
                metric as f64 / metric_total as f64
            },
            node: memory_nodes,
            object: map.map(|map| self.object(map, place, &rows)),
            excess_latency: self.baseline.map(|_| ordered_by),
            latency: latency(&mut part),
            verdict: judgement.verdict,
            why: judgement.why,
            judged_by: judgement.by_cpu.then_some("cpu"),
            writers: self.accesses(&uses, |used| used.stores, |access| access.stores),
            readers: self.accesses(&uses, |used| used.loads, |access| access.hitm),
            hidden_rows: hidden.len(),
            rows,
            perf_counters: counters,
            compat,
        }
    }

    /// What the line is part of. Of several variables in it, the one that most
    /// of the samples that lines are ordered by fell on.
    fn object(&self, map: MapId, place: LinePlace, rows: &[Row]) -> MemoryObject {
        let mapping = self.space.map(map);
        let mut object = MemoryObject {
            name: None,
            offset: Hex(self.space.map_relative(map, place.address)),
            dso: self.space.dso(mapping.dso).display_name().into_owned(),
        };
        let hottest = rows
            .iter()
            .filter(|row| row.variable.is_some())
            .max_by_key(|row| {
                let counters = &row.perf_counters;
                let metric = self.sort.metric(counters);
                (metric, counters.get(Counter::Store), Reverse(row.offset))
            });
        let named = hottest.and_then(|row| {
            let Variable { name, offset } = row.variable.clone()?;
            Some((name, offset.0.saturating_sub(row.offset.0)))
        });
        let named = named.or_else(|| {
            let spot = self.space.map(map);
            let kind = self.space.dso(spot.dso).kind;
            if kind == DsoKind::Anonymous {
                return None;
            }
            let answer = self.names.get(Spot::data(self.space, map, place.address))?;
            let symbol = answer.symbol.clone()?;
            Some((symbol.name.to_string(), symbol.offset))
        });
        if let Some((name, offset)) = named {
            object.name = Some(name);
            object.offset = Hex(offset);
        }
        object
    }

    /// All that a line and its rows want to have named.
    fn spots(&self, line: &ShownLine) -> Vec<Spot> {
        let place = LinePlace {
            address: line.address,
            map: line.map,
        };
        let is_anonymous = |map: &MapId| {
            let dso = self.space.map(*map).dso;
            self.space.dso(dso).kind == DsoKind::Anonymous
        };
        let own = line.map.filter(|map| !is_anonymous(map));
        let own = own.map(|map| Spot::data(self.space, map, line.address));
        let is_compat = self.replayed.is_some();
        let rows = line.detail.rows.iter();
        // perf's columns are as wide as hidden rows need, too.
        let rows = rows.filter(|(_, row)| is_compat || self.is_row_shown(row));
        let rows = rows
            .flat_map(|(key, row)| [self.code_spot(*key, row), self.data_spot(*key, row, place)]);
        rows.chain([own]).flatten().collect()
    }

    /// The last name of a thread, as perf has it (`thread__new` in
    /// `tools/perf/util/thread.c`).
    fn comm(&self, tid: i32) -> String {
        let comm = self.space.comm(tid, self.end);
        comm.map_or_else(|| format!(":{tid}"), str::to_owned)
    }

    /// The threads that did something on a line, the busiest first; CPUs where threads
    /// are not known.
    fn accesses(
        &self,
        uses: &HashMap<UseKey, Use>,
        count: fn(&Use) -> u64,
        order: fn(&Access) -> u64,
    ) -> Vec<Access> {
        let mut threads: BTreeMap<Actor, Access> = BTreeMap::new();
        let mut in_order: Vec<(&UseKey, &Use)> = uses.iter().collect();
        in_order.sort_unstable_by_key(|(key, _)| **key);
        for (key, used) in in_order {
            if count(used) == 0 {
                continue;
            }
            let (pid, tid) = key.actor.ids();
            let access = threads.entry(key.actor).or_insert_with(|| Access {
                pid,
                tid,
                cpu: key.actor.cpu(),
                comm: self.space.comm(tid, self.end).map(str::to_owned),
                loads: 0,
                stores: 0,
                hitm: 0,
                peer: 0,
                offsets: Vec::new(),
            });
            access.loads += used.loads;
            access.stores += used.stores;
            access.hitm += used.hitm;
            access.peer += used.peer;
            access.offsets.push(Hex(u64::from(key.offset)));
        }
        let mut threads: Vec<Access> = threads.into_values().collect();
        threads.sort_by_key(|access| {
            let order = (order(access), access.peer, access.loads + access.stores);
            (Reverse(order), access.pid, access.tid, access.cpu)
        });
        threads
    }
}

/// Where a line is.
#[derive(Clone, Copy)]
struct LinePlace {
    address: u64,
    map: Option<MapId>,
}

fn latency(part: &mut Part) -> Latency {
    let weights: &mut Weights = &mut part.latencies;
    let mean = |counter: Counter| {
        let place = MEANS.iter().position(|&known| known == counter)?;
        part.means[place].value()
    };
    Latency {
        mean_rmt_hitm: mean(Counter::RmtHitm),
        mean_lcl_hitm: mean(Counter::LclHitm),
        mean_rmt_peer: mean(Counter::RmtPeer),
        mean_lcl_peer: mean(Counter::LclPeer),
        mean_load: mean(Counter::Load),
        p50: weights.percentile(50.0),
        p99: weights.percentile(99.0),
        max: weights.max(),
    }
}
