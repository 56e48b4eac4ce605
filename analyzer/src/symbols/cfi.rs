//! What a binary says about how its functions keep their callers: the sections
//! that unwinding needs.

use super::cfi_check;
use super::elf::{Elf, ElfError};
use super::locate::{Found, Locator};
use crate::result::MissingBinary;
use crate::space::Dso;
use object::{Object, ObjectSection};
use std::ops::Range;
use std::sync::Arc;

/// The largest of these sections that is taken, in bytes; those of the largest
/// programs have some ten million.
const LARGEST: usize = 1 << 30;

/// A section's content, shared by all that unwind.
pub(crate) type Content = Arc<[u8]>;

/// The unwind information of one binary.
#[derive(Debug, Default)]
pub(crate) struct Cfi {
    /// Parts of the file with code: offsets, and the address (SVMA) of the first.
    code: Vec<(Range<u64>, u64)>,
    /// The address (SVMA) that others are told from, in 32 bits: 0 where code is
    /// that low, because tables may have entries for functions that the linker
    /// left out, at 0.
    pub(crate) base: u64,
    /// Behind the highest one.
    pub(crate) end: u64,
    /// Where `.text` is, and `.got`.
    pub(crate) text: Option<Range<u64>>,
    pub(crate) got: Option<Range<u64>>,
    /// `.eh_frame` and where it is. Its index, `.eh_frame_hdr`, is not taken: it
    /// may point at what was not checked.
    pub(crate) eh_frame: Option<(Content, Range<u64>)>,
    /// `.debug_frame`, of the binary or of its debug file.
    pub(crate) debug_frame: Option<Content>,
}

/// What the search for a binary's unwind information came to.
#[derive(Debug)]
pub(crate) enum CfiSearch {
    /// It is here.
    Found(Box<Cfi>),
    /// The binary is not here.
    Missing(MissingBinary),
    /// The binary is no ELF file that can be read.
    Unreadable(String),
}

impl Cfi {
    /// Looks for the unwind information of a binary.
    pub(crate) fn find(dso: &Dso, locator: &Locator) -> CfiSearch {
        let Some(found) = locator.find(dso).found else {
            return CfiSearch::Missing(MissingBinary {
                path: dso.display_name().into_owned(),
                build_id: dso.build_id.map(|id| id.to_string()),
            });
        };
        match Self::read(&found) {
            Ok(cfi) => CfiSearch::Found(Box::new(cfi)),
            Err(error) => CfiSearch::Unreadable(format!("{}: {error}", found.image)),
        }
    }

    fn read(found: &Found) -> Result<Self, ElfError> {
        let bytes = found.image.open()?;
        let elf = Elf::parse(&bytes)?;
        let mut cfi = Self::of(&elf)?;
        // Without the index of `.eh_frame`, debug information may know more.
        if cfi.eh_frame.is_none()
            && cfi.debug_frame.is_none()
            && let Some(debug) = &found.debug
        {
            let bytes = debug.open()?;
            cfi.debug_frame = debug_frame(&Elf::parse(&bytes)?)?;
        }
        Ok(cfi)
    }

    fn of(elf: &Elf<'_>) -> Result<Self, ElfError> {
        let code: Vec<(Range<u64>, u64)> = elf.code_segments().collect();
        let starts = code.iter().map(|(_, address)| *address);
        let ends = code
            .iter()
            .map(|(part, address)| address.saturating_add(part.end.saturating_sub(part.start)));
        let end = ends.max().unwrap_or(0);
        let base = match u32::try_from(end) {
            Ok(_) => 0,
            Err(_) => starts.min().unwrap_or(0),
        };
        let eh_frame = content(elf, ".eh_frame")?.zip(range(elf, ".eh_frame"));
        let eh_frame = eh_frame.filter(|(content, place)| {
            cfi_check::is_harmless(content, cfi_check::Kind::EhFrame(place.start))
        });
        Ok(Self {
            base,
            end,
            text: range(elf, ".text"),
            got: range(elf, ".got"),
            eh_frame,
            debug_frame: debug_frame(elf)?,
            code,
        })
    }

    /// The address (SVMA) of code at an offset of the file. Absent when there is
    /// none.
    pub(crate) fn svma(&self, offset: u64) -> Option<u64> {
        let (part, address) = self.code.iter().find(|(part, _)| part.contains(&offset))?;
        address.checked_add(offset - part.start)
    }
}

fn debug_frame(elf: &Elf<'_>) -> Result<Option<Content>, ElfError> {
    let content = content(elf, ".debug_frame")?;
    Ok(content.filter(|content| cfi_check::is_harmless(content, cfi_check::Kind::DebugFrame)))
}

fn content(elf: &Elf<'_>, name: &str) -> Result<Option<Content>, ElfError> {
    let content = elf.section(name)?.filter(|content| {
        // Files with debug information only keep the header of the section.
        !content.is_empty() && content.len() <= LARGEST
    });
    Ok(content.map(|content| Content::from(&*content)))
}

fn range(elf: &Elf<'_>, name: &str) -> Option<Range<u64>> {
    let section = elf.object().section_by_name(name)?;
    let start = section.address();
    Some(start..start.checked_add(section.size())?)
}
