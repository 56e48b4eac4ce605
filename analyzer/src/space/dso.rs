//! What is mapped: files, anonymous memory, the kernel.

use contend_perfdata::{BuildId, BuildIdBytes, FileId, Inode};
use foldhash::HashMap;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A DSO of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DsoId(pub(super) u32);

impl DsoId {
    /// Its place in [`super::AddressSpace::dsos`].
    pub fn index(self) -> u32 {
        self.0
    }
}

/// What a mapping can be a mapping of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DsoKind {
    /// A file.
    File,
    /// Memory without a file: heap, stack, anonymous mappings, System V shared
    /// memory. Addresses in it are absolute (`is_anon_memory` and
    /// `is_no_dso_memory` in `tools/perf/util/map.h`).
    Anonymous,
    /// Code that the kernel puts into every process.
    Vdso,
    /// The kernel.
    Kernel,
    /// A kernel module, or a BPF program, or another part of the kernel's text.
    Module,
}

/// A file, or another thing that is mapped.
#[derive(Clone, Debug)]
pub struct Dso {
    /// Its path or name, as recorded.
    pub name: Box<[u8]>,
    /// What it is.
    pub kind: DsoKind,
    /// Its inode; absent when the capture does not know it.
    pub inode: Option<Inode>,
    /// Its build-id; absent when the capture does not know it.
    pub build_id: Option<BuildIdBytes>,
}

impl Dso {
    /// Its path or name as text.
    pub fn display_name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }

    /// The short form in which perf prints the binary of an instruction of
    /// process `pid` (`dso__set_basename` in `tools/perf/util/dso.c`, `map__new`
    /// in `tools/perf/util/map.c`, `__kmod_path__parse`).
    pub fn perf_name(&self, pid: i32) -> String {
        let name = self.display_name();
        match self.kind {
            // Code in anonymous memory is taken for a JIT compiler's.
            DsoKind::Anonymous => format!("[JIT] tid {pid}"),
            DsoKind::Vdso => up_to_bracket(&name),
            DsoKind::Kernel | DsoKind::Module if name.starts_with('[') => up_to_bracket(&name),
            DsoKind::Module => {
                let file = basename(&name);
                match file.find(".ko") {
                    Some(end) => format!("[{}]", file[..end].replace('-', "_")),
                    None => file.to_owned(),
                }
            }
            DsoKind::Kernel | DsoKind::File => {
                let map = name.strip_prefix("/tmp/perf-");
                let tid = map.and_then(|rest| rest.strip_suffix(".map")?.parse::<i32>().ok());
                match tid {
                    Some(tid) => format!("[JIT] tid {tid}"),
                    None => basename(&name).to_owned(),
                }
            }
        }
    }
}

fn basename(path: &str) -> &str {
    match path.rsplit('/').next() {
        Some(file) if !file.is_empty() => file,
        _ => path,
    }
}

/// `[kernel.kallsyms]_text` is printed without the symbol.
fn up_to_bracket(name: &str) -> String {
    let end = name.find(']').map_or(name.len(), |at| at + 1);
    name[..end].to_owned()
}

/// The kind of user-mode memory with this name (`tools/perf/util/map.c`).
pub(super) fn user_kind(name: &[u8], flags: u32) -> DsoKind {
    const MAP_HUGETLB: u32 = 0x4_0000;
    let starts = |prefix: &[u8]| name.starts_with(prefix);
    let is_anonymous = name.is_empty()
        || starts(b"//anon")
        || starts(b"/dev/zero")
        || starts(b"/anon_hugepage")
        || starts(b"[stack")
        || starts(b"/SYSV")
        || starts(b"[heap]")
        || starts(b"[anon:")
        || flags & MAP_HUGETLB != 0;
    if is_anonymous {
        DsoKind::Anonymous
    } else if starts(b"[vdso]") || starts(b"[vsyscall]") {
        DsoKind::Vdso
    } else {
        DsoKind::File
    }
}

/// The kind of kernel-mode memory with this name
/// (`machine__process_kernel_mmap_event` in `tools/perf/util/machine.c`).
pub(super) fn kernel_kind(name: &[u8]) -> DsoKind {
    if name.starts_with(b"[kernel.kallsyms") || name.starts_with(b"[guest.kernel.kallsyms") {
        DsoKind::Kernel
    } else {
        DsoKind::Module
    }
}

/// DSOs while events are read.
#[derive(Debug, Default)]
pub(super) struct Dsos {
    list: Vec<Dso>,
    known: HashMap<(Box<[u8]>, DsoKind, FileKey), DsoId>,
}

/// A [`FileId`] that can be a key.
type FileKey = (Option<Inode>, Option<BuildIdBytes>);

impl Dsos {
    pub(super) fn intern(&mut self, name: &[u8], kind: DsoKind, file: FileId) -> DsoId {
        let (inode, build_id) = match file {
            FileId::Inode(inode) if inode != Inode::default() => (Some(inode), None),
            FileId::BuildId(id) => (None, Some(id)),
            FileId::Inode(_) | FileId::Unknown => (None, None),
        };
        let list = &mut self.list;
        let key = (name.into(), kind, (inode, build_id));
        *self.known.entry(key).or_insert_with(|| {
            list.push(Dso {
                name: name.into(),
                kind,
                inode,
                build_id,
            });
            DsoId(list.len() as u32 - 1)
        })
    }

