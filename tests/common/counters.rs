//! The counters of `perf c2c`, by the rules of `c2c_decode_stats`
//! (tools/perf/util/mem-events.c), counted a second time.

use std::collections::BTreeMap;

/// Counters by the names of the JSON document; those that are 0 are absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Counters(pub(crate) BTreeMap<&'static str, u64>);

impl Counters {
    pub(crate) fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    fn count(&mut self, name: &'static str) {
        *self.0.entry(name).or_default() += 1;
    }

    fn count_both(&mut self, name: &'static str, total: &'static str) {
        self.count(name);
        self.count(total);
    }

    pub(crate) fn add(&mut self, address: u64, source: u64) {
        let bits = |shift: u32, width: u32| source >> shift & ((1 << width) - 1);
        let op = bits(0, 5);
        let level = bits(5, 14);
        let (snoop_hit, hitm) = (bits(19, 5) & 0x4 != 0, bits(19, 5) & 0x10 != 0);
        let peer = bits(38, 2) & 0x2 != 0;
        let remote = bits(37, 1) == 1 && bits(43, 3) == 0;

        self.count("nr_entries");
        if bits(24, 2) & 0x2 != 0 {
            self.count("locks");
        }
        if bits(40, 3) & 0x2 != 0 {
            self.count("blk_data");
        }
        if bits(40, 3) & 0x4 != 0 {
            self.count("blk_addr");
        }
        let (hit, miss) = (level & 0x2 != 0, level & 0x4 != 0);
        if op & 0x2 != 0 {
            self.count("load");
            if address == 0 {
                return self.count("ld_noadrs");
            }
            if hit {
                for (bit, name) in [
                    (0x2000, "ld_uncache"),
                    (0x1000, "ld_io"),
                    (0x10, "ld_fbhit"),
                    (0x8, "ld_l1hit"),
                ] {
                    if level & bit != 0 {
                        self.count(name);
                    }
                }
                for (bit, name) in [(0x20, "ld_l2hit"), (0x40, "ld_llchit")] {
                    if level & bit != 0 {
                        if hitm {
                            self.count_both("lcl_hitm", "tot_hitm");
                        } else {
                            self.count(name);
                        }
                        if peer {
                            self.count_both("lcl_peer", "tot_peer");
                        }
                    }
                }
                for (here, name) in [
                    (level & 0x80 != 0, "lcl_dram"),
                    (level & 0x300 != 0 || remote, "rmt_dram"),
                ] {
                    if here {
                        self.count_both(name, if snoop_hit { "ld_shared" } else { "ld_excl" });
                    }
                }
            }
            if level & 0xc00 != 0 || remote {
                if snoop_hit {
                    self.count("rmt_hit");
                } else if hitm {
                    self.count_both("rmt_hitm", "tot_hitm");
                } else if peer {
                    self.count("rmt_hit");
                    self.count_both("rmt_peer", "tot_peer");
                }
            }
            if miss {
                self.count("ld_miss");
            }
        } else if op & 0x4 != 0 {
            self.count("store");
            if address == 0 {
                return self.count("st_noadrs");
            }
            if hit && level & 0x2000 != 0 {
                self.count("st_uncache");
            }
            if hit && level & 0x8 != 0 {
                self.count("st_l1hit");
            }
            if miss && level & 0x8 != 0 {
                self.count("st_l1miss");
            }
            if level & 0x1 != 0 {
                self.count("st_na");
            }
        } else {
            self.count("noparse");
        }
    }
}

/// The names of all counters of the document but `nomap`.
pub(crate) const COUNTERS: [&str; 31] = [
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
    "noparse",
];
