//! What every walk notes on its way: how many records of which kind, whose
//! samples, what was lost, and the side band for the address space.

mod kinds;
mod late;

use crate::spe::SpeSums;
use contend_perfdata::{At, Cursor, EventTable, RawRecord, RecordHeader, SideBand, record_kind};
use kinds::KindCounts;
use late::LateRecords;
use std::collections::BTreeMap;

pub(crate) use contend_perfdata::record_kind::SAMPLE;
pub(crate) use late::LateRecord;

/// `PERF_RECORD_AUXTRACE_INFO`.
const AUXTRACE_INFO: u32 = 70;

/// From here on a time is none: perf writes its sums of time off the CPU at the end
/// of the recording and numbers them from here (`OFF_CPU_TIMESTAMP` in
/// `tools/perf/util/off_cpu.h`), so that they stand behind everything else.
const NO_TIME: u64 = 0xffff_ffff_0000_0000;

/// The most bytes of the side band that a capture may have. A mapping takes about
/// a hundred: no recording of a machine has millions, but few bytes of a
/// compressed capture can say that it has.
pub(crate) const SIDE_BAND_LIMIT: u64 = 256 << 20;

/// The least that a record of the side band counts for: what it takes in memory.
const SMALLEST_SIDE_BAND: usize = size_of::<(At, SideBand)>();

/// What one thread, or all of them, have seen.
#[derive(Debug)]
pub struct Survey {
    kinds: KindCounts,
    /// Samples by the index of their event.
    pub samples: Vec<u64>,
    /// Operations that Arm SPE sampled; they are in no record of their own.
    pub(crate) spe_records: u64,
    /// Samples whose id no event has.
    pub unknown_event: u64,
    /// Samples whose fields do not fit into their record.
    pub malformed_samples: u64,
    /// Side-band records that do not fit into their record.
    pub malformed_records: u64,
    /// Records that the kernel could not write for want of room.
    pub lost_events: u64,
    /// Samples that the hardware dropped.
    dropped_samples: u64,
    /// What `perf record` read from the kernel's counters when it ended: how many records
    /// of each event did not fit.
    lost_by_counters: u64,
    /// Samples that a BPF filter of the recording left out.
    pub filtered_samples: u64,
    /// How often the kernel throttled an event.
    pub throttled: u64,
    /// Time of the first and of the last record that has one, in ns.
    first_time: u64,
    last_time: u64,
    /// The side band with its times, in no particular order.
    pub side_band: Vec<(At, SideBand)>,
    /// How many bytes of the side band there are, also where they are too many
    /// to be kept.
    pub(crate) side_band_bytes: u64,
    /// Header-like records.
    late: LateRecords,
    /// What writes the AUX area, as the lowest number that a record tells
    /// (`enum auxtrace_type` in `tools/perf/util/auxtrace.h`).
    pub aux_kind: Option<u32>,
}

impl Survey {
    /// An empty survey of a capture with `events` events.
    pub fn new(events: usize) -> Self {
        Self {
            kinds: KindCounts::default(),
            samples: vec![0; events],
            spe_records: 0,
            unknown_event: 0,
            malformed_samples: 0,
            malformed_records: 0,
            lost_events: 0,
            dropped_samples: 0,
            lost_by_counters: 0,
            filtered_samples: 0,
            throttled: 0,
            first_time: u64::MAX,
            last_time: 0,
            side_band: Vec::new(),
            side_band_bytes: 0,
            aux_kind: None,
            late: LateRecords::default(),
        }
    }

    /// Samples that were lost and are not in [`Survey::lost_events`].
    ///
    /// What finds no room the kernel counts twice: for its buffer, of which the next
    /// record that fits tells (LOST), and for its event (`__perf_output_begin` in
    /// `kernel/events/ring_buffer.c`), which `perf record` reads when it ends and writes
    /// as LOST_SAMPLES without a time (`record__read_lost_samples`). So these are the
    /// same, and only what the last LOST of a buffer did not tell any more comes to it.
    /// LOST_SAMPLES with a time are the kernel's own, of samples that the hardware
    /// dropped (`perf_log_lost_samples`).
    #[must_use]
    pub fn lost_samples(&self) -> u64 {
        let untold = self.lost_by_counters.saturating_sub(self.lost_events);
        self.dropped_samples.saturating_add(untold)
    }

    /// Notes a sample of an event.
    #[inline]
    pub fn sample(&mut self, event: usize, time: u64) {
        self.samples[event] += 1;
        self.time(time);
    }

