//! What was seen, as records of a perf.data file.

use super::counters::{Counter, Counters};
use super::detail;
use super::events::{DETAIL, SIDE_BAND, TIME, WAKER, events};
use super::kernel::{KernelMap, Uname};
use super::proc::{self, Files};
use super::raw::{self, Frames, Interval, Raw, Waker};
use super::sideband::{self, SideBand};
use contend_perfdata::write::{
    EventSpec, FeatureSet, FileWriter, RecordBuffer, SampleFields, Stamp, feature_bit, flag, misc,
    record_type,
};
use std::collections::HashSet;
use std::fs::File;
use std::io;

/// Records that may wait to be written, in bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// Threads whose names are kept in mind.
const MAX_NAMED: usize = 65_536;

/// The file being written.
#[derive(Debug)]
pub(super) struct Output {
    writer: FileWriter<File>,
    buffer: RecordBuffer,
    events: Vec<EventSpec>,
    features: FeatureSet,
    files: Files,
    /// Processes whose mappings are in the capture; none when all are.
    known: Option<HashSet<u32>>,
    /// Threads that were given a name because they woke somebody.
    named: HashSet<u32>,
    first: u64,
    last: u64,
    /// Lost intervals that a record has told.
    told_lost: u64,
    raw: Vec<u8>,
    frames: Frames,
    pub(super) counters: Counters,
    pub(super) hides_kernel: bool,
}

impl Output {
    /// Begins a file; `processes` are those whose time is recorded, none for all.
    pub(super) fn new(
        file: File,
        side_band: &SideBand,
        kernel: Vec<KernelMap>,
        processes: Option<&[u32]>,
        command: &[String],
    ) -> io::Result<Self> {
        let mut events = events();
        // Ids are the kernel's for its event, and any others for ours.
        let free = side_band.ids.iter().max().copied().unwrap_or(0) + (1 << 32);
        for (at, event) in events.iter_mut().enumerate() {
            event.ids = vec![free + at as u64];
        }
        events[SIDE_BAND].ids.clone_from(&side_band.ids);
        if !side_band.has_build_ids {
            events[SIDE_BAND].flags &= !flag::BUILD_ID;
        }
        let uname = Uname::get();
        let mut output = Self {
            writer: FileWriter::new(file, &events)?,
            buffer: RecordBuffer::new(),
            features: features(&events, &uname, command),
            events,
            files: Files::default(),
            known: processes.map(|pids| pids.iter().copied().collect()),
            named: HashSet::new(),
            first: 0,
            last: 0,
            told_lost: 0,
            raw: Vec::new(),
            frames: Frames::default(),
            counters: Counters::default(),
            hides_kernel: false,
        };
        output.begin(kernel)?;
        Ok(output)
    }

    /// What a reader needs in any case, also of a file that has no end.
    fn begin(&mut self, maps: Vec<KernelMap>) -> io::Result<()> {
        for (bit, content) in self.features.iter() {
            self.buffer.feature(bit, content);
        }
        for event in &self.events[..SIDE_BAND] {
            self.buffer.event_name(event);
        }
        self.hides_kernel = maps.is_empty();
        for map in maps {
            let place = (map.start, map.len, map.offset);
            let path = map.path.as_bytes();
            self.buffer
                .kernel_mmap(&self.events[SIDE_BAND], place, path);
            if let Some(id) = map.build_id {
                // perf names the kernel without the symbol.
                let path = map.path.strip_suffix("_text").unwrap_or(&map.path);
                self.features.build_id(&id, path.as_bytes(), true);
            }
        }
        self.flush()
    }

    /// Writes down processes that are there already.
    pub(super) fn processes(&mut self) -> io::Result<()> {
        let pids = match &self.known {
            Some(known) => known.iter().copied().collect(),
            None => proc::processes(),
        };
        for pid in pids {
            let event = &self.events[SIDE_BAND];
            proc::write_process(pid, event, &mut self.files, &mut self.buffer);
            self.make_room()?;
        }
        self.flush()
    }

