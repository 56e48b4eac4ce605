//! `MMAP` and `MMAP2`: a mapping came into being.

use super::sideband::{CpuMode, Malformed};
use crate::bytes::Cursor;
use linux_perf_event_reader::constants::{
    PERF_RECORD_MISC_MMAP_BUILD_ID, PERF_RECORD_MISC_MMAP_DATA,
};

/// The longest build-id that the kernel records: a SHA-1.
const LONGEST_BUILD_ID: usize = 20;

/// A file as the kernel tells it apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Inode {
    /// Major number of the device.
    pub major: u32,
    /// Minor number of the device.
    pub minor: u32,
    /// Inode number.
    pub inode: u64,
    /// Generation of the inode number; 0 when not known.
    pub generation: u64,
}

/// A build-id of up to 20 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BuildIdBytes {
    // The length first: perf compares build-ids by it first.
    length: u8,
    bytes: [u8; LONGEST_BUILD_ID],
}

impl BuildIdBytes {
    /// Takes the bytes of a build-id; nothing when there are none or too many.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut id = Self::default();
        if bytes.is_empty() {
            return None;
        }
        id.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        id.length = bytes.len() as u8;
        Some(id)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length).min(LONGEST_BUILD_ID)]
    }
}

impl std::fmt::Display for BuildIdBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for byte in self.as_bytes() {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// What a record tells of the mapped file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileId {
    /// Nothing but its name.
    #[default]
    Unknown,
    /// Its inode.
    Inode(Inode),
    /// Its build-id.
    BuildId(BuildIdBytes),
}

/// A mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mmap {
    /// The process; -1 for the kernel.
    pub pid: i32,
    /// The thread that mapped.
    pub tid: i32,
    /// First address (AVMA).
    pub start: u64,
    /// Bytes.
    pub length: u64,
    /// Where in the file the mapping begins, in bytes; for the kernel's main
    /// mapping the address of the reference symbol.
    pub file_offset: u64,
    /// Path, or what the kernel calls the memory.
    pub path: Box<[u8]>,
    /// Which file.
    pub file: FileId,
    /// `PROT_` bits; absent in `MMAP` records.
    pub protection: Option<u32>,
    /// `MAP_` bits; 0 in `MMAP` records.
    pub flags: u32,
    /// Whether it is a mapping of data (`PERF_RECORD_MISC_MMAP_DATA`).
    pub is_data: bool,
    /// Kernel or user.
    pub mode: CpuMode,
}

impl Mmap {
    /// Reads an `MMAP` record (`struct perf_event_mmap_event` in
    /// `kernel/events/core.c`).
    pub(super) fn parse(cursor: Cursor<'_>, misc: u16) -> Result<Self, Malformed> {
        Self::fields(cursor, misc, |_| Some(Extra::default())).ok_or(Malformed("MMAP"))
    }

    /// Reads an `MMAP2` record.
    pub(super) fn parse2(cursor: Cursor<'_>, misc: u16) -> Result<Self, Malformed> {
        let extra = |cursor: &mut Cursor<'_>| {
            let file = if misc & PERF_RECORD_MISC_MMAP_BUILD_ID != 0 {
                let length = usize::from(cursor.u8()?);
                cursor.skip(3)?;
                let bytes = cursor.bytes(LONGEST_BUILD_ID)?;
                // A longer length than there are bytes is damage: the mapping
                // itself is still good.
                let id = bytes.get(..length).and_then(BuildIdBytes::new);
                id.map_or(FileId::Unknown, FileId::BuildId)
            } else {
                FileId::Inode(Inode {
                    major: cursor.u32()?,
                    minor: cursor.u32()?,
                    inode: cursor.u64()?,
                    generation: cursor.u64()?,
                })
            };
            Some(Extra {
                file,
                protection: Some(cursor.u32()?),
                flags: cursor.u32()?,
            })
        };
        Self::fields(cursor, misc, extra).ok_or(Malformed("MMAP2"))
    }

    fn fields(
        mut cursor: Cursor<'_>,
        misc: u16,
        extra: impl FnOnce(&mut Cursor<'_>) -> Option<Extra>,
    ) -> Option<Self> {
        let (pid, tid) = (cursor.i32()?, cursor.i32()?);
        let (start, length, file_offset) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let extra = extra(&mut cursor)?;
        Some(Self {
            pid,
            tid,
            start,
            length,
            file_offset,
            path: cursor.c_bytes().into(),
            file: extra.file,
            protection: extra.protection,
            flags: extra.flags,
            is_data: misc & PERF_RECORD_MISC_MMAP_DATA != 0,
            mode: CpuMode::from_misc(misc),
        })
    }
}

/// What `MMAP2` has more than `MMAP`.
#[derive(Default)]
struct Extra {
    file: FileId,
    protection: Option<u32>,
    flags: u32,
}
