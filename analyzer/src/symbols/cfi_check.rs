//! Unwind information is a program for the reader, and so are the expressions in
//! it. Before any of it is run, all of it is looked at: a binary of unknown origin
//! must not keep the reader busy for ever.

use gimli::{
    BaseAddresses, CallFrameInstruction, CallFrameInstructionIter, CieOrFde, DebugFrame, EhFrame,
    Encoding, EndianSlice, Format, LittleEndian, Operation, Reader, UnwindExpression,
    UnwindSection,
};

/// The longest program of one function, in bytes; compilers write some
/// hundreds, and some ten thousand for the largest functions.
const LONGEST: usize = 256 << 10;

/// What is told of addresses of 64 bits.
const ENCODING: Encoding = Encoding {
    address_size: 8,
    format: Format::Dwarf32,
    version: 4,
};

/// Which section it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// `.eh_frame`, at an address (SVMA).
    EhFrame(u64),
    /// `.debug_frame`.
    DebugFrame,
}

/// Whether all entries of a section can be run in a bounded time: their
/// programs are short, and no expression jumps. Compilers and linkers write no
/// jumps there. False as well where entries are malformed.
pub(super) fn is_harmless(section: &[u8], kind: Kind) -> bool {
    let checked = match kind {
        Kind::EhFrame(address) => {
            let mut section = EhFrame::new(section, LittleEndian);
            section.set_address_size(ENCODING.address_size);
            check(&section, &BaseAddresses::default().set_eh_frame(address))
        }
        Kind::DebugFrame => {
            let mut section = DebugFrame::new(section, LittleEndian);
            section.set_address_size(ENCODING.address_size);
            check(&section, &BaseAddresses::default())
        }
    };
    checked.unwrap_or(false)
}

fn check<'a, S>(section: &S, bases: &BaseAddresses) -> gimli::Result<bool>
where
    S: UnwindSection<EndianSlice<'a, LittleEndian>>,
{
    let mut entries = section.entries(bases);
    // Functions share the common part, which need not stand among the entries.
    let mut last_cie = None;
    while let Some(entry) = entries.next()? {
        let is_harmless = match entry {
            CieOrFde::Cie(cie) => {
                cie.entry_len() <= LONGEST && are_short(section, cie.instructions(section, bases))?
            }
            CieOrFde::Fde(partial) => {
                let fde = partial.parse(S::cie_from_offset)?;
                let cie = fde.cie();
                let is_known = last_cie == Some(cie.offset());
                last_cie = Some(cie.offset());
                fde.entry_len() <= LONGEST
                    && are_short(section, fde.instructions(section, bases))?
                    && (is_known
                        || cie.entry_len() <= LONGEST
                            && are_short(section, cie.instructions(section, bases))?)
            }
        };
        if !is_harmless {
            return Ok(false);
        }
    }
    Ok(true)
}

fn are_short<'a, S>(
    section: &S,
    mut instructions: CallFrameInstructionIter<'_, EndianSlice<'a, LittleEndian>>,
) -> gimli::Result<bool>
where
    S: UnwindSection<EndianSlice<'a, LittleEndian>>,
{
    while let Some(instruction) = instructions.next()? {
        let expression = match instruction {
            CallFrameInstruction::DefCfaExpression { expression }
            | CallFrameInstruction::Expression { expression, .. }
            | CallFrameInstruction::ValExpression { expression, .. } => expression,
            _ => continue,
        };
        if has_jump(section, expression)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has_jump<R, S>(section: &S, expression: UnwindExpression<R::Offset>) -> gimli::Result<bool>
where
    R: Reader,
    S: UnwindSection<R>,
{
    let mut operations = expression.get(section)?.operations(ENCODING);
    while let Some(operation) = operations.next()? {
        if matches!(operation, Operation::Bra { .. } | Operation::Skip { .. }) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADVANCE: u8 = 0x41;
    const DEF_CFA_EXPRESSION: u8 = 0x0f;
    const LIT11: u8 = 0x3b;
    const SKIP: u8 = 0x2f;

    fn entry(body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        [&(body.len() as u32).to_le_bytes()[..], &body].concat()
    }

    /// A section of one function with these instructions.
    fn section(instructions: &[u8]) -> Vec<u8> {
        // Version 1, "zR", code 1, data -8, return address 16, pointers from here
        // in 32 bits; CFA is rsp+8.
        let cie = entry(&[
            0, 0, 0, 0, 1, b'z', b'R', 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1,
        ]);
        let back = (cie.len() as u32 + 4).to_le_bytes();
        let place = [0x00, 0x10, 0, 0, 0x40, 0, 0, 0, 0];
        let fde = entry(&[&back[..], &place, instructions].concat());
        [cie, fde, vec![0; 4]].concat()
    }

    fn is_fine(section: &[u8]) -> bool {
        is_harmless(section, Kind::EhFrame(0x2000))
    }

    #[test]
    fn usual_programs_are_harmless() {
        assert!(is_fine(&section(&[ADVANCE, 0x0e, 16])));
        assert!(is_fine(&section(&[DEF_CFA_EXPRESSION, 1, LIT11])));
        assert!(is_fine(&[]));
    }

    #[test]
    fn expressions_that_jump_are_refused() {
        let for_ever = [DEF_CFA_EXPRESSION, 3, SKIP, 0xfd, 0xff];
        assert!(!is_fine(&section(&for_ever)));
        let onwards = [DEF_CFA_EXPRESSION, 4, SKIP, 1, 0, LIT11];
        assert!(!is_fine(&section(&onwards)));
    }

    #[test]
    fn endless_and_malformed_programs_are_refused() {
        assert!(is_fine(&section(&[ADVANCE; 1000])));
        assert!(!is_fine(&section(&[ADVANCE; LONGEST + 1])));
        let cut = section(&[DEF_CFA_EXPRESSION, 100, LIT11]);
        assert!(!is_fine(&cut));
    }
}
