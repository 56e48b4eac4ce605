//! What the hardware, the kernel and the recorder lost of the AUX area.

use contend_perfdata::{AuxChunk, AuxFlags, AuxRecord};
use std::collections::BTreeMap;
use std::ops::Range;

/// A record of the kernel about new data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AuxSeen {
    pub(super) record: AuxRecord,
    /// When the kernel wrote it, in ns; 0 where it does not say.
    pub(super) time: u64,
    pub(super) cpu: Option<u32>,
    pub(super) tid: Option<i32>,
}

/// Whose buffer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Cpu(u32),
    Thread(i32),
}

impl Owner {
    /// No buffer in particular.
    const NOBODY: Self = Self::Thread(-1);

    pub(super) fn of(chunk: &AuxChunk) -> Self {
        match u32::try_from(chunk.cpu) {
            Ok(cpu) => Self::Cpu(cpu),
            Err(_) => Self::Thread(chunk.tid),
        }
    }
}

/// Counts of what was lost, of a buffer or of a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    /// Records of the kernel about new data.
    pub(crate) aux_records: u64,
    /// Bytes that they announce.
    pub(crate) announced_bytes: u64,
    /// How many of them say that the buffer was full.
    pub(crate) truncated: u64,
    /// How many say that there are gaps.
    pub(crate) partial: u64,
    /// How many say that samples met and one was dropped.
    pub(crate) collisions: u64,
    /// How many say that the buffer is gone round in: older data is written over.
    pub(crate) overwritten: u64,
    /// How many announce data of which nothing is in the capture.
    pub(crate) absent: u64,
    /// Bytes that they announce.
    pub(crate) absent_bytes: u64,
}

impl Losses {
    fn add(&mut self, seen: &AuxSeen, is_absent: bool) {
        let AuxRecord { size, flags, .. } = seen.record;
        self.aux_records += 1;
        self.announced_bytes = self.announced_bytes.saturating_add(size);
        self.truncated += u64::from(flags.is_truncated());
        self.partial += u64::from(flags.is_partial());
        self.collisions += u64::from(flags.is_collision());
        self.overwritten += u64::from(flags.is_overwrite());
        if is_absent {
            self.absent += 1;
            self.absent_bytes = self.absent_bytes.saturating_add(size);
        }
    }
}

/// One buffer.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// Chunks with their bytes in the area, in the order of these.
    spans: Vec<(u64, u64)>,
    /// What the kernel said of it, in the order of the area.
    pub(super) seen: Vec<AuxSeen>,
    pub(super) chunks: u64,
    /// Bytes of the chunks that are in the capture.
    pub(super) bytes: u64,
    /// Bytes that their records say they have and that are not there.
    pub(super) cut_bytes: u64,
    /// Bytes of the area between chunks that are in no chunk.
    pub(super) gap_bytes: u64,
    pub(super) gaps: u64,
    /// Bytes of gaps that no record of the kernel announces: these are lost as well.
    pub(super) silent_bytes: u64,
    pub(super) losses: Losses,
}

/// All buffers of a capture.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) all: BTreeMap<Owner, Buffer>,
    /// Losses over time.
    pub(super) spans: Vec<(u64, u64, Losses)>,
}

/// Gaps of more bytes are no gaps but a damaged offset: no recording loses so much.
const MOST_GAP: u64 = 1 << 40;

/// How many spans of time losses are told of.
const SPANS: u64 = 20;

