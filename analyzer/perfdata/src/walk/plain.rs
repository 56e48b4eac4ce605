//! Plain segments: chunks that are read and decoded in parallel.
//!
//! Nothing in the file says where records begin, so the worker of chunk *i*
//! guesses a start, walks the headers to where chunk *i + 1* must begin, and
//! waits until chunk *i - 1* has said where chunk *i* must begin. If that is not
//! what it guessed, it walks again from there. Workers claim chunks in order and
//! publish before they decode, so nobody waits for more than a walk.

use super::batch::Batch;
use super::chain::{self, ChainEnd, Link, MAX_RECORD};
use super::walker::{DamageAt, Segment, WalkDamage, lock};
use linux_perf_event_reader::Endianness;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// A part of a segment whose records one worker takes: those that begin in
/// `range`.
#[derive(Clone, Debug)]
struct Chunk {
    segment: usize,
    range: Range<u64>,
}

/// The proved cuts so far: where the first record of chunk *i* begins.
/// [`ENDED`] behind the place where the walk of a segment had to stop.
struct Proofs {
    starts: Vec<Option<u64>>,
    damage: Vec<DamageAt>,
    failed: bool,
}

/// The start of a chunk that the walk never reaches.
const ENDED: u64 = u64::MAX;

pub(super) struct Plain<'a> {
    segments: &'a [Segment],
    endian: Endianness,
    chunks: Vec<Chunk>,
    next: AtomicUsize,
    proofs: Mutex<Proofs>,
    proved: Condvar,
    /// Cuts that an earlier walk proved: then no guess and no waiting.
    known: Option<&'a [u64]>,
}

impl<'a> Plain<'a> {
    pub(super) fn new(
        segments: &'a [Segment],
        endian: Endianness,
        chunk: usize,
        known: Option<&'a Vec<u64>>,
    ) -> Self {
        let mut chunks = Vec::new();
        let mut starts = Vec::new();
        for (index, segment) in segments.iter().enumerate() {
            if segment.compressed {
                continue;
            }
            let Range { start, end } = segment.range;
            let mut from = start;
            while from < end {
                let to = end.min(from.saturating_add(chunk as u64));
                chunks.push(Chunk {
                    segment: index,
                    range: from..to,
                });
                starts.push((from == start).then_some(start));
                from = to;
            }
        }
        Self {
            segments,
            endian,
            chunks,
            next: AtomicUsize::new(0),
            proofs: Mutex::new(Proofs {
                starts,
                damage: Vec::new(),
                failed: false,
            }),
            proved: Condvar::new(),
            known: known.map(Vec::as_slice),
        }
    }

