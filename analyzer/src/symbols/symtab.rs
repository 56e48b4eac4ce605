//! The symbol tables of a binary: which function or variable has an address.
//!
//! The choice among symbols of one address is that of perf
//! (`choose_best_symbol` in `tools/perf/util/symbol.c`). Names are read only for
//! addresses that are asked for.

use super::demangle::demangle;
use super::elf::{Elf, Use};
use object::elf::{
    STB_GLOBAL, STB_WEAK, STT_COMMON, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE, STT_OBJECT,
};
use object::{Object, ObjectSymbol, ObjectSymbolTable, SymbolFlags, SymbolIndex, SymbolSection};
use std::cmp::Reverse;

/// How many symbols in front of an address may lie between it and the one that
/// spans it.
const NESTING: usize = 64;

/// The symbol at an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Symbol {
    /// Its name, demangled.
    pub(crate) name: String,
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
    index: SymbolIndex,
    /// In `.dynsym`, not in `.symtab`.
    dynamic: bool,
    weak: bool,
    global: bool,
    /// Has no type: a place that assembly code names.
    label: bool,
}

/// Functions or variables, by address.
#[derive(Debug)]
pub(super) struct Symbols {
    used: Use,
    sorted: Vec<Entry>,
}

impl Symbols {
    /// Notes all symbols of a binary for one use.
    pub(super) fn new(elf: &Elf<'_>, used: Use) -> Self {
        let file = elf.object();
        let full = file.symbols().map(|symbol| (symbol, false));
        let dynamic = file.dynamic_symbols().map(|symbol| (symbol, true));
        let mut sorted: Vec<Entry> = full
            .chain(dynamic)
            .filter_map(|(symbol, dynamic)| {
                let SymbolFlags::Elf { st_info, .. } = symbol.flags() else {
                    return None;
                };
                let kind = st_info.st_type();
                let label = kind == STT_NOTYPE;
                let is_wanted = match used {
                    Use::Code => label || kind == STT_FUNC || kind == STT_GNU_IFUNC,
                    Use::Data | Use::Beside => kind == STT_OBJECT || kind == STT_COMMON,
                };
                let is_defined = matches!(symbol.section(), SymbolSection::Section(_));
                let start = symbol.address();
                (is_wanted && is_defined).then(|| Entry {
                    start,
                    end: start.saturating_add(symbol.size()),
                    index: symbol.index(),
                    dynamic,
                    weak: st_info.st_bind() == STB_WEAK,
                    global: st_info.st_bind() == STB_GLOBAL,
                    label,
                })
            })
            .collect();
        sorted.sort_unstable_by_key(|entry| (entry.start, entry.end, entry.dynamic, entry.index.0));
        Self { used, sorted }
    }

    /// The symbol whose bytes hold an address (SVMA).
    pub(super) fn find(&self, elf: &Elf<'_>, svma: u64) -> Option<Symbol> {
        self.best(elf, svma, |entry, _| {
            entry.start <= svma && svma < entry.end
        })
    }

    /// The symbol without a size that is the last one in front of an address, as
    /// perf stretches them to the next (`symbols__fixup_end`). Only code has
    /// such symbols.
    pub(super) fn find_unsized(&self, elf: &Elf<'_>, svma: u64) -> Option<Symbol> {
        if self.used == Use::Data {
            return None;
        }
        self.best(elf, svma, |entry, is_last| {
            is_last && entry.start == entry.end && !entry.dynamic
        })
    }

    /// The best of those symbols in front of an address that a rule takes,
    /// among the nearest start that has any. The rule is told whether nothing
    /// starts between symbol and address.
    fn best(
        &self,
        elf: &Elf<'_>,
        svma: u64,
        takes: impl Fn(&Entry, bool) -> bool,
    ) -> Option<Symbol> {
        let behind = self.sorted.partition_point(|entry| entry.start <= svma);
        let near = self.sorted[..behind].iter().rev().take(NESTING);
        let last = self.sorted[..behind].last()?.start;
        let mut chosen: Option<(Entry, _, String)> = None;
        for entry in near {
            if chosen
                .as_ref()
                .is_some_and(|best| best.0.start != entry.start)
            {
                break;
            }
            if !takes(entry, entry.start == last) {
                continue;
            }
            let Some(name) = name(elf, entry) else {
                continue;
            };
            let name = demangle(&name);
            let underscores = name.len() - name.trim_start_matches('_').len();
            let order = (
                entry.label,
                entry.weak,
                !entry.global,
                underscores,
                Reverse(name.len()),
                // The first of equals, in the order of the file.
                entry.dynamic,
                entry.index.0,
            );
            if chosen.as_ref().is_none_or(|best| order < best.1) {
                chosen = Some((*entry, order, name));
            }
        }
        let (entry, _, name) = chosen?;
        Some(Symbol {
            name,
            offset: svma - entry.start,
        })
    }
}

/// A symbol's name; absent when it has none, or one that only tells code from
/// data (the mapping symbols of Arm and RISC-V).
fn name(elf: &Elf<'_>, entry: &Entry) -> Option<String> {
    let file = elf.object();
    let table = if entry.dynamic {
        file.dynamic_symbol_table()
    } else {
        file.symbol_table()
    };
    let symbol = table?.symbol_by_index(entry.index).ok()?;
    let name = symbol.name_bytes().ok()?;
    let is_mark = entry.label && (name.starts_with(b"$") || name.starts_with(b".L"));
    if name.is_empty() || is_mark {
        return None;
    }
    Some(String::from_utf8_lossy(name).into_owned())
}
