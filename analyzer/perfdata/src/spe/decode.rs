//! From bytes to records, over damage.

use super::record::{Ended, SpeRecord, assemble};
use super::resync::{self, REACH, Stride};
use super::shape::Shapes;

/// What a run of bytes was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpeStats {
    /// Whole records.
    pub records: u64,
    /// Records with damage inside, which were not delivered.
    pub damaged: u64,
    /// Bytes of them, and of what stood between them and the next whole record.
    pub skipped_bytes: u64,
    /// Records that the end of a chunk cut off.
    pub cut: u64,
    /// Bytes of them.
    pub cut_bytes: u64,
}

impl SpeStats {
    /// Adds another run.
    pub fn merge(&mut self, other: &Self) {
        self.records += other.records;
        self.damaged += other.damaged;
        self.skipped_bytes += other.skipped_bytes;
        self.cut += other.cut;
        self.cut_bytes += other.cut_bytes;
    }
}

/// A record and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Decoded<'a> {
    /// The record.
    pub record: &'a SpeRecord,
    /// Bytes from the start of the chunk.
    pub offset: u64,
}

/// What stands at a place.
enum Found {
    /// A whole record, and where the next one begins.
    Record(SpeRecord, usize),
    /// Damage, up to this place.
    Damage(usize),
    /// Nothing that ends in this piece: so many of its bytes are done with.
    Nothing(usize),
}

/// Decodes the bytes of one chunk, a piece after the other.
pub(super) struct Decoder<'a> {
    /// Where the chunk begins in the AUX area.
    area: u64,
    stride: Stride,
    shapes: &'a mut Shapes,
    /// Where the damage began that reaches to the end of the last piece, in bytes
    /// from the start of the chunk.
    lost_from: Option<u64>,
    pub(super) stats: SpeStats,
}

/// A piece that is not the last one is decoded up to so many bytes from its end:
/// a record, and what is looked for behind damage, fit in there.
pub(super) const MARGIN: usize = 2 * REACH;

impl<'a> Decoder<'a> {
    pub(super) fn new(area: u64, shapes: &'a mut Shapes) -> Self {
        Self {
            area,
            stride: Stride::new(),
            shapes,
            lost_from: None,
            stats: SpeStats::default(),
        }
    }

