//! The symbols that simpleperf writes into its captures: of each file those
//! functions that samples are in (platform/system/extras, simpleperf/
//! record_file_format.h, record_file.proto and record_file_reader.cpp).
//!
//! Both forms are one entry a file, each behind its size as a u32. FILE has
//! plain fields, FILE2 protocol buffers. A damaged entry gives what was read of
//! it up to there, and the next one is found by the size.

use super::text::c_text;
use crate::{Cursor, Endianness};

/// What kind of file simpleperf took symbols from (`enum DsoType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolFileKind {
    /// The kernel.
    Kernel,
    /// A kernel module.
    Module,
    /// An ELF file, also one that simpleperf made of a JIT compiler's code.
    Elf,
    /// Code of the Android runtime's virtual machine.
    Dex,
    /// Anything else.
    Other,
}

/// A function in a [`SymbolFile`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSymbol {
    /// Its address in the file's own addresses; of the kernel as it was loaded,
    /// of dex code the offset in the file.
    pub vaddr: u64,
    /// Its length in bytes, never 0.
    pub len: u64,
    /// Its name, mangled.
    pub name: Box<str>,
}

/// What simpleperf says of a file. One without symbols is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolFile {
    /// The path, as in the mappings.
    pub path: String,
    /// What it is.
    pub kind: SymbolFileKind,
    /// The lowest address of code, in the file's own addresses, begun at a page.
    pub min_vaddr: u64,
    /// Where `min_vaddr` is: of an ELF file its offset in the file, of a module
    /// in memory from where that was loaded. Old recorders do not say.
    pub min_vaddr_at: Option<u64>,
    /// By address.
    pub symbols: Vec<FileSymbol>,
}

impl SymbolFile {
    fn new() -> Self {
        Self {
            path: String::new(),
            // The first of the enumeration, which protocol buffers leave out.
            kind: SymbolFileKind::Kernel,
            min_vaddr: 0,
            min_vaddr_at: None,
            symbols: Vec::new(),
        }
    }

    /// Symbols that name nothing take up no memory.
    fn add(&mut self, vaddr: u64, len: u64, name: &[u8]) {
        if len > 0 && !name.is_empty() {
            let name = c_text(name).into();
            self.symbols.push(FileSymbol { vaddr, len, name });
        }
    }
}

fn kind(number: u64) -> SymbolFileKind {
    match number {
        0 => SymbolFileKind::Kernel,
        1 => SymbolFileKind::Module,
        2 => SymbolFileKind::Elf,
        3 => SymbolFileKind::Dex,
        _ => SymbolFileKind::Other,
    }
}

/// FILE. `None` when any of it is damaged.
pub(super) fn read_plain(
    bytes: &[u8],
    endian: Endianness,
    into: &mut Vec<SymbolFile>,
) -> Option<()> {
    entries(bytes, endian, into, plain)
}

/// FILE2. `None` when any of it is damaged.
pub(super) fn read_protobuf(
    bytes: &[u8],
    endian: Endianness,
    into: &mut Vec<SymbolFile>,
) -> Option<()> {
    entries(bytes, endian, into, protobuf)
}

fn entries(
    bytes: &[u8],
    endian: Endianness,
    into: &mut Vec<SymbolFile>,
    read: impl Fn(&mut SymbolFile, Cursor<'_>) -> Option<()>,
) -> Option<()> {
    let mut cursor = Cursor::new(bytes, endian);
    let mut whole = Some(());
    while cursor.remaining() > 0 {
        let size = usize::try_from(cursor.u32()?).ok()?;
        let is_cut = size > cursor.remaining();
        let entry = cursor.bytes(size.min(cursor.remaining()))?;
        let mut file = SymbolFile::new();
        let read = read(&mut file, Cursor::new(entry, endian));
        whole = whole.and(read).filter(|()| !is_cut);
        file.symbols.sort_by_key(|symbol| symbol.vaddr);
        if !file.path.is_empty() && !file.symbols.is_empty() {
            file.symbols.shrink_to_fit();
            into.push(file);
        }
    }
    whole
}

fn plain(file: &mut SymbolFile, mut cursor: Cursor<'_>) -> Option<()> {
    file.path = c_text(terminated(&mut cursor)?);
    file.kind = kind(cursor.u32()?.into());
    file.min_vaddr = cursor.u64()?;
    for _ in 0..cursor.u32()? {
        let vaddr = cursor.u64()?;
        let len = cursor.u32()?;
        file.add(vaddr, len.into(), terminated(&mut cursor)?);
    }
    let has_place = matches!(file.kind, SymbolFileKind::Elf | SymbolFileKind::Module);
    if has_place && cursor.remaining() > 0 {
        file.min_vaddr_at = known(cursor.u64()?);
    }
    Some(())
}

/// A text and the NUL behind it.
fn terminated<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = cursor.rest().iter().position(|&byte| byte == 0)?;
    let text = cursor.bytes(length)?;
    cursor.skip(1)?;
    Some(text)
}

