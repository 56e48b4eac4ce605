//! One sweep over the side band in the order of time.

use super::dso::{self, DsoKind, Dsos};
use super::mapset::Sweep;
use super::threads::Threads;
use super::{AddressSpace, Image, ImageId, KERNEL, MapId, Mapping};
use contend_perfdata::{At, BuildId, CpuMode, FileId, Mmap, SideBand};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many processes that map something themselves may lie between a process
/// and the one whose mappings it uses, by forks without an exec. Shells need two
/// or three.
const DEEPEST_CHAIN: u32 = 64;

/// `PROT_EXEC` of `mmap(2)`.
const PROT_EXEC: u32 = 4;

/// With this bit simpleperf marks mappings that it makes up, each for a function
/// of a JIT compiler (`map_flags::PROT_JIT_SYMFILE_MAP` in its `thread_tree.h`).
const PROT_JIT_SYMFILE_MAP: u32 = 0x4000;

struct Growing {
    maps: Sweep,
    parent: Option<(ImageId, At)>,
    depth: u32,
}

struct Builder {
    maps: Vec<Mapping>,
    dsos: Dsos,
    images: Vec<Growing>,
    processes: FxHashMap<i32, Vec<(At, ImageId)>>,
    threads: Threads,
    notes: BTreeMap<&'static str, u64>,
}

/// Builds the space from events in the order of time.
pub(super) fn build(events: Vec<(At, SideBand)>, build_ids: &[BuildId]) -> AddressSpace {
    let mut builder = Builder {
        maps: Vec::new(),
        dsos: Dsos::default(),
        images: Vec::new(),
        processes: FxHashMap::default(),
        threads: Threads::default(),
        notes: BTreeMap::new(),
    };
    let kernel = builder.image(None);
    debug_assert_eq!(kernel, KERNEL);
    for (at, event) in events {
        builder.event(at, event);
    }
    let dsos = builder.dsos.finish(build_ids);
    // The recorded range of the kernel ends with its text; its data is behind,
    // below the modules. perf 7.2 finds it there too, older ones do not.
    let maps = &builder.maps;
    builder.images[KERNEL.0 as usize].maps.stretch(|map| {
        let dso = maps[map.0 as usize].dso;
        dsos[dso.index() as usize].kind == DsoKind::Kernel
    });
    let images = builder.images.into_iter().map(|image| Image {
        maps: image.maps.finish(),
        parent: image.parent,
    });
    AddressSpace {
        maps: builder.maps,
        classes: dso::classes(&dsos),
        dsos,
        images: images.collect(),
        processes: builder.processes,
        threads: builder.threads,
        notes: builder.notes,
        given_up: Arc::default(),
    }
}

impl Builder {
    fn event(&mut self, at: At, event: SideBand) {
        match event {
            SideBand::Mmap(mmap) => self.mmap(at, &mmap),
            SideBand::Comm {
                pid,
                tid,
                name,
                exec,
            } => {
                if exec {
                    // perf keeps the mappings of the program before; they are
                    // gone from the process.
                    let image = self.image(None);
                    self.processes.entry(pid).or_default().push((at, image));
                }
                self.threads.name(tid, &name, at);
            }
            SideBand::Fork {
                pid,
                parent_pid,
                tid,
                parent_tid,
                exec,
            } => {
                self.threads.fork(tid, parent_tid, at);
                if pid != parent_pid {
                    self.fork(at, pid, parent_pid, exec);
                }
            }
            SideBand::Ksymbol {
                start,
                length,
                unregister,
                name,
                ..
            } => self.ksymbol(at, start, u64::from(length), unregister, &name),
            _ => {}
        }
    }

    fn note(&mut self, what: &'static str) {
        *self.notes.entry(what).or_default() += 1;
    }

    fn image(&mut self, parent: Option<(ImageId, At)>) -> ImageId {
        let depth = parent.map_or(0, |(image, _)| self.images[image.0 as usize].depth + 1);
        self.images.push(Growing {
            maps: Sweep::default(),
            parent,
            depth,
        });
        ImageId(self.images.len() as u32 - 1)
    }

    /// The image of a process now. A process that was there before the capture
    /// began has one from the beginning.
    fn current(&mut self, pid: i32) -> ImageId {
        if let Some(&(_, image)) = self.processes.get(&pid).and_then(|images| images.last()) {
            return image;
        }
        let image = self.image(None);
        self.processes.insert(pid, vec![(At::default(), image)]);
        image
    }

