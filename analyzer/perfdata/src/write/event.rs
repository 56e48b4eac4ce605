//! What is recorded, as the file states it.

/// Bits of `sample_type` (`enum perf_event_sample_format` in
/// `include/uapi/linux/perf_event.h`).
pub mod sample {
    /// The address of the instruction.
    pub const IP: u64 = 1 << 0;
    /// Process and thread.
    pub const TID: u64 = 1 << 1;
    /// The time.
    pub const TIME: u64 = 1 << 2;
    /// A data address.
    pub const ADDR: u64 = 1 << 3;
    /// The call chain.
    pub const CALLCHAIN: u64 = 1 << 5;
    /// The CPU.
    pub const CPU: u64 = 1 << 7;
    /// How much the sample stands for.
    pub const PERIOD: u64 = 1 << 8;
    /// Bytes whose meaning the event knows.
    pub const RAW: u64 = 1 << 10;
    /// The id of the event, in front of everything.
    pub const IDENTIFIER: u64 = 1 << 16;
}

/// Bits of the flags of an attribute (`struct perf_event_attr`).
pub mod flag {
    /// Not counting until told.
    pub const DISABLED: u64 = 1 << 0;
    /// Executable mappings.
    pub const MMAP: u64 = 1 << 8;
    /// Names of threads.
    pub const COMM: u64 = 1 << 9;
    /// Begin and end of threads.
    pub const TASK: u64 = 1 << 13;
    /// Mappings that are not executable.
    pub const MMAP_DATA: u64 = 1 << 17;
    /// Records that are no samples end with who, when and where, too.
    pub const SAMPLE_ID_ALL: u64 = 1 << 18;
    /// Mappings with inode and protection.
    pub const MMAP2: u64 = 1 << 23;
    /// COMM tells an exec.
    pub const COMM_EXEC: u64 = 1 << 24;
    /// Times are of the clock that the attribute names.
    pub const USE_CLOCKID: u64 = 1 << 25;
    /// Mappings with build-ids (kernel 5.12).
    pub const BUILD_ID: u64 = 1 << 34;
}

/// An event of the capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSpec {
    /// `PERF_TYPE_*`.
    pub kind: u32,
    /// Which event of that type.
    pub config: u64,
    /// The period; 0 for none.
    pub period: u64,
    /// The fields of its samples: [`sample`].
    pub sample_type: u64,
    /// [`flag`].
    pub flags: u64,
    /// The clock of its times, a `CLOCK_*` of Linux.
    pub clock: i32,
    /// Its name.
    pub name: String,
    /// The ids by which its records are known.
    pub ids: Vec<u64>,
}

impl EventSpec {
    /// Bytes of an attribute (`PERF_ATTR_SIZE_VER7`).
    pub const ATTR_SIZE: usize = 128;

    /// The attribute as `struct perf_event_attr`, in the byte order of this
    /// machine.
    #[must_use]
    pub fn attr(&self) -> [u8; Self::ATTR_SIZE] {
        let mut bytes = [0; Self::ATTR_SIZE];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &self.kind.to_ne_bytes());
        put(4, &(Self::ATTR_SIZE as u32).to_ne_bytes());
        put(8, &self.config.to_ne_bytes());
        put(16, &self.period.to_ne_bytes());
        put(24, &self.sample_type.to_ne_bytes());
        put(40, &self.flags.to_ne_bytes());
        put(92, &self.clock.to_ne_bytes());
        bytes
    }

    /// Bytes that who, when and where take at the end of records that are no
    /// samples ([`crate::write::Stamp`]).
    pub(super) fn trailer_fields(&self) -> u64 {
        if self.flags & flag::SAMPLE_ID_ALL == 0 {
            return 0;
        }
        self.sample_type & (sample::TID | sample::TIME | sample::CPU | sample::IDENTIFIER)
    }
}