impl Buffers {
    pub(super) fn new(chunks: &[AuxChunk], seen: Vec<AuxSeen>) -> Self {
        let mut all: BTreeMap<Owner, Buffer> = BTreeMap::new();
        for chunk in chunks {
            let buffer = all.entry(Owner::of(chunk)).or_default();
            buffer.chunks += 1;
            buffer.bytes = buffer.bytes.saturating_add(chunk.available);
            let cut = chunk.size - chunk.available;
            buffer.cut_bytes = buffer.cut_bytes.saturating_add(cut);
            let end = chunk.aux_offset.saturating_add(chunk.size);
            buffer.spans.push((chunk.aux_offset, end));
        }
        let is_per_cpu = all.keys().any(|owner| matches!(owner, Owner::Cpu(_)));
        for seen in seen {
            let owner = if is_per_cpu {
                seen.cpu.map(Owner::Cpu)
            } else {
                seen.tid.map(Owner::Thread)
            };
            // Where the record does not say whose buffer it is, what it says counts.
            let owner = owner.unwrap_or(Owner::NOBODY);
            all.entry(owner).or_default().seen.push(seen);
        }
        let mut buffers = Self {
            all,
            spans: Vec::new(),
        };
        buffers.count();
        buffers
    }

    fn count(&mut self) {
        let times = self.all.values().flat_map(|buffer| &buffer.seen);
        let times: Vec<u64> = times
            .map(|seen| seen.time)
            .filter(|&time| time > 0)
            .collect();
        let first = times.iter().min().copied().unwrap_or(0);
        let last = times.iter().max().copied().unwrap_or(0);
        let width = ((last - first) / SPANS + 1).max(1);
        let mut spans: BTreeMap<u64, Losses> = BTreeMap::new();
        for (owner, buffer) in &mut self.all {
            buffer.spans.sort_unstable();
            buffer.seen.sort_unstable();
            buffer.count_gaps();
            for seen in &buffer.seen {
                let is_absent = *owner != Owner::NOBODY && !overlaps(&buffer.spans, &seen.record);
                buffer.losses.add(seen, is_absent);
                if seen.time > 0 {
                    let span = (seen.time - first) / width;
                    spans.entry(span).or_default().add(seen, is_absent);
                }
            }
        }
        self.spans = spans
            .into_iter()
            .map(|(span, losses)| {
                let from = first + span * width;
                (from, from.saturating_add(width), losses)
            })
            .collect();
    }
}

impl Buffer {
    /// Counts what is missing between chunks. Of a buffer that is gone round in nothing
    /// is: offsets are places in it.
    fn count_gaps(&mut self) {
        if self
            .seen
            .iter()
            .any(|seen| seen.record.flags.is_overwrite())
        {
            return;
        }
        let announced = announced(&self.seen);
        let mut end = None::<u64>;
        for &(from, to) in &self.spans {
            if let Some(end) = end.filter(|&end| end < from && from - end <= MOST_GAP) {
                let bytes = from - end;
                self.gaps += 1;
                self.gap_bytes = self.gap_bytes.saturating_add(bytes);
                let silent = bytes - bytes_in(&announced, end..from);
                self.silent_bytes = self.silent_bytes.saturating_add(silent);
            }
            end = Some(end.map_or(to, |end| end.max(to)));
        }
    }
}

/// The spans of the area that records of the kernel, which are in its order, announce:
/// in the same order, and apart from one another, as damaged records may not be.
fn announced(seen: &[AuxSeen]) -> Vec<Range<u64>> {
    let mut spans: Vec<Range<u64>> = Vec::new();
    for AuxSeen { record, .. } in seen {
        let end = record.offset.saturating_add(record.size);
        match spans.last_mut() {
            Some(last) if record.offset <= last.end => last.end = last.end.max(end),
            _ => spans.push(record.offset..end),
        }
    }
    spans
}

/// How many bytes of a span such spans have.
fn bytes_in(spans: &[Range<u64>], span: Range<u64>) -> u64 {
    let first = spans.partition_point(|it| it.end <= span.start);
    let in_span = spans[first..].iter();
    let in_span = in_span.take_while(|it| it.start < span.end);
    in_span
        .map(|it| it.end.min(span.end) - it.start.max(span.start))
        .sum()
}

