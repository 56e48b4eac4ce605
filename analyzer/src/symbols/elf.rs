//! One ELF file, read piece by piece.
//!
//! The bytes come from other machines and are not trusted: what is read is
//! bounded by the length of the file, what is inflated by what was read.

use super::regular::open_regular;
use contend_perfdata::{FileSource, Source};
use object::read::{CompressionFormat, ReadCache, ReadRef};
use object::{File, Object, ObjectSection, ObjectSegment, SegmentFlags, elf};
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;

/// The most that a compressed section may grow: zlib's best is 1032, and no
/// debug information comes near.
const MOST_GROWTH: u64 = 1100;

/// The most that line tables may grow, beyond the first MiB: real ones come to a
/// third, and each of their bytes may become a row of 24 bytes in memory.
const MOST_LINE_GROWTH: u64 = 16;

/// What all sections of a file together may be inflated to, for each of its bytes:
/// debug information comes to a quarter.
const MOST_INFLATED: u64 = 32;

/// What they may be inflated to besides, in bytes.
const INFLATED_SLACK: u64 = 16 << 20;

/// The most program headers of a file: usual ones have a dozen, and each place is
/// looked for in all of them.
const MOST_SEGMENTS: usize = 4096;

/// What may be read besides twice the length of the file, in bytes: names of
/// symbols are read one by one.
const SLACK: u64 = 64 << 20;

/// Why an ELF file is of no use.
#[derive(Debug, Error)]
pub(crate) enum ElfError {
    /// The file cannot be opened.
    #[error("cannot open it: {0}")]
    Open(#[from] io::Error),
    /// The bytes are no ELF file, or contradict themselves.
    #[error("not a readable ELF file: {0}")]
    Format(#[from] object::read::Error),
    /// A section claims to be larger than it can be, or than is left for it.
    #[error(
        "its section {name} claims {size} bytes, inflated from {packed}: more than debug \
         information has"
    )]
    Inflated {
        /// The section.
        name: String,
        /// Bytes that it claims.
        size: u64,
        /// Bytes that it has in the file.
        packed: u64,
    },
    /// It has more segments than any program.
    #[error("it has more than {MOST_SEGMENTS} program headers")]
    Segments,
    /// The compressed symbol table inside cannot be inflated.
    #[error("its {0} is of no use: {1}")]
    Mini(&'static str, #[source] io::Error),
}

trait Readable: Read + Seek + Send {}
impl<T: Read + Seek + Send> Readable for T {}

/// A file, or bytes, of which not much more is read than it has.
pub(crate) struct Metered {
    inner: Box<dyn Readable>,
    left: u64,
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered").field("left", &self.left).finish()
    }
}

impl Read for Metered {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // Headers that point at overlapping pieces could ask for the same bytes
        // any number of times, and each answer is kept.
        let read = self.inner.read(out)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other("its headers ask for more than it holds"))?;
        Ok(read)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// The bytes of a file as far as they were asked for.
pub(crate) type Bytes = ReadCache<Metered>;

/// Opens a file for [`Elf::parse`].
pub(super) fn open(path: &Path) -> Result<Bytes, ElfError> {
    let file = open_regular(path)?;
    let length = file.metadata()?.len();
    Ok(bytes(Box::new(file), length))
}

/// Takes a file that is in memory.
pub(super) fn open_bytes(file: Vec<u8>) -> Bytes {
    let length = file.len() as u64;
    bytes(Box::new(io::Cursor::new(file)), length)
}

/// Opens a file that others read at the same time.
pub(super) fn open_source(source: Arc<FileSource>) -> Bytes {
    let length = source.len();
    bytes(Box::new(Shared { source, at: 0 }), length)
}

/// A position of one's own in a file.
struct Shared {
    source: Arc<FileSource>,
    at: u64,
}

impl Read for Shared {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read_at(self.at, out)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, distance) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::Current(distance) => (self.at, distance),
            SeekFrom::End(distance) => (self.source.len(), distance),
        };
        let at = base.checked_add_signed(distance);
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

fn bytes(inner: Box<dyn Readable>, length: u64) -> Bytes {
    ReadCache::new(Metered {
        inner,
        left: length.saturating_mul(2).saturating_add(SLACK),
    })
}

/// A part of the file that is loaded.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// First address (SVMA).
    address: u64,
    /// Bytes in memory.
    size: u64,
    /// Where it begins in the file.
    offset: u64,
    /// Bytes in the file; 0 in files that hold debug information only.
    file_size: u64,
    executable: bool,
    writable: bool,
}

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Use {
    /// An instruction.
    Code,
    /// Memory that is read and written.
    Data,
    /// The same where only the program's code is known to be mapped: the offset
    /// goes on from there.
    Beside,
}

