//! `PERF_SAMPLE_DATA_SRC`: where the data of a memory access came from.
//!
//! `union perf_mem_data_src` in `include/uapi/linux/perf_event.h`. The value is
//! defined so that the same shifts hold on both byte orders.

/// A data source word. Two namespaces overlap: the older level bits and the
/// newer level number with `remote`, `hops` and `snoopx`; drivers fill both, not
/// always consistently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataSrc(pub u64);

impl DataSrc {
    /// `mem_op`: not available.
    pub const OP_NA: u64 = 0x01;
    /// `mem_op`: load.
    pub const OP_LOAD: u64 = 0x02;
    /// `mem_op`: store.
    pub const OP_STORE: u64 = 0x04;
    /// `mem_op`: prefetch.
    pub const OP_PFETCH: u64 = 0x08;
    /// `mem_op`: instruction fetch.
    pub const OP_EXEC: u64 = 0x10;

    /// `mem_lvl`: not available.
    pub const LVL_NA: u64 = 0x0001;
    /// `mem_lvl`: hit in the level given.
    pub const LVL_HIT: u64 = 0x0002;
    /// `mem_lvl`: miss in the level given.
    pub const LVL_MISS: u64 = 0x0004;
    /// `mem_lvl`: first level cache.
    pub const LVL_L1: u64 = 0x0008;
    /// `mem_lvl`: line fill buffer or miss address buffer.
    pub const LVL_LFB: u64 = 0x0010;
    /// `mem_lvl`: second level cache.
    pub const LVL_L2: u64 = 0x0020;
    /// `mem_lvl`: third level cache.
    pub const LVL_L3: u64 = 0x0040;
    /// `mem_lvl`: local memory.
    pub const LVL_LOC_RAM: u64 = 0x0080;
    /// `mem_lvl`: remote memory, one hop.
    pub const LVL_REM_RAM1: u64 = 0x0100;
    /// `mem_lvl`: remote memory, two hops.
    pub const LVL_REM_RAM2: u64 = 0x0200;
    /// `mem_lvl`: remote cache, one hop.
    pub const LVL_REM_CCE1: u64 = 0x0400;
    /// `mem_lvl`: remote cache, two hops.
    pub const LVL_REM_CCE2: u64 = 0x0800;
    /// `mem_lvl`: I/O memory.
    pub const LVL_IO: u64 = 0x1000;
    /// `mem_lvl`: uncached memory.
    pub const LVL_UNC: u64 = 0x2000;

    /// `mem_snoop`: not available.
    pub const SNOOP_NA: u64 = 0x01;
    /// `mem_snoop`: no snoop.
    pub const SNOOP_NONE: u64 = 0x02;
    /// `mem_snoop`: snoop hit, line clean.
    pub const SNOOP_HIT: u64 = 0x04;
    /// `mem_snoop`: snoop missed.
    pub const SNOOP_MISS: u64 = 0x08;
    /// `mem_snoop`: snoop hit a modified line.
    pub const SNOOP_HITM: u64 = 0x10;

    /// `mem_snoopx`: forwarded by another cache.
    pub const SNOOPX_FWD: u64 = 0x01;
    /// `mem_snoopx`: transferred from a peer cache.
    pub const SNOOPX_PEER: u64 = 0x02;

    /// `mem_lock`: locked transaction.
    pub const LOCK_LOCKED: u64 = 0x02;

    /// `mem_blk`: data could not be forwarded.
    pub const BLK_DATA: u64 = 0x02;
    /// `mem_blk`: address conflict.
    pub const BLK_ADDR: u64 = 0x04;

