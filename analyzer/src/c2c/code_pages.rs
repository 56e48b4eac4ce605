//! Which pages of code were sampled, and when.
//!
//! perf counts a memory access as `nomap` when its data *or* its code has no
//! mapping. Samples come before all mappings are known, so the first pass only
//! notes the pages; in nearly every capture all of them turn out to be mapped.

use contend_perfdata::At;
use foldhash::HashMap;

/// Instruction addresses with the same upper bits share a page of this size.
pub(super) const PAGE: u64 = 4096;

const CACHE_SLOTS: usize = 512;

/// A page of code in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CodePage {
    pub(super) pid: i32,
    /// The instruction address divided by [`PAGE`].
    pub(super) page: u64,
}

/// When samples fell on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: At,
    pub(super) last_time: u64,
}

impl Span {
    fn join(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last_time = self.last_time.max(other.last_time);
    }
}

/// The pages that one thread, or all of them, have met.
pub(super) struct CodePages {
    cache: Vec<Option<(CodePage, Span)>>,
    pages: HashMap<CodePage, Span>,
}

impl CodePages {
    pub(super) fn new() -> Self {
        Self {
            cache: vec![None; CACHE_SLOTS],
            pages: HashMap::default(),
        }
    }

    #[inline]
    pub(super) fn note(&mut self, pid: i32, ip: u64, at: At) {
        let key = CodePage {
            pid,
            page: ip / PAGE,
        };
        let span = Span {
            first: at,
            last_time: at.time,
        };
        let mixed = key.page ^ (u64::from(key.pid.cast_unsigned()) << 32);
        let slot = (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55) as usize;
        match &mut self.cache[slot] {
            Some((cached, known)) if *cached == key => {
                // Samples mostly come in the order of time.
                if at.time > known.last_time {
                    known.last_time = at.time;
                } else if at.time <= known.first.time {
                    known.join(span);
                }
            }
            slot => replace(slot, (key, span), &mut self.pages),
        }
    }

    /// Adds what another thread has met.
    pub(super) fn merge(&mut self, other: Self) {
        for (page, span) in other.into_iter() {
            store(&mut self.pages, page, span);
        }
    }

    /// All pages, in no particular order.
    pub(super) fn into_iter(mut self) -> impl Iterator<Item = (CodePage, Span)> {
        for (page, span) in self.cache.into_iter().flatten() {
            store(&mut self.pages, page, span);
        }
        self.pages.into_iter()
    }
}

/// Puts a page in the place of another one.
#[inline(never)]
fn replace(
    slot: &mut Option<(CodePage, Span)>,
    new: (CodePage, Span),
    pages: &mut HashMap<CodePage, Span>,
) {
    if let Some((old, known)) = slot.replace(new) {
        store(pages, old, known);
    }
}

fn store(pages: &mut HashMap<CodePage, Span>, page: CodePage, span: Span) {
    pages
        .entry(page)
        .and_modify(|known| known.join(span))
        .or_insert(span);
}