/// A parsed ELF file.
pub(super) struct Elf<'a> {
    file: File<'a, &'a Bytes>,
    segments: Vec<Segment>,
    /// Bytes that its sections may still be inflated to.
    inflatable: Cell<u64>,
}

impl<'a> Elf<'a> {
    /// Reads the headers.
    ///
    /// # Errors
    /// When these are no headers of an ELF file.
    pub(super) fn parse(bytes: &'a Bytes) -> Result<Self, ElfError> {
        let file = File::parse(bytes)?;
        let segments: Vec<Segment> = file
            .segments()
            .take(MOST_SEGMENTS + 1)
            .map(|segment| {
                let (offset, file_size) = segment.file_range();
                let flags = match segment.flags() {
                    SegmentFlags::Elf { p_flags, .. } => p_flags,
                    _ => Default::default(),
                };
                Segment {
                    address: segment.address(),
                    size: segment.size(),
                    offset,
                    file_size,
                    executable: flags.contains(elf::PF_X),
                    writable: flags.contains(elf::PF_W),
                }
            })
            .collect();
        if segments.len() > MOST_SEGMENTS {
            return Err(ElfError::Segments);
        }
        let length = ReadRef::len(bytes).unwrap_or(0);
        let inflatable = length.saturating_mul(MOST_INFLATED);
        Ok(Self {
            file,
            segments,
            inflatable: Cell::new(inflatable.saturating_add(INFLATED_SLACK)),
        })
    }

    /// What the `object` crate made of it.
    pub(super) fn object(&self) -> &File<'a, &'a Bytes> {
        &self.file
    }

    /// Its build-id; absent when it has none.
    pub(super) fn build_id(&self) -> Option<Vec<u8>> {
        let id = self.file.build_id().ok()??;
        (!id.is_empty()).then(|| id.to_vec())
    }

    /// Whether its code is there: split debug files only say how long it is, and
    /// no longer where in the file it was.
    pub(super) fn has_contents(&self) -> bool {
        let mut code = self.segments.iter().filter(|segment| segment.executable);
        code.all(|segment| segment.file_size > 0)
    }

    /// The address of what is as far from the code in memory as the offset says,
    /// if variables are there: the loader keeps the distances of segments.
    fn beside(&self, offset: u64) -> Option<u64> {
        let code = self.segments.iter().find(|segment| segment.executable)?;
        let address = offset.wrapping_sub(code.offset).wrapping_add(code.address);
        let holds = |segment: &Segment| {
            let behind = address.checked_sub(segment.address);
            segment.writable && behind.is_some_and(|behind| behind < segment.size)
        };
        self.segments.iter().any(holds).then_some(address)
    }

    /// The address (SVMA) of a place in the file. Behind the bytes of a segment
    /// is its zeroed memory. Absent when no segment has the place.
    pub(super) fn svma(&self, offset: u64, used: Use) -> Option<u64> {
        if used == Use::Beside {
            return self.beside(offset);
        }
        let fits = |segment: &&Segment| {
            let behind = offset.checked_sub(segment.offset);
            let size = segment.size.max(segment.file_size);
            segment.file_size > 0 && behind.is_some_and(|behind| behind < size)
        };
        let suits = |segment: &&Segment| match used {
            Use::Code => segment.executable,
            Use::Data | Use::Beside => segment.writable,
        };
        // Mappings are whole pages, so an offset near the border of two segments
        // is mapped twice; the flags tell which one is meant.
        let found = self
            .segments
            .iter()
            .filter(fits)
            .find(suits)
            .or_else(|| self.segments.iter().find(fits))?;
        found.address.checked_add(offset - found.offset)
    }

    /// The parts of the file with code: offsets, and the address (SVMA) of the
    /// first.
    pub(super) fn code_segments(&self) -> impl Iterator<Item = (Range<u64>, u64)> {
        let code = self.segments.iter().filter(|segment| segment.executable);
        code.filter_map(|segment| {
            let end = segment.offset.checked_add(segment.file_size)?;
            Some((segment.offset..end, segment.address))
        })
    }

