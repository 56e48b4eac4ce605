//! Names that the recorder wrote into the capture: simpleperf looks up the
//! functions of its samples on the device, whose binaries are rarely elsewhere.
//!
//! They are the last source. A binary by build-id knows more: source lines,
//! inlined functions, and those that no sample of the recorder's was in.

use super::demangle::demangle;
use super::elf::Use;
use super::names::Spot;
use super::symtab::Symbol;
use crate::space::{AddressSpace, Dso, DsoId, DsoKind};
use contend_perfdata::{FileSymbol, SymbolFile, SymbolFileKind};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many symbols in front of an address may lie between it and the one that
/// spans it.
const NESTING: usize = 64;

/// What the recorder knew of files, by path.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    files: Arc<[SymbolFile]>,
    by_path: BTreeMap<Box<[u8]>, usize>,
}

impl Recorded {
    /// Of two entries with one path the later one stays.
    pub(super) fn new(files: &Arc<[SymbolFile]>) -> Self {
        let each = files.iter().enumerate();
        Self {
            by_path: each
                .map(|(place, file)| (file.path.as_bytes().into(), place))
                .collect(),
            files: Arc::clone(files),
        }
    }

    /// Puts the files where the capture has them mapped.
    pub(super) fn placed<'a>(&'a self, space: &'a AddressSpace) -> Placed<'a> {
        let mut code: FxHashMap<DsoId, u64> = FxHashMap::default();
        let mut compiled = FxHashSet::default();
        if !self.by_path.is_empty() {
            for mapping in space.maps().filter(|mapping| mapping.executable) {
                let lowest = code.entry(mapping.dso).or_insert(mapping.file_offset);
                *lowest = mapping.file_offset.min(*lowest);
                if mapping.compiled {
                    compiled.insert(mapping.dso);
                }
            }
        }
        Placed {
            recorded: self,
            space,
            code,
            compiled,
        }
    }
}

/// The recorder's names for the address space of a capture.
#[derive(Debug)]
pub(super) struct Placed<'a> {
    recorded: &'a Recorded,
    space: &'a AddressSpace,
    /// The lowest offset in a file that code is mapped from.
    code: FxHashMap<DsoId, u64>,
    /// Files whose addresses are where their code ran.
    compiled: FxHashSet<DsoId>,
}

