//! Names for the places that a result shows: each place once, one worker a
//! binary.

use super::binary::{Answer, answer};
use super::elf::Use;
use super::jit::Jit;
use super::kernel::Kernel;
use super::locate::{Locator, Search};
use super::recorded::Placed;
use super::symtab::Symbol;
use crate::result::MissingBinary;
use crate::space::{AddressSpace, Dso, DsoId, DsoKind, MapId};
use anyhow::Result;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// An address that wants a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(super) dso: DsoId,
    /// In code that a program made, which code; the offset is the address then.
    pub(super) made: Option<MapId>,
    pub(super) used: Use,
    /// In a file, its offset; in the kernel and its modules, from the start of
    /// the mapping.
    pub(super) offset: u64,
    /// Of the kernel and its modules, the address; else 0, so that one place in
    /// a file is one spot wherever it is mapped.
    pub(super) address: u64,
}

impl Spot {
    /// An instruction.
    pub(crate) fn code(space: &AddressSpace, map: MapId, address: u64) -> Self {
        Self::new(space, map, address, Use::Code)
    }

    /// A memory location.
    pub(crate) fn data(space: &AddressSpace, map: MapId, address: u64) -> Self {
        Self::new(space, map, address, Use::Data)
    }

    /// The same place, when it is known to be in code that a program made.
    pub(super) fn made(self, code: MapId, address: u64) -> Self {
        Self {
            made: Some(code),
            offset: address,
            ..self
        }
    }

    /// The place some bytes in front.
    pub(super) fn before(self, bytes: u64) -> Self {
        let is_kernel = self.address != 0;
        Self {
            offset: self.offset.wrapping_sub(bytes),
            address: self.address.wrapping_sub(if is_kernel { bytes } else { 0 }),
            ..self
        }
    }

    /// What it is in.
    pub(crate) fn dso(self) -> DsoId {
        self.dso
    }

    /// Where it is, for people: the offset in a file, the address in the kernel.
    pub(crate) fn place(self) -> u64 {
        match self.address {
            0 => self.offset,
            address => address,
        }
    }

    /// A variable near the code of its program, where only the code is known to be
    /// mapped: perf tells of other mappings only when it is asked to.
    pub(crate) fn beside(space: &AddressSpace, code: MapId, address: u64) -> Self {
        Self::new(space, code, address, Use::Beside)
    }

    fn new(space: &AddressSpace, map: MapId, address: u64, used: Use) -> Self {
        let mapping = space.map(map);
        let kind = space.dso(mapping.dso).kind;
        let is_kernel = matches!(kind, DsoKind::Kernel | DsoKind::Module);
        Self {
            dso: mapping.dso,
            made: None,
            used,
            offset: if is_kernel {
                address.wrapping_sub(mapping.start)
            } else {
                space.map_relative(map, address)
            },
            address: if is_kernel { address } else { 0 },
        }
    }
}

/// The names of spots, and what would be needed for more.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// In the order of their spots.
    answers: Vec<(Spot, Answer)>,
    /// Binaries that are needed and not here, by path.
    pub(crate) missing: Vec<MissingBinary>,
    /// What else the reader should know.
    pub(crate) warnings: Vec<String>,
}

impl Names {
    /// Looks up the names of all spots, each of which may be there any number of
    /// times.
    ///
    /// # Errors
    /// When a file or folder that the user named cannot be used.
    pub(crate) fn look_up(
        space: &AddressSpace,
        jit: &Jit,
        mut spots: Vec<Spot>,
        locator: &Locator,
        pool: &rayon::ThreadPool,
    ) -> Result<Self> {
        let mut names = Self::default();
        if !locator.sources().enabled {
            return Ok(names);
        }
        names.warnings.extend_from_slice(&jit.warnings);
        spots.sort_unstable();
        spots.dedup();
        let kernel = Kernel::open(
            space,
            locator,
            has_kernel(space, &spots),
            &mut names.warnings,
        )?;
        let recorded = locator.recorded().placed(space);
        let mut missing: BTreeSet<(String, Option<String>)> = BTreeSet::new();
        let mut wanted: Vec<(&Dso, &[Spot])> = Vec::new();
        for spots in spots.chunk_by(|a, b| (a.dso, a.made) == (b.dso, b.made)) {
            if let Some(code) = spots[0].made {
                let each = spots.iter();
                let known = each.filter_map(|&spot| Some((spot, jit.answer(code, spot.offset)?)));
                names.answers.extend(known);
                continue;
            }
            let dso = space.dso(spots[0].dso);
            match dso.kind {
                DsoKind::Anonymous => {}
                DsoKind::Kernel | DsoKind::Module => {
                    for &spot in spots {
                        let symbol = kernel.symbol(dso, spot.address, spot.offset, spot.used);
                        match symbol.or_else(|| recorded.symbol(spot)) {
                            Some(symbol) => names.know(spot, symbol),
                            None if spot.used == Use::Code || dso.build_id.is_some() => {
                                missing.insert(Kernel::missing(dso));
                            }
                            None => {}
                        }
                    }
                }
                DsoKind::File | DsoKind::Vdso if is_needed(dso, spots) => {
                    wanted.push((dso, spots));
                }
                DsoKind::File | DsoKind::Vdso => {
                    names.know_recorded(&recorded, spots);
                }
            }
        }
        let results: Vec<_> = pool.install(|| {
            let each = wanted.par_iter().with_max_len(1).map(|(dso, spots)| {
                let search = locator.find(dso);
                let places: Vec<_> = spots.iter().map(|spot| (spot.used, spot.offset)).collect();
                let answers = search.found.as_ref().map(|found| answer(found, &places));
                (search, answers)
            });
            each.collect()
        });
        let mut unproven = BTreeSet::new();
        for ((dso, spots), (search, answers)) in wanted.iter().zip(results) {
            let path = dso.display_name().into_owned();
            names.remark(&path, dso, &search);
            let Some(answers) = answers else {
                if names.know_recorded(&recorded, spots) {
                    continue;
                }
                missing.insert((path, dso.build_id.map(|id| id.to_string())));
                continue;
            };
            if search.found.is_some_and(|found| !found.is_proven) {
                unproven.insert(path);
            }
            names.warnings.extend(answers.remarks);
            let each = spots.iter().zip(answers.places);
            let known = each.filter_map(|(&spot, answer)| Some((spot, answer?)));
            names.answers.extend(known);
        }
        if !unproven.is_empty() {
            let paths: Vec<String> = unproven.into_iter().collect();
            names.warnings.push(format!(
                "the capture has no build-id of {}: what --symbol-dir has by that name was taken, \
                 and may be another build",
                paths.join(", ")
            ));
        }
        names.missing = missing
            .into_iter()
            .map(|(path, build_id)| MissingBinary { path, build_id })
            .collect();
        names.warnings.extend(locator.remarks());
        names.answers.sort_unstable_by_key(|&(spot, _)| spot);
        // Two mappings of one file would say the same twice.
        names.warnings.sort();
        names.warnings.dedup();
        Ok(names)
    }

