//! Records, one behind the other.

use super::event::{EventSpec, sample};

/// Types of records (`enum perf_event_type`; from 64 on perf's own,
/// `tools/lib/perf/include/perf/event.h`).
pub mod record_type {
    /// A mapping.
    pub const MMAP: u32 = 1;
    /// Records that found no room.
    pub const LOST: u32 = 2;
    /// The name of a thread.
    pub const COMM: u32 = 3;
    /// A thread ended.
    pub const EXIT: u32 = 4;
    /// A thread began.
    pub const FORK: u32 = 7;
    /// A sample.
    pub const SAMPLE: u32 = 9;
    /// A mapping with the identity of its file.
    pub const MMAP2: u32 = 10;
    /// What comes later is not older than what came before the last of these.
    pub const FINISHED_ROUND: u32 = 68;
    /// The name of an event.
    pub const EVENT_UPDATE: u32 = 78;
    /// A feature as a record.
    pub const HEADER_FEATURE: u32 = 80;
}

/// Bits of `misc` in the header of a record.
pub mod misc {
    /// The address is the kernel's.
    pub const KERNEL: u16 = 1;
    /// The address is a program's.
    pub const USER: u16 = 2;
    /// Of MMAP2: not executable.
    pub const MMAP_DATA: u16 = 1 << 13;
    /// Of MMAP2: with a build-id.
    pub const MMAP_BUILD_ID: u16 = 1 << 14;
}

/// Marks in a call chain: what follows is the kernel's, or the program's.
const CONTEXT_KERNEL: u64 = -128i64 as u64;
const CONTEXT_USER: u64 = -512i64 as u64;

/// Longest record: its size is 16 bits, and a multiple of 8.
const MAX_RECORD: usize = 0xfff8;

/// Who, when and where: the end of records that are no samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// In ns; 0 for what was there before.
    pub time: u64,
    /// The CPU.
    pub cpu: u32,
}

/// The fields of a sample. Those that the event does not have are not written.
#[derive(Clone, Copy, Debug, Default)]
pub struct SampleFields<'a> {
    /// The address of the instruction.
    pub ip: u64,
    /// Who, when and where.
    pub stamp: Stamp,
    /// A data address.
    pub addr: u64,
    /// What the sample stands for.
    pub period: u64,
    /// Frames in the kernel, the innermost first.
    pub kernel: &'a [u64],
    /// Frames in the program, the innermost first.
    pub user: &'a [u64],
    /// The bytes of the event.
    pub raw: &'a [u8],
}

/// Which file a mapping is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileIdentity {
    /// The kernel's numbers: major, minor, inode, generation.
    Inode(u32, u32, u64, u64),
    /// The build-id, at most 20 bytes.
    BuildId(Vec<u8>),
}

/// A mapping of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping<'a> {
    /// Where it begins (AVMA).
    pub start: u64,
    /// Its bytes.
    pub len: u64,
    /// Where in the file it begins.
    pub offset: u64,
    /// `PROT_*`.
    pub protection: u32,
    /// `MAP_*`.
    pub flags: u32,
    /// The file.
    pub identity: FileIdentity,
    /// Its path, or a name in brackets.
    pub path: &'a [u8],
}

/// Whole records in memory.
#[derive(Clone, Debug, Default)]
pub struct RecordBuffer {
    bytes: Vec<u8>,
}

