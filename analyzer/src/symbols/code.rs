//! Names for all instructions of a capture, be they shown or not: what tests
//! compare with other tools, and benchmarks time.

use super::jit::Jit;
use super::locate::{Locator, SymbolSources};
use super::names::{Names, Spot};
use super::starts::FunctionStarts;
use crate::capture::Capture;
use crate::space::AddressSpace;
use crate::stack::instructions;
use crate::survey::SAMPLE;
use anyhow::Result;
use contend_perfdata::At;
use rustc_hash::FxHashSet;
use std::sync::Arc;

/// A function and a source line, as far as they are known.
pub type NamedFrame = (Option<Arc<str>>, Option<Arc<str>>);

/// An instruction with its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCode {
    /// The process of one of the samples.
    pub pid: i32,
    /// The address in it.
    pub address: u64,
    /// The binary, as recorded.
    pub path: Arc<str>,
    /// Bytes into the file; of memory without one, the address.
    pub offset: u64,
    /// The function that was compiled; absent when nothing names it.
    pub function: Option<Arc<str>>,
    /// Bytes from the start of the function, by the symbol table alone.
    pub behind: Option<u64>,
    /// Functions and source lines (`file:line`), the innermost inlined one first.
    pub frames: Vec<NamedFrame>,
}

/// All distinct instructions of a capture, sorted by process and address, and
/// what the reader should know.
#[derive(Clone, Debug, Default)]
pub struct AllCode {
    /// Each place in a file once; of one in memory without a file, each function's.
    pub code: Vec<NamedCode>,
    /// Paths of binaries that are needed and not here.
    pub missing: Vec<String>,
    /// What was wrong with binaries and lists.
    pub warnings: Vec<String>,
}

/// Names every sampled instruction and every one of the recorded call chains.
///
/// # Errors
/// When the capture cannot be read, or a file or folder that the user named
/// cannot be used.
#[doc(hidden)]
pub fn name_all_code(capture: &mut Capture, sources: &SymbolSources) -> Result<AllCode> {
    let (mut survey, _) = capture.survey()?;
    let space = capture.address_space(&mut survey);
    let locator = Locator::new(sources, capture)?;
    let jit = Jit::open(&space, &locator, capture.is_monotonic());
    let places = places(capture, &space, &jit)?;
    let spots: Vec<Spot> = places.iter().map(|&(spot, ..)| spot).collect();
    let starts = FunctionStarts::look_up(&space, &jit, spots.clone(), &locator, capture.pool())?;
    let names = Names::look_up(&space, &jit, spots, &locator, capture.pool())?;
    let mut paths: Vec<Option<Arc<str>>> = vec![None; space.dsos().count()];
    let mut code = Vec::with_capacity(places.len());
    for (spot, pid, address) in places {
        let path = paths[spot.dso.index() as usize]
            .get_or_insert_with(|| space.dso(spot.dso).display_name().into());
        let answer = names.get(spot);
        let frames = answer.map_or(&[][..], |answer| &answer.frames);
        let start = starts.start(spot);
        code.push(NamedCode {
            pid,
            address,
            path: Arc::clone(path),
            offset: spot.offset,
            function: answer.and_then(|answer| Some(Arc::clone(&answer.symbol.as_ref()?.name))),
            behind: start.map(|start| spot.offset.wrapping_sub(start.offset)),
            frames: frames
                .iter()
                .map(|frame| (frame.function.clone(), frame.source.clone()))
                .collect(),
        });
    }
    code.sort_unstable_by_key(|named| (named.pid, named.address));
    let missing = names.missing.into_iter().map(|binary| binary.path);
    Ok(AllCode {
        code,
        missing: missing.collect(),
        warnings: names.warnings,
    })
}

/// Each place once, with the least process and address that has it.
fn places(capture: &Capture, space: &AddressSpace, jit: &Jit) -> Result<Vec<(Spot, i32, u64)>> {
    let events = capture.data().events();
    let (workers, _) = capture.walk(FxHashSet::default, |places, batch| {
        for record in batch.records() {
            if record.kind != SAMPLE {
                continue;
            }
            let event = events.event_of(record.body);
            let Some(layout) = event.and_then(|event| events.layout(event)) else {
                continue;
            };
            let Ok(sample) = layout.decode(record.body) else {
                continue;
            };
            let at = At {
                time: sample.time.unwrap_or(0),
                pos: record.pos,
            };
            let pid = sample.pid_tid.map_or(-1, |(pid, _)| pid);
            for address in instructions(&sample) {
                if let Some(map) = space.find_code(pid, address, at) {
                    places.insert((jit.spot(space, map, pid, address, at), pid, address));
                }
            }
        }
    })?;
    let mut all: Vec<_> = workers.into_iter().flatten().collect();
    all.sort_unstable();
    all.dedup_by_key(|&mut (spot, ..)| spot);
    Ok(all)
}
