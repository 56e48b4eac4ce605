//! The address space against a naive model of it.
//!
//! The model replays all records up to a moment in order, into lists of pieces
//! that a fork copies. It knows nothing of images, rectangles or trees.

use super::script::{MAP_PRIVATE, MAP_SHARED, inode, kernel_mapping, mapping};
use crate::space::{AddressSpace, During, MapId};
use contend_perfdata::{At, CpuMode, FileId, Mmap, SideBand};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

const PAGE: u64 = 0x1000;
/// Addresses lie below this many pages, so that mappings meet.
const PAGES: u64 = 24;
const PIDS: i32 = 4;
/// Times are below, so that many records have the same.
const TIMES: u64 = 40;

type Records = Vec<(At, SideBand)>;

/// A part of a mapping that is left.
#[derive(Clone, Debug)]
struct Piece {
    range: Range<u64>,
    /// When it was mapped, which is another moment for each mapping.
    at: At,
    mmap: Rc<Mmap>,
}

/// What memory an address means: what is mapped, whether processes share it,
/// and the place in it.
#[derive(Clone, Debug, PartialEq)]
struct Memory {
    what: String,
    per_process: bool,
    place: u64,
}

#[derive(Clone, Debug, Default)]
struct Model {
    processes: BTreeMap<i32, Vec<Piece>>,
    kernel: Vec<Piece>,
}

fn cut(pieces: &mut Vec<Piece>, hole: &Range<u64>) {
    let old = std::mem::take(pieces);
    for Piece { range, at, mmap } in old {
        let below = range.start..range.end.min(hole.start);
        let above = range.start.max(hole.end)..range.end;
        for range in [below, above] {
            if range.start < range.end {
                pieces.push(Piece {
                    range,
                    at,
                    mmap: Rc::clone(&mmap),
                });
            }
        }
    }
}

fn map(pieces: &mut Vec<Piece>, at: At, mmap: &Mmap) {
    let range = mmap.start..mmap.start + mmap.length;
    // The same again: it goes on.
    let is_again = |piece: &Piece| piece.range == range && facts(&piece.mmap) == facts(mmap);
    if pieces.iter().any(is_again) {
        return;
    }
    cut(pieces, &range);
    pieces.push(Piece {
        range,
        at,
        mmap: Rc::new(mmap.clone()),
    });
}

fn piece_at(pieces: &[Piece], address: u64) -> Option<&Piece> {
    pieces.iter().find(|piece| piece.range.contains(&address))
}

fn is_kernel(mmap: &Mmap) -> bool {
    mmap.path.starts_with(b"[kernel.kallsyms]")
}

impl Model {
    /// The state behind the last record that is not later than `moment`.
    fn replay(records: &Records, moment: At) -> Self {
        let mut sorted: Vec<_> = records.iter().filter(|(at, _)| *at <= moment).collect();
        sorted.sort_by_key(|(at, _)| *at);
        let mut model = Self::default();
        for (at, event) in sorted {
            model.apply(*at, event);
        }
        model
    }

    fn apply(&mut self, at: At, event: &SideBand) {
        match event {
            SideBand::Mmap(mmap) if mmap.mode == CpuMode::Kernel => map(&mut self.kernel, at, mmap),
            SideBand::Mmap(mmap) => map(self.processes.entry(mmap.pid).or_default(), at, mmap),
            SideBand::Comm {
                pid, exec: true, ..
            } => {
                self.processes.insert(*pid, Vec::new());
            }
            SideBand::Fork {
                pid,
                parent_pid,
                exec,
                ..
            } if pid != parent_pid => {
                let is_described_again = *exec && at.time == 0 && self.processes.contains_key(pid);
                if !is_described_again {
                    let inherited = if *exec {
                        Vec::new()
                    } else {
                        self.processes.entry(*parent_pid).or_default().clone()
                    };
                    self.processes.insert(*pid, inherited);
                }
            }
            SideBand::Ksymbol {
                start,
                length,
                unregister,
                name,
                ..
            } => {
                let known = piece_at(&self.kernel, *start);
                if *unregister {
                    let own = known.filter(|piece| piece.mmap.path == *name);
                    if let Some(range) = own.map(|piece| piece.range.clone()) {
                        cut(&mut self.kernel, &range);
                    }
                } else if known.is_none() {
                    let end = start + u64::from(*length);
                    let name = String::from_utf8_lossy(name);
                    map(&mut self.kernel, at, &kernel_mapping(*start..end, &name));
                }
            }
            _ => {}
        }
    }

    fn find(&self, mode: CpuMode, pid: i32, address: u64) -> Option<Rc<Mmap>> {
        let pieces = match mode {
            CpuMode::Kernel => &self.kernel,
            CpuMode::User => self.processes.get(&pid)?,
            _ => return None,
        };
        piece_at(pieces, address).map(|piece| Rc::clone(&piece.mmap))
    }
}

