//! What groups are called: functions, variables of lines, threads, nodes, cores.

use super::collect::Collected;
use super::key::GroupKey;
use super::metric::Hardware;
use super::scan::Scan;
use super::sums::{Slowest, Sums};
use crate::capture::Capture;
use crate::result::{Hex, LatencyKey, MemoryObject, Quality};
use crate::space::{AddressSpace, DsoKind, MapId};
use crate::symbols::{FunctionStarts, Jit, Locator, Names, Spot};
use anyhow::Result;
use contend_perfdata::{At, CpuMode, Midr};
use std::collections::BTreeMap;

/// Behind every record.
const END: At = At {
    time: u64::MAX,
    pos: u64::MAX,
};

/// A group that may be shown, made of one raw group or, of functions, of several.
pub(super) struct Candidate {
    pub(super) parts: Vec<GroupKey>,
    pub(super) sums: Sums,
    /// The function, its binary, whether it is the kernel's.
    pub(super) function: Option<FunctionName>,
}

/// Name, binary, and whether it is the kernel's.
pub(super) type FunctionName = (String, Option<String>, bool);

/// Finds names.
pub(super) struct Namer<'a> {
    pub(super) capture: &'a Capture,
    pub(super) space: &'a AddressSpace,
    pub(super) jit: &'a Jit,
    pub(super) locator: &'a Locator,
    pub(super) line_size: u64,
}

