//! The machine a capture comes from: cores, NUMA nodes, caches, memory.

use std::ops::RangeInclusive;

use super::bits::feature;
use super::cpus::{self, MAX_CPUS};
use super::note::Note;
use super::text::{string, strings};
use crate::Cursor;

/// How many caches of one CPU are counted on when lists of CPUs are bounded:
/// two at level 1, one at each further level, and room to spare.
const CACHES_PER_CPU: usize = 8;

/// The most ranges of memory blocks that are kept. A bitmap takes one byte for
/// what may be four ranges of 16 bytes, so a bound is needed; real machines
/// have a handful of ranges a node.
const MAX_MEMORY_RANGES: usize = 1 << 16;

/// How many CPUs there are (feature NRCPUS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NrCpus {
    /// The highest CPU number there can be, plus 1.
    pub available: u32,
    /// How many were online when recording began.
    pub online: u32,
}

/// Where one CPU sits. `None` where the recorder could not tell, as for a CPU
/// that is offline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuPlace {
    /// The core, counted within its socket or die.
    pub core: Option<u32>,
    /// The socket.
    pub socket: Option<u32>,
    /// The die within the socket; absent from older files.
    pub die: Option<u32>,
}

/// Which CPUs share what (feature CPU_TOPOLOGY). The lists are texts such as
/// `0-3,8`; [`cpu_list`](crate::cpu_list) takes them apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuTopology {
    /// The CPUs of each socket.
    pub cores: Vec<String>,
    /// The CPUs of each core.
    pub threads: Vec<String>,
    /// The CPUs of each die; empty in older files.
    pub dies: Vec<String>,
    /// One place a CPU number; empty in older files and where the number of
    /// CPUs is not known.
    pub cpus: Vec<CpuPlace>,
}

/// A NUMA node (feature NUMA_TOPOLOGY).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumaNode {
    /// The number of the node, which need not be its place in the list.
    pub id: u32,
    /// Its memory in kB.
    pub mem_total_kb: u64,
    /// What of it was free when recording began, in kB.
    pub mem_free_kb: u64,
    /// Its CPUs; none for a node of memory only.
    pub cpus: Vec<u32>,
}

/// One cache (feature CACHE).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheInfo {
    /// 1 for the cache next to the core.
    pub level: u32,
    /// Bytes a line.
    pub line_size: u32,
    /// Number of sets.
    pub sets: u32,
    /// Lines a set.
    pub ways: u32,
    /// `Data`, `Instruction` or `Unified`.
    pub kind: String,
    /// Its size as the kernel prints it: `32K`.
    pub size: String,
    /// The CPUs that share it.
    pub cpus: Vec<u32>,
}

/// Which memory belongs to which node (feature MEM_TOPOLOGY).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemTopology {
    /// Bytes a memory block.
    pub block_size: u64,
    /// The nodes that have memory.
    pub nodes: Vec<MemNode>,
}

/// The memory of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemNode {
    /// The number of the node.
    pub id: u64,
    /// How many memory blocks the kernel may number.
    pub size: u64,
    /// The numbers of its blocks; physical addresses are these times
    /// [`MemTopology::block_size`].
    pub blocks: Vec<RangeInclusive<u64>>,
}

impl NrCpus {
    /// tools/perf/util/header.c, process_nrcpus.
    pub(super) fn parse(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self {
            available: cursor.u32()?,
            online: cursor.u32()?,
        })
    }
}

impl CpuTopology {
    /// tools/perf/util/header.c, process_cpu_topology: two lists of texts; in
    /// newer files core and socket of each CPU; in yet newer ones a list of
    /// dies and the die of each CPU. How many CPUs is told by NRCPUS, which
    /// comes first; without it the places cannot be told from the dies.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>, available: Option<u32>) -> Option<()> {
        strings(cursor, &mut self.cores)?;
        strings(cursor, &mut self.threads)?;
        let Some(available) = available.filter(|_| cursor.remaining() > 0) else {
            return Some(());
        };
        for _ in 0..available {
            let core = place(cursor.u32()?);
            let socket = place(cursor.u32()?);
            self.cpus.push(CpuPlace {
                core,
                socket,
                die: None,
            });
        }
        if cursor.remaining() == 0 {
            return Some(());
        }
        strings(cursor, &mut self.dies)?;
        for cpu in &mut self.cpus {
            cpu.die = place(cursor.u32()?);
        }
        Some(())
    }
}

/// The kernel's "-1" for a place that is not known.
fn place(number: u32) -> Option<u32> {
    (number != u32::MAX).then_some(number)
}