    /// Takes a record of the side band.
    pub(super) fn side_band(&mut self, record: &[u8]) {
        let word = |at: usize| {
            let word = record.get(at..at + 4)?;
            Some(u32::from_ne_bytes(word.try_into().ok()?))
        };
        let bits = u16::from_ne_bytes([record[4], record[5]]);
        let (Some(kind), Some(pid)) = (word(0), word(8)) else {
            return;
        };
        match kind {
            record_type::LOST => {
                let lost = word(16).unwrap_or(0);
                self.counters.add(Counter::SideBandLost, lost.into());
                self.buffer.raw(record);
                return;
            }
            record_type::FORK => {
                if let (Some(known), Some(parent)) = (&mut self.known, word(12))
                    && known.contains(&parent)
                {
                    known.insert(pid);
                }
            }
            record_type::MMAP | record_type::MMAP2 | record_type::COMM | record_type::EXIT => {}
            _ => return,
        }
        if let Some(known) = &self.known
            && !known.contains(&pid)
        {
            return;
        }
        if kind == record_type::MMAP2 && !self.note_mapping(record, bits) {
            return;
        }
        self.buffer.raw(record);
    }

    /// Keeps the build-id of a mapping; false when it is of no use: memory without
    /// a file that is no code.
    fn note_mapping(&mut self, record: &[u8], bits: u16) -> bool {
        let Some(path) = record.get(72..) else {
            return true;
        };
        let end = path.iter().position(|&byte| byte == 0);
        let path = &path[..end.unwrap_or(path.len())];
        let is_file = path.starts_with(b"/") && path != b"//anon";
        if bits & misc::MMAP_DATA != 0 && !is_file {
            return false;
        }
        if bits & misc::MMAP_BUILD_ID != 0 {
            let length = usize::from(record[40]).min(20);
            self.files.name(path, &record[44..44 + length]);
        }
        true
    }

    /// Takes a record of the ring.
    pub(super) fn record(&mut self, record: &[u8]) -> io::Result<()> {
        let mut frames = std::mem::take(&mut self.frames);
        match raw::read(record, &mut frames) {
            Some(Raw::Interval(interval)) => self.interval(&interval, &frames),
            Some(Raw::Waker(waker)) => self.waker(&waker, &frames),
            None => self.counters.add(Counter::Unreadable, 1),
        }
        self.frames = frames;
        self.make_room()
    }

    fn interval(&mut self, interval: &Interval, frames: &Frames) {
        self.know(interval.tgid);
        self.name_waker(interval);
        if self.first == 0 {
            self.first = interval.end;
        }
        self.first = self.first.min(interval.end);
        self.last = self.last.max(interval.end);
        let (bits, ip) = place(frames);
        let mut fields = SampleFields {
            ip,
            stamp: Stamp {
                pid: interval.tgid,
                tid: interval.tid,
                time: interval.end,
                cpu: interval.in_cpu,
            },
            addr: detail::futex_word(interval),
            period: interval.end.saturating_sub(interval.start),
            kernel: &frames.kernel,
            user: &frames.user,
            raw: &[],
        };
        self.buffer.sample(&self.events[TIME], bits, &fields);
        detail::put_interval(&mut self.raw, interval);
        fields.raw = &self.raw;
        self.buffer.sample(&self.events[DETAIL], bits, &fields);
    }

    fn waker(&mut self, waker: &Waker, frames: &Frames) {
        self.know(waker.tgid);
        let (bits, ip) = place(frames);
        detail::put_waker(&mut self.raw, waker);
        let fields = SampleFields {
            ip,
            stamp: Stamp {
                pid: waker.tgid,
                tid: waker.tid,
                time: waker.end,
                cpu: waker.cpu,
            },
            kernel: &frames.kernel,
            user: &frames.user,
            raw: &self.raw,
            ..SampleFields::default()
        };
        self.buffer.sample(&self.events[WAKER], bits, &fields);
    }

