//! Source lines and inlined functions from DWARF.

use super::demangle::demangle;
use super::elf::{Elf, ElfError};
use gimli::{DwarfSections, EndianSlice, RunTimeEndian, SectionId};
use object::Object;
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

/// A function at an address, and where in its source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Frame {
    /// Its name, demangled; absent when the debug information has none.
    pub(crate) function: Option<Arc<str>>,
    /// `file:line`, the file as the compiler knew it.
    pub(crate) source: Option<Arc<str>>,
}

/// The deepest chain of inlined functions that is told.
const MOST_FRAMES: usize = 256;

/// The sections that lines and functions need.
pub(super) struct Sections<'a>(DwarfSections<Cow<'a, [u8]>>);

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// Answers for one binary.
pub(super) struct Lines<'a> {
    context: addr2line::Context<Slice<'a>>,
    /// Demangled names, by where the mangled one stands: linkers keep one copy
    /// of each.
    names: RefCell<FxHashMap<(*const u8, usize), Arc<str>>>,
    /// Source lines, by where the name of the file stands.
    sources: RefCell<FxHashMap<(*const u8, u32), Arc<str>>>,
}

impl<'a> Sections<'a> {
    /// Reads and inflates the sections of a binary or of its debug file.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub(super) fn load(elf: &Elf<'a>) -> Result<Self, ElfError> {
        let sections = DwarfSections::load(|id| {
            let is_needed = !matches!(
                id,
                SectionId::DebugLoc
                    | SectionId::DebugLocLists
                    | SectionId::DebugMacinfo
                    | SectionId::DebugMacro
                    | SectionId::DebugTypes
            );
            if !is_needed {
                return Ok(Cow::Borrowed(&[][..]));
            }
            elf.section(id.name()).map(Option::unwrap_or_default)
        })?;
        Ok(Self(sections))
    }
}

impl<'a> Lines<'a> {
    /// Prepares answers; `shared` are the sections of the file of
    /// `.gnu_debugaltlink`.
    ///
    /// # Errors
    /// When the debug information is malformed.
    pub(super) fn new(
        elf: &Elf<'_>,
        sections: &'a Sections<'_>,
        shared: Option<&'a Sections<'_>>,
    ) -> Result<Self, gimli::Error> {
        let endian = if elf.object().is_little_endian() {
            RunTimeEndian::Little
        } else {
            RunTimeEndian::Big
        };
        let slice = |section: &'a Cow<'_, [u8]>| EndianSlice::new(section, endian);
        let mut dwarf = sections.0.borrow(slice);
        if let Some(shared) = shared {
            dwarf.set_sup(shared.0.borrow(slice));
        }
        Ok(Self {
            context: addr2line::Context::from_dwarf(dwarf)?,
            names: RefCell::default(),
            sources: RefCell::default(),
        })
    }

    /// The functions at an address (SVMA), the innermost inlined one first, the
    /// one that was compiled last. Empty where nothing is known.
    pub(super) fn frames(&self, svma: u64) -> Vec<Frame> {
        let mut frames = Vec::new();
        let Ok(mut found) = self.context.find_frames(svma).skip_all_loads() else {
            return frames;
        };
        while let Ok(Some(frame)) = found.next() {
            let source = frame.location.and_then(|location| {
                // Line 0 is the compiler's own code.
                let line = location.line.filter(|&line| line > 0)?;
                Some(self.source(location.file?, line))
            });
            frames.push(Frame {
                function: frame.function.map(|function| self.name(function.name)),
                source,
            });
            if frames.len() == MOST_FRAMES {
                break;
            }
        }
        frames
    }

    fn name(&self, mangled: Slice<'a>) -> Arc<str> {
        let mangled = mangled.slice();
        let mut names = self.names.borrow_mut();
        let known = names.entry((mangled.as_ptr(), mangled.len()));
        let name = known.or_insert_with(|| demangle(&String::from_utf8_lossy(mangled)).into());
        Arc::clone(name)
    }

    /// `file` is a text that the context keeps, at one place all the time.
    fn source(&self, file: &str, line: u32) -> Arc<str> {
        let mut sources = self.sources.borrow_mut();
        let known = sources.entry((file.as_ptr(), line));
        Arc::clone(known.or_insert_with(|| format!("{file}:{line}").into()))
    }
}
