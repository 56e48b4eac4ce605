//! Facts about the machine and the recording.

use super::event::EventSpec;

/// Feature bits (`tools/perf/util/header.h`).
pub mod feature_bit {
    /// Build-ids.
    pub const BUILD_ID: u32 = 2;
    /// The name of the machine.
    pub const HOSTNAME: u32 = 3;
    /// The version of the kernel.
    pub const OSRELEASE: u32 = 4;
    /// The version of the recorder.
    pub const VERSION: u32 = 5;
    /// The architecture.
    pub const ARCH: u32 = 6;
    /// How many CPUs there are.
    pub const NRCPUS: u32 = 7;
    /// The command line.
    pub const CMDLINE: u32 = 11;
    /// Attributes with names.
    pub const EVENT_DESC: u32 = 12;
    /// First and last time.
    pub const SAMPLE_TIME: u32 = 21;
    /// The resolution of the clock.
    pub const CLOCKID: u32 = 23;
    /// One moment on two clocks.
    pub const CLOCK_DATA: u32 = 29;
}

/// Features with their contents, by bit.
#[derive(Clone, Debug, Default)]
pub struct FeatureSet {
    sections: std::collections::BTreeMap<u32, Vec<u8>>,
}

impl FeatureSet {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The features, in the order of their bits.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.sections.iter().map(|(&bit, bytes)| (bit, &bytes[..]))
    }

    /// A feature that is one text: HOSTNAME, OSRELEASE, VERSION, ARCH.
    pub fn text(&mut self, bit: u32, text: &str) {
        let mut bytes = Vec::new();
        put_text(&mut bytes, text);
        self.sections.insert(bit, bytes);
    }

    /// How many CPUs there can be, and how many are online.
    pub fn cpus(&mut self, available: u32, online: u32) {
        let bytes = [available, online].map(u32::to_ne_bytes).concat();
        self.sections.insert(feature_bit::NRCPUS, bytes);
    }

    /// The command line, an argument each.
    pub fn command(&mut self, arguments: &[String]) {
        let mut bytes = (arguments.len() as u32).to_ne_bytes().to_vec();
        for argument in arguments {
            put_text(&mut bytes, argument);
        }
        self.sections.insert(feature_bit::CMDLINE, bytes);
    }

    /// Attributes, ids and names of all events.
    pub fn events(&mut self, events: &[EventSpec]) {
        let mut bytes = (events.len() as u32).to_ne_bytes().to_vec();
        bytes.extend((EventSpec::ATTR_SIZE as u32).to_ne_bytes());
        for event in events {
            bytes.extend(event.attr());
            bytes.extend((event.ids.len() as u32).to_ne_bytes());
            put_text(&mut bytes, &event.name);
            bytes.extend(event.ids.iter().flat_map(|id| id.to_ne_bytes()));
        }
        self.sections.insert(feature_bit::EVENT_DESC, bytes);
    }

    /// The times of the first and the last sample, in ns.
    pub fn sample_time(&mut self, first: u64, last: u64) {
        let bytes = [first, last].map(u64::to_ne_bytes).concat();
        self.sections.insert(feature_bit::SAMPLE_TIME, bytes);
    }

    /// The resolution of the clock, in ns.
    pub fn clock_resolution(&mut self, ns: u64) {
        let bytes = ns.to_ne_bytes().to_vec();
        self.sections.insert(feature_bit::CLOCKID, bytes);
    }

    /// One moment on the clock of the times and on the wall clock, in ns
    /// (`write_clock_data` in `tools/perf/util/header.c`, version 1).
    pub fn clock_pair(&mut self, clock: u32, wall_ns: u64, clock_ns: u64) {
        let mut bytes = [1, clock].map(u32::to_ne_bytes).concat();
        bytes.extend([wall_ns, clock_ns].map(u64::to_ne_bytes).concat());
        self.sections.insert(feature_bit::CLOCK_DATA, bytes);
    }

    /// The build-id of a binary, behind those that are there. For the kernel and
    /// its modules `is_kernel` (`struct perf_record_header_build_id`).
    pub fn build_id(&mut self, id: &[u8], path: &[u8], is_kernel: bool) {
        /// `PERF_RECORD_MISC_BUILD_ID_SIZE`.
        const HAS_SIZE: u16 = 1 << 15;
        let id = &id[..id.len().min(20)];
        let path = &path[..path.len().min(4096)];
        let room = (path.len() + 1).next_multiple_of(64);
        let mode: u16 = if is_kernel { 1 } else { 2 };
        let bytes = self.sections.entry(feature_bit::BUILD_ID).or_default();
        let end = bytes.len() + 8 + 4 + 24 + room;
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend((mode | HAS_SIZE).to_ne_bytes());
        bytes.extend(((8 + 4 + 24 + room) as u16).to_ne_bytes());
        bytes.extend(u32::MAX.to_ne_bytes());
        let mut field = [0; 24];
        field[..id.len()].copy_from_slice(id);
        field[20] = id.len() as u8;
        bytes.extend(field);
        bytes.extend(path);
        bytes.resize(end, 0);
    }
}

/// `do_write_string`: the length with the end and what fills up to 64 bytes.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let length = (text.len() + 1).next_multiple_of(64);
    bytes.extend((length as u32).to_ne_bytes());
    let end = bytes.len() + length;
    bytes.extend(text.as_bytes());
    bytes.resize(end, 0);
}
