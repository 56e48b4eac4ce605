//! The side band: records that say who runs, what is mapped and what was lost.
//!
//! linux-perf-event-reader parses these records too; its `Mmap2Record` asserts
//! on a bad build-id length and its strings borrow, so that only its constants
//! are used here.

use super::mmap::Mmap;
use crate::bytes::Cursor;
use linux_perf_event_reader::constants::PERF_RECORD_MISC_COMM_EXEC;
use linux_perf_event_reader::{Endianness, RecordType};
use thiserror::Error;

/// What the header of a record (`struct perf_event_header`) says besides its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// The type of the record.
    pub kind: u32,
    /// What `misc` means depends on the type.
    pub misc: u16,
}

/// When a record was written: by its time and, where times are equal or absent,
/// by its place in the capture. This is the order in which perf processes
/// records (`tools/perf/util/ordered-events.c`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct At {
    /// Time in ns of the recording clock; 0 when the record has none.
    pub time: u64,
    /// Place in the capture.
    pub pos: u64,
}

/// In which mode the CPU was (`PERF_RECORD_MISC_CPUMODE_MASK`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum CpuMode {
    /// Not told.
    #[default]
    Unknown = 0,
    /// In the kernel.
    Kernel = 1,
    /// In a process.
    User = 2,
    /// In the hypervisor.
    Hypervisor = 3,
    /// In the kernel of a guest.
    GuestKernel = 4,
    /// In a process of a guest.
    GuestUser = 5,
}

impl CpuMode {
    /// The mode that a record's `misc` tells.
    pub fn from_misc(misc: u16) -> Self {
        match misc & 7 {
            1 => Self::Kernel,
            2 => Self::User,
            3 => Self::Hypervisor,
            4 => Self::GuestKernel,
            5 => Self::GuestUser,
            _ => Self::Unknown,
        }
    }
}

/// A side-band record whose fields do not fit into it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the fields of this {0} record do not fit into it")]
pub struct Malformed(pub &'static str);

/// A side-band record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SideBand {
    /// A mapping came into being.
    Mmap(Mmap),
    /// A thread was named.
    Comm {
        /// The process.
        pid: i32,
        /// The thread.
        tid: i32,
        /// The name.
        name: Box<[u8]>,
        /// Whether it is named because it executed another program.
        exec: bool,
    },
    /// A thread or process began.
    Fork {
        /// The new thread's process.
        pid: i32,
        /// The process that made it.
        parent_pid: i32,
        /// The new thread.
        tid: i32,
        /// The thread that made it.
        parent_tid: i32,
        /// perf's own mark: the process began by executing, so that it has none
        /// of its parent's mappings (`PERF_RECORD_MISC_FORK_EXEC`).
        exec: bool,
    },
    /// A thread ended.
    Exit {
        /// Its process.
        pid: i32,
        /// The thread.
        tid: i32,
    },
    /// The kernel's text changed: a BPF program, a trampoline.
    Ksymbol {
        /// First address.
        start: u64,
        /// Bytes.
        length: u32,
        /// `PERF_RECORD_KSYMBOL_TYPE_`: 1 BPF, 2 out of line.
        kind: u16,
        /// Whether it went away.
        unregister: bool,
        /// Its name.
        name: Box<[u8]>,
    },
    /// The kernel's buffer was full.
    Lost {
        /// The event's id.
        id: u64,
        /// How many records were lost.
        count: u64,
    },
    /// Samples were dropped.
    LostSamples {
        /// How many.
        count: u64,
    },
    /// The kernel throttled an event.
    Throttle,
}

impl SideBand {
    /// Reads a record whose bytes behind the header are `body`; nothing when it
    /// is of another type.
    ///
    /// # Errors
    /// When the fields do not fit into the record.
    pub fn parse(
        header: RecordHeader,
        body: &[u8],
        endian: Endianness,
    ) -> Result<Option<Self>, Malformed> {
        let mut cursor = Cursor::new(body, endian);
        let misc = header.misc;
        let parsed = match RecordType(header.kind) {
            RecordType::MMAP => Some(Self::Mmap(Mmap::parse(cursor, misc)?)),
            RecordType::MMAP2 => Some(Self::Mmap(Mmap::parse2(cursor, misc)?)),
            RecordType::COMM => Self::comm(&mut cursor, misc),
            RecordType::FORK => Self::fork(&mut cursor, misc),
            RecordType::EXIT => Self::exit(&mut cursor),
            RecordType::KSYMBOL => Self::ksymbol(&mut cursor),
            RecordType::LOST => cursor
                .u64()
                .zip(cursor.u64())
                .map(|(id, count)| Self::Lost { id, count }),
            RecordType::LOST_SAMPLES => cursor.u64().map(|count| Self::LostSamples { count }),
            RecordType::THROTTLE => Some(Self::Throttle),
            _ => return Ok(None),
        };
        match parsed {
            Some(event) => Ok(Some(event)),
            None => Err(Malformed(name(header.kind))),
        }
    }

