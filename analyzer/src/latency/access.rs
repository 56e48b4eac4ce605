//! One access as the accumulators see it, whatever hardware it comes from.

use crate::memory::Level;
use crate::memory::{Class, Op, Snoop, Where};
use contend_perfdata::{At, DataSrc};
use foldhash::HashMap;

/// Which answer an access got, and from what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Source {
    /// Its exclusive class.
    pub(super) class: Class,
    /// The raw code of the data source (Arm SPE); absent when the record had none.
    pub(super) code: Option<u16>,
    /// The core that gave the code (Arm SPE), [`contend_perfdata::Midr::model`]: revisions
    /// have the same codes. 0 where the capture does not tell.
    pub(super) model: u64,
}

impl Source {
    /// Whether the core's own first or second level answered, and asked nobody: what
    /// an access costs that waits for nothing.
    pub(super) fn is_near(&self) -> bool {
        let Class {
            level,
            snoop,
            place,
            ..
        } = self.class;
        matches!(level, Level::L0 | Level::L1 | Level::L2)
            && matches!(place, Where::Local)
            && !matches!(snoop, Snoop::Hitm | Snoop::Forward | Snoop::Peer)
    }

    /// Which of the baselines an access is compared with.
    pub(super) fn kind(&self) -> Kind {
        match self.class.op {
            Op::Store => Kind::Store,
            Op::Load | Op::Prefetch | Op::Other => Kind::Load,
        }
    }
}

/// Accesses that have a baseline of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Loads, and what else waits for data.
    Load,
    /// Stores.
    Store,
}

/// One access.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    /// Its instruction (AVMA); 0 when not known.
    pub(super) ip: u64,
    /// Its data (AVMA); 0 when not known.
    pub(super) addr: u64,
    /// Where its data is in memory; 0 when not known.
    pub(super) phys_addr: u64,
    /// Process and thread; -1 when not known.
    pub(super) thread: (i32, i32),
    /// CPU; `MemorySample::NO_CPU` when not known.
    pub(super) cpu: u32,
    /// `misc & 7` of its record: in which mode it ran.
    pub(super) mode: u8,
    /// When, and where in the capture.
    pub(super) at: At,
    /// Whether the record itself says when.
    pub(super) has_time: bool,
    /// Who answered.
    pub(super) source: Source,
    /// Its latency; absent when the hardware gave none.
    pub(super) latency: Option<u64>,
    /// How many accesses it stands for; absent when the capture does not tell.
    pub(super) period: Option<u64>,
}

/// Entries of the cache in front of the decoded data sources.
const CACHE_SLOTS: usize = 1024;

/// What of a data source decides its class: everything but locks, the TLB field,
/// blocks and the memory region.
const RELEVANT: u64 = !(0x7f << 26 | 0x3 << 24 | 0x7 << 40) & ((1 << 46) - 1);

const VALID: u64 = 1 << 63;

/// The data sources that a worker has met, decoded once each: a few dozen in real
/// captures.
pub(super) struct Sources {
    cache: Vec<(u64, Option<Source>)>,
    known: HashMap<u64, Option<Source>>,
}

/// Hostile captures have any number of words for the few thousand classes that there
/// are; then the table starts again.
const MOST_WORDS: usize = 16 << 10;

impl Sources {
    pub(super) fn new() -> Self {
        Self {
            cache: vec![(0, None); CACHE_SLOTS],
            known: HashMap::default(),
        }
    }

    /// The source of a sample; absent when it is no access.
    #[inline]
    pub(super) fn of(&mut self, word: DataSrc) -> Option<Source> {
        let key = (word.0 & RELEVANT) | VALID;
        let slot = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize;
        let (cached, source) = self.cache[slot];
        if cached == key {
            return source;
        }
        let source = self.decode(key, word);
        self.cache[slot] = (key, source);
        source
    }

    #[cold]
    fn decode(&mut self, key: u64, word: DataSrc) -> Option<Source> {
        if self.known.len() > MOST_WORDS {
            self.known.clear();
        }
        *self.known.entry(key).or_insert_with(|| {
            Class::of(word).map(|class| Source {
                class,
                code: None,
                model: 0,
            })
        })
    }
}
