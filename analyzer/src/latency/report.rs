//! From what was collected to the result: order, names, numbers.

use super::collect::{Collected, Task, collect, histograms, periods};
use super::groups::{MOST_GROUPS, Shown};
use super::heat::HeatMap;
use super::key::{By, GroupKey, Keys};
use super::metric::{Hardware, Metric};
use super::scan::{Period, Scan};
use super::sums::{Slowest, Sums};
use crate::capture::Capture;
use crate::filter::Filter;
use crate::result::{
    CaptureFacts, Distribution, FILTERED, Hex, LatencyBaseline, LatencyBucket, LatencyEvent,
    LatencyGroup, LatencyKey, LatencyReport, MemoryObject, Quality, RestGroups,
};
use crate::space::{AddressSpace, DsoKind, MapId};
use crate::spe;
use crate::stats::{Histogram, PRECISION};
use crate::symbols::{FunctionStarts, Jit, Locator, Names, Spot, SymbolSources};
use crate::topology::Topology;
use anyhow::Result;
use contend_perfdata::{At, CpuMode};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Behind every record.
const END: At = At {
    time: u64::MAX,
    pos: u64::MAX,
};

/// What the user asked for.
pub(crate) struct LatencyOptions<'a> {
    pub(crate) by: By,
    pub(crate) metric: Metric,
    pub(crate) filter: Filter<'a>,
    /// Bytes of a cache line: a power of two.
    pub(crate) line_size: u64,
    /// Whether to note latencies over time.
    pub(crate) with_heat: bool,
}

/// A group that may be shown, made of one raw group or, of functions, of several.
struct Candidate {
    parts: Vec<GroupKey>,
    sums: Sums,
    /// The function, its binary, whether it is the kernel's.
    function: Option<FunctionName>,
}

/// Name, binary, and whether it is the kernel's.
type FunctionName = (String, Option<String>, bool);

/// Answers how slow memory is.
///
/// # Errors
/// When the capture cannot be read, or a file or folder that the user named cannot
/// be used.
pub(crate) fn latency(
    capture: &Capture,
    scan: &Scan,
    space: &AddressSpace,
    options: &LatencyOptions<'_>,
    sources: &SymbolSources,
) -> Result<LatencyReport> {
    let features = &capture.header().features;
    let topology = Topology::new(features);
    let locator = Locator::new(sources, capture)?;
    let jit = Jit::open(space, &locator, capture.is_monotonic());
    let span = match &options.filter.time {
        Some(range) => Some((*range.start(), *range.end())),
        None => scan.survey.times(),
    };
    let span = span.filter(|_| options.with_heat);
    let heat = span.map(|(first, last)| HeatMap::new(first, last));
    let task = Task {
        metric: options.metric,
        keys: Keys {
            by: options.by,
            space,
            jit: &jit,
            topology: &topology,
            line_size: options.line_size,
        },
        filter: &options.filter,
        baseline: scan.baseline,
        periods: periods(&scan.events),
        spe: scan.spe.as_ref().map(|(trace, _)| trace),
        heat,
    };
    let mut collected = collect(capture, &task)?;
    let mut quality = Quality::new(capture, &scan.survey, &scan.walk);
    quality.memory_samples = Some(collected.total.accesses());
    quality.skip(FILTERED, collected.filtered);
    if let Some((trace, sums)) = &scan.spe {
        spe::report(capture, trace, sums, &mut quality);
    }
    for (reason, count) in space.notes() {
        quality.skip(reason, *count);
    }
    let events = events(scan, &collected);
    let is_estimated = events.iter().all(|event| event.has_period);
    let order = |sums: &Sums| match is_estimated {
        true => (sums.lost_events, sums.sum),
        false => (sums.lost, sums.sum),
    };
    let namer = Namer {
        capture,
        space,
        jit: &jit,
        locator: &locator,
        line_size: options.line_size,
    };
    let mut candidates = match options.by {
        By::Function => namer.functions(&collected, &mut quality)?,
        _ => {
            let groups = collected.groups.iter();
            let each = groups.map(|&(key, sums)| Candidate {
                parts: vec![key],
                sums,
                function: None,
            });
            each.collect()
        }
    };
    // Stable: what lost the same stays in the order of keys or names.
    candidates.sort_by_key(|candidate| Reverse(order(&candidate.sums)));
    let rest = candidates.split_off(candidates.len().min(MOST_GROUPS));
    let histograms = match collected.histograms.take() {
        Some(mut known) => {
            let each = candidates.iter().map(|candidate| {
                let mut all = Histogram::default();
                for part in &candidate.parts {
                    if let Some(own) = known.remove(part) {
                        all.merge(&own);
                    }
                }
                all
            });
            each.collect()
        }
        None => {
            let numbered = (0..).zip(&candidates);
            let shown: Shown = numbered
                .flat_map(|(number, candidate)| {
                    candidate.parts.iter().map(move |&part| (part, number))
                })
                .collect();
            histograms(capture, &task, &shown, candidates.len())?
        }
    };
    let names = namer.lines(&candidates, &mut quality)?;
    note_unmapped(&collected, &mut quality);
    let (whole, _) = order(&collected.total);
    let share = |sums: &Sums| match whole {
        0 => 0.0,
        whole => order(sums).0 as f64 / whole as f64,
    };
    let groups = candidates.iter().zip(&histograms);
    let groups = groups.map(|(candidate, histogram)| LatencyGroup {
        key: namer.key(candidate, scan, &names),
        share: share(&candidate.sums),
        latency: distribution(&candidate.sums, histogram, is_estimated),
    });
    let groups = groups.collect();
    let mut facts = CaptureFacts::new(capture, &scan.survey);
    if options.by == By::Line {
        facts.line_size = Some(options.line_size);
    }
    Ok(LatencyReport {
        schema: "contend.latency/1",
        capture: facts,
        quality,
        by: options.by.name(),
        metric: options.metric.name(),
        unit: scan.meaning.unit,
        meaning: scan.meaning.text,
        // It is one of the main latency.
        threshold: match options.metric {
            Metric::Weight => events.iter().filter_map(|event| event.threshold).max(),
            _ => None,
        },
        events,
        baseline: LatencyBaseline {
            load: scan.baseline.load,
            load_hits: scan.baseline.hits[0],
            store: scan.baseline.store,
            store_hits: scan.baseline.hits[1],
        },
        precision: PRECISION,
        order: if is_estimated {
            "lost_estimated"
        } else {
            "lost"
        },
        total: distribution(&collected.total, &collected.histogram, is_estimated),
        groups,
        rest: rest_of(&rest, share),
        heat: collected.heat,
    })
}

