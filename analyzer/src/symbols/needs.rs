//! Which binaries a capture needs for names, and which of them are here.

use super::kernel::{Kernel, is_module};
use super::locate::{Locator, SymbolSources};
use super::names::is_needed_file;
use crate::capture::Capture;
use crate::result::{BinaryFacts, CaptureFacts, MissingBinary, OtherBuild, Quality, Symbols};
use crate::space::{AddressSpace, Dso, DsoId, DsoKind};
use crate::stack::instructions;
use crate::survey::SAMPLE;
use anyhow::Result;
use contend_perfdata::{At, CpuMode, Sample};
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// How many samples have code or data in a binary.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    samples: u64,
    code: u64,
}

type Uses = FxHashMap<DsoId, Usage>;

/// Finds out what a capture needs.
///
/// # Errors
/// When the capture cannot be read, or a file or folder that the user named
/// cannot be used.
pub fn symbols(capture: &mut Capture, sources: &SymbolSources) -> Result<Symbols> {
    let locator = Locator::new(sources, capture)?;
    let (mut survey, walk) = capture.survey()?;
    let space = capture.address_space(&mut survey);
    let facts = CaptureFacts::new(capture, &survey);
    let mut quality = Quality::new(capture, &survey, &walk);
    let uses = uses(capture, &space)?;

    // One line for each file, however many inodes it was seen with.
    let mut needed: BTreeMap<(String, Option<String>), (&Dso, Usage)> = BTreeMap::new();
    for (id, used) in uses {
        let dso = space.dso(id);
        if is_needed(dso, used) {
            let name = match dso.kind {
                DsoKind::Kernel => "[kernel.kallsyms]".to_owned(),
                _ => dso.display_name().into_owned(),
            };
            let key = (name, dso.build_id.map(|id| id.to_string()));
            let (_, all) = needed.entry(key).or_insert((dso, Usage::default()));
            all.samples += used.samples;
        }
    }
    let is_kernel = |dso: &Dso| matches!(dso.kind, DsoKind::Kernel | DsoKind::Module);
    let has_kernel = needed.values().any(|(dso, _)| is_kernel(dso));
    let kernel = Kernel::open(&space, &locator, has_kernel, &mut quality.warnings)?;
    let needed: Vec<_> = needed.into_iter().collect();
    let mut binaries: Vec<BinaryFacts> = capture.pool().install(|| {
        let each = needed.par_iter().map(|((path, build_id), (dso, used))| {
            let mut facts = BinaryFacts {
                path: path.clone(),
                build_id: build_id.clone(),
                samples: used.samples,
                ..BinaryFacts::default()
            };
            fill(&mut facts, dso, &locator, &kernel);
            facts
        });
        each.collect()
    });
    binaries.sort_by(|a, b| {
        let key = |binary: &BinaryFacts| (Reverse(binary.samples), binary.path.clone());
        key(a).cmp(&key(b)).then(a.build_id.cmp(&b.build_id))
    });
    quality.warnings.extend(locator.remarks());
    let missing = binaries.iter().filter(|binary| binary.state != "found");
    quality.missing_binaries = missing
        .map(|binary| MissingBinary {
            path: binary.path.clone(),
            build_id: binary.build_id.clone(),
        })
        .collect();
    Ok(Symbols {
        schema: "contend.symbols/1",
        capture: facts,
        quality,
        binaries,
    })
}

/// Says where a binary is.
fn fill(facts: &mut BinaryFacts, dso: &Dso, locator: &Locator, kernel: &Kernel) {
    if matches!(dso.kind, DsoKind::Kernel | DsoKind::Module) {
        let list = kernel.file().filter(|_| kernel.knows(dso));
        facts.state = if list.is_some() { "found" } else { "missing" };
        facts.file = list.map(|(file, _)| file.to_owned());
        facts.source = list.map(|(_, origin)| origin.name());
        facts.wanted = list.is_none().then(|| "/proc/kallsyms".to_owned());
        return;
    }
    let search = locator.find(dso);
    facts.refused = search
        .refused
        .iter()
        .map(|refusal| OtherBuild {
            path: refusal.file.clone(),
            build_id: refusal.build_id.clone(),
        })
        .collect();
    match search.found {
        Some(found) => {
            facts.state = "found";
            facts.file = Some(found.image.to_string());
            facts.source = Some(found.image.origin().name());
            facts.debug = found.debug.map(|image| image.to_string());
            facts.shared = found.shared.map(|image| image.to_string());
            facts.source_lines = found.has_lines;
            facts.verified = found.is_proven;
        }
        None => {
            facts.state = if facts.refused.is_empty() {
                "missing"
            } else {
                "refused"
            };
            facts.debug = search.debug_only.map(|image| image.to_string());
            facts.wanted = Some(match &facts.build_id {
                Some(id) if id.len() > 2 => format!(".build-id/{}/{}", &id[..2], &id[2..]),
                _ => facts.path.trim_start_matches('/').to_owned(),
            });
        }
    }
}

fn is_needed(dso: &Dso, used: Usage) -> bool {
    match dso.kind {
        DsoKind::Anonymous => false,
        DsoKind::Kernel => true,
        // What the kernel named itself needs nothing.
        DsoKind::Module => is_module(dso),
        DsoKind::File | DsoKind::Vdso => is_needed_file(dso, used.code > 0),
    }
}

fn uses(capture: &Capture, space: &AddressSpace) -> Result<Uses> {
    let events = capture.data().events();
    let (workers, _) = capture.walk(Uses::default, |uses, batch| {
        for record in batch.records() {
            if record.kind != SAMPLE {
                continue;
            }
            let event = events.event_of(record.body);
            let Some(layout) = event.and_then(|event| events.layout(event)) else {
                continue;
            };
            if let Ok(sample) = layout.decode(record.body) {
                let at = At {
                    time: sample.time.unwrap_or(0),
                    pos: record.pos,
                };
                note(uses, space, &sample, record.misc, at);
            }
        }
    })?;
    let mut all = Uses::default();
    for (dso, more) in workers.into_iter().flatten() {
        let used = all.entry(dso).or_default();
        used.samples += more.samples;
        used.code += more.code;
    }
    Ok(all)
}

/// Counts a sample for each binary that it touches, once.
fn note(uses: &mut Uses, space: &AddressSpace, sample: &Sample<'_>, misc: u16, at: At) {
    let pid = sample.pid_tid.map_or(-1, |(pid, _)| pid);
    let code =
        instructions(sample).filter_map(|address| Some((space.find_code(pid, address, at)?, true)));
    let mode = CpuMode::from_misc(misc);
    let data = sample.addr.filter(|&address| address != 0);
    let data = data.and_then(|address| Some((space.find(mode, pid, address, at)?, false)));
    let mut seen: Vec<DsoId> = Vec::new();
    for (map, is_code) in code.chain(data) {
        let dso = space.map(map).dso;
        let used = uses.entry(dso).or_default();
        used.code += u64::from(is_code);
        if !seen.contains(&dso) {
            seen.push(dso);
            used.samples += 1;
        }
    }
}
