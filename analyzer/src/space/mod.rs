//! Processes, threads and mappings over time, complete before the first sample
//! is resolved.

mod build;
mod dso;
mod mapset;
#[cfg(test)]
mod tests;
mod threads;

pub(crate) use dso::{Dso, DsoId, DsoKind, Identity};
pub(crate) use mapset::{MapSet, Sweep};

use contend_perfdata::{At, BuildId, CpuMode, SideBand};
use mapset::TooManyVisits;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use threads::Threads;

/// `MAP_SHARED` of `mmap(2)`.
const MAP_SHARED: u32 = 1;

/// A mapping of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MapId(u32);

impl MapId {
    /// The mapping at a place of a list; absent behind the last that can be
    /// numbered.
    pub(crate) fn from_index(index: usize) -> Option<Self> {
        u32::try_from(index).ok().map(Self)
    }

    /// Its place in the list.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address (AVMA).
    pub start: u64,
    /// Behind the last address (AVMA).
    pub end: u64,
    /// Where in the file it begins, in bytes.
    pub file_offset: u64,
    /// What is mapped.
    pub dso: DsoId,
    /// `MAP_` bits.
    pub flags: u32,
    /// Whether code may run in it; old writers told of such mappings only, and
    /// marked those of data.
    pub executable: bool,
    /// Whether simpleperf made it up for a function of a JIT compiler. The file
    /// has the function's symbol at the address where it ran, so addresses in
    /// such a mapping are absolute.
    pub compiled: bool,
}

/// Where the capture's kernel was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelReference {
    /// The symbol by which the capture places it: `_text` or `_stext`.
    pub symbol: String,
    /// The symbol's address then.
    pub address: u64,
    /// Behind the last address of its mapping. perf takes it from the symbol
    /// `_edata` or `_etext`; older ones from the first module, or do not know it
    /// (`machine__get_running_kernel_start` in `tools/perf/util/machine.c`).
    pub end: u64,
}

/// The address space of one process between two of its execs, or the kernel's.
#[derive(Debug)]
struct Image {
    maps: MapSet,
    /// Where it took its first mappings from, and when.
    parent: Option<(ImageId, At)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct ImageId(u32);

/// What is the same at two moments if nothing was mapped, unmapped, forked or
/// executed in a process and in the kernel between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Epoch {
    image: Option<ImageId>,
    changes: usize,
    kernel_changes: usize,
}

/// The kernel's mappings.
const KERNEL: ImageId = ImageId(0);

/// What was mapped at an address over a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    /// All the time the same memory at the same place in it (or nothing); one
    /// of the mappings.
    Same(Option<MapId>),
    /// Different memory at different moments.
    Varies,
}

/// Processes, threads and mappings over time.
#[derive(Debug)]
pub struct AddressSpace {
    maps: Vec<Mapping>,
    dsos: Vec<Dso>,
    classes: Vec<dso::Class>,
    images: Vec<Image>,
    /// The images of each process, in the order of time.
    processes: FxHashMap<i32, Vec<(At, ImageId)>>,
    threads: Threads,
    notes: BTreeMap<&'static str, u64>,
    given_up: Arc<AtomicU64>,
}

impl AddressSpace {
    /// Builds the space from the side band, in any order, and the header's
    /// table of build-ids.
    pub fn build(mut events: Vec<(At, SideBand)>, build_ids: &[BuildId]) -> Self {
        // Places are unique, so equal keys are copies of one record.
        events.sort_by_key(|(at, _)| *at);
        build::build(events, build_ids)
    }

    /// What is mapped at an address: in the process for user mode, in the
    /// kernel for kernel mode, nothing for other modes
    /// (`thread__find_map` in `tools/perf/util/event.c`).
    pub fn find(&self, mode: CpuMode, pid: i32, address: u64, at: At) -> Option<MapId> {
        let image = match mode {
            CpuMode::Kernel => KERNEL,
            CpuMode::User => self.image_at(pid, at)?,
            _ => return None,
        };
        self.find_in(image, address, at)
    }

    /// What is mapped at the address of an instruction, whatever mode its sample
    /// claims: first in the process, then in the kernel
    /// (`thread__find_cpumode_addr_location` in `tools/perf/util/machine.c`).
    pub fn find_code(&self, pid: i32, ip: u64, at: At) -> Option<MapId> {
        self.find(CpuMode::User, pid, ip, at)
            .or_else(|| self.find(CpuMode::Kernel, pid, ip, at))
    }