/// Whether any byte of what a record announces is in a chunk. An empty record
/// announces nothing, and a snapshot announces what is then cut out of it.
fn overlaps(spans: &[(u64, u64)], record: &AuxRecord) -> bool {
    let AuxRecord {
        offset,
        size,
        flags,
    } = *record;
    let end = offset.saturating_add(size);
    if size == 0 || AuxFlags::is_overwrite(flags) {
        return true;
    }
    // Chunks of a buffer do not overlap but for snapshots, so their ends are in
    // order too.
    let behind = spans.partition_point(|&(_, to)| to <= offset);
    spans.get(behind).is_some_and(|&(from, _)| from < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(cpu: i32, aux_offset: u64, size: u64, available: u64) -> AuxChunk {
        AuxChunk {
            pos: 0,
            segment: 0,
            place: 0,
            size,
            available,
            aux_offset,
            index: 0,
            tid: -1,
            cpu,
        }
    }

    fn seen(cpu: u32, offset: u64, size: u64, flags: u64, time: u64) -> AuxSeen {
        AuxSeen {
            record: AuxRecord {
                offset,
                size,
                flags: AuxFlags(flags),
            },
            time,
            cpu: Some(cpu),
            tid: None,
        }
    }

    #[test]
    fn what_is_announced_and_not_there_is_absent() {
        let chunks = [
            chunk(0, 0, 100, 100),
            chunk(0, 200, 100, 60),
            chunk(1, 0, 50, 50),
        ];
        let buffers = Buffers::new(
            &chunks,
            vec![
                seen(0, 0, 100, 0, 1000),
                seen(0, 100, 100, 5, 2000),
                seen(0, 200, 100, 8, 3000),
                seen(1, 0, 50, 1, 1000),
                seen(2, 0, 64, 0, 1000),
            ],
        );
        let first = &buffers.all[&Owner::Cpu(0)];
        assert_eq!((first.gaps, first.gap_bytes, first.cut_bytes), (1, 100, 40));
        let Losses {
            truncated,
            partial,
            collisions,
            absent,
            absent_bytes,
            ..
        } = first.losses;
        assert_eq!((truncated, partial, collisions), (1, 1, 1));
        assert_eq!((absent, absent_bytes), (1, 100));
        assert_eq!(buffers.all[&Owner::Cpu(1)].losses.absent, 0);
        assert_eq!(buffers.all[&Owner::Cpu(2)].losses.absent, 1);
        let records: u64 = buffers
            .spans
            .iter()
            .map(|(.., losses)| losses.aux_records)
            .sum();
        assert_eq!(records, 5);
    }

    #[test]
    fn a_gap_that_nothing_announces_is_silent() {
        let chunks = [
            chunk(0, 0, 100, 100),
            chunk(0, 300, 100, 100),
            chunk(0, 1 << 60, 100, 100),
        ];
        let first = |seen| {
            let buffers = Buffers::new(&chunks, seen);
            let buffer = &buffers.all[&Owner::Cpu(0)];
            (buffer.gaps, buffer.gap_bytes, buffer.silent_bytes)
        };
        assert_eq!(first(vec![seen(0, 150, 100, 0, 1000)]), (1, 200, 100));
        assert_eq!(first(vec![seen(0, 50, 400, 0, 1000)]), (1, 200, 0));
        // What is announced twice is there once; the first one ends behind the second.
        let twice = vec![
            seen(0, 0, 200, 0, 1000),
            seen(0, 50, 100, 0, 1000),
            seen(0, 150, 100, 0, 1000),
        ];
        assert_eq!(first(twice), (1, 200, 50));
        // Of a snapshot nothing between chunks is missing.
        assert_eq!(first(vec![seen(0, 150, 100, 2, 1000)]), (0, 0, 0));
    }

    #[test]
    fn records_that_do_not_say_whose_they_are_count() {
        let nobody = AuxSeen {
            cpu: None,
            ..seen(0, 0, 100, 1, 1000)
        };
        let buffers = Buffers::new(&[chunk(0, 0, 100, 100)], vec![nobody]);
        let losses = buffers.all[&Owner::NOBODY].losses;
        assert_eq!((losses.truncated, losses.absent), (1, 0));
    }
}
