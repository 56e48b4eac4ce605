//! The symbol tables of a binary: which function or variable has an address.
//!
//! The choice among symbols of one address is that of perf
//! (`choose_best_symbol` in `tools/perf/util/symbol.c`). Names are demangled only
//! for addresses that are asked for, and each one once.

use super::demangle::{demangle, without_version};
use super::elf::{Bytes, Elf, Use};
use object::File;
use object::elf::{
    EM_ARM, SHN_LORESERVE, SHN_UNDEF, SHN_XINDEX, STB_GLOBAL, STB_WEAK, STT_COMMON, STT_FUNC,
    STT_GNU_IFUNC, STT_NOTYPE, STT_OBJECT,
};
use object::read::StringTable;
use object::read::elf::{ElfFile, FileHeader, SectionHeader, Sym, SymbolTable};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::sync::Arc;

/// How many symbols in front of an address may lie between it and the one that
/// spans it.
const NESTING: usize = 64;

/// The symbol at an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Symbol {
    /// Its name, demangled.
    pub(crate) name: Arc<str>,
    /// Bytes from its start.
    pub(crate) offset: u64,
}

/// Where a symbol stands.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// SVMA.
    start: u64,
    /// Behind its last byte; equal to `start` where the table does not say.
    end: u64,
    /// Where its name begins in the strings of its table.
    name: u32,
    /// Its place in the table.
    index: u32,
    /// In `.dynsym`, not in `.symtab`.
    dynamic: bool,
    weak: bool,
    global: bool,
    /// Has no type: a place that assembly code names.
    label: bool,
}

/// Functions or variables, by address.
#[derive(Debug)]
pub(super) struct Symbols<'a> {
    used: Use,
    sorted: Vec<Entry>,
    /// The names of `.symtab` and of `.dynsym`.
    strings: [&'a [u8]; 2],
    /// Demangled names, by the place of their entry.
    names: RefCell<FxHashMap<usize, Arc<str>>>,
}

impl<'a> Symbols<'a> {
    /// Notes all symbols of a binary for one use.
    pub(super) fn new(elf: &Elf<'a>, used: Use) -> Self {
        let mut symbols = Self {
            used,
            sorted: Vec::new(),
            strings: [&[], &[]],
            names: RefCell::default(),
        };
        match elf.object() {
            File::Elf32(file) => symbols.read(file),
            File::Elf64(file) => symbols.read(file),
            _ => {}
        }
        symbols
            .sorted
            .sort_unstable_by_key(|entry| (entry.start, entry.end, entry.dynamic, entry.index));
        symbols
    }

    fn read<E: FileHeader>(&mut self, file: &ElfFile<'a, E, &'a Bytes>) {
        self.read_table(file, file.elf_symbol_table(), false);
        self.read_table(file, file.elf_dynamic_symbol_table(), true);
    }

    fn read_table<E: FileHeader>(
        &mut self,
        file: &ElfFile<'a, E, &'a Bytes>,
        table: &SymbolTable<'a, E, &'a Bytes>,
        dynamic: bool,
    ) {
        let endian = file.endian();
        let sections = file.elf_section_table();
        // All names at once: one by one they are as many reads.
        let strings = sections.section(table.string_section());
        let strings = strings.and_then(|section| section.data(endian, file.data()));
        let Ok(strings) = strings else { return };
        self.strings[usize::from(dynamic)] = strings;
        let is_thumb = file.elf_header().e_machine(endian) == EM_ARM;
        for (index, symbol) in table.enumerate() {
            let kind = symbol.st_type();
            let label = kind == STT_NOTYPE;
            let is_wanted = match self.used {
                Use::Code => label || kind == STT_FUNC || kind == STT_GNU_IFUNC,
                // Those of threads (STT_TLS) have no address but an offset.
                Use::Data | Use::Beside => kind == STT_OBJECT || kind == STT_COMMON,
            };
            let section = symbol.st_shndx(endian);
            let is_defined =
                section == SHN_XINDEX || section != SHN_UNDEF && section.0 < SHN_LORESERVE;
            let name = symbol.st_name(endian);
            if !is_wanted || !is_defined || !is_named(strings, name, label) {
                continue;
            }
            let mut start: u64 = symbol.st_value(endian).into();
            if is_thumb && kind == STT_FUNC {
                // The lowest bit only tells the instruction set.
                start &= !1;
            }
            self.sorted.push(Entry {
                start,
                end: start.saturating_add(symbol.st_size(endian).into()),
                name,
                index: u32::try_from(index.0).unwrap_or(u32::MAX),
                dynamic,
                weak: symbol.st_bind() == STB_WEAK,
                global: symbol.st_bind() == STB_GLOBAL,
                label,
            });
        }
    }

