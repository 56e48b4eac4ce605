//! What every walk notes on its way: how many records of which kind, whose
//! samples, what was lost, and the side band for the address space.

use contend_perfdata::{At, Cursor, EventTable, RawRecord, RecordHeader, SideBand};
use std::collections::BTreeMap;

/// `PERF_RECORD_SAMPLE`.
pub(crate) const SAMPLE: u32 = 9;

/// `PERF_RECORD_AUXTRACE_INFO`.
const AUXTRACE_INFO: u32 = 70;

/// Record kinds that have a counter of their own in an array.
const COMMON_KINDS: usize = 96;

/// How many other kinds are told apart.
const OTHER_KINDS: usize = 1024;

/// Header-like records (`HEADER_ATTR` to `HEADER_FEATURE`) that a pipe may carry
/// behind the first sample.
const LATE_KINDS: [u32; 4] = [64, 67, 78, 80];

/// The most bytes of late header-like records that are kept.
const LATE_LIMIT: usize = 64 << 20;

/// A header-like record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LateRecord {
    /// Its place in the capture.
    pub pos: u64,
    /// Its type.
    pub kind: u32,
    /// `misc` of its header.
    pub misc: u16,
    /// The bytes behind its header.
    pub body: Box<[u8]>,
}

/// What one thread, or all of them, have seen.
#[derive(Debug)]
pub struct Survey {
    common: [u64; COMMON_KINDS],
    other: BTreeMap<u32, u64>,
    /// Samples by the index of their event.
    pub samples: Vec<u64>,
    /// Samples whose id no event has.
    pub unknown_event: u64,
    /// Samples whose fields do not fit into their record.
    pub malformed_samples: u64,
    /// Side-band records that do not fit into their record.
    pub malformed_records: u64,
    /// Records that the kernel could not write for want of room.
    pub lost_events: u64,
    /// Samples that the hardware or the kernel dropped.
    pub lost_samples: u64,
    /// How often the kernel throttled an event.
    pub throttled: u64,
    /// Time of the first and of the last record that has one, in ns.
    first_time: u64,
    last_time: u64,
    /// The side band with its times, in no particular order.
    pub side_band: Vec<(At, SideBand)>,
    /// What writes the AUX area, as the lowest number that a record tells
    /// (`enum auxtrace_type` in `tools/perf/util/auxtrace.h`).
    pub aux_kind: Option<u32>,
    /// Header-like records behind the first sample.
    pub late: Vec<LateRecord>,
    late_bytes: usize,
}

impl Survey {
    /// An empty survey of a capture with `events` events.
    pub fn new(events: usize) -> Self {
        Self {
            common: [0; COMMON_KINDS],
            other: BTreeMap::new(),
            samples: vec![0; events],
            unknown_event: 0,
            malformed_samples: 0,
            malformed_records: 0,
            lost_events: 0,
            lost_samples: 0,
            throttled: 0,
            first_time: u64::MAX,
            last_time: 0,
            side_band: Vec::new(),
            aux_kind: None,
            late: Vec::new(),
            late_bytes: 0,
        }
    }

    /// Notes a sample of an event.
    #[inline]
    pub fn sample(&mut self, event: usize, time: u64) {
        self.samples[event] += 1;
        self.time(time);
    }

    /// Notes a sample that belongs to no event.
    pub fn unknown_sample(&mut self) {
        self.unknown_event += 1;
    }

    /// Notes a sample of an event whose fields do not fit into its record.
    pub fn malformed_sample(&mut self, event: usize) {
        self.samples[event] += 1;
        self.malformed_samples += 1;
    }

