//! Snapshots: what a chunk repeats of the one before.
//!
//! With `perf record -S` the hardware goes round in the buffer, and perf copies the
//! buffer whenever it is told to, oldest bytes first:
//!
//! ```text
//! first snapshot    a b c d e f
//! second snapshot         d e f g h i      the end of the first one is in it
//! a later snapshot  k l m n o p            gone round since: nothing is
//! ```
//! Offsets do not tell the two apart: in a buffer that was gone round in they are
//! places in it, not in the recording (`arm_spe_find_snapshot` in
//! `tools/perf/arch/arm64/util/arm-spe.c`; `handle->head` in
//! `drivers/perf/arm_spe_pmu.c`). The bytes do: records have times and addresses.

use super::loss::Owner;
use contend_perfdata::{AuxChunk, Source};
use std::collections::BTreeMap;
use std::io;

/// Bytes at the end of a chunk that are looked for in the next one: a few records,
/// which do not come a second time by chance where they have times.
const NEEDLE: usize = 256;

/// Of a shorter chunk nothing is looked for: it has no record that could come again.
const SHORTEST: usize = 16;

/// Bytes that are read at once.
const WINDOW: usize = 1 << 20;

/// The chunks without what the one before it of the same buffer had already.
///
/// # Errors
/// When the capture cannot be read.
pub(super) fn without_repeats<'a>(
    chunks: &[AuxChunk],
    source_of: impl Fn(&AuxChunk) -> Option<&'a dyn Source>,
) -> io::Result<Vec<AuxChunk>> {
    // By buffer: how far it reached, and the chunk before.
    let mut before: BTreeMap<(usize, u32, Owner), (u64, &AuxChunk)> = BTreeMap::new();
    let mut own = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let key = (chunk.segment, chunk.index, Owner::of(chunk));
        let end = chunk.aux_offset.saturating_add(chunk.size);
        let known = match before.get(&key) {
            // Chunks of a buffer that is not gone round in follow one another.
            Some(&(reached, last)) if chunk.aux_offset < reached => match source_of(chunk) {
                Some(source) => repeated(last, chunk, source)?,
                None => 0,
            },
            _ => 0,
        };
        let reached = before.get(&key).map_or(0, |&(reached, _)| reached);
        before.insert(key, (reached.max(end), chunk));
        own.push(AuxChunk {
            place: chunk.place + known,
            size: chunk.size - known,
            available: chunk.available - known,
            aux_offset: chunk.aux_offset.saturating_add(known),
            ..chunk.clone()
        });
    }
    Ok(own)
}

/// How many bytes at the front of a chunk are those at the end of the one before.
fn repeated(last: &AuxChunk, chunk: &AuxChunk, source: &dyn Source) -> io::Result<u64> {
    let mut needle = [0; NEEDLE];
    let size = last.available.min(chunk.available).min(NEEDLE as u64) as usize;
    if size < SHORTEST {
        return Ok(0);
    }
    let needle = &mut needle[..size];
    let filled = source.fill_at(last.place + last.available - size as u64, needle)?;
    // Padding alone is anywhere.
    if filled < size || needle.iter().all(|&byte| byte == 0) {
        return Ok(0);
    }
    let mut window = Vec::new();
    let mut at = 0;
    while at + size as u64 <= chunk.available {
        let wanted = (chunk.available - at).min((WINDOW + size) as u64);
        window.resize(wanted as usize, 0);
        let filled = source.fill_at(chunk.place + at, &mut window)?;
        window.truncate(filled);
        let found = window.windows(size).position(|bytes| bytes == needle);
        if let Some(found) = found {
            let length = at + (found + size) as u64;
            let is_end = length <= last.available
                && is_same(
                    source,
                    last.place + last.available - length,
                    chunk.place,
                    length,
                )?;
            return Ok(if is_end { length } else { 0 });
        }
        if filled < wanted as usize {
            break;
        }
        at += WINDOW as u64;
    }
    Ok(0)
}

/// Whether so many bytes are the same at two places.
fn is_same(source: &dyn Source, one: u64, other: u64, length: u64) -> io::Result<bool> {
    let mut windows = [Vec::new(), Vec::new()];
    let mut at = 0;
    while at < length {
        let size = (length - at).min(WINDOW as u64) as usize;
        for (window, place) in windows.iter_mut().zip([one, other]) {
            window.resize(size, 0);
            let filled = source.fill_at(place + at, window)?;
            if filled < size {
                return Ok(false);
            }
        }
        if windows[0] != windows[1] {
            return Ok(false);
        }
        at += size as u64;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source of bytes that no two places have in common.
    fn chunks(parts: &[(&[u8], u64)]) -> (Vec<u8>, Vec<AuxChunk>) {
        let mut bytes = Vec::new();
        let mut chunks = Vec::new();
        for (pos, (part, aux_offset)) in (0..).zip(parts) {
            chunks.push(AuxChunk {
                pos,
                segment: 0,
                place: bytes.len() as u64,
                size: part.len() as u64,
                available: part.len() as u64,
                aux_offset: *aux_offset,
                index: 0,
                tid: -1,
                cpu: 0,
            });
            bytes.extend_from_slice(part);
        }
        (bytes, chunks)
    }

    /// What is left of each chunk: from where in it.
    fn left(parts: &[(&[u8], u64)]) -> Vec<u64> {
        let (bytes, chunks) = chunks(parts);
        let own = without_repeats(&chunks, |_| Some(&bytes as &dyn Source)).unwrap();
        let pairs = own.iter().zip(&chunks);
        pairs
            .map(|(own, chunk)| {
                assert_eq!(own.place + own.size, chunk.place + chunk.size);
                own.place - chunk.place
            })
            .collect()
    }

    #[test]
    fn a_snapshot_is_read_without_what_the_one_before_had() {
        let all: Vec<u8> = (0..8192u32).flat_map(u32::to_le_bytes).collect();
        // A buffer of 4,096 bytes: its first quarter, then all of it three times.
        let ring = |from: usize| &all[from..from + 4096];
        assert_eq!(
            left(&[
                (&all[..1024], 0),
                (ring(512), 512),
                // 1,024 bytes later.
                (ring(1536), 1536),
                // 3,072 bytes later: the place in the buffer is before the last one.
                (ring(4608), 512),
                // Gone round since, once and more.
                (ring(9608), 1416),
            ]),
            [0, 512, 3072, 1024, 0]
        );
    }

    /// A damaged offset of a chunk concerns no other one.
    #[test]
    fn chunks_that_repeat_nothing_are_whole() {
        let all: Vec<u8> = (0..1024u32).flat_map(u32::to_le_bytes).collect();
        let parts = [
            (&all[..1000], 0),
            (&all[1000..2000], 1 << 60),
            (&all[2000..3000], 2000),
        ];
        assert_eq!(left(&parts), [0, 0, 0]);
        assert_eq!(left(&[(&[0; 500], 0), (&[0; 500], 100)]), [0, 0]);
        // A byte is anywhere.
        assert_eq!(left(&[(&[7; 1], 100), (&[7; 500], 0)]), [0, 0]);
    }
}
