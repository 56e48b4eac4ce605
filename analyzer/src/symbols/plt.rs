//! Names of the stubs through which a binary calls functions of others (procedure linkage
//! table). No symbol has them. As `objdump` does, the name is made of what the stub jumps
//! by: an instruction names a word of the table of addresses, and a relocation of that word
//! the function.
//!
//! ```text
//! .plt       jmp *word(%rip)  →  word  →  .rela.plt: word, `puts`  →  puts@plt
//! ```
//! Of x86_64 and aarch64 (psABI supplements, and what `ld`, `lld` and `mold` write, with
//! landing pads for indirect branches and without).

use super::demangle::demangle;
use super::elf::{Bytes, Elf};
use super::symtab::Symbol;
use object::elf::{R_AARCH64_IRELATIVE, R_X86_64_IRELATIVE, RelocationType};
use object::read::StringTable;
use object::read::elf::{ElfFile64, Rela, SectionHeader, Sym};
use object::{Architecture, Endianness, File, Object, ObjectSection, SymbolIndex};
use std::cell::OnceCell;
use std::ops::Range;

/// Where stubs are. `.plt.sec` has those that are called where `.plt` has landing pads,
/// `.plt.got` those of functions whose address is also taken.
const SECTIONS: [&str; 4] = [".plt", ".plt.sec", ".plt.got", ".iplt"];
/// Where the relocations of their words are.
const RELOCATIONS: [&str; 2] = [".rela.plt", ".rela.dyn"];

/// The longest stub, in bytes: that of aarch64 with a landing pad. Those of x86_64 have 16.
const LONGEST: u64 = 24;
const LONGEST_X86: u64 = 16;

/// One stub.
#[derive(Clone, Copy, Debug)]
struct Stub<'a> {
    /// SVMA.
    start: u64,
    /// Behind its last byte.
    end: u64,
    target: Target<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Target<'a> {
    /// The function of this name, as in the table.
    Import(&'a [u8]),
    /// What the function at this address (SVMA) chooses when the program starts.
    Chosen(u64),
}

/// The stubs of a binary.
pub(super) struct Plt<'a> {
    elf: &'a Elf<'a>,
    /// The sections that have them (SVMA).
    sections: Vec<(&'static str, Range<u64>)>,
    /// In the order of their addresses; read when one is asked for.
    stubs: OnceCell<Vec<Stub<'a>>>,
}

impl<'a> Plt<'a> {
    /// Notes where stubs are.
    pub(super) fn new(elf: &'a Elf<'a>) -> Self {
        let section = |name: &'static str| {
            let section = elf.object().section_by_name(name)?;
            let start = section.address();
            (start != 0).then(|| (name, start..start.saturating_add(section.size())))
        };
        Self {
            elf,
            sections: SECTIONS.into_iter().filter_map(section).collect(),
            stubs: OnceCell::new(),
        }
    }

    /// Whether an address (SVMA) is among stubs, where no symbol in front of it says
    /// anything.
    pub(super) fn holds(&self, svma: u64) -> bool {
        let mut sections = self.sections.iter();
        sections.any(|(_, range)| range.contains(&svma))
    }

    /// The stub at an address (SVMA): `puts@plt`. `function` has the name of a function
    /// of the binary's own, by where it begins. Absent for the code that binds
    /// functions when they are first called, and where the file does not tell.
    pub(super) fn symbol(
        &self,
        svma: u64,
        function: impl FnOnce(u64) -> Option<Symbol>,
    ) -> Option<Symbol> {
        let stub = self.stub(svma)?;
        let name = match stub.target {
            Target::Import(name) => demangle(&String::from_utf8_lossy(name)),
            Target::Chosen(address) => {
                let chooser = function(address).filter(|symbol| symbol.offset == 0)?;
                chooser.name.to_string()
            }
        };
        Some(Symbol {
            name: format!("{name}@plt").into(),
            offset: svma - stub.start,
        })
    }

    /// Where the stub at an address (SVMA) begins (SVMA).
    pub(super) fn start(&self, svma: u64) -> Option<u64> {
        Some(self.stub(svma)?.start)
    }

    fn stub(&self, svma: u64) -> Option<&Stub<'a>> {
        if !self.holds(svma) {
            return None;
        }
        let stubs = self.stubs.get_or_init(|| self.read().unwrap_or_default());
        let behind = stubs.partition_point(|stub| stub.start <= svma);
        let stub = stubs.get(behind.checked_sub(1)?)?;
        (svma < stub.end).then_some(stub)
    }

    /// Absent for other files than ELF of 64 bits and little endian.
    fn read(&self) -> Option<Vec<Stub<'a>>> {
        let File::Elf64(file) = self.elf.object() else {
            return None;
        };
        if file.endian() != Endianness::Little {
            return None;
        }
        let is_arm = match file.architecture() {
            Architecture::Aarch64 => true,
            Architecture::X86_64 => false,
            _ => return None,
        };
        let (chosen, longest) = match is_arm {
            true => (R_AARCH64_IRELATIVE, LONGEST),
            false => (R_X86_64_IRELATIVE, LONGEST_X86),
        };
        let mut jumps = Vec::new();
        for (name, range) in &self.sections {
            let Ok(Some(code)) = self.elf.section(name) else {
                continue;
            };
            let found = match is_arm {
                true => aarch64(&code, range.start),
                false => x86_64(&code, range.start),
            };
            let starts = found.iter().map(|jump| jump.start).skip(1);
            let ends = starts.chain([range.end]).zip(&found);
            jumps.extend(ends.map(|(next, &jump)| {
                let end = next.min(jump.start.saturating_add(longest));
                (jump.word, jump.start..end)
            }));
        }
        jumps.sort_unstable_by_key(|(word, stub)| (*word, stub.start));
        let named = RELOCATIONS
            .into_iter()
            .flat_map(|name| relocations(file, name, chosen));
        let mut stubs = join(&jumps, named);
        stubs.sort_by_key(|stub| stub.start);
        // Sections may overlap.
        stubs.dedup_by_key(|stub| stub.start);
        Some(stubs)
    }
}