/// The events that have accesses behind the filters.
fn events(scan: &Scan, collected: &Collected) -> Vec<LatencyEvent> {
    let known = scan.events.iter().zip(&collected.by_event);
    let taken = known.filter(|(_, (count, without))| count + without > 0);
    taken
        .map(|(event, &(count, without))| LatencyEvent {
            name: event.name.clone(),
            count,
            without,
            threshold: event.threshold,
            has_period: event.period != Period::Unknown,
        })
        .collect()
}

fn distribution(sums: &Sums, histogram: &Histogram, is_estimated: bool) -> Distribution {
    let has_any = sums.count > 0;
    // A bucket ends behind the largest value of all.
    let percentile = |percent| Some(histogram.percentile(percent)?.min(sums.max));
    Distribution {
        count: sums.count,
        without: sums.without,
        sum: sums.sum,
        mean: has_any.then(|| sums.sum as f64 / sums.count as f64),
        min: has_any.then_some(sums.min),
        p50: percentile(50.0),
        p90: percentile(90.0),
        p99: percentile(99.0),
        p999: percentile(99.9),
        max: has_any.then_some(sums.max),
        lost: sums.lost,
        lost_estimated: is_estimated.then_some(sums.lost_events),
        accesses_estimated: is_estimated.then_some(sums.events),
        buckets: histogram
            .buckets()
            .map(|bucket| LatencyBucket {
                low: bucket.low,
                high: bucket.high,
                count: bucket.count,
            })
            .collect(),
    }
}

fn rest_of(rest: &[Candidate], share: impl Fn(&Sums) -> f64) -> Option<RestGroups> {
    let mut sums = Sums::default();
    rest.iter()
        .for_each(|candidate| sums.merge(&candidate.sums));
    (!rest.is_empty()).then(|| RestGroups {
        groups: rest.len() as u64,
        count: sums.count,
        without: sums.without,
        sum: sums.sum,
        share: share(&sums),
    })
}

/// Counts the accesses whose instruction or data nothing is mapped at, where groups
/// tell.
fn note_unmapped(collected: &Collected, quality: &mut Quality) {
    for (key, sums) in &collected.groups {
        let (field, is_unmapped) = match key {
            GroupKey::Code(code) => (&mut quality.unresolved_ip, code.is_none()),
            GroupKey::Line(line) => (&mut quality.unmapped_addr, line.is_unmapped()),
            _ => return,
        };
        let more = if is_unmapped { sums.accesses() } else { 0 };
        *field = Some(field.unwrap_or(0) + more);
    }
}

/// Finds names.
struct Namer<'a> {
    capture: &'a Capture,
    space: &'a AddressSpace,
    jit: &'a Jit,
    locator: &'a Locator,
    line_size: u64,
}

impl Namer<'_> {
    /// Joins instructions to functions: by symbol table, and then by name. Code
    /// without a name stays apart by instruction.
    fn functions(&self, collected: &Collected, quality: &mut Quality) -> Result<Vec<Candidate>> {
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
    fn lines(&self, shown: &[Candidate], quality: &mut Quality) -> Result<Names> {
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

    fn key(&self, candidate: &Candidate, scan: &Scan, names: &Names) -> LatencyKey {
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

/// What people call the kind of core with this `MIDR_EL1`.
fn core_name(scan: &Scan, midr: u64) -> String {
    let trace = scan.spe.as_ref().map(|(trace, _)| trace);
    let mut cores = trace.into_iter().flat_map(|trace| trace.cores());
    let found = cores.find(|core| core.midr.map_or(0, |known| known.0) == midr);
    found.map_or_else(|| "unknown core".to_owned(), |core| core.name().to_string())
}

fn at(place: Slowest) -> At {
    At {
        time: place.time,
        pos: place.pos,
    }
}
