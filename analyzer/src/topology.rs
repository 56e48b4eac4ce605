//! Nodes of CPUs and of physical memory, as the capture states them.

use contend_perfdata::Features;
use std::ops::Range;

/// Which node a CPU or a physical address belongs to.
///
/// perf numbers the nodes of CPUs by their place in the list of the capture and
/// those of memory by their stored number (`tools/perf/builtin-c2c.c`,
/// `tools/perf/util/mem2node.c`); on machines whose node numbers have gaps the
/// two differ. Both are kept as perf has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Topology {
    /// By CPU number: the place of its node in the list.
    cpu_nodes: Vec<Option<u16>>,
    /// Ascending, without overlap: physical addresses and their node number.
    memory: Vec<(Range<u64>, u64)>,
}

/// Nodes behind so many are no nodes: the kernel's largest `MAX_NUMNODES`.
const MOST_NODES: u16 = 1024;

impl Topology {
    /// Takes the topology from the features of a capture.
    pub(crate) fn new(features: &Features) -> Self {
        let list = &features.numa_topology;
        let mut cpu_nodes = Vec::new();
        for (index, node) in (0..MOST_NODES).zip(list) {
            for &cpu in &node.cpus {
                let cpu = cpu as usize;
                if cpu_nodes.len() <= cpu {
                    cpu_nodes.resize(cpu + 1, None);
                }
                cpu_nodes[cpu] = Some(index);
            }
        }
        Self {
            cpu_nodes,
            memory: memory_ranges(features),
        }
    }

    /// The node of a CPU, by its place in the list; absent for CPUs outside
    /// every node. perf accounts samples without a CPU to CPU 0.
    pub(crate) fn node_of_cpu(&self, cpu: u32) -> Option<u16> {
        let cpu = if cpu == u32::MAX { 0 } else { cpu };
        *self.cpu_nodes.get(cpu as usize)?
    }

    /// The number of the node that holds a physical address; absent when the
    /// capture does not tell. 0 is no address: the sample has none, or the
    /// hardware did not know it (`c2c_he__set_node` in `tools/perf/builtin-c2c.c`).
    pub(crate) fn node_of_address(&self, address: u64) -> Option<u64> {
        if address == 0 {
            return None;
        }
        let after = self
            .memory
            .partition_point(|(range, _)| range.start <= address);
        let (range, node) = self.memory.get(after.checked_sub(1)?)?;
        range.contains(&address).then_some(*node)
    }
}

fn memory_ranges(features: &Features) -> Vec<(Range<u64>, u64)> {
    let Some(topology) = &features.mem_topology else {
        return Vec::new();
    };
    let size = topology.block_size;
    let mut ranges: Vec<(Range<u64>, u64)> = Vec::new();
    for node in &topology.nodes {
        for blocks in &node.blocks {
            let bytes = blocks.start().saturating_mul(size)
                ..blocks.end().saturating_add(1).saturating_mul(size);
            ranges.push((bytes, node.id));
        }
    }
    ranges.sort_unstable_by_key(|(range, node)| (range.start, range.end, *node));
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_on_no_node() {
        let topology = Topology {
            memory: vec![(0..4096, 0), (4096..8192, 1)],
            ..Topology::default()
        };
        assert_eq!(topology.node_of_address(0), None);
        assert_eq!(topology.node_of_address(64), Some(0));
        assert_eq!(topology.node_of_address(4096), Some(1));
        assert_eq!(topology.node_of_address(8192), None);
    }
}
