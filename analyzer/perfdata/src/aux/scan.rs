//! Where the chunks of the AUX area are: one serial look at the headers of a
//! file's records, which jumps over the chunks.
//!
//! No index is needed for it and none is trusted. What it finds also tells the
//! walk of the records which bytes it must not even read.

use crate::bytes::Cursor;
use crate::record::record_kind::{AUXTRACE, AUXTRACE_INFO, TIME_CONV};
use crate::source::Source;
use crate::spe::{SpeMetadata, TimeConv};
use crate::walk::{Link, Segment};
use linux_perf_event_reader::Endianness;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// `PERF_AUXTRACE_ARM_SPE` (`enum auxtrace_type` in `tools/perf/util/auxtrace.h`).
const ARM_SPE: u32 = 4;

/// More chunks than this are not kept: a busy machine of 512 CPUs that is recorded
/// for a minute has a hundred thousand.
const MOST_CHUNKS: usize = 1 << 20;

/// Payloads that are longer than this end a run of records.
const SHORT_PAYLOAD: u64 = 4 << 10;

/// Places of chunks come behind those of all records, so that at equal times the
/// records came first, as perf decodes them.
const CHUNK_BASE: u64 = 1 << 62;

/// What the AUX area of a capture was written by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuxInfo {
    /// Arm SPE; absent metadata are of an unknown version.
    Spe(Option<SpeMetadata>),
    /// Something else, by its number in perf.
    Other(u32),
}

/// One chunk of the AUX area.
#[derive(Clone, Debug)]
pub struct AuxChunk {
    /// Its place in the capture, behind those of all records; unique.
    pub pos: u64,
    /// Which file of a directory it is in.
    pub segment: usize,
    /// Where its bytes begin in that file.
    pub place: u64,
    /// How many bytes the record says it has.
    pub size: u64,
    /// How many of them are there.
    pub available: u64,
    /// Where it begins in the AUX area of its CPU or thread, in bytes from the
    /// start of the recording.
    pub aux_offset: u64,
    /// The number of the buffer.
    pub index: u32,
    /// The thread; -1 where the buffer is a CPU's.
    pub tid: i32,
    /// The CPU; -1 where the buffer is a thread's.
    pub cpu: i32,
}

/// The AUX area of a capture.
#[derive(Clone, Debug, Default)]
pub struct Aux {
    /// What wrote it.
    pub info: Option<AuxInfo>,
    /// How the timer's counts become times.
    pub time_conv: Option<TimeConv>,
    /// The chunks in the order of the files.
    pub chunks: Vec<AuxChunk>,
    /// How many chunks there are beyond those.
    pub dropped_chunks: u64,
}

impl Aux {
    /// Whether it was written by Arm SPE.
    pub fn is_spe(&self) -> bool {
        matches!(self.info, Some(AuxInfo::Spe(_)))
    }

    fn info(&mut self, body: &[u8], endian: Endianness) {
        if self.info.is_some() {
            return;
        }
        let Some(kind) = Cursor::new(body, endian).u32() else {
            return;
        };
        self.info = Some(match kind {
            ARM_SPE => {
                let private = body.get(8..).unwrap_or(&[]);
                AuxInfo::Spe(SpeMetadata::parse(private, endian))
            }
            kind => AuxInfo::Other(kind),
        });
    }

    fn chunk(&mut self, number: usize, segment: &Segment, body: &[u8], found: Found) {
        let left = segment.range.end.saturating_sub(found.place);
        let chunk = AuxChunk::parse(body, found.endian).map(|chunk| AuxChunk {
            pos: CHUNK_BASE + segment.base + (found.place - segment.range.start),
            segment: number,
            place: found.place,
            available: chunk.size.min(left),
            ..chunk
        });
        match chunk {
            Some(chunk) if self.chunks.len() < MOST_CHUNKS => self.chunks.push(chunk),
            _ => self.dropped_chunks += 1,
        }
    }
}