    /// All DSOs, with the build-ids that the header's table gives by name to
    /// those that have none of their own.
    pub(super) fn finish(mut self, table: &[BuildId]) -> Vec<Dso> {
        let by_name: HashMap<&[u8], BuildIdBytes> = table
            .iter()
            .filter_map(|entry| {
                let id = BuildIdBytes::new(&entry.build_id)?;
                Some((entry.filename.as_bytes(), id))
            })
            .collect();
        for dso in &mut self.list {
            let name = match dso.kind {
                DsoKind::Kernel => b"[kernel.kallsyms]".as_slice(),
                _ => &dso.name,
            };
            dso.build_id = dso.build_id.or_else(|| by_name.get(name).copied());
        }
        self.list
    }
}

/// What tells the memory behind two mappings apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The same number for mappings of the same memory.
    pub class: u32,
    /// Where perf puts the memory when it breaks ties. Memory of which nothing
    /// is known has one place together, whatever its class: perf goes on by
    /// process and address there.
    pub order: u32,
    /// Whether the memory is also told apart by process.
    pub per_process: bool,
}

/// A key that sorts as perf compares DSOs (`dso_id__cmp` in
/// `tools/perf/util/dso.c`, 7.2): numbers that are not known count as zero.
/// Build-ids are compared where both sides know theirs; between a file with a
/// build-id and memory without one perf goes on by address, and offsets in files
/// are smaller than addresses of memory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// A kernel module of which nothing is known but the name. It goes by address
    /// with the kernel, which has a build-id more often: addresses in modules are
    /// relative and so smaller.
    Module(Box<[u8]>),
    BuildId(BuildIdBytes),
    /// Nothing is known but the path, and not even that of anonymous memory.
    /// perf takes all such files for one and so merges lines of different files
    /// at equal offsets; here the path keeps them apart.
    Unknown(Option<Box<[u8]>>),
    Inode(Inode, Option<BuildIdBytes>),
}

/// The class of each DSO.
pub(super) fn classes(dsos: &[Dso]) -> Vec<Class> {
    // Generation and build-id are compared where both sides know them: a DSO
    // that does not know its own joins the first one that does.
    let mut generations: HashMap<(u32, u32, u64), u64> = HashMap::default();
    let mut build_ids: HashMap<(u32, u32, u64), BuildIdBytes> = HashMap::default();
    for dso in dsos {
        let Some(inode) = dso.inode else { continue };
        let file = (inode.major, inode.minor, inode.inode);
        if inode.generation != 0 {
            let least = generations.entry(file).or_insert(inode.generation);
            *least = inode.generation.min(*least);
        }
        if let Some(id) = dso.build_id {
            let least = build_ids.entry(file).or_insert(id);
            *least = id.min(*least);
        }
    }
    let ranks: Vec<Rank> = dsos
        .iter()
        .map(|dso| match (dso.inode, dso.build_id) {
            (Some(inode), build_id) => {
                let file = (inode.major, inode.minor, inode.inode);
                let generation = match inode.generation {
                    0 => generations.get(&file).copied().unwrap_or(0),
                    known => known,
                };
                let build_id = build_id.or_else(|| build_ids.get(&file).copied());
                Rank::Inode(
                    Inode {
                        generation,
                        ..inode
                    },
                    build_id,
                )
            }
            (None, Some(build_id)) => Rank::BuildId(build_id),
            (None, None) if dso.kind == DsoKind::Anonymous => Rank::Unknown(None),
            (None, None) if dso.kind == DsoKind::Module => Rank::Module(dso.name.clone()),
            (None, None) => Rank::Unknown(Some(dso.name.clone())),
        })
        .collect();
    let mut sorted: BTreeMap<&Rank, Class> =
        ranks.iter().map(|rank| (rank, Class::default())).collect();
    let (mut order, mut last_is_unknown) = (0, false);
    for (id, (rank, class)) in (0..).zip(&mut sorted) {
        let is_unknown = matches!(rank, Rank::Unknown(_) | Rank::Module(_));
        if !(is_unknown && last_is_unknown) {
            order += 1;
        }
        last_is_unknown = is_unknown;
        *class = Class { id, order };
    }
    ranks.iter().map(|rank| sorted[rank]).collect()
}

/// The class of a DSO: see [`Identity`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) id: u32,
    pub(super) order: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_perfs() {
        let name = |kind, name: &str| {
            let dso = Dso {
                name: name.as_bytes().into(),
                kind,
                inode: None,
                build_id: None,
            };
            dso.perf_name(7)
        };
        use DsoKind::{Anonymous, File, Kernel, Module, Vdso};
        assert_eq!(name(File, "/usr/lib/libc.so.6"), "libc.so.6");
        assert_eq!(name(File, "/tmp/perf-12.map"), "[JIT] tid 12");
        assert_eq!(name(File, "odd/"), "odd/");
        assert_eq!(name(Anonymous, "//anon"), "[JIT] tid 7");
        assert_eq!(name(Vdso, "[vdso]"), "[vdso]");
        assert_eq!(name(Kernel, "[kernel.kallsyms]_text"), "[kernel.kallsyms]");
        assert_eq!(name(Module, "[kvm]"), "[kvm]");
        assert_eq!(name(Module, "/lib/modules/6/kvm-amd.ko.xz"), "[kvm_amd]");
        assert_eq!(name(Module, "bpf_prog_12_x"), "bpf_prog_12_x");
    }
}