    /// A section, inflated; absent when the file has none of that name.
    ///
    /// # Errors
    /// When it lies outside the file, or its compressed form is no such form.
    pub(super) fn section(&self, name: &str) -> Result<Option<Cow<'a, [u8]>>, ElfError> {
        let Some(section) = self.file.section_by_name(name) else {
            return Ok(None);
        };
        let data = section.compressed_data()?;
        if data.format == CompressionFormat::None {
            return Ok(Some(data.decompress()?));
        }
        let packed = data.data.len() as u64;
        let size = data.uncompressed_size;
        let most = match name {
            ".debug_line" => packed.saturating_mul(MOST_LINE_GROWTH).max(1 << 20),
            _ => packed.saturating_mul(MOST_GROWTH),
        };
        let left = self.inflatable.get().checked_sub(size);
        let Some(left) = left.filter(|_| size <= most) else {
            return Err(ElfError::Inflated {
                name: name.to_owned(),
                size,
                packed,
            });
        };
        self.inflatable.set(left);
        Ok(Some(data.decompress()?))
    }

    /// Whether it has the whole symbol table (`.symtab`).
    pub(super) fn has_symbols(&self) -> bool {
        self.file.symbol_table().is_some()
    }

    /// Whether it has line tables or functions of its own.
    pub(super) fn has_debug_info(&self) -> bool {
        self.file.section_by_name(".debug_info").is_some()
            || self.file.section_by_name(".debug_line").is_some()
    }

    /// Name and CRC-32 of the file with its debug information
    /// (`.gnu_debuglink`).
    pub(super) fn debug_link(&self) -> Option<(String, u32)> {
        let (name, crc) = self.file.gnu_debuglink().ok()??;
        Some((String::from_utf8_lossy(name).into_owned(), crc))
    }

    /// Name and build-id of the file with what several debug files share
    /// (`.gnu_debugaltlink`, written by dwz).
    pub(super) fn shared_link(&self) -> Option<(String, Vec<u8>)> {
        let (name, id) = self.file.gnu_debugaltlink().ok()??;
        Some((String::from_utf8_lossy(name).into_owned(), id.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// An object file with these sections, compressed.
    fn compressed(folder: &Path, sections: &[(&str, usize)]) -> Option<std::path::PathBuf> {
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let run = |name: &str, args: &[&str]| {
            let ended = Command::new(name).args(args).output().ok()?;
            ended.status.success().then_some(())
        };
        std::fs::write(path("a.c"), "int main(void) { return 0; }").unwrap();
        run("gcc", &["-c", "-o", &path("a.o"), &path("a.c")])?;
        for (name, size) in sections {
            std::fs::write(path("bytes"), vec![0; *size]).unwrap();
            let added = format!("{name}={}", path("bytes"));
            run("objcopy", &["--add-section", &added, &path("a.o")])?;
        }
        run("objcopy", &["--compress-debug-sections=zlib", &path("a.o")])?;
        Some(folder.join("a.o"))
    }

    #[test]
    fn sections_of_one_file_are_inflated_within_one_limit() {
        let scratch = tempfile::tempdir().unwrap();
        let sections = [
            (".debug_line", 2 << 20),
            (".debug_info", 10 << 20),
            (".debug_abbrev", 10 << 20),
        ];
        let Some(path) = compressed(scratch.path(), &sections) else {
            eprintln!("skipped: no gcc and objcopy that compresses");
            return;
        };
        let bytes = open(&path).unwrap();
        let elf = Elf::parse(&bytes).unwrap();
        let refused = |name| matches!(elf.section(name), Err(ElfError::Inflated { .. }));
        assert!(refused(".debug_line"));
        let info = elf.section(".debug_info").unwrap().unwrap();
        assert_eq!(info.len(), 10 << 20);
        assert!(refused(".debug_abbrev"));
    }

    #[test]
    fn files_with_any_number_of_segments_are_refused() {
        let made = |count: u16| {
            let mut file = Vec::new();
            file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
            for half in [3u16, 62] {
                file.extend(half.to_le_bytes());
            }
            file.extend(1u32.to_le_bytes());
            for word in [0u64, 64, 0] {
                file.extend(word.to_le_bytes());
            }
            file.extend(0u32.to_le_bytes());
            for half in [64u16, 56, count, 64, 0, 0] {
                file.extend(half.to_le_bytes());
            }
            let mut segment = [0; 56];
            segment[..8].copy_from_slice(&[1, 0, 0, 0, 5, 0, 0, 0]);
            file.extend(segment.repeat(usize::from(count)));
            open_bytes(file)
        };
        assert!(Elf::parse(&made(4096)).is_ok());
        let bytes = made(60_000);
        assert!(matches!(Elf::parse(&bytes), Err(ElfError::Segments)));
    }
}