    /// Fills `batch` with the next chunk that has records and whose first record
    /// is in a `wanted` place; false when there is none left.
    pub(super) fn next(&self, batch: &mut Batch, wanted: impl Fn(u64) -> bool) -> io::Result<bool> {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.chunks.len() {
                return Ok(false);
            }
            let filled = match self.known {
                Some(cuts) if !wanted(self.pos(index, cuts[index])) => Ok(false),
                Some(cuts) => self.fill_known(index, cuts, batch),
                None => self.fill(index, batch).inspect_err(|_| self.fail()),
            };
            if filled? && wanted(batch.first_pos()) {
                return Ok(true);
            }
        }
    }

    /// The proved cuts, one for each chunk, and where segments ended early.
    pub(super) fn finish(self) -> (Vec<u64>, Vec<DamageAt>) {
        let proofs = self
            .proofs
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let known = self.known.map(<[u64]>::to_vec);
        let starts = proofs.starts.into_iter();
        let cuts = known.unwrap_or_else(|| starts.map(|start| start.unwrap_or(ENDED)).collect());
        (cuts, proofs.damage)
    }

    /// Reads a chunk and as much behind it as a record that begins in it may
    /// span; returns whether the bytes end with the segment.
    fn read(&self, chunk: &Chunk, from: u64, batch: &mut Batch) -> io::Result<()> {
        let segment = &self.segments[chunk.segment];
        let to = segment.range.end.min(chunk.range.end + MAX_RECORD as u64);
        let length = usize::try_from(to - from).unwrap_or(usize::MAX);
        batch.bytes.resize(length, 0);
        let filled = segment.source.fill_at(from, &mut batch.bytes)?;
        batch.bytes.truncate(filled);
        batch.base = segment.base + (from - segment.range.start);
        Ok(())
    }

    /// The place of the record at `offset` in the segment of a chunk.
    fn pos(&self, index: usize, offset: u64) -> u64 {
        let segment = &self.segments[self.chunks[index].segment];
        let into = offset.saturating_sub(segment.range.start);
        segment.base.saturating_add(into)
    }

    fn fill_known(&self, index: usize, cuts: &[u64], batch: &mut Batch) -> io::Result<bool> {
        let chunk = &self.chunks[index];
        let start = cuts[index];
        if start == ENDED || start >= chunk.range.end {
            return Ok(false);
        }
        self.read(chunk, start, batch)?;
        let limit = usize::try_from(chunk.range.end - start).unwrap_or(usize::MAX);
        // Whole records only: where the segment ends in a cut record or in
        // damage, the first walk has reported it. The iterator of the batch
        // ends there by itself, except at a cut record whose header is whole.
        let end = if self.needs_end(index, cuts) {
            match self.follow(chunk, batch, 0, limit)? {
                ChainEnd::Next(_) => limit,
                ChainEnd::Cut(at) | ChainEnd::Bad(at) => at,
            }
        } else {
            limit
        };
        batch.records = 0..end.min(batch.bytes.len());
        Ok(!batch.is_empty())
    }

    /// Whether a chunk may end in a cut record, in damage, or in a record that
    /// is longer than what was read behind it: then no later chunk of the
    /// segment has records, or the next one begins far behind.
    fn needs_end(&self, index: usize, cuts: &[u64]) -> bool {
        let chunk = &self.chunks[index];
        let reach = chunk.range.end + MAX_RECORD as u64;
        match self.chunks.get(index + 1) {
            Some(next) => next.segment != chunk.segment || cuts[index + 1] > reach,
            None => true,
        }
    }

    fn fill(&self, index: usize, batch: &mut Batch) -> io::Result<bool> {
        let chunk = &self.chunks[index];
        let origin = chunk.range.start;
        self.read(chunk, origin, batch)?;
        let limit = (chunk.range.end - origin) as usize;
        let limit = limit.min(batch.bytes.len());
        let guess = if origin == self.segments[chunk.segment].range.start {
            Some(0)
        } else {
            chain::guess_start(&batch.bytes, 0, limit, self.endian)
        };
        let guessed = match guess {
            Some(start) => Some((start, self.follow(chunk, batch, start, limit)?)),
            None => None,
        };

        let Some(start) = self.await_start(index) else {
            return Ok(false);
        };
        if start == ENDED || start >= chunk.range.end {
            self.publish(index, start, None);
            return Ok(false);
        }
        let from = (start - origin) as usize;
        let end = match guessed {
            Some((guess, end)) if guess == from => end,
            _ => self.follow(chunk, batch, from, limit)?,
        };
        let segment = &self.segments[chunk.segment];
        let (stop, next, damage) = match end {
            ChainEnd::Next(next) => (limit, origin.saturating_add(next), None),
            ChainEnd::Cut(at) => (at, ENDED, Some((at, "a record is cut off"))),
            ChainEnd::Bad(at) => (
                at,
                ENDED,
                Some((at, "a record with an impossible size stands")),
            ),
        };
        let damage = damage.map(|(at, what)| {
            let offset = origin + at as u64;
            WalkDamage {
                offset,
                lost_bytes: segment.range.end - offset,
                what,
            }
        });
        // A payload may reach over the end of the segment.
        let overrun = (next != ENDED && next > segment.range.end.saturating_add(segment.payload))
            .then_some(WalkDamage {
                offset: segment.range.end,
                lost_bytes: 0,
                what: "the payload of the last record is cut off",
            });
        self.publish(index, next, damage.or(overrun));
        batch.records = from..stop.max(from);
        Ok(!batch.is_empty())
    }

    /// Walks the chain; where a record is longer than what was read behind the
    /// chunk, reads the rest of it.
    fn follow(
        &self,
        chunk: &Chunk,
        batch: &mut Batch,
        from: usize,
        limit: usize,
    ) -> io::Result<ChainEnd> {
        let end = chain::follow(&batch.bytes, from, limit, self.endian);
        let ChainEnd::Cut(at) = end else {
            return Ok(end);
        };
        let Some(link) = Link::parse(&batch.bytes, at, self.endian) else {
            return Ok(end);
        };
        let segment = &self.segments[chunk.segment];
        let offset = segment.range.start + (batch.base - segment.base);
        let have = batch.bytes.len();
        if offset + (at + link.size) as u64 > segment.range.end {
            return Ok(end);
        }
        batch.bytes.resize(at + link.size, 0);
        let more = &mut batch.bytes[have..];
        let filled = segment.source.fill_at(offset + have as u64, more)?;
        batch.bytes.truncate(have + filled);
        Ok(chain::follow(&batch.bytes, at, limit, self.endian))
    }

    /// Waits until the start of a chunk is proved; nothing when another worker
    /// failed.
    fn await_start(&self, index: usize) -> Option<u64> {
        let mut proofs = lock(&self.proofs);
        loop {
            if proofs.failed {
                return None;
            }
            if let Some(start) = proofs.starts[index] {
                return Some(start);
            }
            proofs = self
                .proved
                .wait(proofs)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says where the chunk behind `index` begins, unless that is the first one
    /// of another segment, which knows its start.
    fn publish(&self, index: usize, next: u64, damage: Option<WalkDamage>) {
        let mut proofs = lock(&self.proofs);
        if let Some(start @ None) = proofs.starts.get_mut(index + 1) {
            *start = Some(next);
        }
        let base = self.segments[self.chunks[index].segment].base;
        proofs.damage.extend(damage.map(|damage| (base, damage)));
        drop(proofs);
        self.proved.notify_all();
    }

    fn fail(&self) {
        lock(&self.proofs).failed = true;
        self.proved.notify_all();
    }
}
