//! The build-id of an ELF file, and nothing else of it.
//!
//! Read piece by piece with bounds of its own: a file in somebody's container may
//! say anything of itself. Layouts are those of `elf(5)`; the note is
//! `NT_GNU_BUILD_ID` of `include/elf/common.h` in binutils.

/// Bytes of the headers of programs or sections that are read at most.
const MAX_TABLE: u64 = 256 << 10;
/// Bytes of one run of notes that are read at most: build-ids stand in front.
const MAX_NOTES: u64 = 64 << 10;

const PT_NOTE: u32 = 4;
const SHT_NOTE: u32 = 7;
const NT_GNU_BUILD_ID: u32 = 3;
/// The longest build-id that the kernel records (`BUILD_ID_SIZE_MAX`).
const LONGEST: usize = 20;

/// Bytes that can be read anywhere.
pub(super) trait Bytes {
    /// Fills `buffer` from `offset` on; `None` when there is less.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Option<()>;
}

impl Bytes for [u8] {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Option<()> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(buffer.len())?;
        buffer.copy_from_slice(self.get(start..end)?);
        Some(())
    }
}

impl Bytes for std::fs::File {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Option<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset).ok()
    }
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Elf {
    /// No ELF file, or one that is cut in front of its tables.
    No,
    /// One without a build-id.
    Unnamed,
    /// One with this build-id.
    Named(Vec<u8>),
}

/// Looks at a file.
pub(super) fn look(file: &(impl Bytes + ?Sized)) -> Elf {
    match Header::read(file) {
        None => Elf::No,
        Some(header) => find(file, &header).map_or(Elf::Unnamed, Elf::Named),
    }
}

/// The build-id of the file at `path`; nothing when it has none or is no ELF file.
#[must_use]
pub fn build_id(path: &std::path::Path) -> Option<Vec<u8>> {
    match look(&std::fs::File::open(path).ok()?) {
        Elf::Named(id) => Some(id),
        _ => None,
    }
}

/// Numbers in the file's byte order.
#[derive(Clone, Copy)]
struct Order {
    is_big: bool,
    is_64: bool,
}

impl Order {
    fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    /// A number as wide as addresses, at `narrow` in files of 32 bits and at `wide` in
    /// those of 64.
    fn word(self, bytes: &[u8], narrow: usize, wide: usize) -> Option<u64> {
        if !self.is_64 {
            return self.u32(bytes, narrow).map(u64::from);
        }
        let bytes = *bytes.get(wide..)?.first_chunk()?;
        Some(if self.is_big {
            u64::from_be_bytes(bytes)
        } else {
            u64::from_le_bytes(bytes)
        })
    }
}

/// Where a table is.
#[derive(Clone, Copy)]
struct Table {
    offset: u64,
    entry: u16,
    count: u16,
}

struct Header {
    order: Order,
    programs: Table,
    sections: Table,
}

impl Header {
    fn read(file: &(impl Bytes + ?Sized)) -> Option<Self> {
        let mut bytes = [0; 64];
        file.read(0, &mut bytes[..52])?;
        let is_64 = match bytes {
            [0x7f, b'E', b'L', b'F', 1, ..] => false,
            [0x7f, b'E', b'L', b'F', 2, ..] => true,
            _ => return None,
        };
        if is_64 {
            file.read(0, &mut bytes)?;
        }
        let is_big = bytes[5] == 2;
        let order = Order { is_big, is_64 };
        let at = |narrow, wide| order.u16(&bytes, if is_64 { wide } else { narrow });
        Some(Self {
            order,
            programs: Table {
                offset: order.word(&bytes, 28, 32)?,
                entry: at(42, 54)?,
                count: at(44, 56)?,
            },
            sections: Table {
                offset: order.word(&bytes, 32, 40)?,
                entry: at(46, 58)?,
                count: at(48, 60)?,
            },
        })
    }
}

/// The entries of a table as far as they are there.
fn entries(file: &(impl Bytes + ?Sized), table: Table) -> Vec<u8> {
    let size = u64::from(table.entry) * u64::from(table.count);
    let mut bytes = vec![0; size.min(MAX_TABLE) as usize];
    match file.read(table.offset, &mut bytes) {
        Some(()) => bytes,
        None => Vec::new(),
    }
}