/// tools/perf/util/header.c, process_numa_topology. Returns the note on CPUs
/// that were left out, if any; `None` when the list ends early.
pub(super) fn read_numa(
    cursor: &mut Cursor<'_>,
    nodes: &mut Vec<NumaNode>,
) -> Option<Result<(), Note>> {
    // A CPU belongs to one node, so all lists together are no longer than one.
    let mut budget = MAX_CPUS as usize;
    let mut dropped = 0;
    for _ in 0..cursor.u32()? {
        let (id, mem_total_kb, mem_free_kb) = (cursor.u32()?, cursor.u64()?, cursor.u64()?);
        let mut cpus = Vec::new();
        dropped += cpus::extend(&mut cpus, &string(cursor)?, budget);
        budget -= cpus.len();
        nodes.push(NumaNode {
            id,
            mem_total_kb,
            mem_free_kb,
            cpus,
        });
    }
    Some(left_out(feature::NUMA_TOPOLOGY, dropped))
}

/// tools/perf/util/header.c, process_cache.
pub(super) fn read_caches(
    cursor: &mut Cursor<'_>,
    caches: &mut Vec<CacheInfo>,
) -> Option<Result<(), Note>> {
    let version = cursor.u32()?;
    if version != 1 {
        return Some(Err(Note::FeatureVersion {
            bit: feature::CACHE,
            version: version.into(),
        }));
    }
    let mut budget = MAX_CPUS as usize * CACHES_PER_CPU;
    let mut dropped = 0;
    for _ in 0..cursor.u32()? {
        let mut cache = CacheInfo {
            level: cursor.u32()?,
            line_size: cursor.u32()?,
            sets: cursor.u32()?,
            ways: cursor.u32()?,
            kind: string(cursor)?,
            size: string(cursor)?,
            cpus: Vec::new(),
        };
        dropped += cpus::extend(&mut cache.cpus, &string(cursor)?, budget);
        budget -= cache.cpus.len();
        caches.push(cache);
    }
    Some(left_out(feature::CACHE, dropped))
}

fn left_out(bit: u32, dropped: u64) -> Result<(), Note> {
    match dropped {
        0 => Ok(()),
        dropped => Err(Note::CpusDropped { bit, dropped }),
    }
}

impl MemTopology {
    /// tools/perf/util/header.c, process_mem_topology and do_read_bitmap.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>) -> Option<Result<(), Note>> {
        let bit = feature::MEM_TOPOLOGY;
        let version = cursor.u64()?;
        if version != 1 {
            return Some(Err(Note::FeatureVersion { bit, version }));
        }
        self.block_size = cursor.u64()?;
        let mut budget = MAX_MEMORY_RANGES;
        for _ in 0..cursor.u64()? {
            let (id, size, bits) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
            let words = usize::try_from(bits.div_ceil(64)).ok()?;
            let mut words = Cursor::new(cursor.bytes(words.checked_mul(8)?)?, cursor.endian());
            let mut blocks = Vec::new();
            let complete = set_bits(&mut words, budget, &mut blocks);
            budget -= blocks.len();
            self.nodes.push(MemNode { id, size, blocks });
            if !complete {
                return Some(Err(Note::RangesDropped { bit }));
            }
        }
        Some(Ok(()))
    }
}