/// All ones stand for a place that the recorder did not know.
fn known(place: u64) -> Option<u64> {
    (place != u64::MAX).then_some(place)
}

fn protobuf(file: &mut SymbolFile, mut cursor: Cursor<'_>) -> Option<()> {
    while cursor.remaining() > 0 {
        match field(&mut cursor)? {
            (1, Value::Bytes(path)) => file.path = c_text(path),
            (2, Value::Number(number)) => file.kind = kind(number),
            (3, Value::Number(vaddr)) => file.min_vaddr = vaddr,
            (4, Value::Bytes(symbol)) => {
                let (mut vaddr, mut len, mut name) = (0, 0, [].as_slice());
                let mut fields = Cursor::new(symbol, cursor.endian());
                while fields.remaining() > 0 {
                    match field(&mut fields)? {
                        (1, Value::Number(number)) => vaddr = number,
                        (2, Value::Number(number)) => len = number,
                        (3, Value::Bytes(text)) => name = text,
                        _ => {}
                    }
                }
                file.add(vaddr, len, name);
            }
            (6 | 7, Value::Bytes(place)) => {
                let mut fields = Cursor::new(place, cursor.endian());
                // The message is there, and a number of 0 is left out.
                let mut at = 0;
                while fields.remaining() > 0 {
                    if let (1, Value::Number(number)) = field(&mut fields)? {
                        at = number;
                    }
                }
                file.min_vaddr_at = known(at);
            }
            _ => {}
        }
    }
    Some(())
}

/// The value of a field of a protocol buffer.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a fixed width, which nothing here has.
    Fixed,
}

/// The number of the next field, and its value.
fn field<'a>(cursor: &mut Cursor<'a>) -> Option<(u64, Value<'a>)> {
    let tag = varint(cursor)?;
    let value = match tag & 7 {
        0 => Value::Number(varint(cursor)?),
        1 => cursor.skip(8).map(|()| Value::Fixed)?,
        2 => {
            let length = usize::try_from(varint(cursor)?).ok()?;
            Value::Bytes(cursor.bytes(length)?)
        }
        5 => cursor.skip(4).map(|()| Value::Fixed)?,
        _ => return None,
    };
    Some((tag >> 3, value))
}