    /// Notes a record that is no sample.
    pub fn record(&mut self, record: &RawRecord<'_>, events: &EventTable) {
        match self.common.get_mut(record.kind as usize) {
            Some(count) => *count += 1,
            None => self.other_kind(record.kind, 1),
        }
        let header = RecordHeader {
            kind: record.kind,
            misc: record.misc,
            size: (record.body.len() + 8) as u16,
        };
        if record.kind == AUXTRACE_INFO {
            let kind = Cursor::new(record.body, events.endian()).u32();
            self.aux_kind = [self.aux_kind, kind].into_iter().flatten().min();
        }
        let is_user_kind = record.kind >= 64;
        let time = if is_user_kind {
            None
        } else {
            let trailer = events.trailer().parse(record.body, events.endian());
            trailer.time.filter(|&time| time != u64::MAX)
        };
        self.time(time.unwrap_or(0));
        match SideBand::parse(header, record.body, events.endian()) {
            Ok(Some(event)) => self.side_band(record, time, event),
            Ok(None) => {
                if LATE_KINDS.contains(&record.kind)
                    && self.late_bytes + record.body.len() <= LATE_LIMIT
                {
                    self.late_bytes += record.body.len();
                    self.late.push(LateRecord {
                        pos: record.pos,
                        kind: record.kind,
                        misc: record.misc,
                        body: record.body.into(),
                    });
                }
            }
            Err(_) => self.malformed_records += 1,
        }
    }

    /// Counts records of an uncommon kind. Writers use a few numbers; hostile
    /// files may use billions, which then count as one.
    fn other_kind(&mut self, kind: u32, count: u64) {
        let is_known = self.other.contains_key(&kind);
        let kind = if is_known || self.other.len() < OTHER_KINDS {
            kind
        } else {
            u32::MAX
        };
        *self.other.entry(kind).or_default() += count;
    }

    fn side_band(&mut self, record: &RawRecord<'_>, time: Option<u64>, event: SideBand) {
        match event {
            SideBand::Lost { count, .. } => {
                self.lost_events = self.lost_events.saturating_add(count)
            }
            SideBand::LostSamples { count } => {
                self.lost_samples = self.lost_samples.saturating_add(count);
            }
            SideBand::Throttle => self.throttled += 1,
            event => {
                let at = At {
                    time: time.unwrap_or(0),
                    pos: record.pos,
                };
                self.side_band.push((at, event));
            }
        }
    }

    #[inline]
    fn time(&mut self, time: u64) {
        if time == 0 || time == u64::MAX {
            return;
        }
        self.first_time = self.first_time.min(time);
        self.last_time = self.last_time.max(time);
    }

    /// Adds what another thread has seen.
    pub fn merge(&mut self, other: Self) {
        for (count, more) in self.common.iter_mut().zip(other.common) {
            *count += more;
        }
        for (kind, more) in other.other {
            self.other_kind(kind, more);
        }
        for (count, more) in self.samples.iter_mut().zip(other.samples) {
            *count += more;
        }
        self.unknown_event += other.unknown_event;
        self.malformed_samples += other.malformed_samples;
        self.malformed_records += other.malformed_records;
        self.lost_events = self.lost_events.saturating_add(other.lost_events);
        self.lost_samples = self.lost_samples.saturating_add(other.lost_samples);
        self.throttled += other.throttled;
        self.first_time = self.first_time.min(other.first_time);
        self.last_time = self.last_time.max(other.last_time);
        self.side_band.extend(other.side_band);
        self.aux_kind = [self.aux_kind, other.aux_kind].into_iter().flatten().min();
        self.late.extend(other.late);
    }

    /// How many records there are of each kind, by their number.
    pub fn kinds(&self) -> BTreeMap<u32, u64> {
        let mut common = self.common;
        common[SAMPLE as usize] = self.total_samples();
        let common = (0..).zip(common).filter(|&(_, count)| count > 0);
        common
            .chain(self.other.iter().map(|(&kind, &count)| (kind, count)))
            .collect()
    }

    /// How many samples there are, of known events and unknown ones.
    pub fn total_samples(&self) -> u64 {
        self.samples.iter().sum::<u64>() + self.unknown_event
    }

    /// Time of the first and of the last record that has one, in ns.
    pub fn times(&self) -> Option<(u64, u64)> {
        (self.first_time <= self.last_time).then_some((self.first_time, self.last_time))
    }
}