impl Namer<'_> {
    /// Joins instructions to functions: by symbol table, and then by name. Code
    /// without a name stays apart by instruction.
    pub(super) fn functions(
        &self,
        collected: &Collected,
        quality: &mut Quality,
    ) -> Result<Vec<Candidate>> {
        let spots: Vec<Spot> = collected
            .groups
            .iter()
            .filter_map(|(key, _)| match key {
                GroupKey::Code(code) => code.map(|(spot, _)| spot),
                _ => None,
            })
            .collect();
        let pool = self.capture.pool();
        let starts =
            FunctionStarts::look_up(self.space, self.jit, spots.clone(), self.locator, pool)?;
        let first = |spot: Spot| starts.start(spot).unwrap_or(spot);
        let wanted = spots.iter().map(|&spot| first(spot)).collect();
        let names = self.names(wanted, quality)?;
        let mut all: BTreeMap<FunctionName, Candidate> = BTreeMap::new();
        for &(key, sums) in &collected.groups {
            let GroupKey::Code(code) = key else { continue };
            let name = match code {
                Some((spot, pid)) => self.function(first(spot), pid, &names),
                None => ("[unknown]".to_owned(), None, false),
            };
            let candidate = all.entry(name.clone()).or_insert_with(|| Candidate {
                parts: Vec::new(),
                sums: Sums::default(),
                function: Some(name),
            });
            candidate.parts.push(key);
            candidate.sums.merge(&sums);
        }
        Ok(all.into_values().collect())
    }

    fn function(&self, spot: Spot, pid: i32, names: &Names) -> FunctionName {
        let dso = self.space.dso(spot.dso());
        let object = dso.perf_name(pid);
        let symbol = names.get(spot).and_then(|answer| {
            let compiled = answer
                .frames
                .last()
                .and_then(|frame| frame.function.clone());
            answer
                .symbol
                .as_ref()
                .map(|symbol| symbol.name.clone())
                .or(compiled)
        });
        let name = match symbol {
            Some(name) => name.to_string(),
            None => format!("{object}+{:#x}", spot.place()),
        };
        let is_kernel = matches!(dso.kind, DsoKind::Kernel | DsoKind::Module);
        (name, Some(object), is_kernel)
    }

    fn names(&self, spots: Vec<Spot>, quality: &mut Quality) -> Result<Names> {
        let pool = self.capture.pool();
        let mut names = Names::look_up(self.space, self.jit, spots, self.locator, pool)?;
        quality.missing_binaries = std::mem::take(&mut names.missing);
        quality.warnings.append(&mut names.warnings);
        Ok(names)
    }

    /// Looks up the variables of the shown lines.
    pub(super) fn lines(&self, shown: &[Candidate], quality: &mut Quality) -> Result<Names> {
        let lines = shown.iter().filter(|candidate| {
            let first = candidate.parts.first();
            matches!(first, Some(GroupKey::Line(_)))
        });
        let places = lines.filter_map(|candidate| candidate.sums.slowest);
        let spots: Vec<Spot> = places
            .flat_map(|place| self.data_spots(place))
            .flatten()
            .collect();
        match spots.is_empty() {
            true => Ok(Names::default()),
            false => self.names(spots, quality),
        }
    }

    /// Where the slowest access of a line went, and where the line begins.
    fn data_spots(&self, place: Slowest) -> [Option<Spot>; 2] {
        let line = place.addr & !(self.line_size - 1);
        [place.addr, line].map(|address| {
            let map = self.data_map(place)?;
            let dso = self.space.dso(self.space.map(map).dso);
            if dso.kind != DsoKind::Anonymous {
                return Some(Spot::data(self.space, map, address));
            }
            // Behind the variables of a file that have a value are those without, in
            // memory that has no file.
            let file = self.space.loaded_before(map, place.pid, at(place))?;
            Some(Spot::data(self.space, file, address))
        })
    }

    fn data_map(&self, place: Slowest) -> Option<MapId> {
        let mode = CpuMode::from_misc(place.mode.into());
        self.space.find(mode, place.pid, place.addr, at(place))
    }

    pub(super) fn key(&self, candidate: &Candidate, scan: &Scan, names: &Names) -> LatencyKey {
        if let Some((function, dso, kernel)) = candidate.function.clone() {
            return LatencyKey::Function {
                function,
                dso,
                kernel,
            };
        }
        match candidate.parts[0] {
            GroupKey::Source(source) => LatencyKey::Source {
                op: source.class.op,
                level: source.class.level,
                snoop: source.class.snoop,
                place: source.class.place,
                code: source.code.map(|code| Hex(code.into())),
                cpu_model: (scan.hardware == Hardware::Spe).then(|| core_name(scan, source.model)),
            },
            GroupKey::Code(_) => LatencyKey::Function {
                function: "[unknown]".to_owned(),
                dso: None,
                kernel: false,
            },
            GroupKey::Line(_) => self.line(candidate.sums.slowest, names),
            GroupKey::Thread(pid, tid) => LatencyKey::Thread {
                pid,
                tid,
                comm: self.space.comm(tid, END).map(str::to_owned),
            },
            GroupKey::Cpu(cpu) => LatencyKey::Cpu { cpu },
            GroupKey::Node(place, memory_node) => LatencyKey::Node {
                node: place.and_then(|place| {
                    let node = self
                        .capture
                        .header()
                        .features
                        .numa_topology
                        .get(usize::from(place));
                    Some(node?.id)
                }),
                memory_node,
            },
        }
    }

    fn line(&self, slowest: Option<Slowest>, names: &Names) -> LatencyKey {
        let Some(place) = slowest else {
            return LatencyKey::Line {
                address: Hex(0),
                object: None,
                pid: -1,
            };
        };
        let address = place.addr & !(self.line_size - 1);
        let object = self.data_map(place).map(|map| {
            let mut object = MemoryObject {
                name: None,
                offset: Hex(self.space.map_relative(map, address)),
                dso: self
                    .space
                    .dso(self.space.map(map).dso)
                    .display_name()
                    .into_owned(),
            };
            let spots = self
                .data_spots(place)
                .into_iter()
                .zip([place.addr, address]);
            let named = spots.filter_map(|(spot, address)| {
                let symbol = names.get(spot?)?.symbol.as_ref()?;
                Some((symbol, address))
            });
            if let Some((symbol, at)) = named.into_iter().next() {
                object.name = Some(symbol.name.to_string());
                object.offset = Hex(symbol.offset.saturating_sub(at - address));
            }
            object
        });
        LatencyKey::Line {
            address: Hex(address),
            object,
            pid: place.pid,
        }
    }
}

/// What people call the core of this model.
fn core_name(scan: &Scan, model: u64) -> String {
    let trace = scan.spe.as_ref().map(|(trace, _)| trace);
    let mut cores = trace.into_iter().flat_map(|trace| trace.cores());
    let found = cores.find(|core| core.midr.map_or(0, Midr::model) == model);
    found.map_or_else(|| "unknown core".to_owned(), |core| core.name().to_string())
}

fn at(place: Slowest) -> At {
    At {
        time: place.time,
        pos: place.pos,
    }
}
