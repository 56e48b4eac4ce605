//! The words of the tables, and the data source that each stands for.

use anyhow::{Result, bail};
use contend_perfdata::DataSrc;

/// Which level answered, as far as perf and the tables tell levels apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    L1,
    L2,
    L3,
    /// Memory of this node.
    Dram,
    /// Memory of another node.
    RemoteDram,
    /// A cache of another node, for which Arm's cores have no level.
    Far,
    /// The L3 of another cluster.
    Cluster,
    /// A cache of another socket.
    Socket,
    /// A device.
    Io,
}

/// What the coherence protocol found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Snoop {
    Unknown,
    None,
    Hit,
    Hitm,
    Peer,
    HitmPeer,
}

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) level: Level,
    pub(super) snoop: Snoop,
}

/// `mem_lvl`, `mem_lvl_num` and `mem_remote`.
type Encoding = (u64, u64, bool);

impl Level {
    /// The words of the tables with what perf makes of them.
    const ALL: [(&'static str, Self, Encoding); 9] = [
        (
            "l1",
            Self::L1,
            (DataSrc::LVL_HIT | DataSrc::LVL_L1, DataSrc::NUM_L1, false),
        ),
        (
            "l2",
            Self::L2,
            (DataSrc::LVL_HIT | DataSrc::LVL_L2, DataSrc::NUM_L2, false),
        ),
        (
            "l3",
            Self::L3,
            (DataSrc::LVL_HIT | DataSrc::LVL_L3, DataSrc::NUM_L3, false),
        ),
        (
            "dram",
            Self::Dram,
            (
                DataSrc::LVL_HIT | DataSrc::LVL_LOC_RAM,
                DataSrc::NUM_RAM,
                false,
            ),
        ),
        (
            "remote-dram",
            Self::RemoteDram,
            (
                DataSrc::LVL_HIT | DataSrc::LVL_REM_RAM1,
                DataSrc::NUM_RAM,
                true,
            ),
        ),
        ("far", Self::Far, (DataSrc::LVL_NA, DataSrc::NUM_NA, true)),
        (
            "cluster",
            Self::Cluster,
            (
                DataSrc::LVL_HIT | DataSrc::LVL_REM_CCE1,
                DataSrc::NUM_L3,
                false,
            ),
        ),
        (
            "socket",
            Self::Socket,
            (DataSrc::LVL_REM_CCE2, DataSrc::NUM_ANY_CACHE, true),
        ),
        (
            "io",
            Self::Io,
            (DataSrc::LVL_HIT | DataSrc::LVL_IO, DataSrc::NUM_IO, false),
        ),
    ];

    /// The level that a table calls so.
    pub(super) fn named(word: &str) -> Result<Self> {
        match Self::ALL.iter().find(|(name, ..)| *name == word) {
            Some((_, level, _)) => Ok(*level),
            None => bail!(
                "{word} is no level ({})",
                Self::ALL.map(|(name, ..)| name).join(", ")
            ),
        }
    }

    pub(super) fn encoding(self) -> Encoding {
        let found = Self::ALL.iter().find(|(_, level, _)| *level == self);
        found.map_or(
            (DataSrc::LVL_NA, DataSrc::NUM_NA, false),
            |(.., encoding)| *encoding,
        )
    }
}

impl Snoop {
    /// The words of the tables with `mem_snoop` and `mem_snoopx`.
    const ALL: [(&'static str, Self, (u64, u64)); 6] = [
        ("unknown", Self::Unknown, (0, 0)),
        ("none", Self::None, (DataSrc::SNOOP_NONE, 0)),
        ("hit", Self::Hit, (DataSrc::SNOOP_HIT, 0)),
        ("hitm", Self::Hitm, (DataSrc::SNOOP_HITM, 0)),
        ("peer", Self::Peer, (0, DataSrc::SNOOPX_PEER)),
        (
            "hitm+peer",
            Self::HitmPeer,
            (DataSrc::SNOOP_HITM, DataSrc::SNOOPX_PEER),
        ),
    ];

    /// The state that a table calls so.
    pub(super) fn named(word: &str) -> Result<Self> {
        match Self::ALL.iter().find(|(name, ..)| *name == word) {
            Some((_, snoop, _)) => Ok(*snoop),
            None => bail!(
                "{word} is no snoop result ({})",
                Self::ALL.map(|(name, ..)| name).join(", ")
            ),
        }
    }

    pub(super) fn encoding(self) -> (u64, u64) {
        let found = Self::ALL.iter().find(|(_, snoop, _)| *snoop == self);
        found.map_or((0, 0), |(.., encoding)| *encoding)
    }
}