impl AuxChunk {
    /// Reads the bytes behind the header of an AUXTRACE record (`struct
    /// perf_record_auxtrace`).
    fn parse(body: &[u8], endian: Endianness) -> Option<Self> {
        let mut cursor = Cursor::new(body, endian);
        let (size, aux_offset) = (cursor.u64()?, cursor.u64()?);
        let _reference = cursor.u64()?;
        Some(Self {
            pos: 0,
            segment: 0,
            place: 0,
            size,
            available: 0,
            aux_offset,
            index: cursor.u32()?,
            tid: cursor.i32()?,
            cpu: cursor.i32()?,
        })
    }
}

/// Where the bytes of a chunk are.
struct Found {
    place: u64,
    endian: Endianness,
}

/// Looks through the records of a file; notes what concerns the AUX area, and
/// returns the runs of records between its chunks.
pub(crate) fn scan(
    segment: &Segment,
    number: usize,
    endian: Endianness,
    aux: &mut Aux,
) -> io::Result<Vec<Segment>> {
    let mut window = Window::new(&segment.source);
    let mut runs = Vec::new();
    let Range { start, end } = segment.range;
    let mut run_start = start;
    let mut at = start;
    let run = |range: Range<u64>, payload: u64| Segment {
        base: segment.base + (range.start - start),
        range,
        payload,
        ..segment.clone()
    };
    while at < end {
        let Some(header) = window.bytes(at, Link::PREFIX, end)? else {
            break;
        };
        let Some(link) = Link::parse(header, 0, endian) else {
            break;
        };
        if !link.has_possible_size() || end - at < link.size as u64 {
            break;
        }
        let behind = at + link.size as u64;
        if [AUXTRACE, AUXTRACE_INFO, TIME_CONV].contains(&link.kind) {
            let Some(record) = window.bytes(at, link.size, end)? else {
                break;
            };
            let body = record.get(Link::HEADER..link.size).unwrap_or(&[]);
            match link.kind {
                AUXTRACE => {
                    let found = Found {
                        place: behind,
                        endian,
                    };
                    aux.chunk(number, segment, body, found);
                }
                AUXTRACE_INFO => aux.info(body, endian),
                _ => {
                    if aux.time_conv.is_none() {
                        aux.time_conv = TimeConv::parse(body, endian);
                    }
                }
            }
        }
        at = behind.saturating_add(link.payload);
        // A payload that the end of the file cuts off is the walk's to report.
        if link.payload > SHORT_PAYLOAD && at < end && !segment.compressed {
            runs.push(run(run_start..behind, link.payload));
            run_start = at;
        }
    }
    if run_start < end || runs.is_empty() {
        runs.push(run(run_start..end, 0));
    }
    Ok(runs)
}

/// A part of a file that moves along: small after a jump, larger where records
/// follow one another.
struct Window<'a> {
    source: &'a Arc<dyn Source>,
    bytes: Vec<u8>,
    start: u64,
    next_size: usize,
}

const SMALLEST: usize = 4 << 10;
const LARGEST: usize = 1 << 20;

impl<'a> Window<'a> {
    fn new(source: &'a Arc<dyn Source>) -> Self {
        Self {
            source,
            bytes: Vec::new(),
            start: 0,
            next_size: SMALLEST,
        }
    }

    /// At least the header of a record at `at`, and `need` bytes where there are so
    /// many before `end`.
    fn bytes(&mut self, at: u64, need: usize, end: u64) -> io::Result<Option<&[u8]>> {
        let need = need.min(usize::try_from(end - at).unwrap_or(usize::MAX));
        let have = self.start + self.bytes.len() as u64;
        if at < self.start || at + need as u64 > have {
            self.next_size = if (self.start..=have).contains(&at) {
                (2 * self.next_size).min(LARGEST)
            } else {
                SMALLEST
            };
            let size = self.next_size.max(need) as u64;
            self.bytes.resize(size.min(end - at) as usize, 0);
            let filled = self.source.fill_at(at, &mut self.bytes)?;
            self.bytes.truncate(filled);
            self.start = at;
        }
        Ok(self.bytes.get((at - self.start) as usize..))
    }
}