    /// Writes down a process that is seen for the first time.
    fn know(&mut self, pid: u32) {
        if let Some(known) = &mut self.known
            && pid != 0
            && known.insert(pid)
        {
            let event = &self.events[SIDE_BAND];
            proc::write_process(pid, event, &mut self.files, &mut self.buffer);
        }
    }

    /// Names a waker of another process, whose names are not recorded.
    fn name_waker(&mut self, interval: &Interval) {
        let (pid, tid) = (interval.waker_tgid, interval.waker_tid);
        let Some(known) = &self.known else {
            return;
        };
        if tid == 0 || interval.wake == 0 || known.contains(&pid) {
            return;
        }
        if self.named.len() < MAX_NAMED && self.named.insert(tid) {
            let stamp = Stamp {
                pid,
                tid,
                ..Stamp::default()
            };
            let comm = raw::text(&interval.waker_comm);
            self.buffer.comm(&self.events[SIDE_BAND], stamp, comm);
        }
    }

    /// Writes down what was lost until now.
    pub(super) fn losses(&mut self) {
        let time = super::collector::now();
        let stamp = Stamp {
            time,
            ..Stamp::default()
        };
        let lost = self.counters.get(Counter::RingFull);
        if lost > self.told_lost {
            let new = lost - self.told_lost;
            self.buffer.lost(&self.events[TIME], stamp, new);
            self.told_lost = lost;
        }
        detail::put_counters(&mut self.raw, &self.counters);
        let fields = SampleFields {
            stamp,
            raw: &self.raw,
            ..SampleFields::default()
        };
        self.buffer
            .sample(&self.events[DETAIL], misc::USER, &fields);
    }

    /// Ends a round: nothing that comes later is older than the one before.
    pub(super) fn end_round(&mut self) -> io::Result<()> {
        if !self.buffer.bytes().is_empty() {
            self.buffer.finished_round();
        }
        self.flush()
    }

    fn make_room(&mut self) -> io::Result<()> {
        if self.buffer.bytes().len() < BUFFER_BYTES {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.writer.append(self.buffer.bytes());
        self.buffer.clear();
        written
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        let mut features = self.features;
        features.sample_time(self.first, self.last);
        let mut named: Vec<_> = self.files.named.iter().collect();
        named.sort_unstable();
        for (path, id) in named {
            features.build_id(id, path, false);
        }
        self.writer.finish(&features)?;
        Ok(())
    }
}

/// Where a stack ends: in the kernel if anything is known of that.
fn place(frames: &Frames) -> (u16, u64) {
    match (frames.kernel.first(), frames.user.first()) {
        (Some(&ip), _) => (misc::KERNEL, ip),
        (None, Some(&ip)) => (misc::USER, ip),
        (None, None) => (misc::USER, 0),
    }
}

fn features(events: &[EventSpec], uname: &Uname, command: &[String]) -> FeatureSet {
    let mut features = FeatureSet::new();
    features.text(feature_bit::HOSTNAME, &uname.host);
    features.text(feature_bit::OSRELEASE, &uname.release);
    features.text(feature_bit::ARCH, &uname.machine);
    let version = concat!("contend-record ", env!("CARGO_PKG_VERSION"));
    features.text(feature_bit::VERSION, version);
    // Not by sysconf(3): that of musl tells the CPUs on which this process may run.
    let online = sideband::online_cpus().map_or(0, |cpus| cpus.len());
    features.cpus(sideband::present_cpus().max(online) as u32, online as u32);
    features.command(command);
    features.events(events);
    features.clock_resolution(1);
    let wall = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    features.clock_pair(
        libc::CLOCK_MONOTONIC as u32,
        u64::try_from(wall.as_nanos()).unwrap_or(0),
        super::collector::now(),
    );
    features
}