/// The model with all records, for questions about moments.
struct History<'a> {
    records: &'a Records,
    end: Model,
}

impl<'a> History<'a> {
    fn new(records: &'a Records) -> Self {
        let end = At {
            time: u64::MAX,
            pos: u64::MAX,
        };
        Self {
            records,
            end: Model::replay(records, end),
        }
    }

    fn find(&self, mode: CpuMode, pid: i32, address: u64, moment: At) -> Option<Rc<Mmap>> {
        let model = Model::replay(self.records, moment);
        let found = model.find(mode, pid, address);
        if found.is_some() || mode != CpuMode::Kernel {
            return found;
        }
        // At the end of the capture the kernel reaches up to the next mapping,
        // and does so from its beginning on.
        let below = self
            .end
            .kernel
            .iter()
            .filter(|piece| piece.range.end <= address);
        let nearest = below.max_by_key(|piece| piece.range.end)?;
        let has_next = self
            .end
            .kernel
            .iter()
            .any(|piece| piece.range.start > address);
        let covered = piece_at(&self.end.kernel, address).is_some();
        let was_there = nearest.at <= moment;
        (has_next && !covered && was_there && is_kernel(&nearest.mmap))
            .then(|| Rc::clone(&nearest.mmap))
    }

    /// Every moment of a span at which something may change.
    fn moments(&self, from: At, to: At) -> Vec<At> {
        let inside = |moment: &At| from < *moment && *moment <= to;
        let changes = self.records.iter().map(|(at, _)| *at).filter(inside);
        std::iter::once(from).chain(changes).collect()
    }

    fn knows(&self, pid: i32, moment: At) -> bool {
        let model = Model::replay(self.records, moment);
        model.processes.contains_key(&pid)
    }
}

fn memory(mmap: &Mmap, address: u64) -> Memory {
    let path = String::from_utf8_lossy(&mmap.path);
    let is_anonymous = path == "//anon" || path == "[heap]";
    let inode = match mmap.file {
        FileId::Inode(inode) => Some(inode.inode),
        _ => None,
    };
    let what = match inode {
        Some(inode) => format!("inode {inode}"),
        None if is_anonymous => "memory".to_owned(),
        None => path.to_string(),
    };
    let in_kernel = mmap.mode == CpuMode::Kernel;
    let place = if is_anonymous || is_kernel(mmap) {
        address
    } else if in_kernel || path == "[vdso]" {
        address - mmap.start
    } else {
        address - mmap.start + mmap.file_offset
    };
    Memory {
        what,
        per_process: mmap.flags & MAP_SHARED == 0 && inode.is_none(),
        place,
    }
}

/// What the space says of a mapping, as the model would.
fn as_mmap(space: &AddressSpace, map: MapId, mode: CpuMode) -> Mmap {
    let mapping = space.map(map);
    let dso = space.dso(mapping.dso);
    Mmap {
        file_offset: mapping.file_offset,
        file: dso.inode.map_or(FileId::Unknown, FileId::Inode),
        flags: mapping.flags,
        mode,
        ..super::script::mapping(0, mapping.start..mapping.end, &dso.display_name())
    }
}

/// What tells two mappings apart in the model.
fn facts(mmap: &Mmap) -> (u64, u64, u64, u32, FileId, &[u8]) {
    let end = mmap.start + mmap.length;
    (
        mmap.start,
        end,
        mmap.file_offset,
        mmap.flags,
        mmap.file,
        &mmap.path,
    )
}

fn range() -> impl Strategy<Value = Range<u64>> {
    (0..PAGES, 1..PAGES / 2).prop_map(|(start, pages)| start * PAGE..(start + pages) * PAGE)
}

fn user_mapping() -> impl Strategy<Value = Mmap> {
    (1..=PIDS, range(), 0..8).prop_map(|(pid, range, kind)| {
        let start = range.start;
        let mmap = |path: &str| mapping(pid, range.clone(), path);
        match kind {
            // Wherever it is mapped, an address shows the same place in it.
            0 | 1 => Mmap {
                file: inode(1),
                file_offset: start,
                ..mmap("/lib/a.so")
            },
            2 => Mmap {
                file: inode(1),
                ..mmap("/lib/a.so")
            },
            3 => Mmap {
                file: inode(2),
                flags: MAP_SHARED,
                ..mmap("/dev/shm/b")
            },
            4 => mmap("//anon"),
            5 => Mmap {
                flags: MAP_SHARED,
                ..mmap("//anon")
            },
            6 => Mmap {
                flags: MAP_PRIVATE,
                file_offset: start,
                ..mmap("/unknown")
            },
            _ => mmap("[vdso]"),
        }
    })
}