    /// Notes what Arm SPE sampled.
    pub(crate) fn spe(&mut self, sums: &SpeSums) {
        self.spe_records += sums.stats.records;
        if let Some((first, last)) = sums.times() {
            self.time(first);
            self.time(last);
        }
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
    // Apart from the loops over samples, whose registers it would take.
    #[inline(never)]
    pub fn record(&mut self, record: &RawRecord<'_>, events: &EventTable) {
        self.kinds.add(record.kind);
        let header = RecordHeader {
            kind: record.kind,
            misc: record.misc,
        };
        if record.kind == AUXTRACE_INFO {
            let kind = Cursor::new(record.body, events.endian()).u32();
            self.aux_kind = [self.aux_kind, kind].into_iter().flatten().min();
        }
        let is_user_kind = record.kind >= record_kind::USER_TYPE_START;
        let time = if is_user_kind {
            None
        } else {
            let trailer = events.trailer_of(record.body);
            let trailer = trailer.parse(record.body, events.endian());
            trailer.time.filter(|&time| time != u64::MAX)
        };
        self.time(time.unwrap_or(0));
        match SideBand::parse(header, record.body, events.endian()) {
            Ok(Some(event)) => self.side_band(record, time, event),
            Ok(None) => self.late.add(record),
            Err(_) => self.malformed_records += 1,
        }
    }

    /// Gives the late records away: the first in the capture, in its order.
    pub(crate) fn take_late(&mut self) -> Vec<LateRecord> {
        self.late.take()
    }

    /// Whether the side band is larger than that of any recording, so that it
    /// was not kept.
    pub(crate) fn is_side_band_refused(&self) -> bool {
        self.side_band_bytes > SIDE_BAND_LIMIT
    }

    fn side_band(&mut self, record: &RawRecord<'_>, time: Option<u64>, event: SideBand) {
        match event {
            SideBand::Lost { count, .. } => {
                self.lost_events = self.lost_events.saturating_add(count)
            }
            SideBand::LostSamples { count } => {
                let sum = if record.misc & record_kind::MISC_LOST_SAMPLES_BPF != 0 {
                    &mut self.filtered_samples
                } else if time.is_none_or(|time| time == 0) {
                    &mut self.lost_by_counters
                } else {
                    &mut self.dropped_samples
                };
                *sum = sum.saturating_add(count);
            }
            SideBand::Throttle => self.throttled += 1,
            // A thread that ended keeps its name and a process its mappings for
            // the samples that came before.
            SideBand::Exit { .. } => {}
            event => {
                let bytes = record.body.len().max(SMALLEST_SIDE_BAND);
                self.side_band_bytes += bytes as u64;
                if self.is_side_band_refused() {
                    self.side_band = Vec::new();
                    return;
                }
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
        if time == 0 || time >= NO_TIME {
            return;
        }
        self.first_time = self.first_time.min(time);
        self.last_time = self.last_time.max(time);
    }

    /// Adds what another thread has seen.
    pub fn merge(&mut self, other: Self) {
        self.kinds.merge(other.kinds);
        for (count, more) in self.samples.iter_mut().zip(other.samples) {
            *count += more;
        }
        self.spe_records += other.spe_records;
        self.unknown_event += other.unknown_event;
        self.malformed_samples += other.malformed_samples;
        self.malformed_records += other.malformed_records;
        self.lost_events = self.lost_events.saturating_add(other.lost_events);
        for (sum, more) in [
            (&mut self.dropped_samples, other.dropped_samples),
            (&mut self.lost_by_counters, other.lost_by_counters),
            (&mut self.filtered_samples, other.filtered_samples),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.throttled += other.throttled;
        self.first_time = self.first_time.min(other.first_time);
        self.last_time = self.last_time.max(other.last_time);
        self.side_band_bytes += other.side_band_bytes;
        if self.is_side_band_refused() {
            self.side_band = Vec::new();
        } else {
            self.side_band.extend(other.side_band);
        }
        self.aux_kind = [self.aux_kind, other.aux_kind].into_iter().flatten().min();
        self.late.merge(other.late);
    }

    /// How many records there are of each kind, by their number; those of kinds
    /// that are not told apart under `u32::MAX`.
    pub fn kinds(&self) -> BTreeMap<u32, u64> {
        self.kinds.all(self.total_samples())
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

#[cfg(test)]
mod tests {
    use super::*;
    use contend_perfdata::{Endianness, EventAttr};

    fn table() -> EventTable {
        EventTable::new(&[], Endianness::LittleEndian)
    }

    pub(super) fn record(kind: u32, pos: u64, body: &[u8]) -> RawRecord<'_> {
        RawRecord::new(kind, 0, body, pos)
    }

    /// Surveys that see the records by turns.
    pub(super) fn shared_by(workers: usize, records: &[RawRecord<'_>]) -> Survey {
        let mut parts: Vec<Survey> = (0..workers).map(|_| Survey::new(0)).collect();
        for (index, record) in records.iter().enumerate() {
            parts[index % workers].record(record, &table());
        }
        let mut whole = Survey::new(0);
        parts.into_iter().for_each(|part| whole.merge(part));
        whole
    }

    #[test]
    fn what_the_kernel_counted_twice_is_lost_once() {
        let attr = contend_perfdata::Attr {
            sample_type: contend_perfdata::SampleFormat::TIME.bits(),
            flags: contend_perfdata::AttrFlags::SAMPLE_ID_ALL.bits(),
            ..Default::default()
        };
        let table_of = |attr| {
            let event = EventAttr {
                attr,
                ids: Vec::new(),
                name: None,
            };
            EventTable::new(&[event], Endianness::LittleEndian)
        };
        let table = table_of(attr);
        let surveyed_by = |table: &EventTable, records: &[(u32, u16, &[u64])]| {
            let mut survey = Survey::new(1);
            for (kind, misc, words) in records {
                let body: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                survey.record(&RawRecord::new(*kind, *misc, &body, 0), table);
            }
            let lost = (survey.lost_events, survey.lost_samples());
            (lost, survey.filtered_samples)
        };
        let surveyed = |records: &[(u32, u16, &[u64])]| surveyed_by(&table, records);
        const BPF: u16 = record_kind::MISC_LOST_SAMPLES_BPF;
        const LOST: u32 = record_kind::LOST;
        const SAMPLES: u32 = record_kind::LOST_SAMPLES;
        // LOST: id, count, time. LOST_SAMPLES: count, time.
        let told = [(LOST, 0, &[1, 30, 900][..]), (LOST, 0, &[2, 12, 950])];
        let at_the_end = |count: u64| [[count, 0]; 1];
        for (counted, more) in [(42, 0), (48, 6), (10, 0), (0, 0)] {
            let end = at_the_end(counted);
            let records = [told[0], told[1], (SAMPLES, 0, &end[0][..])];
            assert_eq!(surveyed(&records), ((42, more), 0), "{counted}");
        }
        // Of each event a record.
        let both = [told[0], (SAMPLES, 0, &[20, 0]), (SAMPLES, 0, &[11, 0])];
        assert_eq!(surveyed(&both), ((30, 1), 0));
        // Without times in the capture none has one.
        let attr = contend_perfdata::Attr {
            sample_type: contend_perfdata::SampleFormat::TID.bits(),
            flags: contend_perfdata::AttrFlags::SAMPLE_ID_ALL.bits(),
            ..Default::default()
        };
        let timeless = table_of(attr);
        let records = [(LOST, 0, &[1, 30, 77][..]), (SAMPLES, 0, &[33, 77])];
        assert_eq!(surveyed_by(&timeless, &records), ((30, 3), 0));
        // Of the hardware, and of a filter.
        let others = [told[0], (SAMPLES, 0, &[5, 920]), (SAMPLES, BPF, &[7000, 0])];
        assert_eq!(surveyed(&others), ((30, 5), 7000));
    }

    #[test]
    fn a_side_band_beyond_the_limit_is_counted_and_not_kept() {
        // Shorter than what they count for.
        const COMM: u32 = 3;
        let body = [0; 16];
        let enough = SIDE_BAND_LIMIT / SMALLEST_SIDE_BAND as u64;
        let records = vec![record(COMM, 0, &body); enough as usize];
        let mut survey = shared_by(1, &records);
        assert!(!survey.is_side_band_refused());
        assert_eq!(survey.side_band.len() as u64, enough);
        let mut other = Survey::new(0);
        other.record(&records[0], &table());
        survey.merge(other);
        assert!(survey.is_side_band_refused() && survey.side_band.is_empty());
        assert_eq!(survey.kinds()[&COMM], enough + 1);
    }

    #[test]
    fn the_sums_of_perf_are_at_no_time() {
        let mut survey = Survey::new(1);
        survey.sample(0, NO_TIME);
        survey.sample(0, NO_TIME + 7);
        survey.sample(0, u64::MAX);
        assert_eq!(survey.times(), None);
        survey.sample(0, 1_000);
        survey.sample(0, NO_TIME - 1);
        assert_eq!(survey.times(), Some((1_000, NO_TIME - 1)));
        assert_eq!(survey.samples, [5]);
    }

    #[test]
    fn ends_of_threads_are_not_kept() {
        const EXIT: u32 = 4;
        let survey = shared_by(1, &[record(EXIT, 0, &[0; 24])]);
        assert!(survey.side_band.is_empty());
        assert_eq!(survey.kinds()[&EXIT], 1);
    }
}
