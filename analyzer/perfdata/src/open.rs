//! Opens a capture: header, events, and where its records are.

use crate::aux::{self, Aux, AuxChunk, AuxInfo};
use crate::error::Error;
use crate::events::EventTable;
use crate::header::{Format, Header};
use crate::record::record_kind::{AUXTRACE, AUXTRACE_INFO, COMPRESSED, COMPRESSED2, SAMPLE};
use crate::source::Source;
use crate::walk::{RawRecord, Segment, Walker};
use std::io;
use std::sync::Arc;

/// The places of records in one file of a directory begin this many bytes
/// behind those of the file before: more than any file has.
const SEGMENT_SHIFT: u32 = 44;

/// Bytes of `struct perf_event_header`.
const RECORD_HEADER: u64 = 8;

/// An open capture.
#[derive(Debug)]
pub struct PerfData {
    header: Header,
    segments: Vec<Segment>,
    /// For each segment, the place behind the records whose content the header
    /// already has.
    fronts: Vec<u64>,
    events: EventTable,
    /// What is walked: the segments, or what they have between chunks of the AUX
    /// area.
    runs: Vec<Segment>,
    aux: Aux,
}

impl PerfData {
    /// Opens one file.
    ///
    /// # Errors
    /// When it cannot be read or is no perf.data at all; anything less is noted
    /// in the header.
    pub fn open(source: Arc<dyn Source>) -> Result<Self, Error> {
        Self::open_directory(source, Vec::new())
    }

    /// Opens what `perf record --threads` writes: `data` with the header, and
    /// the files of the threads, which hold records only.
    ///
    /// # Errors
    /// As [`PerfData::open`].
    pub fn open_directory(
        data: Arc<dyn Source>,
        threads: Vec<Arc<dyn Source>>,
    ) -> Result<Self, Error> {
        let mut header = Header::read(&*data)?;
        let mut segments = vec![Segment {
            range: header.data.clone(),
            source: data,
            base: 0,
            compressed: false,
            payload: 0,
        }];
        for (index, source) in threads.into_iter().enumerate() {
            segments.push(Segment {
                range: 0..source.len(),
                source,
                base: (index as u64 + 1) << SEGMENT_SHIFT,
                compressed: false,
                payload: 0,
            });
        }
        let mut fronts = Vec::new();
        // Its index, or the events, tell it where the front is cut.
        let mut has_aux = !header.features.auxtrace.is_empty();
        for segment in &mut segments {
            let front = scan_front(segment, &mut header).map_err(|source| Error::Io {
                offset: segment.range.start,
                source,
            })?;
            segment.compressed = front.compressed;
            has_aux |= front.has_aux;
            fronts.push(front.end);
        }
        let mut aux = Aux::default();
        let mut runs = segments.clone();
        if has_aux {
            runs.clear();
            for (number, segment) in segments.iter().enumerate() {
                let found = aux::scan(segment, number, header.endian, &mut aux);
                runs.extend(found.map_err(|source| Error::Io {
                    offset: segment.range.start,
                    source,
                })?);
            }
        }
        name_spe(&mut header, &aux);
        let events = EventTable::new(&header.attrs, header.endian);
        Ok(Self {
            header,
            segments,
            fronts,
            events,
            runs,
            aux,
        })
    }

    /// The header and the features.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The events.
    pub fn events(&self) -> &EventTable {
        &self.events
    }

    /// Whether the records stand in several files.
    pub fn is_directory(&self) -> bool {
        self.segments.len() > 1
    }

    /// Whether the capture was written to a pipe.
    pub fn is_pipe(&self) -> bool {
        self.header.format == Format::Pipe
    }

    /// A walker over all records, in chunks of about `chunk` bytes.
    pub fn walker(&self, chunk: usize) -> Walker {
        Walker::new(self.runs.clone(), self.header.endian, chunk)
    }

    /// The AUX area.
    pub fn aux(&self) -> &Aux {
        &self.aux
    }

    /// Where the bytes of a chunk of the AUX area are.
    pub fn source_of(&self, chunk: &AuxChunk) -> Option<&dyn Source> {
        Some(&*self.segments.get(chunk.segment)?.source)
    }

    /// Takes a header-like record that stands behind the first sample, such as
    /// the build-ids that perf writes to a pipe at the end. Those before it were
    /// taken when the capture was opened: of them it takes none.
    pub fn absorb(&mut self, record: &RawRecord<'_>) {
        let behind = self.segments.partition_point(|it| it.base <= record.pos);
        let front = behind
            .checked_sub(1)
            .and_then(|index| self.fronts.get(index));
        if front.is_none_or(|&front| record.pos >= front) {
            let RawRecord {
                kind, misc, body, ..
            } = *record;
            self.header.absorb_record_with_misc(kind, misc, body, &[]);
        }
    }
}

/// The first type of a PMU that is not built into the kernel (`PERF_TYPE_MAX` in
/// `include/uapi/linux/perf_event.h`).
const FIRST_PMU: u32 = 6;

/// Gives the events of Arm SPE their name in captures without a list of PMUs, which perf
/// writes at the end only: the recorder says in its metadata which PMUs are SPE's.
fn name_spe(header: &mut Header, aux: &Aux) {
    let Some(AuxInfo::Spe(Some(metadata))) = &aux.info else {
        return;
    };
    let of_cpus = metadata.cpus.iter().filter_map(|cpu| cpu.pmu_type);
    let known = &mut header.features.pmu_mappings;
    for kind in of_cpus.chain([metadata.pmu_type]) {
        let Ok(kind @ FIRST_PMU..) = u32::try_from(kind) else {
            continue;
        };
        if !known.iter().any(|&(number, _)| number == kind) {
            known.push((kind, "arm_spe".to_owned()));
        }
    }
}

/// What stands in front of the first sample, or data of the AUX area, of a segment.
struct Front {
    /// Whether the records behind it are compressed.
    compressed: bool,
    /// Whether something writes an AUX area.
    has_aux: bool,
    /// No record of it has this place or a later one.
    end: u64,
}

/// Takes the header-like records in front of the first sample.
fn scan_front(segment: &Segment, header: &mut Header) -> io::Result<Front> {
    let mut compressed = false;
    let mut has_aux = false;
    // Places in a segment whose records are compressed count the records alone,
    // without the payloads between them.
    let mut end = segment.base;
    let mut records_end = segment.base;
    segment.scan(header.endian, |record: RawRecord<'_>, payload| {
        has_aux |= [AUXTRACE, AUXTRACE_INFO].contains(&record.kind);
        match record.kind {
            SAMPLE | AUXTRACE => return false,
            COMPRESSED | COMPRESSED2 => {
                compressed = true;
                return false;
            }
            _ => {
                header.absorb_record_with_misc(record.kind, record.misc, record.body, payload);
                end = record.pos + 1;
                records_end += RECORD_HEADER + record.body.len() as u64;
            }
        }
        true
    })?;
    if compressed {
        end = records_end;
    }
    Ok(Front {
        compressed,
        has_aux,
        end,
    })
}
