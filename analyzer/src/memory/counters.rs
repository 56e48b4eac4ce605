//! perf's counters of memory samples, bit for bit.
//!
//! The rule is `c2c_decode_stats` in `tools/perf/util/mem-events.c` (the same in
//! perf 6.1, 6.12 and 7.2). One sample can add to several counters, and on some
//! machines to counters that contradict one another; [`super::Class`] is the
//! view that counts every sample once.

use contend_perfdata::DataSrc;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// The counters, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[expect(
    missing_docs,
    reason = "perf's own names; docs/formats/json.md says what each counts"
)]
pub enum Counter {
    NrEntries,
    Locks,
    BlkData,
    BlkAddr,
    Load,
    LdNoadrs,
    LdUncache,
    LdIo,
    LdFbhit,
    LdL1hit,
    LdL2hit,
    LdLlchit,
    LclHitm,
    RmtHitm,
    TotHitm,
    LclPeer,
    RmtPeer,
    TotPeer,
    RmtHit,
    LclDram,
    RmtDram,
    LdShared,
    LdExcl,
    LdMiss,
    Store,
    StNoadrs,
    StUncache,
    StL1hit,
    StL1miss,
    StNa,
    Nomap,
    Noparse,
}

/// How many counters there are.
pub(crate) const COUNTERS: usize = Counter::Noparse as usize + 1;

/// The names of the counters in perf's source, by [`Counter`].
pub(super) const NAMES: [&str; COUNTERS] = [
    "nr_entries",
    "locks",
    "blk_data",
    "blk_addr",
    "load",
    "ld_noadrs",
    "ld_uncache",
    "ld_io",
    "ld_fbhit",
    "ld_l1hit",
    "ld_l2hit",
    "ld_llchit",
    "lcl_hitm",
    "rmt_hitm",
    "tot_hitm",
    "lcl_peer",
    "rmt_peer",
    "tot_peer",
    "rmt_hit",
    "lcl_dram",
    "rmt_dram",
    "ld_shared",
    "ld_excl",
    "ld_miss",
    "store",
    "st_noadrs",
    "st_uncache",
    "st_l1hit",
    "st_l1miss",
    "st_na",
    "nomap",
    "noparse",
];

/// A set of perf's counters. Counts are samples, and perf's double counting is
/// in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters([u64; COUNTERS]);

impl From<[u64; COUNTERS]> for Counters {
    fn from(counts: [u64; COUNTERS]) -> Self {
        Self(counts)
    }
}

impl Counters {
    /// The value of a counter.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    /// Adds to one counter.
    pub fn add(&mut self, counter: Counter, count: u64) {
        self.0[counter as usize] += count;
    }

    /// Adds what one kind of sample adds, `count` times.
    pub fn add_delta(&mut self, delta: &Delta, count: u64) {
        for (total, &each) in self.0.iter_mut().zip(&delta.0) {
            *total += u64::from(each) * count;
        }
    }

    /// Adds another set.
    pub fn merge(&mut self, other: &Self) {
        for (total, more) in self.0.iter_mut().zip(&other.0) {
            *total += more;
        }
    }

    /// The counters with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        NAMES.into_iter().zip(self.0)
    }

    /// perf's sum of loads that missed the last level cache.
    pub fn llc_misses(&self) -> u64 {
        use Counter::{LclDram, RmtDram, RmtHit, RmtHitm};
        [LclDram, RmtDram, RmtHitm, RmtHit]
            .map(|c| self.get(c))
            .iter()
            .sum()
    }

    /// perf's sum of loads that hit a cache.
    pub fn cache_hits(&self) -> u64 {
        use Counter::{LclHitm, LdFbhit, LdL1hit, LdL2hit, LdLlchit};
        let hits = [LdFbhit, LdL1hit, LdL2hit, LdLlchit, LclHitm];
        hits.map(|c| self.get(c)).iter().sum()
    }

    /// perf's "Total Loads": a sum of buckets, not of samples.
    pub fn total_loads(&self) -> u64 {
        self.llc_misses() + self.cache_hits()
    }

    /// perf's "Total records": a sum of buckets, not of samples.
    pub fn total_records(&self) -> u64 {
        use Counter::{StL1hit, StL1miss, StNa};
        let stores = [StL1hit, StL1miss, StNa].map(|c| self.get(c));
        self.total_loads() + stores.iter().sum::<u64>()
    }

    /// perf's "LLC hit" of loads, with the local HITMs.
    pub fn llc_hits(&self) -> u64 {
        self.get(Counter::LdLlchit) + self.get(Counter::LclHitm)
    }
}