/// Seven bits a byte, the lowest ones first.
fn varint(cursor: &mut Cursor<'_>) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = cursor.u8()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endianness::LittleEndian;
    use proptest::prelude::*;

    fn sized(entry: &[u8]) -> Vec<u8> {
        let size = u32::try_from(entry.len()).unwrap();
        [&size.to_le_bytes(), entry].concat()
    }

    fn plain_entry(path: &str, kind: u32, symbols: &[(u64, u32, &str)], rest: &[u8]) -> Vec<u8> {
        let mut bytes = [path.as_bytes(), b"\0"].concat();
        bytes.extend(kind.to_le_bytes());
        bytes.extend(0x2000_u64.to_le_bytes());
        bytes.extend(u32::try_from(symbols.len()).unwrap().to_le_bytes());
        for (vaddr, len, name) in symbols {
            bytes.extend(vaddr.to_le_bytes());
            bytes.extend(len.to_le_bytes());
            bytes.extend(name.as_bytes());
            bytes.push(0);
        }
        bytes.extend(rest);
        sized(&bytes)
    }

    fn read(bytes: &[u8], form: u32) -> (Vec<SymbolFile>, bool) {
        let mut files = Vec::new();
        let read = match form {
            1 => read_plain(bytes, LittleEndian, &mut files),
            _ => read_protobuf(bytes, LittleEndian, &mut files),
        };
        (files, read.is_some())
    }

    fn symbol(vaddr: u64, len: u64, name: &str) -> FileSymbol {
        let name = name.into();
        FileSymbol { vaddr, len, name }
    }

    /// As protoc encodes it: path "/a", type 2, min_vaddr 0x2000, the symbols
    /// (0x3000, 0x80, "f") and (1, 2, "g"), file_offset_of_min_vaddr 0x1000.
    const ELF: &[u8] = b"\x0a\x02/a\x10\x02\x18\x80\x40\
        \x22\x09\x08\x80\x60\x10\x80\x01\x1a\x01f\
        \x22\x07\x08\x01\x10\x02\x1a\x01g\
        \x32\x03\x08\x80\x20";

    #[test]
    fn plain_files_have_a_place_or_none() {
        let symbols = [(0x3000, 8, "b"), (0x10, 4, "a"), (0x20, 0, "no length")];
        let bytes = [
            plain_entry("[kernel.kallsyms]", 0, &[(u64::MAX - 9, 3, "k")], b""),
            plain_entry("/old", 2, &symbols, b""),
            plain_entry("/new", 2, &symbols[..1], &0x1000_u64.to_le_bytes()),
            plain_entry("/x.vdex", 3, &symbols[..1], b"\x01\0\0\0abcdefgh"),
            plain_entry("/empty", 2, &[], b""),
        ]
        .concat();
        let (files, whole) = read(&bytes, 1);
        assert!(whole);
        let seen: Vec<_> = files.iter().map(|f| (&*f.path, f.min_vaddr_at)).collect();
        assert_eq!(
            seen,
            [
                ("[kernel.kallsyms]", None),
                ("/old", None),
                ("/new", Some(0x1000)),
                ("/x.vdex", None)
            ]
        );
        assert_eq!(files[0].symbols, [symbol(u64::MAX - 9, 3, "k")]);
        let sorted = [symbol(0x10, 4, "a"), symbol(0x3000, 8, "b")];
        assert_eq!(files[1].symbols, sorted);
        assert_eq!(
            (files[2].kind, files[2].min_vaddr),
            (SymbolFileKind::Elf, 0x2000)
        );
    }

    #[test]
    fn protocol_buffers_say_the_same() {
        // Field 9 in 8 bytes is of a later version.
        let more = [ELF, b"\x49abcdefgh"].concat();
        let (files, whole) = read(&[sized(ELF), sized(&more)].concat(), 2);
        assert!(whole && files[0] == files[1]);
        let file = SymbolFile {
            path: "/a".into(),
            kind: SymbolFileKind::Elf,
            min_vaddr: 0x2000,
            min_vaddr_at: Some(0x1000),
            symbols: vec![symbol(1, 2, "g"), symbol(0x3000, 0x80, "f")],
        };
        assert_eq!(files[0], file);
    }

    #[test]
    fn a_damaged_entry_does_not_hide_the_next() {
        let good = plain_entry("/b", 2, &[(1, 2, "f")], b"");
        let mut bad = plain_entry("/a", 2, &[(1, 2, "f"), (3, 4, "g")], b"");
        // The count of symbols.
        bad[4 + 3 + 12] = 0xff;
        bad[4 + 3 + 15] = 0xff;
        let (files, whole) = read(&[bad, good.clone()].concat(), 1);
        assert!(!whole);
        let names: Vec<_> = files.iter().map(|f| (&*f.path, f.symbols.len())).collect();
        assert_eq!(names, [("/a", 2), ("/b", 1)]);
        let (files, whole) = read(
            &[good.clone(), b"\xff\xff\xff\xff\x01".to_vec()].concat(),
            1,
        );
        assert_eq!((files.len(), whole), (1, false));
        let (_, whole) = read(&[&good[..], b"\x01"].concat(), 1);
        assert!(!whole);
        // A varint without an end.
        let (_, whole) = read(&sized(&[0xff; 20]), 2);
        assert!(!whole);
    }

    proptest! {
        #[test]
        fn damage_gives_no_more_than_the_bytes_hold(
            at in any::<prop::sample::Index>(),
            byte: u8,
            cut in any::<prop::sample::Index>(),
            form in 1..=2_u32,
        ) {
            let entry = match form {
                1 => plain_entry("/a", 2, &[(1, 2, "f"), (3, 4, "g")], &[7; 8]),
                _ => sized(ELF),
            };
            let mut bytes = entry.repeat(3);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(cut.index(bytes.len() + 1));
            let (files, _) = read(&bytes, form);
            let symbols = files.iter().flat_map(|file| &file.symbols);
            let held: usize = symbols.map(|symbol| symbol.name.len() + 2).sum();
            prop_assert!(held <= 3 * bytes.len());
        }

        #[test]
        fn any_bytes_are_read_to_an_end(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            form in 1..=2_u32,
        ) {
            let (files, _) = read(&sized(&bytes), form);
            prop_assert!(files.len() <= 1);
        }
    }
}
