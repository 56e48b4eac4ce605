//! Exclusive classes: every memory access in exactly one.
//!
//! Drivers fill the older and the newer half of the data source in different
//! ways (section "Data sources" of `docs/c2c.md`). A class takes the newer half
//! where it says something and the older one otherwise, so that one access is
//! counted once and shares add up to 100 %.

use contend_perfdata::DataSrc;
use serde::Serialize;

/// What the access did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// It read.
    Load,
    /// It wrote.
    Store,
    /// It was a software prefetch, which waits for nothing.
    Prefetch,
    /// It fetched an instruction.
    Other,
}

/// Which level answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The core's level-0 cache.
    L0,
    /// The core's level-1 cache.
    L1,
    /// A line fill buffer: the line was already on its way.
    Lfb,
    /// The level-2 cache.
    L2,
    /// The level-2 miss handling buffer.
    L2Mhb,
    /// The level-3 cache.
    L3,
    /// A level-4 cache.
    L4,
    /// A memory-side cache.
    Msc,
    /// A cache that the hardware does not name, usually another core's.
    Cache,
    /// Memory.
    Dram,
    /// Persistent memory.
    Pmem,
    /// CXL memory.
    Cxl,
    /// Device memory.
    Io,
    /// Uncached memory.
    Uncached,
    /// The access missed the level-1 cache; nothing tells what answered.
    L1Miss,
    /// The hardware does not say.
    Unknown,
}

/// What the coherence protocol found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Snoop {
    /// The line was modified in another core's cache.
    Hitm,
    /// Another cache forwarded a clean line.
    Forward,
    /// Another cache had the line; Arm does not tell in which state.
    Peer,
    /// Another cache had the line, clean.
    Hit,
    /// No other cache had the line.
    Miss,
    /// No other cache was asked.
    None,
    /// The hardware does not say.
    Unknown,
}

/// From where, seen from the core that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Where {
    /// The core itself, or what its node shares.
    Local,
    /// Another core or core complex of the same node: what AMD calls remote.
    SameNode,
    /// Another node of the same socket.
    SameSocket,
    /// Another socket of the same board.
    OtherSocket,
    /// Another board.
    OtherBoard,
    /// Another node; the hardware does not say of which socket.
    Remote,
    /// The hardware does not say.
    Unknown,
}

/// The one class of a memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Class {
    /// What it did.
    pub op: Op,
    /// Which level answered.
    pub level: Level,
    /// What the coherence protocol found.
    pub snoop: Snoop,
    /// From where.
    #[serde(rename = "where")]
    pub place: Where,
}

impl Class {
    /// The class of a data source; nothing for samples that are no memory
    /// access.
    pub fn of(src: DataSrc) -> Option<Self> {
        src.is_access().then(|| Self {
            op: op(src),
            level: level(src),
            snoop: snoop(src),
            place: place(src),
        })
    }

    /// Whether a load found its line modified in another core's cache.
    pub fn is_hitm(&self) -> bool {
        self.op == Op::Load && self.snoop == Snoop::Hitm
    }

    /// Whether a load was answered by another core's cache, in whatever state
    /// the line was.
    pub fn is_peer(&self) -> bool {
        let snoops = [Snoop::Hitm, Snoop::Forward, Snoop::Peer];
        self.op == Op::Load && snoops.contains(&self.snoop)
    }

    /// Whether a load was answered from outside its node's caches, or by a
    /// core outside its own node.
    pub fn is_llc_miss(&self) -> bool {
        let memory = [Level::Dram, Level::Pmem, Level::Cxl, Level::Msc, Level::L4];
        self.op == Op::Load && (memory.contains(&self.level) || self.is_remote())
    }

    /// Whether the answer came from another core complex, node or socket. Another
    /// core of the node is not remote when it answered from a level that the
    /// hardware names: that is the node's L3, or a neighbour's L2. AMD names no
    /// level for another core complex.
    pub fn is_remote(&self) -> bool {
        match self.place {
            Where::Local | Where::Unknown => false,
            Where::SameNode => !matches!(self.level, Level::L2 | Level::L3),
            Where::SameSocket | Where::OtherSocket | Where::OtherBoard | Where::Remote => true,
        }
    }
}