    /// `mem_lvl_num`: L1.
    pub const NUM_L1: u64 = 1;
    /// `mem_lvl_num`: L2.
    pub const NUM_L2: u64 = 2;
    /// `mem_lvl_num`: L3.
    pub const NUM_L3: u64 = 3;
    /// `mem_lvl_num`: L4.
    pub const NUM_L4: u64 = 4;
    /// `mem_lvl_num`: L2 miss handling buffer.
    pub const NUM_L2_MHB: u64 = 5;
    /// `mem_lvl_num`: memory-side cache.
    pub const NUM_MSC: u64 = 6;
    /// `mem_lvl_num`: L0.
    pub const NUM_L0: u64 = 7;
    /// `mem_lvl_num`: uncached.
    pub const NUM_UNC: u64 = 8;
    /// `mem_lvl_num`: CXL memory.
    pub const NUM_CXL: u64 = 9;
    /// `mem_lvl_num`: I/O.
    pub const NUM_IO: u64 = 10;
    /// `mem_lvl_num`: any cache.
    pub const NUM_ANY_CACHE: u64 = 11;
    /// `mem_lvl_num`: line fill buffer.
    pub const NUM_LFB: u64 = 12;
    /// `mem_lvl_num`: RAM.
    pub const NUM_RAM: u64 = 13;
    /// `mem_lvl_num`: persistent memory.
    pub const NUM_PMEM: u64 = 14;
    /// `mem_lvl_num`: not available.
    pub const NUM_NA: u64 = 15;

    /// Hops: another core of the same node.
    pub const HOPS_CORE: u64 = 1;
    /// Hops: another node of the same socket.
    pub const HOPS_NODE: u64 = 2;
    /// Hops: another socket of the same board.
    pub const HOPS_SOCKET: u64 = 3;
    /// Hops: another board.
    pub const HOPS_BOARD: u64 = 4;

    const fn field(self, shift: u32, width: u32) -> u64 {
        (self.0 >> shift) & ((1 << width) - 1)
    }

    /// `mem_op`: bit set of the `OP_` constants.
    pub const fn op(self) -> u64 {
        self.field(0, 5)
    }

    /// `mem_lvl`: bit set of the `LVL_` constants.
    pub const fn lvl(self) -> u64 {
        self.field(5, 14)
    }

    /// `mem_snoop`: bit set of the `SNOOP_` constants.
    pub const fn snoop(self) -> u64 {
        self.field(19, 5)
    }

    /// `mem_lock`: bit set; see [`DataSrc::LOCK_LOCKED`].
    pub const fn lock(self) -> u64 {
        self.field(24, 2)
    }

    /// `mem_dtlb`: bit set of how the address was translated.
    pub const fn dtlb(self) -> u64 {
        self.field(26, 7)
    }

    /// `mem_lvl_num`: one of the `NUM_` constants, or 0.
    pub const fn lvl_num(self) -> u64 {
        self.field(33, 4)
    }

    /// `mem_remote`.
    pub const fn remote(self) -> bool {
        self.field(37, 1) != 0
    }

    /// `mem_snoopx`: bit set of the `SNOOPX_` constants.
    pub const fn snoopx(self) -> u64 {
        self.field(38, 2)
    }

    /// `mem_blk`: bit set of the `BLK_` constants.
    pub const fn blk(self) -> u64 {
        self.field(40, 3)
    }

    /// `mem_hops`: one of the `HOPS_` constants, or 0.
    pub const fn hops(self) -> u64 {
        self.field(43, 3)
    }

    /// `mem_region`: which memory region served the access; 0 not available.
    pub const fn region(self) -> u64 {
        self.field(46, 5)
    }

    /// Whether the sample is a memory access at all: its operation is a load, a
    /// store, a prefetch or an instruction fetch. IBS samples every micro-op and
    /// `--call-graph dwarf` asks for the field on any event; both leave "not
    /// available" where there was no access.
    pub const fn is_access(self) -> bool {
        self.op() & (Self::OP_LOAD | Self::OP_STORE | Self::OP_PFETCH | Self::OP_EXEC) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zen_4_hitm_reads_as_the_kernel_wrote_it() {
        // From an EPYC 9254 capture: "LOAD, remote core, same node, any cache
        // hit, HitM, TLB L1 hit".
        let src = DataSrc(0x0836_2980_8042);
        assert_eq!(src.op(), DataSrc::OP_LOAD);
        assert_eq!(src.lvl(), DataSrc::LVL_HIT | DataSrc::LVL_REM_CCE1);
        assert_eq!(src.snoop(), DataSrc::SNOOP_HITM);
        assert_eq!(src.lvl_num(), DataSrc::NUM_ANY_CACHE);
        assert!(src.remote());
        assert_eq!(src.hops(), DataSrc::HOPS_CORE);
        assert!(src.is_access());
    }

    #[test]
    fn an_unavailable_operation_is_not_an_access() {
        assert!(!DataSrc(DataSrc::OP_NA).is_access());
        assert!(!DataSrc(0).is_access());
    }
}