    /// Decodes a piece that begins `offset` bytes into the chunk; returns how many
    /// of its bytes are done with. The next piece has to begin there.
    pub(super) fn piece(
        &mut self,
        bytes: &[u8],
        offset: u64,
        is_last: bool,
        mut each: impl FnMut(Decoded<'_>),
    ) -> usize {
        let area = self.area.wrapping_add(offset);
        let margin = if is_last { 0 } else { MARGIN };
        let limit = bytes.len().saturating_sub(margin);
        let mut at = 0;
        if let Some(from) = self.lost_from.take() {
            at = self.search(bytes, 0, 0, area, is_last);
            if self.lost_from.is_some() {
                self.lost_from = Some(from);
                return at;
            }
            self.stats.skipped_bytes += (offset + at as u64) - from;
        }
        while at < limit {
            if bytes[at] == 0 {
                at += zeros(&bytes[at..]);
                continue;
            }
            // `each` is called in one place, or it would not be written out here.
            let known = self.known(bytes, at, area);
            let (record, next) = match known.map_or_else(
                || self.unknown(bytes, at, offset, area, is_last),
                |(record, next)| Found::Record(record, next),
            ) {
                Found::Record(record, next) => (record, next),
                Found::Damage(behind) => {
                    at = behind;
                    continue;
                }
                Found::Nothing(done) => return done,
            };
            self.stride.learn(area.wrapping_add(at as u64));
            self.stats.records += 1;
            each(Decoded {
                record: &record,
                offset: offset + at as u64,
            });
            at = next;
        }
        at.min(bytes.len())
    }

    /// A record of a known shape, and where the next one begins; absent where there is
    /// more to look at.
    #[inline(always)]
    fn known(&self, bytes: &[u8], at: usize, area: u64) -> Option<(SpeRecord, usize)> {
        let (record, end) = self.shapes.read(bytes, at)?;
        let next = end + resync::padding(bytes, end);
        let fits = self.stride.fits(area.wrapping_add(next as u64));
        fits.then_some((record, next))
    }

    /// What stands at `at`, packet by packet.
    #[inline(never)]
    fn unknown(&mut self, bytes: &[u8], at: usize, offset: u64, area: u64, is_last: bool) -> Found {
        // Where the damaged record seems to end, and what of it is no packet.
        let mut seems = None;
        let mut record = SpeRecord::default();
        let damage = match assemble(bytes, at, area, &mut record) {
            Ended::Whole(end) => {
                let next = end + resync::padding(bytes, end);
                let place = area.wrapping_add(next as u64);
                // Of long padding not all was passed over.
                let is_padded = bytes.get(next).is_none_or(|&byte| byte == 0);
                let fits = is_padded || self.stride.fits(place);
                if record.is_whole() && (fits || self.is_unaligned(bytes, next, area)) {
                    self.shapes.learn(&bytes[at..end], &record);
                    return Found::Record(record, next);
                }
                seems = Some(next);
                end.saturating_sub(1)
            }
            Ended::Cut if is_last => {
                self.stats.cut += 1;
                self.stats.cut_bytes += (bytes.len() - at) as u64;
                return Found::Nothing(bytes.len());
            }
            // A record is shorter than the margin.
            Ended::Cut => at,
            Ended::Bad(bad) => bad,
        };
        self.stats.damaged += 1;
        // Its beginning may be missing alone.
        let seems = seems.filter(|&next| {
            let fits = self.stride.fits(area.wrapping_add(next as u64));
            fits && (next >= bytes.len() || resync::whole(bytes, next, area).is_some())
        });
        let behind = match seems {
            Some(next) => next.min(bytes.len()),
            None => self.search(bytes, at, damage, area, is_last),
        };
        if self.lost_from.is_some() {
            self.lost_from = Some(offset + at as u64);
            return Found::Nothing(behind);
        }
        self.stats.skipped_bytes += (behind - at) as u64;
        Found::Damage(behind)
    }

    /// Whether a record stands where none would if all were aligned as before:
    /// then they are not, and the last one was no damage.
    fn is_unaligned(&self, bytes: &[u8], next: usize, area: u64) -> bool {
        resync::whole(bytes, next, area).is_some()
    }

    /// The next record behind damage. Where none is in reach the damage goes on
    /// into what comes next: `lost_from` is set.
    fn search(
        &mut self,
        bytes: &[u8],
        start: usize,
        bad: usize,
        area: u64,
        is_last: bool,
    ) -> usize {
        let mut bad = bad.max(start);
        let mut start = start;
        loop {
            if let Some(next) = resync::find(bytes, start, bad, area, self.stride) {
                return next;
            }
            let end = bad.saturating_add(REACH / 2);
            if end >= bytes.len().saturating_sub(if is_last { 0 } else { MARGIN }) {
                break;
            }
            (start, bad) = (end, end);
        }
        if is_last {
            return bytes.len();
        }
        self.lost_from = Some(0);
        bad.min(bytes.len())
    }

    /// Ends the chunk, of which so many bytes were there.
    pub(super) fn finish(mut self, length: u64) -> SpeStats {
        if let Some(from) = self.lost_from.take() {
            self.stats.skipped_bytes += length.saturating_sub(from);
        }
        self.stats
    }
}

/// How many zero bytes stand at the front.
#[inline]
fn zeros(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    let whole = words.iter().take_while(|word| **word == [0; 8]).count();
    let behind = words.get(whole).map_or(rest, |word| word.as_slice());
    8 * whole + behind.iter().take_while(|&&byte| byte == 0).count()
}