impl Serialize for Counters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(COUNTERS))?;
        for (name, count) in self.iter() {
            map.serialize_entry(name, &count)?;
        }
        map.end()
    }
}

/// What one sample adds to each counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Delta([u8; COUNTERS]);

impl Delta {
    /// What a sample with this data source adds, apart from `nomap`, which
    /// depends on the mappings. `has_addr` tells whether its data address is
    /// known.
    pub fn of(src: DataSrc, has_addr: bool) -> Self {
        let mut delta = Self::default();
        delta.add(Counter::NrEntries);
        delta.add_if(src.lock() & DataSrc::LOCK_LOCKED != 0, Counter::Locks);
        delta.add_if(src.blk() & DataSrc::BLK_DATA != 0, Counter::BlkData);
        delta.add_if(src.blk() & DataSrc::BLK_ADDR != 0, Counter::BlkAddr);
        if src.op() & DataSrc::OP_LOAD != 0 {
            delta.add_load(src, has_addr);
        } else if src.op() & DataSrc::OP_STORE != 0 {
            delta.add_store(src, has_addr);
        } else {
            delta.add(Counter::Noparse);
        }
        delta
    }

    /// What the sample adds to every counter.
    pub(crate) fn bytes(&self) -> &[u8; COUNTERS] {
        &self.0
    }

    /// What the sample adds to one counter.
    pub fn get(&self, counter: Counter) -> u8 {
        self.0[counter as usize]
    }

    /// Whether perf looks at the mappings of such a sample at all.
    pub fn can_be_nomap(&self) -> bool {
        let refused = [Counter::Noparse, Counter::LdNoadrs, Counter::StNoadrs];
        refused.iter().all(|&counter| self.get(counter) == 0)
    }

    fn add(&mut self, counter: Counter) {
        self.0[counter as usize] += 1;
    }

    fn add_if(&mut self, condition: bool, counter: Counter) {
        self.0[counter as usize] += u8::from(condition);
    }

    fn add_load(&mut self, src: DataSrc, has_addr: bool) {
        self.add(Counter::Load);
        if !has_addr {
            self.add(Counter::LdNoadrs);
            return;
        }
        let (lvl, snoop) = (src.lvl(), src.snoop());
        let has = |level: u64| lvl & level != 0;
        let is_hitm = snoop & DataSrc::SNOOP_HITM != 0;
        let is_peer = src.snoopx() & DataSrc::SNOOPX_PEER != 0;
        // perf takes "remote" without a number of hops for another node.
        let is_remote_node = src.remote() && src.hops() == 0;
        if has(DataSrc::LVL_HIT) {
            self.add_if(has(DataSrc::LVL_UNC), Counter::LdUncache);
            self.add_if(has(DataSrc::LVL_IO), Counter::LdIo);
            self.add_if(has(DataSrc::LVL_LFB), Counter::LdFbhit);
            self.add_if(has(DataSrc::LVL_L1), Counter::LdL1hit);
            for (level, hit) in [
                (DataSrc::LVL_L2, Counter::LdL2hit),
                (DataSrc::LVL_L3, Counter::LdLlchit),
            ] {
                if !has(level) {
                    continue;
                }
                if is_hitm {
                    self.add(Counter::LclHitm);
                    self.add(Counter::TotHitm);
                } else {
                    self.add(hit);
                }
                if is_peer {
                    self.add(Counter::LclPeer);
                    self.add(Counter::TotPeer);
                }
            }
            let state = if snoop & DataSrc::SNOOP_HIT != 0 {
                Counter::LdShared
            } else {
                Counter::LdExcl
            };
            if has(DataSrc::LVL_LOC_RAM) {
                self.add(Counter::LclDram);
                self.add(state);
            }
            if has(DataSrc::LVL_REM_RAM1 | DataSrc::LVL_REM_RAM2) || is_remote_node {
                self.add(Counter::RmtDram);
                self.add(state);
            }
        }
        if has(DataSrc::LVL_REM_CCE1 | DataSrc::LVL_REM_CCE2) || is_remote_node {
            if snoop & DataSrc::SNOOP_HIT != 0 {
                self.add(Counter::RmtHit);
            } else if is_hitm {
                self.add(Counter::RmtHitm);
                self.add(Counter::TotHitm);
            } else if is_peer {
                self.add(Counter::RmtHit);
                self.add(Counter::RmtPeer);
                self.add(Counter::TotPeer);
            }
        }
        self.add_if(has(DataSrc::LVL_MISS), Counter::LdMiss);
    }

