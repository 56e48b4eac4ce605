//! The rows of a line, for the result.

use super::super::rows::{Coalesce, Row as RawRow, RowKey};
use super::{Context, LinePlace, latency};
use crate::c2c::Sort;
use crate::c2c::replay::Replayed;
use crate::memory::Counter;
use crate::result::{Hex, HiddenWidths, InlineFrame, Row, RowCompat, Variable, cpu_ranges};
use crate::space::{DsoKind, MapId};
use crate::symbols::{Answer, Spot};
use contend_perfdata::CpuMode;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Context<'_> {
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
    pub(super) fn data_spot(&self, key: RowKey, row: &RawRow, place: LinePlace) -> Option<Spot> {
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
        self.names.get(self.code_spot(key, row)?)
    }

    pub(super) fn code_spot(&self, key: RowKey, row: &RawRow) -> Option<Spot> {
        let map = self.code_map(key, row)?;
        let (at, pid, _) = row.first.unwrap_or_default();
        Some(self.jit.spot(self.space, map, pid, key.ip, at))
    }

    /// perf hides rows that have ordinary loads only.
    pub(super) fn is_row_shown(&self, row: &RawRow) -> bool {
        let counters = row.part.counters();
        let has_slow = self.sort == Sort::Latency && counters.get(Counter::Load) > 0;
        counters.get(Counter::Store) > 0 || has_slow || self.sort.metric(&counters) > 0
    }

    pub(super) fn row_order(&self, key: &RowKey, row: &RawRow, mode: CpuMode) -> impl Ord + use<> {
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

    pub(super) fn row(
        &self,
        key: RowKey,
        mut row: RawRow,
        mode: CpuMode,
        line: LinePlace,
        replayed: Replayed,
    ) -> Row {
        let (_, pid, tid) = row.first.unwrap_or_default();
        let has_ip = self.coalesce.contains(&Coalesce::Iaddr);
        let code = self.code_map(key, &row);
        let known = self.code(key, &row);
        let function = known.and_then(|answer| Some(answer.symbol.as_ref()?.name.to_string()));
        let (source, inlined) = known.map_or_else(Default::default, source);
        let variable = self.data_spot(key, &row, line).and_then(|spot| {
            let symbol = self.names.get(spot)?.symbol.as_ref()?;
            Some(Variable {
                name: symbol.name.to_string(),
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
        let mut tids: Vec<i32> = row.threads.iter().map(|(actor, _)| actor.ids().1).collect();
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

    pub(super) fn hidden_widths(&self, rows: &[(RowKey, RawRow)], mode: CpuMode) -> HiddenWidths {
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
}

/// The source line of an instruction, and the functions around it where any is
/// inlined.
fn source(answer: &Answer) -> (Option<String>, Vec<InlineFrame>) {
    let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
    let source = answer.frames.first().and_then(|frame| text(&frame.source));
    let frames = answer.frames.iter().map(|frame| InlineFrame {
        function: text(&frame.function),
        source: text(&frame.source),
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