    /// Whether anything is known of a process.
    pub(crate) fn has_process(&self, pid: i32) -> bool {
        self.processes.contains_key(&pid)
    }

    /// The code that is mapped at an address; nothing where a process has memory
    /// in which no code can run. The kernel's mappings are all of code, though
    /// perf describes some without a protection.
    pub(crate) fn find_executable(
        &self,
        mode: CpuMode,
        pid: i32,
        address: u64,
        at: At,
    ) -> Option<MapId> {
        let found = self.find(mode, pid, address, at);
        found.filter(|&map| mode == CpuMode::Kernel || self.map(map).executable)
    }

    /// Tells apart the moments at which the same addresses may be different
    /// code: what was found in one epoch of a process need not be looked up
    /// again.
    pub(crate) fn epoch(&self, pid: i32, at: At) -> Epoch {
        let changes = |image: ImageId| self.images[image.0 as usize].maps.changes_before(at);
        let image = self.image_at(pid, at);
        Epoch {
            image,
            changes: image.map_or(0, changes),
            kernel_changes: changes(KERNEL),
        }
    }

    fn image_at(&self, pid: i32, at: At) -> Option<ImageId> {
        let images = self.processes.get(&pid)?;
        let after = images.partition_point(|&(from, _)| from <= at);
        images.get(after.checked_sub(1)?).map(|&(_, image)| image)
    }

    fn find_in(&self, mut image: ImageId, address: u64, mut at: At) -> Option<MapId> {
        loop {
            let Image { maps, parent } = &self.images[image.0 as usize];
            match maps.find(address, at) {
                Ok(Some(rect)) => return Some(rect.map),
                Ok(None) => {}
                Err(TooManyVisits) => {
                    self.given_up.fetch_add(1, Ordering::Relaxed);
                }
            }
            // What a process does not map over, it has from its parent.
            (image, at) = (*parent)?;
        }
    }

    /// What was mapped at an address from one moment to another, both included.
    pub fn find_during(&self, mode: CpuMode, pid: i32, address: u64, from: At, to: At) -> During {
        let none = During::Same(None);
        let mut spans: Vec<(ImageId, At, At)> = Vec::new();
        match mode {
            CpuMode::Kernel => spans.push((KERNEL, from, to)),
            CpuMode::User => {
                let Some(images) = self.processes.get(&pid) else {
                    return none;
                };
                let first = images.partition_point(|&(begin, _)| begin <= from);
                if first == 0 && images.first().is_some_and(|&(begin, _)| begin <= to) {
                    // Sampled before anything was known of the process.
                    return During::Varies;
                }
                for index in first.saturating_sub(1)..images.len() {
                    let (begin, image) = images[index];
                    if begin > to {
                        break;
                    }
                    let end = images.get(index + 1).map_or(to, |&(next, _)| to.min(next));
                    spans.push((image, from.max(begin), end));
                }
            }
            _ => return none,
        }
        let mut answer: Option<Option<MapId>> = None;
        for (image, from, to) in spans {
            let During::Same(map) = self.image_during(image, address, from, to) else {
                return During::Varies;
            };
            match answer {
                Some(known) if !self.is_same_memory(known, map, address) => {
                    return During::Varies;
                }
                Some(_) => {}
                None => answer = Some(map),
            }
        }
        During::Same(answer.flatten())
    }

    fn image_during(&self, image: ImageId, address: u64, from: At, to: At) -> During {
        let maps = &self.images[image.0 as usize].maps;
        let mut moments: Vec<At> = Vec::new();
        let mut covering = None;
        let mut visited = 0;
        let all_visited = maps.during(address, from, to, |rect| {
            visited += 1;
            if rect.from <= from && rect.outlasts(to) {
                covering = Some(rect.map);
            } else {
                moments.extend([rect.from, rect.to]);
            }
        });
        if !all_visited {
            self.given_up.fetch_add(1, Ordering::Relaxed);
            return During::Varies;
        }
        // Others are there only under the stretched kernel, and go before it.
        if visited == 1
            && let Some(map) = covering
        {
            return During::Same(Some(map));
        }
        let answer = self.find_in(image, address, from);
        let is_same = moments
            .into_iter()
            .filter(|&moment| from < moment && moment <= to)
            .map(|moment| self.find_in(image, address, moment))
            .all(|map| self.is_same_memory(answer, map, address));
        if is_same {
            During::Same(answer)
        } else {
            During::Varies
        }
    }