    fn add_store(&mut self, src: DataSrc, has_addr: bool) {
        self.add(Counter::Store);
        if !has_addr {
            self.add(Counter::StNoadrs);
            return;
        }
        let has = |level: u64| src.lvl() & level != 0;
        let (hit, miss) = (has(DataSrc::LVL_HIT), has(DataSrc::LVL_MISS));
        self.add_if(hit && has(DataSrc::LVL_UNC), Counter::StUncache);
        self.add_if(hit && has(DataSrc::LVL_L1), Counter::StL1hit);
        self.add_if(miss && has(DataSrc::LVL_L1), Counter::StL1miss);
        self.add_if(has(DataSrc::LVL_NA), Counter::StNa);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonzero(delta: &Delta) -> Vec<(&'static str, u8)> {
        let named = NAMES.into_iter().zip(delta.0);
        named.filter(|&(_, count)| count != 0).collect()
    }

    /// LVL HIT, remote, ANY_CACHE, HITM: Skylake server's remote HITM.
    const SKX_REMOTE_HITM: DataSrc = DataSrc(0x02 | 0x02 << 5 | 0x10 << 19 | 11 << 33 | 1 << 37);

    #[test]
    fn a_skylake_remote_hitm_is_remote_dram_too() {
        let delta = Delta::of(SKX_REMOTE_HITM, true);
        let wanted = [
            ("nr_entries", 1),
            ("load", 1),
            ("rmt_hitm", 1),
            ("tot_hitm", 1),
            ("rmt_dram", 1),
            ("ld_excl", 1),
        ];
        assert_eq!(nonzero(&delta), wanted);
    }

    #[test]
    fn a_zen_3_local_hitm_is_two_hitms() {
        // L3 + REM_CCE1, ANY_CACHE, hops 1, HITM.
        let src = DataSrc(0x02 | (0x02 | 0x40 | 0x400) << 5 | 0x10 << 19 | 11 << 33 | 1 << 43);
        let delta = Delta::of(src, true);
        assert_eq!(delta.get(Counter::TotHitm), 2);
        assert_eq!(delta.get(Counter::LclHitm), 1);
        assert_eq!(delta.get(Counter::RmtHitm), 1);
        assert_eq!(delta.get(Counter::RmtDram), 0);
    }

    #[test]
    fn a_sample_without_address_stops_early() {
        let wanted = [("nr_entries", 1), ("load", 1), ("ld_noadrs", 1)];
        let delta = Delta::of(SKX_REMOTE_HITM, false);
        assert_eq!(nonzero(&delta), wanted);
        assert!(!delta.can_be_nomap());
    }

    #[test]
    fn what_is_neither_load_nor_store_is_not_parsed() {
        let prefetch = Delta::of(DataSrc(DataSrc::OP_PFETCH), true);
        assert_eq!(nonzero(&prefetch), [("nr_entries", 1), ("noparse", 1)]);
    }

    #[test]
    fn totals_are_sums_of_buckets() {
        let mut counters = Counters::default();
        counters.add_delta(&Delta::of(SKX_REMOTE_HITM, true), 3);
        assert_eq!(counters.llc_misses(), 6);
        assert_eq!(counters.total_records(), 6);
        assert_eq!(counters.get(Counter::Load), 3);
    }
}
