//! Header-like records that stand among samples.

use contend_perfdata::{RawRecord, record_kind};

/// Header-like records (`HEADER_ATTR` to `HEADER_FEATURE`) that a pipe may carry
/// behind the first sample.
const LATE_KINDS: [u32; 4] = [
    record_kind::HEADER_ATTR,
    record_kind::HEADER_BUILD_ID,
    record_kind::EVENT_UPDATE,
    record_kind::HEADER_FEATURE,
];

/// The most bytes of late header-like records that are kept: those of the first
/// ones in the capture.
const LATE_LIMIT: usize = 64 << 20;

/// A header-like record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LateRecord {
    /// Its place in the capture.
    pub(crate) pos: u64,
    /// Its type.
    pub(crate) kind: u32,
    /// `misc` of its header.
    pub(crate) misc: u16,
    /// The bytes behind its header.
    pub(crate) body: Box<[u8]>,
}

impl LateRecord {
    fn cost(&self) -> usize {
        size_of::<Self>() + self.body.len()
    }
}

/// Those that were met, as far as they may be among the first of the capture.
#[derive(Debug, Default)]
pub(super) struct LateRecords {
    records: Vec<LateRecord>,
    /// What they take in memory.
    bytes: usize,
}

impl LateRecords {
    /// Notes a record if it is one of these.
    pub(super) fn add(&mut self, record: &RawRecord<'_>) {
        if !LATE_KINDS.contains(&record.kind) {
            return;
        }
        let record = LateRecord {
            pos: record.pos,
            kind: record.kind,
            misc: record.misc,
            body: record.body.into(),
        };
        self.bytes += record.cost();
        self.records.push(record);
        // Not each time: sorting again for every record would take for ever.
        if self.bytes > 2 * LATE_LIMIT {
            self.trim();
        }
    }

    /// Keeps the first late records, up to the limit. As long as a record is
    /// among the first of the capture, it is among those of any part of it.
    fn trim(&mut self) {
        self.records.sort_unstable();
        let mut bytes = 0;
        let keep = self.records.iter().take_while(|record| {
            bytes += record.cost();
            bytes <= LATE_LIMIT
        });
        let keep = keep.count();
        self.records.truncate(keep);
        self.bytes = self.records.iter().map(LateRecord::cost).sum();
    }

    /// Adds what another thread has met.
    pub(super) fn merge(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.records.extend(other.records);
    }

    /// Gives them away: the first in the capture, in its order.
    pub(super) fn take(&mut self) -> Vec<LateRecord> {
        self.trim();
        self.bytes = 0;
        std::mem::take(&mut self.records)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{record, shared_by};
    use super::*;

    #[test]
    fn the_first_late_records_are_kept() {
        let body = vec![7; 60_000];
        let kind = record_kind::HEADER_BUILD_ID;
        // Four times the limit, the last ones first.
        let count = 4 * LATE_LIMIT as u64 / 60_000;
        let records: Vec<_> = (0..count)
            .map(|index| record(kind, count - index, &body))
            .collect();
        let places = |workers| -> Vec<u64> {
            let late = shared_by(workers, &records).take_late();
            late.iter().map(|record| record.pos).collect()
        };
        let alone = places(1);
        assert_eq!(alone, (1..=alone.len() as u64).collect::<Vec<_>>());
        assert!(alone.len() > 1000 && alone.len() * 60_000 <= LATE_LIMIT);
        assert_eq!(places(3), alone);
    }
}