    fn know(&mut self, spot: Spot, symbol: Symbol) {
        let answer = Answer {
            symbol: Some(symbol),
            frames: Vec::new(),
        };
        self.answers.push((spot, answer));
    }

    /// Takes what the recorder knows of spots. Whether it knows all of them.
    fn know_recorded(&mut self, recorded: &Placed<'_>, spots: &[Spot]) -> bool {
        let mut is_all = true;
        for &spot in spots {
            match recorded.symbol(spot) {
                Some(symbol) => self.know(spot, symbol),
                None => is_all = false,
            }
        }
        is_all
    }

    /// Says what was refused in the user's own folders, and why the rest of a
    /// binary is missing.
    fn remark(&mut self, path: &str, dso: &Dso, search: &Search) {
        let has_lines = search.found.as_ref().map(|found| found.has_lines);
        let wanted = dso.build_id.map_or_else(String::new, |id| id.to_string());
        for refusal in search.refused.iter().filter(|refusal| refusal.is_named) {
            let (file, own) = (&refusal.file, refusal.build_id.as_deref().unwrap_or("none"));
            match (&refusal.binary, has_lines) {
                (Some(binary), Some(false)) => self.warnings.push(format!(
                    "{file} is not used for {path}: its build-id is {own}, and {binary}"
                )),
                (None, None) => self.warnings.push(format!(
                    "{file} is not used for {path}: its build-id is {own}, recorded was {wanted}"
                )),
                _ => {}
            }
        }
        if let Some(debug) = &search.debug_only {
            self.warnings.push(format!(
                "{debug} has debug information for {path}, and the binary itself is needed besides"
            ));
        }
    }

    /// What is known of a spot.
    pub(crate) fn get(&self, spot: Spot) -> Option<&Answer> {
        let found = self.answers.binary_search_by_key(&spot, |&(spot, _)| spot);
        Some(&self.answers[found.ok()?].1)
    }
}

/// Whether spots have names in a file.
pub(super) fn is_needed(dso: &Dso, spots: &[Spot]) -> bool {
    is_needed_file(dso, spots.iter().any(|spot| spot.used != Use::Data))
}

/// Whether a file is a binary: the data of programs may be in any file.
pub(super) fn is_needed_file(dso: &Dso, has_code: bool) -> bool {
    let name = &dso.name;
    let is_file = name.starts_with(b"/") || dso.kind == DsoKind::Vdso && dso.build_id.is_some();
    is_file && !is_odd(name) && (has_code || dso.build_id.is_some())
}

/// Whether a path is one of the kernel's own, however it is written.
fn is_odd(name: &[u8]) -> bool {
    if name.starts_with(b"/memfd:") || name.starts_with(b"/SYSV") {
        return true;
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let first: Option<&&[u8]> = parts.first();
    parts.len() > 1 && first.is_some_and(|first| [&b"dev"[..], b"proc", b"sys"].contains(first))
}

/// Whether any of the spots is in the kernel or its modules.
pub(super) fn has_kernel(space: &AddressSpace, spots: &[Spot]) -> bool {
    spots.iter().any(|spot| {
        let kind = space.dso(spot.dso).kind;
        matches!(kind, DsoKind::Kernel | DsoKind::Module)
    })
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
