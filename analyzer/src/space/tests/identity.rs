//! Which mappings show the same memory.

use super::script::{MAP_PRIVATE, MAP_SHARED, Script, at, inode, kernel_mapping, mapping};
use crate::space::{AddressSpace, Identity};
use contend_perfdata::{BuildIdBytes, CpuMode, FileId, Inode, Mmap};

const ID: [u8; 20] = [0xab; 20];
const OTHER_ID: [u8; 20] = [0xcd; 20];

fn build_id(bytes: &[u8]) -> FileId {
    FileId::BuildId(BuildIdBytes::new(bytes).unwrap())
}

/// A mapping of one page in a process, all at the same address.
fn page(pid: i32, path: &str, file: FileId, flags: u32) -> Mmap {
    Mmap {
        file,
        flags,
        ..mapping(pid, 0x1000..0x2000, path)
    }
}

fn identity(space: &AddressSpace, pid: i32) -> Identity {
    let map = space.find(CpuMode::User, pid, 0x1000, at(100)).unwrap();
    space.identity(map)
}

/// The identities of two mappings, of processes 1 and 2.
fn identities(first: Mmap, second: Mmap) -> (Identity, Identity) {
    let pids = (first.pid, second.pid);
    assert_eq!(pids, (1, 2));
    let space = Script::default().mmap(10, first).mmap(20, second).space();
    (identity(&space, 1), identity(&space, 2))
}

#[test]
fn a_file_is_one_memory_in_all_processes() {
    for flags in [MAP_PRIVATE, MAP_SHARED] {
        let (a, b) = identities(
            page(1, "/lib/a.so", inode(7), flags),
            page(2, "/lib/a.so", inode(7), flags),
        );
        assert_eq!(a, b);
        assert!(!a.per_process);
    }
}

#[test]
fn files_are_told_apart_by_their_inode() {
    let (a, b) = identities(
        page(1, "/lib/a.so", inode(7), MAP_PRIVATE),
        page(2, "/lib/a.so", inode(8), MAP_PRIVATE),
    );
    assert_ne!(a.class, b.class, "the file was replaced");
    let (a, b) = identities(
        page(1, "/data", inode(7), MAP_SHARED),
        page(2, "/container/data", inode(7), MAP_SHARED),
    );
    // The path does not matter.
    assert_eq!(a.class, b.class);
}

#[test]
fn generations_count_where_both_are_known() {
    let generation = |generation| {
        FileId::Inode(Inode {
            major: 8,
            minor: 1,
            inode: 7,
            generation,
        })
    };
    let class_of = |a, b| {
        let (a, b) = identities(
            page(1, "/a", generation(a), MAP_SHARED),
            page(2, "/a", generation(b), MAP_SHARED),
        );
        a.class == b.class
    };
    assert!(class_of(5, 5));
    assert!(class_of(0, 5));
    assert!(!class_of(4, 5));
}

#[test]
fn build_ids_are_one_file_under_any_path() {
    let (a, b) = identities(
        page(1, "/a", build_id(&ID), MAP_PRIVATE),
        page(2, "/b", build_id(&ID), MAP_PRIVATE),
    );
    assert_eq!(a.class, b.class);
    assert!(!a.per_process && !b.per_process);
    let (a, b) = identities(
        page(1, "/a", build_id(&ID), MAP_PRIVATE),
        page(2, "/a", build_id(&OTHER_ID), MAP_PRIVATE),
    );
    assert_ne!(a.class, b.class);
}

#[test]
fn the_header_gives_build_ids_by_path() {
    let space = Script::default()
        .mmap(10, page(1, "/a", FileId::Unknown, MAP_PRIVATE))
        .mmap(10, page(2, "/b", build_id(&OTHER_ID), MAP_PRIVATE))
        .mmap(10, page(3, "/c", FileId::Unknown, MAP_PRIVATE))
        .kernel(0, 0x8000..0x9000, "[kernel.kallsyms]_text")
        .build_id("/a", &ID)
        .build_id("/b", &ID)
        .build_id("[kernel.kallsyms]", &[1, 2, 3])
        .space();
    let id_of = |name: &[u8]| {
        let dso = space.dsos().find(|dso| &*dso.name == name).unwrap();
        dso.build_id.map(|id| id.to_string())
    };
    assert_eq!(id_of(b"/a"), Some("ab".repeat(20)));
    assert_eq!(id_of(b"/b"), Some("cd".repeat(20)), "its own goes first");
    assert_eq!(id_of(b"/c"), None);
    assert_eq!(id_of(b"[kernel.kallsyms]_text").as_deref(), Some("010203"));
    assert!(!identity(&space, 1).per_process);
}