    fn fork(&mut self, at: At, pid: i32, parent_pid: i32, exec: bool) {
        if exec && at.time == 0 && self.processes.contains_key(&pid) {
            // perf describes a process that was there already.
            return;
        }
        let parent = if exec {
            None
        } else {
            let parent = self.current(parent_pid);
            let Growing {
                maps,
                parent: grandparent,
                depth,
            } = &self.images[parent.0 as usize];
            if maps.is_empty() {
                // What it has is all inherited, so chains of processes that
                // only fork do not grow.
                *grandparent
            } else if *depth >= DEEPEST_CHAIN {
                self.note("forks too deep to inherit mappings");
                None
            } else {
                Some((parent, at))
            }
        };
        let image = self.image(parent);
        self.processes.entry(pid).or_default().push((at, image));
    }

    fn mmap(&mut self, at: At, mmap: &Mmap) {
        let (image, kind) = match mmap.mode {
            CpuMode::Kernel => (KERNEL, dso::kernel_kind(&mmap.path)),
            CpuMode::GuestKernel | CpuMode::GuestUser | CpuMode::Hypervisor => {
                self.note("mappings of guests");
                return;
            }
            // Old writers do not say; the kernel's mappings belong to no process.
            CpuMode::Unknown | CpuMode::User if mmap.pid == -1 => {
                (KERNEL, dso::kernel_kind(&mmap.path))
            }
            CpuMode::Unknown | CpuMode::User => (
                self.current(mmap.pid),
                dso::user_kind(&mmap.path, mmap.flags),
            ),
        };
        if mmap.length == 0 {
            self.note("mappings of length 0");
            return;
        }
        // The kernel's own mapping may reach to the last address.
        let end = mmap.start.saturating_add(mmap.length);
        let dso = self.dsos.intern(&mmap.path, kind, mmap.file);
        let mapping = Mapping {
            start: mmap.start,
            end,
            file_offset: mmap.file_offset,
            dso,
            flags: mmap.flags,
            executable: match mmap.protection {
                Some(protection) => protection & (PROT_EXEC | PROT_JIT_SYMFILE_MAP) != 0,
                None => !mmap.is_data,
            },
            compiled: mmap
                .protection
                .is_some_and(|protection| protection & PROT_JIT_SYMFILE_MAP != 0),
        };
        // An allocator maps the same range of the same thing again and again: that
        // is one mapping that goes on, not one for each time.
        let live = self.images[image.0 as usize].maps.rect_at(mmap.start);
        let goes_on = live.is_some_and(|rect| {
            (rect.start, rect.end) == (mapping.start, mapping.end)
                && self.maps[rect.map.0 as usize] == mapping
        });
        if goes_on {
            return;
        }
        let map = self.mapping(mapping);
        self.images[image.0 as usize]
            .maps
            .map(mmap.start, end, map, at);
    }

    fn mapping(&mut self, mapping: Mapping) -> MapId {
        self.maps.push(mapping);
        MapId(self.maps.len() as u32 - 1)
    }

    /// A symbol is a mapping of its own unless the kernel's mappings cover it
    /// (`machine__process_ksymbol_register` in `tools/perf/util/machine.c`).
    fn ksymbol(&mut self, at: At, start: u64, length: u64, unregister: bool, name: &[u8]) {
        let end = start.saturating_add(length);
        let kernel = &mut self.images[KERNEL.0 as usize].maps;
        if length == 0 {
            return;
        }
        if unregister {
            let known = self.dsos.intern(name, DsoKind::Module, FileId::Unknown);
            let maps = &self.maps;
            // The whole of it, whatever length the record says (`maps__remove`).
            let own = kernel
                .rect_at(start)
                .filter(|rect| maps[rect.map.0 as usize].dso == known)
                .map(|rect| (rect.start, rect.end));
            if let Some((start, end)) = own {
                kernel.unmap(start, end, at);
            }
            return;
        }
        if kernel.rect_at(start).is_some() {
            return;
        }
        let dso = self.dsos.intern(name, DsoKind::Module, FileId::Unknown);
        let map = self.mapping(Mapping {
            start,
            end,
            file_offset: 0,
            dso,
            flags: 0,
            executable: true,
            compiled: false,
        });
        self.images[KERNEL.0 as usize].maps.map(start, end, map, at);
    }
}