fn find(file: &(impl Bytes + ?Sized), header: &Header) -> Option<Vec<u8>> {
    let order = header.order;
    let programs = entries(file, header.programs);
    let sections = entries(file, header.sections);
    // (offset, size) of runs of notes: in programs first; kernel modules have
    // sections only.
    let of_programs = programs
        .chunks_exact(usize::from(header.programs.entry).max(1))
        .filter(|entry| order.u32(entry, 0) == Some(PT_NOTE))
        .filter_map(|entry| Some((order.word(entry, 4, 8)?, order.word(entry, 16, 32)?)));
    let of_sections = sections
        .chunks_exact(usize::from(header.sections.entry).max(1))
        .filter(|entry| order.u32(entry, 4) == Some(SHT_NOTE))
        .filter_map(|entry| Some((order.word(entry, 16, 24)?, order.word(entry, 20, 32)?)));
    of_programs.chain(of_sections).find_map(|(offset, size)| {
        let mut notes = vec![0; size.min(MAX_NOTES) as usize];
        file.read(offset, &mut notes)?;
        in_notes(&notes, order)
    })
}

/// The build-id among notes of this machine, such as `/sys/kernel/notes`.
pub(super) fn in_host_notes(notes: &[u8]) -> Option<Vec<u8>> {
    let is_big = cfg!(target_endian = "big");
    in_notes(
        notes,
        Order {
            is_big,
            is_64: true,
        },
    )
}

fn in_notes(notes: &[u8], order: Order) -> Option<Vec<u8>> {
    let mut at = 0usize;
    loop {
        let name_size = order.u32(notes, at)? as usize;
        let size = order.u32(notes, at + 4)? as usize;
        let kind = order.u32(notes, at + 8)?;
        let name = at + 12;
        // Names and contents are padded to four bytes.
        let content = name.checked_add(name_size.checked_next_multiple_of(4)?)?;
        let next = content.checked_add(size.checked_next_multiple_of(4)?)?;
        if kind == NT_GNU_BUILD_ID && notes.get(name..name + name_size) == Some(b"GNU\0") {
            let id = notes.get(content..content + size)?;
            return (1..=LONGEST).contains(&size).then(|| id.to_vec());
        }
        at = next;
    }
}

/// A build-id in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn build_ids_are_those_of_readelf() {
        let mut seen = 0;
        for path in [
            "/bin/sh",
            "/usr/bin/perf",
            "/lib/x86_64-linux-gnu/libc.so.6",
        ] {
            let Ok(output) = Command::new("readelf").args(["-n", path]).output() else {
                eprintln!("skipped: no readelf");
                return;
            };
            let text = String::from_utf8_lossy(&output.stdout);
            let Some((_, id)) = text.split_once("Build ID: ") else {
                continue;
            };
            let id = id.split_whitespace().next().unwrap();
            let found = build_id(std::path::Path::new(path)).unwrap();
            assert_eq!(hex(&found), id, "{path}");
            seen += 1;
        }
        if seen == 0 {
            eprintln!("skipped: no binary with a build-id here");
        }
    }

    #[test]
    fn damage_is_no_build_id() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let start = &program[..program.len().min(4096)];
        for cut in 0..start.len() {
            let _ = look(&start[..cut]);
        }
        // Every byte of the header and the first notes, turned over.
        let mut bytes = start.to_vec();
        for at in 0..bytes.len() {
            bytes[at] ^= 0xff;
            let _ = look(bytes.as_slice());
            bytes[at] ^= 0xff;
        }
        assert_eq!(look(&b"#!/bin/sh\n"[..]), Elf::No);
        assert_eq!(look(&[][..]), Elf::No);
    }

    #[test]
    fn notes_end_where_they_end() {
        for size in [0u32, 4, 20, 21, u32::MAX - 2, u32::MAX] {
            let mut notes = Vec::new();
            for number in [4, size, NT_GNU_BUILD_ID] {
                notes.extend(number.to_ne_bytes());
            }
            notes.extend(b"GNU\0");
            notes.extend([7; 40]);
            let id = in_host_notes(&notes);
            assert_eq!(id.is_some(), (1..=20).contains(&size), "{size}");
        }
    }
}