fn op(src: DataSrc) -> Op {
    let has = |op: u64| src.op() & op != 0;
    if has(DataSrc::OP_PFETCH) {
        Op::Prefetch
    } else if has(DataSrc::OP_LOAD) {
        Op::Load
    } else if has(DataSrc::OP_STORE) {
        Op::Store
    } else {
        Op::Other
    }
}

fn level(src: DataSrc) -> Level {
    let by_number = match src.lvl_num() {
        DataSrc::NUM_L0 => Some(Level::L0),
        DataSrc::NUM_L1 => Some(Level::L1),
        DataSrc::NUM_L2 => Some(Level::L2),
        DataSrc::NUM_L3 => Some(Level::L3),
        DataSrc::NUM_L4 => Some(Level::L4),
        DataSrc::NUM_L2_MHB => Some(Level::L2Mhb),
        DataSrc::NUM_MSC => Some(Level::Msc),
        DataSrc::NUM_UNC => Some(Level::Uncached),
        DataSrc::NUM_CXL => Some(Level::Cxl),
        DataSrc::NUM_IO => Some(Level::Io),
        // AMD before Zen 4 has one code for the L3 and for the caches of another
        // core complex (perf_ibs_get_mem_lvl in arch/x86/events/amd/ibs.c).
        DataSrc::NUM_ANY_CACHE if src.lvl() & DataSrc::LVL_L3 != 0 => Some(Level::L3),
        DataSrc::NUM_ANY_CACHE => Some(Level::Cache),
        DataSrc::NUM_LFB => Some(Level::Lfb),
        DataSrc::NUM_RAM => Some(Level::Dram),
        DataSrc::NUM_PMEM => Some(Level::Pmem),
        _ => None,
    };
    let level = by_number.unwrap_or_else(|| legacy_level(src));
    let missed = src.lvl() & (DataSrc::LVL_HIT | DataSrc::LVL_MISS) == DataSrc::LVL_MISS;
    if missed && level == Level::L1 {
        // "L1 miss" of a store names the level that was missed, not one that
        // answered. Loads that carry MISS name the level that did answer.
        Level::L1Miss
    } else if missed && src.lvl() == DataSrc::LVL_MISS && src.snoop() == DataSrc::SNOOP_NA {
        // Intel's code 0: "unknown L3 cache miss".
        Level::Unknown
    } else {
        level
    }
}

/// The older level bits, the one that answered first. Caches: the farther one, as
/// the nearer ones are only where the line would have been expected. A remote
/// cache before memory: memory is the line's home, and what a cache sent is what
/// the load got, be it because memory was stale.
fn legacy_level(src: DataSrc) -> Level {
    let levels = [
        (DataSrc::LVL_UNC, Level::Uncached),
        (DataSrc::LVL_IO, Level::Io),
        (DataSrc::LVL_REM_CCE1 | DataSrc::LVL_REM_CCE2, Level::Cache),
        (
            DataSrc::LVL_LOC_RAM | DataSrc::LVL_REM_RAM1 | DataSrc::LVL_REM_RAM2,
            Level::Dram,
        ),
        (DataSrc::LVL_L3, Level::L3),
        (DataSrc::LVL_L2, Level::L2),
        (DataSrc::LVL_LFB, Level::Lfb),
        (DataSrc::LVL_L1, Level::L1),
    ];
    let found = levels.into_iter().find(|(bits, _)| src.lvl() & bits != 0);
    found.map_or(Level::Unknown, |(_, level)| level)
}

fn snoop(src: DataSrc) -> Snoop {
    let has = |bit: u64| src.snoop() & bit != 0;
    let has_more = |bit: u64| src.snoopx() & bit != 0;
    if has(DataSrc::SNOOP_HITM) {
        Snoop::Hitm
    } else if has_more(DataSrc::SNOOPX_FWD) {
        Snoop::Forward
    } else if has_more(DataSrc::SNOOPX_PEER) {
        Snoop::Peer
    } else if has(DataSrc::SNOOP_HIT) {
        Snoop::Hit
    } else if has(DataSrc::SNOOP_MISS) {
        Snoop::Miss
    } else if has(DataSrc::SNOOP_NONE) {
        Snoop::None
    } else {
        Snoop::Unknown
    }
}