impl RecordBuffer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets it.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Takes a whole record as the kernel wrote it.
    pub fn raw(&mut self, record: &[u8]) {
        debug_assert!(record.len() >= 8 && record.len().is_multiple_of(8));
        self.bytes.extend_from_slice(record);
    }

    /// A sample of `event`. A call chain that is too long for a record loses its
    /// outermost frames.
    pub fn sample(&mut self, event: &EventSpec, misc: u16, fields: &SampleFields<'_>) {
        let at = self.begin(record_type::SAMPLE, misc);
        let has = |bit| event.sample_type & bit != 0;
        if has(sample::IDENTIFIER) {
            self.u64(event.ids.first().copied().unwrap_or(0));
        }
        if has(sample::IP) {
            self.u64(fields.ip);
        }
        if has(sample::TID) {
            self.u32(fields.stamp.pid);
            self.u32(fields.stamp.tid);
        }
        if has(sample::TIME) {
            self.u64(fields.stamp.time);
        }
        if has(sample::ADDR) {
            self.u64(fields.addr);
        }
        if has(sample::CPU) {
            self.u32(fields.stamp.cpu);
            self.u32(0);
        }
        if has(sample::PERIOD) {
            self.u64(fields.period);
        }
        if has(sample::CALLCHAIN) {
            self.chain(fields.kernel, fields.user);
        }
        if has(sample::RAW) {
            // The length is in front and makes the field a multiple of 8 with it.
            let length = (fields.raw.len() + 4).next_multiple_of(8) - 4;
            self.u32(length as u32);
            self.bytes.extend_from_slice(fields.raw);
            let padding = length - fields.raw.len();
            self.bytes.extend(std::iter::repeat_n(0, padding));
        }
        self.end(at);
    }

    fn chain(&mut self, kernel: &[u64], user: &[u64]) {
        let marked = |frames: &[u64]| {
            if frames.is_empty() {
                0
            } else {
                frames.len() + 1
            }
        };
        self.u64((marked(kernel) + marked(user)) as u64);
        for (mark, frames) in [(CONTEXT_KERNEL, kernel), (CONTEXT_USER, user)] {
            if !frames.is_empty() {
                self.u64(mark);
                frames.iter().for_each(|&frame| self.u64(frame));
            }
        }
    }

    /// A mapping of the kernel or one of its modules.
    pub fn kernel_mmap(
        &mut self,
        event: &EventSpec,
        (start, len, offset): (u64, u64, u64),
        path: &[u8],
    ) {
        let at = self.begin(record_type::MMAP, misc::KERNEL);
        let everyone = Stamp {
            pid: u32::MAX,
            ..Stamp::default()
        };
        self.u32(everyone.pid);
        self.u32(everyone.tid);
        [start, len, offset].iter().for_each(|&word| self.u64(word));
        self.text(path);
        self.trailer(event, everyone);
        self.end(at);
    }

    /// A mapping of a process.
    pub fn mmap2(&mut self, event: &EventSpec, stamp: Stamp, mapping: &Mapping<'_>) {
        const EXECUTABLE: u32 = 4;
        let mut bits = misc::USER;
        if mapping.protection & EXECUTABLE == 0 {
            bits |= misc::MMAP_DATA;
        }
        if matches!(mapping.identity, FileIdentity::BuildId(_)) {
            bits |= misc::MMAP_BUILD_ID;
        }
        let at = self.begin(record_type::MMAP2, bits);
        self.u32(stamp.pid);
        self.u32(stamp.tid);
        self.u64(mapping.start);
        self.u64(mapping.len);
        self.u64(mapping.offset);
        match &mapping.identity {
            FileIdentity::Inode(major, minor, inode, generation) => {
                self.u32(*major);
                self.u32(*minor);
                self.u64(*inode);
                self.u64(*generation);
            }
            FileIdentity::BuildId(id) => {
                let length = id.len().min(20);
                let mut field = [0; 24];
                field[0] = length as u8;
                field[4..4 + length].copy_from_slice(&id[..length]);
                self.bytes.extend_from_slice(&field);
            }
        }
        self.u32(mapping.protection);
        self.u32(mapping.flags);
        self.text(mapping.path);
        self.trailer(event, stamp);
        self.end(at);
    }

    /// The name of a thread.
    pub fn comm(&mut self, event: &EventSpec, stamp: Stamp, comm: &[u8]) {
        let at = self.begin(record_type::COMM, 0);
        self.u32(stamp.pid);
        self.u32(stamp.tid);
        self.text(comm);
        self.trailer(event, stamp);
        self.end(at);
    }

    /// A thread that is there, with who began it.
    pub fn fork(&mut self, event: &EventSpec, stamp: Stamp, (parent_pid, parent_tid): (u32, u32)) {
        let at = self.begin(record_type::FORK, 0);
        self.u32(stamp.pid);
        self.u32(parent_pid);
        self.u32(stamp.tid);
        self.u32(parent_tid);
        self.u64(stamp.time);
        self.trailer(event, stamp);
        self.end(at);
    }

    /// So many records of `event` are missing.
    pub fn lost(&mut self, event: &EventSpec, stamp: Stamp, count: u64) {
        let at = self.begin(record_type::LOST, 0);
        self.u64(event.ids.first().copied().unwrap_or(0));
        self.u64(count);
        self.trailer(event, stamp);
        self.end(at);
    }

    /// The end of a round.
    pub fn finished_round(&mut self) {
        let at = self.begin(record_type::FINISHED_ROUND, 0);
        self.end(at);
    }

    /// The name of an event (`PERF_EVENT_UPDATE__NAME`).
    pub fn event_name(&mut self, event: &EventSpec) {
        let at = self.begin(record_type::EVENT_UPDATE, 0);
        self.u64(2);
        self.u64(event.ids.first().copied().unwrap_or(0));
        self.bytes.extend_from_slice(event.name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.end(at);
    }

    /// A feature in front of the records; nothing when it is too long for one.
    pub fn feature(&mut self, bit: u32, content: &[u8]) {
        if content.len() > MAX_RECORD - 32 {
            return;
        }
        let at = self.begin(record_type::HEADER_FEATURE, 0);
        self.u64(bit.into());
        self.bytes.extend_from_slice(content);
        self.pad();
        self.end(at);
    }

    fn begin(&mut self, kind: u32, misc: u16) -> usize {
        let at = self.bytes.len();
        self.u32(kind);
        self.bytes.extend_from_slice(&misc.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 2]);
        at
    }

    fn end(&mut self, at: usize) {
        let size = self.bytes.len() - at;
        debug_assert!(size <= MAX_RECORD && size.is_multiple_of(8));
        self.bytes[at + 6..at + 8].copy_from_slice(&(size as u16).to_ne_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_ne_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_ne_bytes());
    }

    fn pad(&mut self) {
        let length = self.bytes.len().next_multiple_of(8);
        self.bytes.resize(length, 0);
    }

    /// Text with its end, filled up to 8 bytes. Paths are at most 4096 long.
    fn text(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(&text[..text.len().min(4096)]);
        self.bytes.push(0);
        self.pad();
    }

    /// `perf_event__output_id_sample` in `kernel/events/core.c`.
    fn trailer(&mut self, event: &EventSpec, stamp: Stamp) {
        let fields = event.trailer_fields();
        if fields & sample::TID != 0 {
            self.u32(stamp.pid);
            self.u32(stamp.tid);
        }
        if fields & sample::TIME != 0 {
            self.u64(stamp.time);
        }
        if fields & sample::CPU != 0 {
            self.u32(stamp.cpu);
            self.u32(0);
        }
        if fields & sample::IDENTIFIER != 0 {
            self.u64(event.ids.first().copied().unwrap_or(0));
        }
    }
}
