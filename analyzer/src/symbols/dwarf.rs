//! Source lines and inlined functions from DWARF.

use super::demangle::demangle;
use super::elf::{Elf, ElfError};
use gimli::{DwarfSections, EndianSlice, RunTimeEndian, SectionId};
use object::Object;
use std::borrow::Cow;

/// A function at an address, and where in its source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Frame {
    /// Its name, demangled; absent when the debug information has none.
    pub(crate) function: Option<String>,
    /// `file:line`, the file as the compiler knew it.
    pub(crate) source: Option<String>,
}

/// The deepest chain of inlined functions that is told.
const MOST_FRAMES: usize = 256;

/// The sections that lines and functions need.
pub(super) struct Sections<'a>(DwarfSections<Cow<'a, [u8]>>);

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// Answers for one binary.
pub(super) struct Lines<'a>(addr2line::Context<Slice<'a>>);

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
        addr2line::Context::from_dwarf(dwarf).map(Self)
    }

    /// The functions at an address (SVMA), the innermost inlined one first, the
    /// one that was compiled last. Empty where nothing is known.
    pub(super) fn frames(&self, svma: u64) -> Vec<Frame> {
        let mut frames = Vec::new();
        let Ok(mut found) = self.0.find_frames(svma).skip_all_loads() else {
            return frames;
        };
        while let Ok(Some(frame)) = found.next() {
            let function = frame.function.as_ref();
            let function = function.and_then(|name| name.raw_name().ok());
            let source = frame.location.and_then(|location| {
                let file = location.file?;
                // Line 0 is the compiler's own code.
                let line = location.line.filter(|&line| line > 0)?;
                Some(format!("{file}:{line}"))
            });
            frames.push(Frame {
                function: function.map(|name| demangle(&name)),
                source,
            });
            if frames.len() == MOST_FRAMES {
                break;
            }
        }
        frames
    }
}