/// The set bits of a bitmap as at most `budget` ranges; false when there are
/// more.
fn set_bits(words: &mut Cursor<'_>, budget: usize, ranges: &mut Vec<RangeInclusive<u64>>) -> bool {
    let mut base = 0;
    while let Some(mut word) = words.u64() {
        let mut at = base;
        while word != 0 {
            let zeros = word.trailing_zeros();
            let ones = (word >> zeros).trailing_ones();
            let first = at + u64::from(zeros);
            let last = first + u64::from(ones) - 1;
            let full = ranges.len() >= budget;
            match ranges.last_mut() {
                Some(range) if *range.end() + 1 == first => *range = *range.start()..=last,
                _ if full => return false,
                _ => ranges.push(first..=last),
            }
            at = last + 1;
            word = (word >> zeros).checked_shr(ones).unwrap_or(0);
        }
        base += 64;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endianness::{BigEndian, LittleEndian};

    fn le32(values: &[u32]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    }

    fn text(text: &str) -> Vec<u8> {
        let mut bytes = le32(&[8]);
        bytes.extend(text.as_bytes());
        bytes.resize(12, 0);
        bytes
    }

    #[test]
    fn topology_of_three_ages() {
        let mut bytes = [le32(&[1]), text("0-1"), le32(&[2]), text("0"), text("1")].concat();
        let ages = [
            bytes.len(),
            {
                bytes.extend(le32(&[0, 0, 1, u32::MAX]));
                bytes.len()
            },
            {
                bytes.extend([le32(&[1]), text("0-1"), le32(&[4, 5])].concat());
                bytes.len()
            },
        ];
        for (age, length) in ages.into_iter().enumerate() {
            let mut topology = CpuTopology::default();
            let mut cursor = Cursor::new(&bytes[..length], LittleEndian);
            assert_eq!(topology.read(&mut cursor, Some(2)), Some(()));
            assert_eq!(topology.cores, ["0-1"]);
            assert_eq!(topology.threads, ["0", "1"]);
            assert_eq!(topology.cpus.len(), if age > 0 { 2 } else { 0 });
            assert_eq!(topology.dies.len(), usize::from(age > 1));
            if let Some(last) = topology.cpus.last() {
                let die = (age > 1).then_some(5);
                assert_eq!((last.core, last.socket, last.die), (Some(1), None, die));
            }
        }
        let mut topology = CpuTopology::default();
        let mut cursor = Cursor::new(&bytes, LittleEndian);
        assert_eq!(topology.read(&mut cursor, Some(u32::MAX)), None);
        assert!(topology.cpus.len() < 10);
    }

    #[test]
    fn numa_nodes_share_one_budget_of_cpus() {
        let node = |id: u32, cpus| [le32(&[id, 9, 0, 4, 0]), text(cpus)].concat();
        let bytes = [le32(&[2]), node(0, "0-3,8"), node(1, "0-99999")].concat();
        let mut nodes = Vec::new();
        let result = read_numa(&mut Cursor::new(&bytes, LittleEndian), &mut nodes);
        assert_eq!(nodes[0].cpus, [0, 1, 2, 3, 8]);
        assert_eq!((nodes[0].mem_total_kb, nodes[0].mem_free_kb), (9, 4));
        assert_eq!(nodes[1].cpus.len(), 65_536 - 5);
        let dropped = 100_000 - (65_536 - 5);
        let bit = feature::NUMA_TOPOLOGY;
        assert_eq!(result, Some(Err(Note::CpusDropped { bit, dropped })));
    }

    #[test]
    fn cache_with_its_cpus() {
        let bytes = [
            le32(&[1, 1, 1, 64, 128, 8]),
            text("Data"),
            text("32K"),
            text("0,4"),
        ]
        .concat();
        let mut caches = Vec::new();
        let result = read_caches(&mut Cursor::new(&bytes, LittleEndian), &mut caches);
        assert_eq!(result, Some(Ok(())));
        assert_eq!((caches[0].level, caches[0].line_size), (1, 64));
        assert_eq!((caches[0].sets, caches[0].ways), (128, 8));
        assert_eq!(
            (caches[0].kind.as_str(), caches[0].size.as_str()),
            ("Data", "32K")
        );
        assert_eq!(caches[0].cpus, [0, 4]);
        let result = read_caches(&mut Cursor::new(&le32(&[2, 0]), LittleEndian), &mut caches);
        assert!(matches!(
            result,
            Some(Err(Note::FeatureVersion { version: 2, .. }))
        ));
    }

    #[test]
    fn memory_blocks_become_ranges() {
        let words = [0xff00_0000_0000_0003_u64, 0x1, u64::MAX];
        let mut values = vec![1_u64, 0x800_0000, 1, 7, 4096, 192];
        values.extend(words);
        for endian in [LittleEndian, BigEndian] {
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|value| match endian {
                    LittleEndian => value.to_le_bytes(),
                    BigEndian => value.to_be_bytes(),
                })
                .collect();
            let mut topology = MemTopology::default();
            assert_eq!(
                topology.read(&mut Cursor::new(&bytes, endian)),
                Some(Ok(()))
            );
            assert_eq!(topology.block_size, 0x800_0000);
            assert_eq!((topology.nodes[0].id, topology.nodes[0].size), (7, 4096));
            assert_eq!(topology.nodes[0].blocks, [0..=1, 56..=64, 128..=191]);
        }
    }

    #[test]
    fn a_bitmap_larger_than_the_section_is_refused() {
        let values = [1_u64, 1, 1, 0, 0, u64::MAX, 5];
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let mut topology = MemTopology::default();
        assert_eq!(topology.read(&mut Cursor::new(&bytes, LittleEndian)), None);
        let mut ranges = Vec::new();
        let alternating = [0x55; 64];
        assert!(!set_bits(
            &mut Cursor::new(&alternating, LittleEndian),
            10,
            &mut ranges
        ));
        assert_eq!(ranges.len(), 10);
    }
}