/// The words that have relocations in a section, and the function of each.
fn relocations<'a>(
    file: &'a ElfFile64<'a, Endianness, &'a Bytes>,
    name: &str,
    chosen: RelocationType,
) -> impl Iterator<Item = (u64, Target<'a>)> {
    let endian = file.endian();
    let section = file.section_by_name(name);
    let section = section.map(|section| section.elf_section_header());
    let relocations = section.and_then(|header| header.rela(endian, file.data()).ok()?);
    let relocations = relocations.map_or(&[][..], |(relocations, _)| relocations);
    let table = file.elf_dynamic_symbol_table();
    let strings = file.elf_section_table().section(table.string_section());
    let strings = strings.and_then(|section| section.data(endian, file.data()));
    let strings = strings.unwrap_or_default();
    let strings = StringTable::<&[u8]>::new(strings, 0, strings.len() as u64);
    relocations.iter().filter_map(move |relocation| {
        let target = match relocation.r_sym(endian, false) {
            0 if relocation.r_type(endian, false) == chosen => {
                Target::Chosen(relocation.r_addend(endian) as u64)
            }
            0 => return None,
            index => {
                let symbol = table.symbol(SymbolIndex(index as usize)).ok()?;
                let name = strings.get(symbol.st_name(endian)).ok()?;
                Target::Import((!name.is_empty()).then_some(name)?)
            }
        };
        Some((relocation.r_offset(endian), target))
    })
}

/// The stubs that jump by words of which it is told what they are of: those of each word
/// once, as a hostile file has many of both that are the same. The first to tell counts.
fn join<'a>(
    jumps: &[(u64, Range<u64>)],
    named: impl Iterator<Item = (u64, Target<'a>)>,
) -> Vec<Stub<'a>> {
    let mut stubs = Vec::new();
    let mut is_taken = vec![false; jumps.len()];
    for (word, target) in named {
        let from = jumps.partition_point(|(it, _)| *it < word);
        if is_taken.get(from).is_none_or(|&is_taken| is_taken) {
            continue;
        }
        let own = jumps[from..].iter().take_while(|(it, _)| *it == word);
        stubs.extend(own.map(|(_, range)| Stub {
            start: range.start,
            end: range.end,
            target,
        }));
        is_taken[from] = jumps[from].0 == word;
    }
    stubs
}

/// Code that jumps to where a word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Jump {
    /// Where the stub begins (SVMA).
    start: u64,
    /// Where the word is (SVMA).
    word: u64,
}

/// `jmp *distance(%rip)`, behind a landing pad (`endbr64`) and a prefix (`bnd`) or not,
/// at multiples of eight bytes.
fn x86_64(code: &[u8], address: u64) -> Vec<Jump> {
    const STEP: usize = 8;
    let stubs = (0..code.len()).step_by(STEP).filter_map(|at| {
        let all = &code[at..];
        let rest = all.strip_prefix(&[0xf3, 0x0f, 0x1e, 0xfa]).unwrap_or(all);
        let rest = rest.strip_prefix(&[0xf2]).unwrap_or(rest);
        let rest = rest.strip_prefix(&[0xff, 0x25])?;
        let (distance, rest) = rest.split_first_chunk()?;
        let start = address.wrapping_add(at as u64);
        let next = start.wrapping_add((all.len() - rest.len()) as u64);
        Some(Jump {
            start,
            word: next.wrapping_add_signed(i64::from(i32::from_le_bytes(*distance))),
        })
    });
    stubs.collect()
}

/// `adrp x16, page; ldr x17, [x16, #offset]`, behind a landing pad (`bti c`) or not.
fn aarch64(code: &[u8], address: u64) -> Vec<Jump> {
    const LANDING_PAD: u32 = 0xd503_245f;
    let (words, _) = code.as_chunks();
    let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let pairs = words.windows(2).enumerate().filter_map(|(at, pair)| {
        let &[page, load] = pair else { return None };
        if page & 0x9f00_001f != 0x9000_0010 || load & 0xffc0_03ff != 0xf940_0211 {
            return None;
        }
        let own = address.wrapping_add(at as u64 * 4);
        let pages = (page >> 29 & 3) | (page >> 5 & 0x7_ffff) << 2;
        // 21 bits with a sign.
        let pages = i64::from((pages << 11) as i32 >> 11);
        let base = (own & !0xfff).wrapping_add_signed(pages << 12);
        let before = at.checked_sub(1).and_then(|at| words.get(at));
        let pad = u64::from(before == Some(&LANDING_PAD)) * 4;
        Some(Jump {
            start: own.wrapping_sub(pad),
            word: base.wrapping_add(u64::from(load >> 10 & 0xfff) * 8),
        })
    });
    pairs.collect()
}

#[cfg(test)]
#[path = "plt_tests.rs"]
mod tests;