#[test]
fn private_memory_is_told_apart_by_process() {
    for name in ["//anon", "[heap]", "[stack]", ""] {
        let (a, b) = identities(
            page(1, name, FileId::Unknown, MAP_PRIVATE),
            page(2, name, FileId::Unknown, MAP_PRIVATE),
        );
        assert!(a.per_process && b.per_process, "{name}");
        assert_eq!(a, b, "the process is all that tells them apart: {name}");
    }
}

#[test]
fn shared_memory_is_one_in_all_processes() {
    // perf_event_mmap_event in kernel/events/core.c: shared anonymous memory is
    // a file of shmem, on a device with major number 0.
    let shmem = |number| {
        FileId::Inode(Inode {
            major: 0,
            minor: 1,
            inode: number,
            generation: 0,
        })
    };
    let name = "/dev/zero (deleted)";
    let (a, b) = identities(
        page(1, name, shmem(7), MAP_SHARED),
        page(2, name, shmem(7), MAP_SHARED),
    );
    assert_eq!(a, b);
    assert!(!a.per_process);
    let (a, b) = identities(
        page(1, name, shmem(7), MAP_SHARED),
        page(2, name, shmem(8), MAP_SHARED),
    );
    assert_ne!(a.class, b.class, "another piece of shared memory");
}

#[test]
fn shared_memory_of_which_nothing_is_known_is_one() {
    let (a, b) = identities(
        page(1, "/SYSV00000001", FileId::Unknown, MAP_SHARED),
        page(2, "/SYSV00000001", FileId::Unknown, MAP_SHARED),
    );
    assert_eq!(a, b);
    assert!(!a.per_process);
}

#[test]
fn an_inode_of_zeros_is_none() {
    let zeros = FileId::Inode(Inode::default());
    let (a, b) = identities(
        page(1, "[heap]", zeros, MAP_PRIVATE),
        page(2, "[heap]", FileId::Unknown, MAP_PRIVATE),
    );
    assert_eq!(a, b);
    let space = Script::default()
        .mmap(10, page(1, "[heap]", zeros, MAP_PRIVATE))
        .space();
    assert!(space.dsos().all(|dso| dso.inode.is_none()));
}

#[test]
fn a_file_without_a_device_is_private_unless_shared() {
    let nowhere = FileId::Inode(Inode {
        major: 0,
        minor: 0,
        inode: 7,
        generation: 0,
    });
    let (a, b) = identities(
        page(1, "/a", nowhere, MAP_PRIVATE),
        page(2, "/a", nowhere, MAP_SHARED),
    );
    assert!(a.per_process && !b.per_process);
    assert_eq!(a.class, b.class);
}

#[test]
fn files_of_which_only_the_path_is_known_are_told_apart_by_it() {
    let (a, b) = identities(
        page(1, "/a", FileId::Unknown, MAP_PRIVATE),
        page(2, "/b", FileId::Unknown, MAP_PRIVATE),
    );
    assert_ne!(a.class, b.class);
    // perf takes them for one file, and goes on by process and address.
    assert_eq!(a.order, b.order);
    assert!(a.per_process);
}

#[test]
fn a_path_with_and_without_its_inode_are_two_memories() {
    let (a, b) = identities(
        page(1, "/a", inode(7), MAP_PRIVATE),
        page(2, "/a", FileId::Unknown, MAP_PRIVATE),
    );
    assert_ne!(a.class, b.class);
}

#[test]
fn the_order_is_by_device_inode_and_generation() {
    let file = |pid, minor, number| {
        let inode = Inode {
            major: 8,
            minor,
            inode: number,
            generation: 0,
        };
        page(pid, "/f", FileId::Inode(inode), MAP_SHARED)
    };
    let space = Script::default()
        .mmap(10, file(1, 2, 1))
        .mmap(10, file(2, 1, 9))
        .mmap(10, file(3, 1, 8))
        .mmap(10, page(4, "//anon", FileId::Unknown, MAP_PRIVATE))
        .mmap(10, page(5, "/unknown", FileId::Unknown, MAP_PRIVATE))
        .space();
    let mut pids = [1, 2, 3, 4, 5];
    pids.sort_by_key(|&pid| (identity(&space, pid).order, pid));
    assert_eq!(pids, [4, 5, 3, 2, 1]);
}

#[test]
fn kernel_and_modules_are_themselves() {
    let space = Script::default()
        .mmap(0, kernel_mapping(0x1000..0x2000, "[kernel.kallsyms]_text"))
        .mmap(0, kernel_mapping(0x3000..0x4000, "[nf]"))
        .mmap(0, kernel_mapping(0x5000..0x6000, "[xt]"))
        .space();
    let classes: Vec<u32> = [0x1000, 0x3000, 0x5000]
        .into_iter()
        .map(|address| {
            let map = space.find(CpuMode::Kernel, 0, address, at(10)).unwrap();
            space.identity(map).class
        })
        .collect();
    let distinct: std::collections::BTreeSet<_> = classes.iter().collect();
    assert_eq!(distinct.len(), 3, "{classes:?}");
}