    /// Whether two mappings show the same memory at an address.
    fn is_same_memory(&self, a: Option<MapId>, b: Option<MapId>, address: u64) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => {
                a == b
                    || self.identity(a) == self.identity(b)
                        && self.map_relative(a, address) == self.map_relative(b, address)
            }
            (None, None) => true,
            _ => false,
        }
    }

    /// A mapping.
    pub fn map(&self, map: MapId) -> &Mapping {
        &self.maps[map.0 as usize]
    }

    /// All mappings.
    pub(crate) fn maps(&self) -> impl Iterator<Item = &Mapping> {
        self.maps.iter()
    }

    /// What is mapped by a mapping.
    pub fn dso(&self, dso: DsoId) -> &Dso {
        &self.dsos[dso.0 as usize]
    }

    /// How many DSOs there are.
    pub(crate) fn dso_count(&self) -> usize {
        self.dsos.len()
    }

    /// All DSOs.
    pub fn dsos(&self) -> impl Iterator<Item = &Dso> {
        self.dsos.iter()
    }

    /// An address inside what is mapped: the offset in a file, the address
    /// itself for the kernel and for memory without a file (`map__map_ip` and
    /// `identity__map_ip` in `tools/perf/util/map.h`).
    pub fn map_relative(&self, map: MapId, address: u64) -> u64 {
        let mapping = self.map(map);
        let offset = address.wrapping_sub(mapping.start);
        match self.dso(mapping.dso).kind {
            DsoKind::Anonymous | DsoKind::Kernel => address,
            DsoKind::Vdso | DsoKind::Module => offset,
            DsoKind::File if mapping.compiled => address,
            DsoKind::File => offset.wrapping_add(mapping.file_offset),
        }
    }

    /// The file whose zeroed memory a mapping may be: the loader puts variables
    /// without a value behind those with one, in memory without a file. The
    /// mapping in front of it, in user mode.
    pub fn loaded_before(&self, map: MapId, pid: i32, at: At) -> Option<MapId> {
        let mapping = self.map(map);
        if !matches!(&*self.dso(mapping.dso).name, b"//anon" | b"") {
            return None;
        }
        let last = mapping.start.checked_sub(1)?;
        let before = self.find(CpuMode::User, pid, last, at)?;
        let kind = self.dso(self.map(before).dso).kind;
        (kind == DsoKind::File).then_some(before)
    }

    /// Where the capture's kernel was. Absent when there is no mapping of the
    /// kernel, or it names no symbol.
    pub fn kernel_reference(&self) -> Option<KernelReference> {
        let kernel = self
            .maps
            .iter()
            .find(|map| self.dso(map.dso).kind == DsoKind::Kernel)?;
        let name = self.dso(kernel.dso).display_name();
        let (_, symbol) = name.split_once(']')?;
        let is_known = !symbol.is_empty() && kernel.file_offset != 0;
        is_known.then(|| KernelReference {
            symbol: symbol.to_owned(),
            address: kernel.file_offset,
            end: kernel.end,
        })
    }

    /// What tells the memory behind a mapping apart from other memory.
    pub fn identity(&self, map: MapId) -> Identity {
        let mapping = self.map(map);
        let dso = self.dso(mapping.dso);
        let has_device = dso
            .inode
            .is_some_and(|inode| inode.major != 0 || inode.minor != 0);
        let class = self.classes[mapping.dso.0 as usize];
        Identity {
            class: class.id,
            order: class.order,
            per_process: mapping.flags & MAP_SHARED == 0 && !has_device && dso.build_id.is_none(),
        }
    }

    /// The name of a thread at a moment; before its first name that one. Absent
    /// when the capture never names it, or not yet since its number was used
    /// for another thread.
    pub fn comm(&self, tid: i32, at: At) -> Option<&str> {
        self.threads.at(tid, at)
    }

    /// How many look-ups found nothing because too many mappings nest around the
    /// address. It grows with every look-up.
    pub(crate) fn given_up(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.given_up)
    }

    /// What was odd in the side band, with how often.
    pub fn notes(&self) -> &BTreeMap<&'static str, u64> {
        &self.notes
    }
}