    fn comm(cursor: &mut Cursor<'_>, misc: u16) -> Option<Self> {
        Some(Self::Comm {
            pid: cursor.i32()?,
            tid: cursor.i32()?,
            name: cursor.c_bytes().into(),
            exec: misc & PERF_RECORD_MISC_COMM_EXEC != 0,
        })
    }

    fn fork(cursor: &mut Cursor<'_>, misc: u16) -> Option<Self> {
        Some(Self::Fork {
            pid: cursor.i32()?,
            parent_pid: cursor.i32()?,
            tid: cursor.i32()?,
            parent_tid: cursor.i32()?,
            // PERF_RECORD_MISC_FORK_EXEC is the same bit as COMM_EXEC.
            exec: misc & PERF_RECORD_MISC_COMM_EXEC != 0,
        })
    }

    fn exit(cursor: &mut Cursor<'_>) -> Option<Self> {
        let pid = cursor.i32()?;
        cursor.skip(4)?;
        Some(Self::Exit {
            pid,
            tid: cursor.i32()?,
        })
    }

    fn ksymbol(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self::Ksymbol {
            start: cursor.u64()?,
            length: cursor.u32()?,
            kind: cursor.u16()?,
            unregister: cursor.u16()? & 1 != 0,
            name: cursor.c_bytes().into(),
        })
    }
}

fn name(kind: u32) -> &'static str {
    match super::record_name(kind) {
        std::borrow::Cow::Borrowed(name) => name,
        std::borrow::Cow::Owned(_) => "side-band",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BuildIdBytes, FileId, Inode};

    const LITTLE: Endianness = Endianness::LittleEndian;

    fn header(kind: RecordType, misc: u16) -> RecordHeader {
        RecordHeader { kind: kind.0, misc }
    }

    fn mmap2_body(file: &[u8; 24]) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(7i32.to_le_bytes());
        body.extend(8i32.to_le_bytes());
        for word in [0x1000u64, 0x2000, 0x3000] {
            body.extend(word.to_le_bytes());
        }
        body.extend(file);
        body.extend(5u32.to_le_bytes());
        body.extend(1u32.to_le_bytes());
        body.extend(b"/bin/x\0\0");
        body
    }

    fn mmap(misc: u16, file: &[u8; 24]) -> Mmap {
        let body = mmap2_body(file);
        match SideBand::parse(header(RecordType::MMAP2, misc), &body, LITTLE) {
            Ok(Some(SideBand::Mmap(mmap))) => mmap,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_mapping_has_an_inode_or_a_build_id() {
        let mut file = [0; 24];
        file[0] = 8;
        file[4] = 1;
        file[8] = 99;
        let by_inode = mmap(2, &file);
        let inode = Inode {
            major: 8,
            minor: 1,
            inode: 99,
            generation: 0,
        };
        assert_eq!(by_inode.file, FileId::Inode(inode));
        assert_eq!(&*by_inode.path, b"/bin/x");
        assert_eq!((by_inode.protection, by_inode.flags), (Some(5), 1));
        assert_eq!(by_inode.mode, CpuMode::User);

        let mut file = [0xab; 24];
        file[0] = 20;
        let by_build_id = mmap(2 | 1 << 14, &file);
        let id = BuildIdBytes::new(&[0xab; 20]).unwrap();
        assert_eq!(by_build_id.file, FileId::BuildId(id));
        assert_eq!(id.to_string(), "ab".repeat(20));
    }

    #[test]
    fn a_build_id_of_impossible_length_is_unknown() {
        let mut file = [0xab; 24];
        file[0] = 200;
        assert_eq!(mmap(2 | 1 << 14, &file).file, FileId::Unknown);
    }

    #[test]
    fn every_record_may_be_cut_anywhere() {
        let body = mmap2_body(&[0; 24]);
        for kind in 0..25 {
            for length in 0..body.len() {
                let header = header(RecordType(kind), 2);
                let _ = SideBand::parse(header, &body[..length], LITTLE);
            }
        }
        let short = SideBand::parse(header(RecordType::FORK, 0), &body[..8], LITTLE);
        assert_eq!(short, Err(Malformed("FORK")));
    }

    #[test]
    fn order_is_by_time_then_place() {
        let at = |time, pos| At { time, pos };
        assert!(at(1, 9) < at(2, 0));
        assert!(at(1, 1) < at(1, 2));
    }
}