fn kernel_event() -> impl Strategy<Value = SideBand> {
    let names = prop::sample::select(&["[kernel.kallsyms]_text", "[nf]", "[xt]"]);
    let symbol = (range(), 0..2, any::<bool>());
    prop_oneof![
        (range(), names).prop_map(|(range, name)| SideBand::Mmap(kernel_mapping(range, name))),
        symbol.prop_map(|(range, name, unregister)| SideBand::Ksymbol {
            start: range.start,
            length: (range.end - range.start) as u32,
            kind: 1,
            unregister,
            name: format!("bpf_{name}").into_bytes().into(),
        }),
    ]
}

fn fork() -> impl Strategy<Value = SideBand> {
    (1..=PIDS, 1..=PIDS, 0..4).prop_map(|(parent_pid, pid, exec)| SideBand::Fork {
        pid,
        parent_pid,
        tid: pid,
        parent_tid: parent_pid,
        exec: exec == 0,
    })
}

fn event() -> impl Strategy<Value = SideBand> {
    prop_oneof![
        6 => user_mapping().prop_map(SideBand::Mmap),
        2 => kernel_event(),
        2 => fork(),
        1 => (1..=PIDS, any::<bool>()).prop_map(|(pid, exec)| SideBand::Comm {
            pid,
            tid: pid,
            name: b"name".as_slice().into(),
            exec,
        }),
        1 => (1..=PIDS).prop_map(|pid| SideBand::Exit { pid, tid: pid }),
    ]
}

/// Records in the order of a file, which is not that of time.
fn records() -> impl Strategy<Value = Records> {
    prop::collection::vec((0..TIMES, event()), 0..50).prop_map(|events| {
        let places = 0..;
        let timed = places.zip(events);
        timed
            .map(|(pos, (time, event))| (At { time, pos }, event))
            .collect()
    })
}

fn moment() -> impl Strategy<Value = At> {
    (0..TIMES + 2, 0..60_u64).prop_map(|(time, pos)| At { time, pos })
}

fn question() -> impl Strategy<Value = (CpuMode, i32, u64)> {
    let modes = prop::sample::select(&[CpuMode::User, CpuMode::User, CpuMode::Kernel]);
    (modes, 1..=PIDS, 0..PAGES * 3 / 2, 0..PAGE)
        .prop_map(|(mode, pid, page, byte)| (mode, pid, page * PAGE + byte))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_space_finds_what_a_replay_finds(
        records in records(),
        questions in prop::collection::vec((question(), moment()), 20),
    ) {
        let space = AddressSpace::build(records.clone(), &[]);
        let history = History::new(&records);
        for ((mode, pid, address), moment) in questions {
            let expected = history.find(mode, pid, address, moment);
            let found = space.find(mode, pid, address, moment);
            let found = found.map(|map| as_mmap(&space, map, mode));
            prop_assert_eq!(
                found.as_ref().map(facts),
                expected.as_deref().map(facts),
                "{:?} {} {:#x} {:?}", mode, pid, address, moment
            );
            // Place and identity agree where the mapping does.
            if let (Some(found), Some(expected)) = (found, expected) {
                prop_assert_eq!(memory(&found, address), memory(&expected, address));
            }
        }
    }

    #[test]
    fn a_span_is_the_same_when_every_moment_of_it_is(
        records in records(),
        questions in prop::collection::vec((question(), moment(), moment()), 20),
    ) {
        let space = AddressSpace::build(records.clone(), &[]);
        let history = History::new(&records);
        for ((mode, pid, address), a, b) in questions {
            let (from, to) = (a.min(b), a.max(b));
            let memory_at = |moment| {
                let mmap = history.find(mode, pid, address, moment)?;
                Some(memory(&mmap, address))
            };
            let all: Vec<_> = history.moments(from, to).into_iter().map(memory_at).collect();
            let what = format!("{mode:?} {pid} {address:#x} {from:?} {to:?}: {all:?}");
            match space.find_during(mode, pid, address, from, to) {
                During::Same(map) => {
                    let found = map.map(|map| {
                        let place = space.map_relative(map, address);
                        let memory = memory(&as_mmap(&space, map, mode), address);
                        assert_eq!(memory.place, place);
                        memory
                    });
                    for memory in &all {
                        prop_assert_eq!(&found, memory, "{}", &what);
                    }
                }
                During::Varies => {
                    // Careful only where a process becomes known in the span.
                    let is_new = mode == CpuMode::User
                        && !history.knows(pid, from)
                        && history.knows(pid, to);
                    let differs = all.iter().any(|memory| *memory != all[0]);
                    prop_assert!(differs || is_new, "{}", what);
                }
            }
        }
    }
}
