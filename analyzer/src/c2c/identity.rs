//! Which raw lines are one line.
//!
//! The rule is perf's (`sort__dcacheline_cmp` in `tools/perf/util/sort.c`, as of
//! 7.2): by CPU mode, mapped before unmapped, the file behind the mapping, the
//! process for private memory without a file, and the address inside the
//! mapping. A shared mapping is one line wherever it is mapped.

use super::code_pages::{CodePage, CodePages, PAGE};
use super::lines::{RawKey, RawLine};
use crate::space::{AddressSpace, During, MapId};
use contend_perfdata::{At, CpuMode};
use foldhash::HashSet;
use rayon::prelude::*;

/// A line, in the order in which perf breaks ties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LineId {
    mode: u8,
    unmapped: bool,
    order: u32,
    pid: i32,
    address: u64,
    class: u32,
}

impl LineId {
    /// The line of a raw line under a mapping.
    pub(crate) fn new(space: &AddressSpace, key: RawKey, map: Option<MapId>) -> Self {
        let Some(map) = map else {
            return Self {
                mode: key.mode,
                unmapped: true,
                order: 0,
                pid: 0,
                address: key.line,
                class: 0,
            };
        };
        let identity = space.identity(map);
        let is_private =
            identity.per_process && CpuMode::from_misc(u16::from(key.mode)) != CpuMode::Kernel;
        Self {
            mode: key.mode,
            unmapped: false,
            order: identity.order,
            pid: if is_private { key.pid } else { 0 },
            address: space.map_relative(map, key.line),
            class: identity.class,
        }
    }

    /// Whether the data address has no mapping.
    pub(crate) fn is_unmapped(&self) -> bool {
        self.unmapped
    }
}

/// Where a raw line stands in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RawRef {
    pub(super) shard: u32,
    pub(super) index: u32,
}

/// What became of the raw lines.
pub(super) struct Resolved {
    /// Every raw line that was under one mapping all the time, by line.
    pub(super) lines: Vec<(LineId, RawRef)>,
    /// Raw lines whose mapping changed between their first and last sample:
    /// their samples have to be looked up one by one.
    pub(super) varying: HashSet<RawKey>,
}

/// Finds the line of every raw line.
pub(super) fn resolve_lines(
    space: &AddressSpace,
    shards: &[Vec<RawLine>],
    line_size: u64,
) -> Resolved {
    type Part = (Vec<(LineId, RawRef)>, Vec<RawKey>);
    let parts: Vec<Part> = shards
        .par_iter()
        .enumerate()
        .map(|(shard, lines)| {
            let mut known = Vec::with_capacity(lines.len());
            let mut varying = Vec::new();
            for (index, line) in lines.iter().enumerate() {
                match mapping_of(space, line, line_size) {
                    During::Same(map) => {
                        let place = RawRef {
                            shard: shard as u32,
                            index: index as u32,
                        };
                        known.push((LineId::new(space, line.key, map), place));
                    }
                    During::Varies => varying.push(line.key),
                }
            }
            (known, varying)
        })
        .collect();
    let mut lines = Vec::with_capacity(parts.iter().map(|(known, _)| known.len()).sum());
    let mut all_varying = HashSet::default();
    for (known, varying) in parts {
        lines.extend(known);
        all_varying.extend(varying);
    }
    lines.par_sort_unstable();
    Resolved {
        lines,
        varying: all_varying,
    }
}

/// The mapping of a raw line while it was sampled. Mappings begin and end on
/// pages, but kernel modules and BPF programs do not: then the line's bytes are
/// under different mappings.
fn mapping_of(space: &AddressSpace, line: &RawLine, line_size: u64) -> During {
    let RawKey {
        line: start,
        pid,
        mode,
    } = line.key;
    let mode = CpuMode::from_misc(u16::from(mode));
    let last = At {
        time: line.last_time,
        pos: u64::MAX,
    };
    let first = space.find_during(mode, pid, start, line.first, last);
    if mode == CpuMode::User {
        return first;
    }
    let end = start.saturating_add(line_size - 1);
    match (first, space.find_during(mode, pid, end, line.first, last)) {
        (During::Same(a), During::Same(b)) if a == b => During::Same(a),
        _ => During::Varies,
    }
}

/// The pages of code that had no mapping at some time while they were sampled.
pub(super) fn unmapped_code(space: &AddressSpace, pages: CodePages) -> HashSet<CodePage> {
    let mapped = |mode: CpuMode, pid: i32, ip: u64, from: At, to: At| match space
        .find_during(mode, pid, ip, from, to)
    {
        During::Same(map) => map,
        During::Varies => None,
    };
    let unmapped = pages.into_iter().filter(|(page, span)| {
        let from = span.first;
        let to = At {
            time: span.last_time,
            pos: u64::MAX,
        };
        let start = page.page * PAGE;
        // Mappings of a process are whole pages. Kernel modules and BPF programs
        // are not: there may be a gap between two of them on a page.
        let ends = [start, start + PAGE - 1];
        let is_user = ends
            .map(|ip| mapped(CpuMode::User, page.pid, ip, from, to))
            .iter()
            .all(Option::is_some);
        let [first, last] = ends.map(|ip| mapped(CpuMode::Kernel, page.pid, ip, from, to));
        !(is_user || first.is_some() && first == last)
    });
    unmapped.map(|(page, _)| page).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use contend_perfdata::SideBand;

    fn symbol(start: u64, length: u32) -> (At, SideBand) {
        let event = SideBand::Ksymbol {
            start,
            length,
            kind: 1,
            unregister: false,
            name: b"bpf_prog".as_slice().into(),
        };
        (
            At {
                time: 1,
                pos: start,
            },
            event,
        )
    }

    #[test]
    fn a_gap_between_two_bpf_programs_is_not_taken_for_mapped() {
        let page = 0xffff_ffff_c000_1000;
        let suspects = |symbols: Vec<(At, SideBand)>| {
            let space = AddressSpace::build(symbols, &[]);
            let mut pages = CodePages::new();
            pages.note(7, page + 0x800, At { time: 5, pos: 9 });
            unmapped_code(&space, pages).len()
        };
        assert_eq!(
            suspects(vec![symbol(page, 0x100), symbol(page + 0xf00, 0x100)]),
            1
        );
        assert_eq!(suspects(vec![symbol(page, 0x100)]), 1);
        assert_eq!(suspects(vec![symbol(page, 0x1000)]), 0);
    }
}