impl Placed<'_> {
    /// The function of a place in code.
    pub(super) fn symbol(&self, spot: Spot) -> Option<Symbol> {
        let (found, vaddr) = self.find(spot)?;
        Some(Symbol {
            name: demangle(&found.name).into(),
            offset: vaddr - found.vaddr,
        })
    }

    /// How many bytes in front of a place in code its function begins.
    pub(super) fn behind(&self, spot: Spot) -> Option<u64> {
        let (found, vaddr) = self.find(spot)?;
        Some(vaddr - found.vaddr)
    }

    /// The symbol at a place, and the place in the addresses of its file.
    fn find(&self, spot: Spot) -> Option<(&FileSymbol, u64)> {
        if spot.used != Use::Code || spot.made.is_some() {
            return None;
        }
        let dso = self.space.dso(spot.dso);
        let file = self.recorded.by_path.get(&dso.name)?;
        let file = &self.recorded.files[*file];
        let vaddr = self.vaddr(file, dso, spot)?;
        let symbols = &file.symbols;
        let behind = symbols.partition_point(|symbol| symbol.vaddr <= vaddr);
        let mut near = symbols[..behind].iter().rev().take(NESTING);
        let found = near.find(|symbol| vaddr - symbol.vaddr < symbol.len)?;
        Some((found, vaddr))
    }

    /// As `IpToVaddrInFile` of simpleperf's dso.cpp. Where an old recorder did
    /// not say where in a file its lowest code is, that is the lowest offset
    /// that code is mapped from: simpleperf takes the mapping that the address is
    /// in, which is wrong for files that have several.
    fn vaddr(&self, file: &SymbolFile, dso: &Dso, spot: Spot) -> Option<u64> {
        let relative =
            |from: u64| Some(spot.offset.wrapping_sub(from).wrapping_add(file.min_vaddr));
        match (file.kind, dso.kind) {
            // A recorder that knew no list of symbols took an image whose
            // addresses are those before the kernel was moved.
            (SymbolFileKind::Kernel, DsoKind::Kernel) => match file.min_vaddr {
                0 => Some(spot.address),
                _ if spot.offset == spot.address => Some(spot.address),
                _ => relative(0),
            },
            (SymbolFileKind::Module, DsoKind::Module) => relative(file.min_vaddr_at.unwrap_or(0)),
            (SymbolFileKind::Elf, DsoKind::File) if self.compiled.contains(&spot.dso) => {
                Some(spot.offset)
            }
            (SymbolFileKind::Elf, DsoKind::File | DsoKind::Vdso) => {
                let mapped = || match dso.kind {
                    // What is known is the offset from its start.
                    DsoKind::Vdso => Some(0),
                    _ => self.code.get(&spot.dso).copied(),
                };
                relative(file.min_vaddr_at.or_else(mapped)?)
            }
            (SymbolFileKind::Dex, DsoKind::File) => Some(spot.offset),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contend_perfdata::{At, CpuMode, FileId, Mmap, SideBand};

    const AT: At = At { time: 1, pos: 1 };

    /// Start, offset in the file and protection of a mapping of 0x1000 bytes.
    fn space(path: &str, maps: &[(u64, u64, u32)]) -> AddressSpace {
        let mapped = maps.iter().map(|&(start, file_offset, protection)| {
            let mmap = Mmap {
                pid: 7,
                tid: 7,
                start,
                length: 0x1000,
                file_offset,
                path: path.as_bytes().into(),
                file: FileId::Unknown,
                protection: Some(protection),
                flags: 2,
                is_data: false,
                mode: CpuMode::User,
            };
            (AT, SideBand::Mmap(mmap))
        });
        AddressSpace::build(mapped.collect(), &[])
    }

    fn file(path: &str, kind: SymbolFileKind, min: (u64, Option<u64>)) -> SymbolFile {
        let symbol = |vaddr, len, name: &str| {
            let name = name.into();
            FileSymbol { vaddr, len, name }
        };
        SymbolFile {
            path: path.into(),
            kind,
            min_vaddr: min.0,
            min_vaddr_at: min.1,
            symbols: vec![
                symbol(0x3000, 0x800, "outer"),
                symbol(0x3010, 0x10, "_Z5innerv"),
                symbol(0x4800, 0x10, "far"),
            ],
        }
    }

    fn name(file: SymbolFile, space: &AddressSpace, address: u64) -> Option<(String, u64)> {
        let recorded = Recorded::new(&Arc::from([file]));
        let placed = recorded.placed(space);
        let map = space.find(CpuMode::User, 7, address, AT).unwrap();
        let spot = Spot::code(space, map, address);
        let symbol = placed.symbol(spot);
        let behind = symbol.as_ref().map(|symbol| symbol.offset);
        assert_eq!(placed.behind(spot), behind);
        let start = spot.before(behind.unwrap_or(0));
        let first = placed.symbol(start).map(|symbol| symbol.offset);
        assert_eq!(first, behind.map(|_| 0));
        symbol.map(|symbol| (symbol.name.to_string(), symbol.offset))
    }

    fn known(name: &str, offset: u64) -> Option<(String, u64)> {
        Some((name.to_owned(), offset))
    }

    #[test]
    fn elf_files_are_placed_by_their_lowest_code() {
        // Code at 0x1000 in the file is at 0x3000, in two mappings.
        let space = space(
            "/a",
            &[(0x10000, 0, 1), (0x11000, 0x1000, 5), (0x12000, 0x2000, 5)],
        );
        for place in [None, Some(0x1000)] {
            let file = || file("/a", SymbolFileKind::Elf, (0x3000, place));
            assert_eq!(name(file(), &space, 0x11004), known("outer", 4));
            assert_eq!(name(file(), &space, 0x11014), known("inner()", 4));
            assert_eq!(name(file(), &space, 0x11024), known("outer", 0x24));
            assert_eq!(name(file(), &space, 0x12808), known("far", 8));
            assert_eq!(name(file(), &space, 0x11900), None);
        }
        let other = file("/b", SymbolFileKind::Elf, (0x3000, None));
        assert_eq!(name(other, &space, 0x11004), None);
    }

    #[test]
    fn dex_code_is_by_offset_and_compiled_code_by_address() {
        let dex = file("/x.vdex", SymbolFileKind::Dex, (0x9000, None));
        let mapped = space("/x.vdex", &[(0x10000, 0x3000, 5)]);
        assert_eq!(name(dex, &mapped, 0x10018), known("inner()", 8));
        let jit = || file("/jit", SymbolFileKind::Elf, (0, None));
        let mapped = space("/jit", &[(0x3000, 0, 0x4000), (0x4000, 0, 0x4000)]);
        assert_eq!(name(jit(), &mapped, 0x3024), known("outer", 0x24));
        assert_eq!(name(jit(), &mapped, 0x4801), known("far", 1));
        let other = file("/jit", SymbolFileKind::Other, (0, None));
        assert_eq!(name(other, &mapped, 0x4801), None);
    }
}
