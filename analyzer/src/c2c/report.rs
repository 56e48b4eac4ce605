//! From the analysis to the result.

use super::analysis::{Analysis, ShownLine, Sort};
use super::part::{MEANS, Part};
use super::rows::{Coalesce, LineDetail, Row as RawRow, RowKey};
use super::uses::{Use, UseKey};
use super::verdict;
use crate::capture::Capture;
use crate::memory::{Class, Counter, Op};
use crate::result::{
    Access, C2c, CaptureFacts, ClassRow, Compat, FILTERED, Hex, HiddenWidths, InlineFrame, Latency,
    Line, LineCompat, MemoryObject, Quality, Ratios, Row, RowCompat, Variable, cpu_ranges,
};
use crate::space::{AddressSpace, DsoKind, MapId};
use crate::stats::{Ratio, Weights};
use crate::symbols::{Answer, Locator, Names, Spot, SymbolSources};
use crate::topology::Topology;
use anyhow::Result;
use contend_perfdata::{At, CpuMode};
use foldhash::HashMap;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

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
    for (reason, count) in analysis.space.notes() {
        quality.skip(reason, *count);
    }
    let metric_total = analysis.sort.metric(&analysis.counters);
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
    let mut context = Context {
        space: &space,
        names: Names::default(),
        topology: &topology,
        sort,
        coalesce: &coalesce,
        end: At {
            time: u64::MAX,
            pos: u64::MAX,
        },
        replayed: replayed.as_ref(),
    };
    let locator = Locator::new(sources, capture)?;
    let spots = lines.iter().flat_map(|line| context.spots(line)).collect();
    context.names = Names::look_up(&space, spots, &locator, capture.pool())?;
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
        perf_counters: analysis.counters,
        sampled_lines: analysis.sampled_lines,
        shared_lines: analysis.shared_lines,
        shared_counters: analysis.shared,
        ratios: ratios(&classes),
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
        }
    }

    /// What rows are ordered by behind the offset, and hidden without.
    fn row_metrics(self) -> &'static [Counter] {
        match self {
            Self::Total => &[Counter::TotHitm],
            Self::Remote => &[Counter::RmtHitm, Counter::LclHitm],
            Self::Local => &[Counter::LclHitm, Counter::RmtHitm],
            Self::Peer => &[Counter::TotPeer],
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

fn ratios(classes: &[ClassRow]) -> Ratios {
    let count = |wanted: fn(&Class) -> bool| -> u64 {
        let rows = classes.iter().filter(|row| wanted(&row.class));
        rows.map(|row| row.count).sum()
    };
    let loads = count(|class| class.op == Op::Load);
    let hitm = count(Class::is_hitm);
    // A HITM from the node's own last-level cache is no miss of it, yet the
    // line had to come from another core: it counts among the misses here.
    let misses = count(|class| class.is_llc_miss() || class.is_hitm());
    Ratios {
        hitm_per_load: Ratio::new(hitm, loads),
        hitm_per_llc_miss: Ratio::new(hitm, misses),
        remote_per_hitm: Ratio::new(count(|class| class.is_hitm() && class.is_remote()), hitm),
        peer_per_load: Ratio::new(count(Class::is_peer), loads),
    }
}

struct Context<'a> {
    space: &'a AddressSpace,
    names: Names,
    topology: &'a Topology,
    sort: Sort,
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
            detail,
        } = line;
        let LineDetail {
            mut part,
            rows,
            uses,
        } = detail;
        let judgement = verdict::judge(&uses);
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
        let metric = self.sort.metric(&counters);
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
            latency: latency(&mut part),
            verdict: judgement.verdict,
            why: judgement.why,
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
            Some((symbol.name, symbol.offset))
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
        let rows = rows.flat_map(|(key, row)| {
            let code = self.code_map(*key, row);
            let code = code.map(|map| Spot::code(self.space, map, key.ip));
            [code, self.data_spot(*key, row, place)]
        });
        rows.chain([own]).flatten().collect()
    }

    /// The mapping of a row's instruction.
    fn code_map(&self, key: RowKey, row: &RawRow) -> Option<MapId> {
        let (at, pid, _) = row.first.unwrap_or_default();
        let has_ip = self.coalesce.contains(&Coalesce::Iaddr);
        has_ip
            .then(|| self.space.find_code(pid, key.ip, at))
            .flatten()
    }

    /// The memory of a row. Behind the variables of a file that have a value are
    /// those without, in memory that has no file.
    fn data_spot(&self, key: RowKey, row: &RawRow, place: LinePlace) -> Option<Spot> {
        let map = place.map?;
        let address = place.address.checked_add(u64::from(key.offset))?;
        let dso = self.space.dso(self.space.map(map).dso);
        if dso.kind != DsoKind::Anonymous {
            return Some(Spot::data(self.space, map, address));
        }
        let (at, pid, _) = row.first.unwrap_or_default();
        let file = self.space.loaded_before(map, pid, at)?;
        Some(Spot::data(self.space, file, address))
    }

    /// What is known of a row's instruction.
    fn code(&self, key: RowKey, row: &RawRow) -> Option<&Answer> {
        let map = self.code_map(key, row)?;
        self.names.get(Spot::code(self.space, map, key.ip))
    }

    /// perf hides rows that have ordinary loads only.
    fn is_row_shown(&self, row: &RawRow) -> bool {
        let counters = row.part.counters();
        counters.get(Counter::Store) > 0 || self.sort.metric(&counters) > 0
    }

    fn row_order(&self, key: &RowKey, row: &RawRow, mode: CpuMode) -> impl Ord + use<> {
        let counters = row.part.counters();
        let metrics = self.sort.row_metrics().iter();
        let metrics: Vec<_> = metrics
            .map(|&counter| Reverse(counters.get(counter)))
            .collect();
        let fields: Vec<(u64, String)> = self
            .coalesce
            .iter()
            .map(|field| match field {
                Coalesce::Iaddr => (key.ip, String::new()),
                Coalesce::Pid => (signed_order(key.pid), String::new()),
                Coalesce::Tid => (signed_order(key.tid), String::new()),
                // By short name, what is unknown last (`_sort__dso_cmp` in
                // `tools/perf/util/sort.c`).
                Coalesce::Dso => {
                    let object = self.place(*key, row, mode).object;
                    (u64::from(object.is_none()), object.unwrap_or_default())
                }
            })
            .collect();
        (key.offset, metrics, fields, *key)
    }

    fn dso_name(&self, number: u32) -> Option<String> {
        let dso = self.space.dsos().nth(number.checked_sub(1)? as usize)?;
        Some(dso.display_name().into_owned())
    }

    fn row(
        &self,
        key: RowKey,
        mut row: RawRow,
        mode: CpuMode,
        line: LinePlace,
        replayed: super::Replayed,
    ) -> Row {
        let (_, pid, tid) = row.first.unwrap_or_default();
        let has_ip = self.coalesce.contains(&Coalesce::Iaddr);
        let code = self.code_map(key, &row);
        let known = self.code(key, &row);
        let function = known.and_then(|answer| Some(answer.symbol.as_ref()?.name.clone()));
        let (source, inlined) = known.map_or_else(Default::default, source);
        let variable = self.data_spot(key, &row, line).and_then(|spot| {
            let symbol = self.names.get(spot)?.symbol.as_ref()?;
            Some(Variable {
                name: symbol.name.clone(),
                offset: Hex(symbol.offset),
            })
        });
        let dso = match code {
            Some(map) => {
                let dso = self.space.dso(self.space.map(map).dso);
                Some(dso.display_name().into_owned())
            }
            None => self.dso_name(key.dso),
        };
        let nodes: BTreeSet<u16> = row
            .part
            .cpus
            .iter()
            .filter_map(|cpu| self.topology.node_of_cpu(cpu))
            .collect();
        // Not looked up a second time where nobody asks.
        let is_compat = self.replayed.is_some();
        let place = if is_compat {
            self.place(key, &row, mode)
        } else {
            Place::default()
        };
        let has = |field| self.coalesce.contains(&field);
        let comm = if is_compat || has(Coalesce::Tid) {
            self.comm(tid)
        } else if has(Coalesce::Pid) {
            self.comm(pid)
        } else {
            String::new()
        };
        let mut tids: Vec<i32> = row.threads.iter().map(|&((_, tid), _)| tid).collect();
        tids.sort_unstable();
        // Two processes, at different times, may have used one thread id.
        tids.dedup();
        Row {
            offset: Hex(u64::from(key.offset)),
            ip: has_ip.then_some(Hex(key.ip)),
            code_offset: code.map(|map| Hex(self.space.map_relative(map, key.ip))),
            pid,
            tids,
            function,
            dso,
            source,
            inlined,
            variable,
            latency: latency(&mut row.part),
            cpus: row.part.cpus.len(),
            cpu_list: cpu_ranges(row.part.cpus.iter()),
            nodes: nodes.iter().copied().collect(),
            compat: RowCompat {
                replayed,
                memory_nodes: row.part.memory_nodes.iter().collect(),
                tid,
                comm,
                object: place.object,
                code_offset: place.code_offset,
                level: match mode {
                    CpuMode::User => '.',
                    CpuMode::Kernel => 'k',
                    _ => 'H',
                },
            },
            perf_counters: row.part.counters(),
        }
    }

    /// The binary of a row as perf prints it. Unlike "Code address" it is looked
    /// up under the mode of the sample only (`thread__find_map` in
    /// `tools/perf/util/event.c`).
    fn place(&self, key: RowKey, row: &RawRow, mode: CpuMode) -> Place {
        let (at, pid, _) = row.first.unwrap_or_default();
        if !self.coalesce.contains(&Coalesce::Iaddr) {
            let dso = key.dso.checked_sub(1);
            let dso = dso.and_then(|place| self.space.dsos().nth(place as usize));
            return Place {
                object: dso.map(|dso| dso.perf_name(pid)),
                code_offset: key.ip,
            };
        }
        let map = self.space.find(mode, pid, key.ip, at);
        let dso = map.map(|map| self.space.dso(self.space.map(map).dso));
        Place {
            object: dso.map(|dso| dso.perf_name(pid)),
            code_offset: map.map_or(key.ip, |map| self.space.map_relative(map, key.ip)),
        }
    }

    /// The last name of a thread, as perf has it (`thread__new` in
    /// `tools/perf/util/thread.c`).
    fn comm(&self, tid: i32) -> String {
        let comm = self.space.comm(tid, self.end);
        comm.map_or_else(|| format!(":{tid}"), str::to_owned)
    }

    fn hidden_widths(&self, rows: &[(RowKey, RawRow)], mode: CpuMode) -> HiddenWidths {
        let mut widths = HiddenWidths {
            rows: rows.len(),
            ..HiddenWidths::default()
        };
        for (key, row) in rows {
            let (_, _, tid) = row.first.unwrap_or_default();
            let object = self.place(*key, row, mode).object;
            let nodes = cpu_ranges(row.part.memory_nodes.iter());
            let known = self.code(*key, row);
            let symbol = known.and_then(|answer| answer.symbol.as_ref());
            widths.unnamed += usize::from(symbol.is_none());
            let symbol = symbol.map_or(0, |symbol| "[.] ".len() + symbol.name.len());
            let source = known.and_then(|answer| source(answer).0);
            let source = source.map_or(0, |source| source.len() - directory(&source));
            for (widest, width) in [
                (&mut widths.symbol, symbol),
                (&mut widths.source, source),
                (&mut widths.object, object.map_or(0, |object| object.len())),
                (&mut widths.comm, self.comm(tid).len()),
                (&mut widths.memory_nodes, nodes.len()),
            ] {
                *widest = width.max(*widest);
            }
        }
        widths
    }

    /// The threads that did something on a line, the busiest first.
    fn accesses(
        &self,
        uses: &HashMap<UseKey, Use>,
        count: fn(&Use) -> u64,
        order: fn(&Access) -> u64,
    ) -> Vec<Access> {
        let mut threads: BTreeMap<(i32, i32), Access> = BTreeMap::new();
        let mut in_order: Vec<(&UseKey, &Use)> = uses.iter().collect();
        in_order.sort_unstable_by_key(|(key, _)| **key);
        for (key, used) in in_order {
            if count(used) == 0 {
                continue;
            }
            let access = threads.entry((key.pid, key.tid)).or_insert_with(|| Access {
                pid: key.pid,
                tid: key.tid,
                comm: self.space.comm(key.tid, self.end).map(str::to_owned),
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
            (Reverse(order), access.pid, access.tid)
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

/// The source line of an instruction, and the functions around it where any is
/// inlined.
fn source(answer: &Answer) -> (Option<String>, Vec<InlineFrame>) {
    let source = answer.frames.first().and_then(|frame| frame.source.clone());
    let frames = answer.frames.iter().map(|frame| InlineFrame {
        function: frame.function.clone(),
        source: frame.source.clone(),
    });
    let is_inlined = answer.frames.len() > 1;
    (source, frames.filter(|_| is_inlined).collect())
}

/// Bytes of a path in front of the name of the file.
fn directory(path: &str) -> usize {
    path.rfind('/').map_or(0, |at| at + 1)
}

/// Where an instruction is, as perf prints it.
#[derive(Default)]
struct Place {
    object: Option<String>,
    code_offset: u64,
}

/// Orders signed numbers as unsigned ones.
fn signed_order(number: i32) -> u64 {
    (i64::from(number) - i64::from(i32::MIN)).cast_unsigned()
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
