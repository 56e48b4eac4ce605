//! A serial walk from the front of a segment, payloads included.

use super::batch::RawRecord;
use super::chain::{HEADER_SIZE, Link, MAX_RECORD, TRACING_DATA};
use super::walker::Segment;
use linux_perf_event_reader::Endianness;
use std::io;

/// Bytes that are read at once.
const WINDOW: usize = 1 << 20;

/// The largest payload that is handed out: formats of all events of a kernel
/// are below 10 MiB.
const LARGEST_PAYLOAD: u64 = 64 << 20;

impl Segment {
    /// Hands the records from the front to `each`, with the payload that stands
    /// behind a TRACING_DATA record, until it returns false or the records end.
    ///
    /// # Errors
    /// The first error of reading the source; damage ends the walk.
    pub(crate) fn scan(
        &self,
        endian: Endianness,
        mut each: impl FnMut(RawRecord<'_>, &[u8]) -> bool,
    ) -> io::Result<()> {
        let mut window = Vec::new();
        let mut window_start = self.range.start;
        let mut at = self.range.start;
        while at < self.range.end {
            let loaded = window_start + window.len() as u64;
            if at >= loaded || (loaded - at) < MAX_RECORD as u64 && loaded < self.range.end {
                let want = (self.range.end - at).min(WINDOW as u64) as usize;
                window.resize(want, 0);
                let filled = self.source.fill_at(at, &mut window)?;
                window.truncate(filled);
                window_start = at;
            }
            let start = (at - window_start) as usize;
            let Some(link) = Link::parse(&window, start, endian) else {
                return Ok(());
            };
            let Some(body) = window.get(start + HEADER_SIZE..start + link.size) else {
                return Ok(());
            };
            let behind = at + link.size as u64;
            let mut payload = Vec::new();
            if link.kind == TRACING_DATA && link.payload > 0 {
                let left = self.range.end.saturating_sub(behind);
                let length = link.payload.min(left).min(LARGEST_PAYLOAD) as usize;
                payload.resize(length, 0);
                let filled = self.source.fill_at(behind, &mut payload)?;
                payload.truncate(filled);
            }
            let record = RawRecord {
                kind: link.kind,
                misc: link.misc,
                body,
                pos: self.base + (at - self.range.start),
            };
            if !each(record, &payload) {
                return Ok(());
            }
            at = behind.saturating_add(link.payload);
        }
        Ok(())
    }
}