    /// The symbol whose bytes hold an address (SVMA).
    pub(super) fn find(&self, svma: u64) -> Option<Symbol> {
        self.symbol(svma, spans(svma))
    }

    /// The symbol without a size that is the last one in front of an address, as
    /// perf stretches them to the next (`symbols__fixup_end`). Only code has
    /// such symbols.
    pub(super) fn find_unsized(&self, svma: u64) -> Option<Symbol> {
        self.symbol(svma, self.stretches())
    }

    /// Where the symbol of an address begins (SVMA) by [`Self::find`].
    pub(super) fn start(&self, svma: u64) -> Option<u64> {
        Some(self.candidates(svma, spans(svma)).next()?.1.start)
    }

    /// Where the symbol of an address begins (SVMA) by [`Self::find_unsized`].
    pub(super) fn start_unsized(&self, svma: u64) -> Option<u64> {
        Some(self.candidates(svma, self.stretches()).next()?.1.start)
    }

    fn stretches(&self) -> impl Fn(&Entry, bool) -> bool + use<> {
        let is_code = self.used == Use::Code;
        move |entry, is_last| is_code && is_last && entry.start == entry.end && !entry.dynamic
    }

    /// Those symbols in front of an address that a rule takes, the nearest ones
    /// first, with their places. The rule is told whether nothing starts between
    /// symbol and address.
    fn candidates(
        &self,
        svma: u64,
        takes: impl Fn(&Entry, bool) -> bool,
    ) -> impl Iterator<Item = (usize, &Entry)> {
        let behind = self.sorted.partition_point(|entry| entry.start <= svma);
        let near = &self.sorted[..behind];
        let last = near.last().map(|entry| entry.start);
        let near = near.iter().enumerate().rev().take(NESTING);
        near.filter(move |(_, entry)| takes(entry, Some(entry.start) == last))
    }

    /// The best of the candidates with the nearest start.
    fn symbol(&self, svma: u64, takes: impl Fn(&Entry, bool) -> bool) -> Option<Symbol> {
        let mut candidates = self.candidates(svma, takes);
        let (place, entry) = candidates.next()?;
        let mut chosen = (self.name(place, entry), entry);
        let start = entry.start;
        for (place, entry) in candidates.take_while(|(_, entry)| entry.start == start) {
            let name = self.name(place, entry);
            if self.order(entry, &name) < self.order(chosen.1, &chosen.0) {
                chosen = (name, entry);
            }
        }
        Some(Symbol {
            name: chosen.0,
            offset: svma - start,
        })
    }

    fn name(&self, place: usize, entry: &Entry) -> Arc<str> {
        let mut names = self.names.borrow_mut();
        let name = names.entry(place);
        let name = name.or_insert_with(|| demangle(&self.raw(entry)).into());
        Arc::clone(name)
    }

    /// Sorts the best symbol of an address first.
    fn order(&self, entry: &Entry, name: &str) -> impl Ord + use<> {
        let underscores = name.len() - name.trim_start_matches('_').len();
        // Versions are not shown, and perf counts them as part of the name.
        let raw = self.raw(entry);
        let version = raw.len() - without_version(&raw).len();
        (
            entry.label,
            entry.weak,
            !entry.global,
            underscores,
            Reverse(name.len() + version),
            // The first of equals, in the order of the file.
            entry.dynamic,
            entry.index,
        )
    }

    fn raw(&self, entry: &Entry) -> Cow<'a, str> {
        let strings = self.strings[usize::from(entry.dynamic)];
        String::from_utf8_lossy(text(strings, entry.name).unwrap_or_default())
    }
}

fn spans(svma: u64) -> impl Fn(&Entry, bool) -> bool {
    move |entry, _| entry.start <= svma && svma < entry.end
}

/// The name that begins somewhere in a string table.
fn text(strings: &[u8], at: u32) -> Option<&[u8]> {
    StringTable::<&[u8]>::new(strings, 0, strings.len() as u64)
        .get(at)
        .ok()
}

/// Whether a symbol has a name, and one that does not only tell code from data
/// (the mapping symbols of Arm and RISC-V).
fn is_named(strings: &[u8], at: u32, label: bool) -> bool {
    let rest = usize::try_from(at).ok().and_then(|at| strings.get(at..));
    let rest = rest.unwrap_or_default();
    let is_mark = label && (rest.starts_with(b"$") || rest.starts_with(b".L"));
    !matches!(rest.first(), None | Some(0)) && !is_mark
}

#[cfg(test)]
#[path = "symtab_tests.rs"]
mod tests;
