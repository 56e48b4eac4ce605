//! The performance monitoring units of the machine a capture comes from.

use super::text::string;
use crate::Cursor;

/// What one PMU can do (features CPU_PMU_CAPS and PMU_CAPS).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PmuCaps {
    /// The name of the PMU.
    pub pmu: String,
    /// Names and values as in `/sys/bus/event_source/devices/PMU/caps`.
    pub caps: Vec<(String, String)>,
}

/// The CPUs of one kind in a hybrid processor (feature HYBRID_TOPOLOGY).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HybridNode {
    /// `cpu_core`, `cpu_atom`.
    pub pmu: String,
    /// Its CPUs as a text such as `0-7`;
    /// [`cpu_list`](crate::cpu_list) takes it apart.
    pub cpus: String,
}

/// Events that were counted together (feature GROUP_DESC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDesc {
    /// The name given to the group; empty for most.
    pub name: String,
    /// The number of the attribute that leads, counted from 0.
    pub leader: u32,
    /// How many attributes belong, the leader included.
    pub members: u32,
}

/// The most PMUs that are read, as in perf (MAX_PMU_MAPPINGS).
const MAX_PMUS: u32 = 4096;

/// tools/perf/util/header.c, process_pmu_mappings: number and name of each.
pub(super) fn read_mappings(cursor: &mut Cursor<'_>, into: &mut Vec<(u32, String)>) -> Option<()> {
    let count = cursor.u32()?;
    for _ in 0..count.min(MAX_PMUS) {
        into.push((cursor.u32()?, string(cursor)?));
    }
    (count <= MAX_PMUS).then_some(())
}

/// tools/perf/util/header.c, process_cpu_pmu_caps: name and value of each.
pub(super) fn read_caps(cursor: &mut Cursor<'_>, into: &mut Vec<(String, String)>) -> Option<()> {
    for _ in 0..cursor.u32()? {
        into.push((string(cursor)?, string(cursor)?));
    }
    Some(())
}

/// tools/perf/util/header.c, process_pmu_caps: the name of the PMU comes
/// behind what it can do.
pub(super) fn read_all_caps(cursor: &mut Cursor<'_>, into: &mut Vec<PmuCaps>) -> Option<()> {
    for _ in 0..cursor.u32()? {
        let mut caps = Vec::new();
        read_caps(cursor, &mut caps)?;
        let pmu = string(cursor)?;
        into.push(PmuCaps { pmu, caps });
    }
    Some(())
}

/// tools/perf/util/header.c, process_hybrid_topology.
pub(super) fn read_hybrid(cursor: &mut Cursor<'_>, into: &mut Vec<HybridNode>) -> Option<()> {
    for _ in 0..cursor.u32()? {
        into.push(HybridNode {
            pmu: string(cursor)?,
            cpus: string(cursor)?,
        });
    }
    Some(())
}

/// tools/perf/util/header.c, process_group_desc.
pub(super) fn read_groups(cursor: &mut Cursor<'_>, into: &mut Vec<GroupDesc>) -> Option<()> {
    for _ in 0..cursor.u32()? {
        into.push(GroupDesc {
            name: string(cursor)?,
            leader: cursor.u32()?,
            members: cursor.u32()?,
        });
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endianness::{BigEndian, LittleEndian};

    #[test]
    fn mappings_in_both_byte_orders() {
        let expected = [(4, "cpu".to_owned()), (9, "power".to_owned())];
        let mut found = Vec::new();
        let bytes = b"\x02\0\0\0\x04\0\0\0\x04\0\0\0cpu\0\x09\0\0\0\x06\0\0\0power\0";
        assert_eq!(
            read_mappings(&mut Cursor::new(bytes, LittleEndian), &mut found),
            Some(())
        );
        assert_eq!(found, expected);
        found.clear();
        let bytes = b"\0\0\0\x02\0\0\0\x04\0\0\0\x04cpu\0\0\0\0\x09\0\0\0\x06power\0";
        assert_eq!(
            read_mappings(&mut Cursor::new(bytes, BigEndian), &mut found),
            Some(())
        );
        assert_eq!(found, expected);
    }

    #[test]
    fn caps_name_their_pmu_last() {
        let bytes = b"\x01\0\0\0\x01\0\0\0\x02\0\0\0a\0\x02\0\0\x001\0\x04\0\0\0cpu\0";
        let mut found = Vec::new();
        assert_eq!(
            read_all_caps(&mut Cursor::new(bytes, LittleEndian), &mut found),
            Some(())
        );
        assert_eq!(found[0].pmu, "cpu");
        assert_eq!(found[0].caps, [("a".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn groups_and_hybrid_nodes() {
        let bytes = b"\x01\0\0\0\x02\0\0\0g\0\x01\0\0\0\x02\0\0\0";
        let mut groups = Vec::new();
        assert_eq!(
            read_groups(&mut Cursor::new(bytes, LittleEndian), &mut groups),
            Some(())
        );
        assert_eq!((groups[0].leader, groups[0].members), (1, 2));
        let bytes = b"\x09\0\0\0\x02\0\0\0c\0\x04\0\0\x000-7\0";
        let mut nodes = Vec::new();
        assert_eq!(
            read_hybrid(&mut Cursor::new(bytes, LittleEndian), &mut nodes),
            None
        );
        assert_eq!(
            (nodes[0].pmu.as_str(), nodes[0].cpus.as_str()),
            ("c", "0-7")
        );
    }
}
