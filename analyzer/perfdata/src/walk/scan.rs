//! A serial walk from the front of a segment, payloads included.

use super::batch::RawRecord;
use super::chain::{HEADER_SIZE, Link};
use super::walker::Segment;
use crate::record::record_kind::HEADER_TRACING_DATA;
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
        // Whether the window reaches to the end of the segment.
        let mut is_last = false;
        while at < self.range.end {
            let start = at.checked_sub(window_start).map(|start| start as usize);
            let link = start.and_then(|start| Link::parse(&window, start, endian));
            // Two numbers behind the header tell the size of a payload.
            let need = link
                .map_or(HEADER_SIZE, |link| link.size)
                .max(HEADER_SIZE + 16);
            let have = start.map_or(0, |start| window.len().saturating_sub(start));
            if have < need && !(is_last && have > 0) {
                let want = (self.range.end - at).min(need.max(WINDOW) as u64);
                is_last = want == self.range.end - at;
                window.resize(want as usize, 0);
                let filled = self.source.fill_at(at, &mut window)?;
                is_last |= filled < window.len();
                window.truncate(filled);
                window_start = at;
                if filled > 0 {
                    continue;
                }
            }
            let (Some(start), Some(link)) = (start, link) else {
                return Ok(());
            };
            if !link.has_possible_size() {
                return Ok(());
            }
            let Some(body) = window.get(start + HEADER_SIZE..start + link.size) else {
                return Ok(());
            };
            let behind = at + link.size as u64;
            let mut payload = Vec::new();
            if link.kind == HEADER_TRACING_DATA && link.payload > 0 {
                let left = self.range.end.saturating_sub(behind);
                let length = link.payload.min(left).min(LARGEST_PAYLOAD) as usize;
                payload.resize(length, 0);
                let filled = self.source.fill_at(behind, &mut payload)?;
                payload.truncate(filled);
            }
            let pos = self.base + (at - self.range.start);
            let record = RawRecord::new(link.kind, link.misc, body, pos);
            if !each(record, &payload) {
                return Ok(());
            }
            at = behind.saturating_add(link.payload);
        }
        Ok(())
    }
}