fn place(src: DataSrc) -> Where {
    let has = |level: u64| src.lvl() & level != 0;
    match src.hops() {
        DataSrc::HOPS_CORE => return Where::SameNode,
        DataSrc::HOPS_NODE => return Where::SameSocket,
        DataSrc::HOPS_SOCKET => return Where::OtherSocket,
        DataSrc::HOPS_BOARD => return Where::OtherBoard,
        _ => {}
    }
    let far = DataSrc::LVL_REM_RAM1
        | DataSrc::LVL_REM_RAM2
        | DataSrc::LVL_REM_CCE1
        | DataSrc::LVL_REM_CCE2;
    if src.remote() || has(far) {
        Where::Remote
    } else if level(src) == Level::Unknown {
        Where::Unknown
    } else {
        Where::Local
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn class(word: u64) -> Class {
        Class::of(DataSrc(word)).unwrap()
    }

    #[test]
    fn a_skylake_remote_hitm_is_one_remote_hitm() {
        let class = class(0x02 | 0x02 << 5 | 0x10 << 19 | 11 << 33 | 1 << 37);
        assert!(class.is_hitm() && class.is_remote() && class.is_llc_miss());
        assert_eq!(class.level, Level::Cache);
        assert_eq!(class.place, Where::Remote);
    }

    #[test]
    fn a_zen_3_hitm_is_from_another_core_of_the_node() {
        let word = 0x02 | (0x02 | 0x40 | 0x400) << 5 | 0x10 << 19 | 11 << 33 | 1 << 43;
        let class = class(word);
        assert!(class.is_hitm() && !class.is_remote() && !class.is_llc_miss());
        assert_eq!(class.place, Where::SameNode);
    }

    #[test]
    fn a_zen_4_hitm_of_another_core_complex_is_remote() {
        let class = class(0x02 | (0x02 | 0x400) << 5 | 0x10 << 19 | 11 << 33 | 1 << 37 | 1 << 43);
        assert!(class.is_hitm() && class.is_remote());
        assert_eq!(class.place, Where::SameNode);
    }

    #[test]
    fn a_lion_cove_hitm_without_the_hit_bit_is_one() {
        let class = class(0x02 | (0x04 | 0x40) << 5 | 0x10 << 19 | 3 << 33);
        assert!(class.is_hitm());
        assert_eq!(class.place, Where::Local);
    }

    #[test]
    fn a_broadwell_local_ram_load_is_local_although_it_has_no_number() {
        let class = class(0x02 | (0x02 | 0x80) << 5 | 0x04 << 19);
        assert_eq!(class.level, Level::Dram);
        assert_eq!(class.snoop, Snoop::Hit);
        assert_eq!(class.place, Where::Local);
    }

    #[test]
    fn a_remote_cache_answered_and_not_the_memory_behind_it() {
        for memory in [0x80, 0x100, 0x200] {
            for cache in [0x400, 0x800] {
                let class = class(0x02 | (0x02 | memory | cache) << 5 | 0x10 << 19);
                assert_eq!(class.level, Level::Cache, "{memory:#x} {cache:#x}");
                assert!(class.is_hitm() && class.is_remote());
            }
        }
        // A number says more than the older bits.
        let class = class(0x02 | (0x02 | 0x80 | 0x400) << 5 | 13 << 33);
        assert_eq!(class.level, Level::Dram);
    }

    #[test]
    fn stores_tell_a_miss_from_a_hit() {
        assert_eq!(class(0x04 | (0x04 | 0x08) << 5).level, Level::L1Miss);
        assert_eq!(class(0x04 | (0x02 | 0x08) << 5).level, Level::L1);
        assert_eq!(class(0x04 | 0x01 << 5).level, Level::Unknown);
    }

    #[test]
    fn what_is_no_access_has_no_class() {
        assert_eq!(Class::of(DataSrc(0x1)), None);
        assert_eq!(class(0x02 | 0x08).op, Op::Prefetch);
    }
}
