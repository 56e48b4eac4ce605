//! What is mapped, by its name, and addresses inside it.

use super::script::{MAP_HUGETLB, MAP_PRIVATE, Script, assert_seen, at, kernel_mapping, mapping};
use crate::space::DsoKind;
use contend_perfdata::{CpuMode, Mmap};

#[track_caller]
fn assert_kind(mmap: Mmap, expected: DsoKind) {
    let name = String::from_utf8_lossy(&mmap.path).into_owned();
    let (mode, start) = (mmap.mode, mmap.start);
    let space = Script::default().mmap(10, mmap).space();
    let map = space.find(mode, 1, start, at(10)).unwrap();
    assert_eq!(space.dso(space.map(map).dso).kind, expected, "{name}");
}

#[test]
fn memory_of_processes_has_a_kind_by_its_name() {
    for (name, kind) in [
        ("/usr/lib/libc.so.6", DsoKind::File),
        ("/memfd:buffer (deleted)", DsoKind::File),
        ("/dev/shm/ring", DsoKind::File),
        ("", DsoKind::Anonymous),
        ("//anon", DsoKind::Anonymous),
        ("//anon (deleted)", DsoKind::Anonymous),
        ("/dev/zero", DsoKind::Anonymous),
        ("/dev/zero (deleted)", DsoKind::Anonymous),
        ("/anon_hugepage", DsoKind::Anonymous),
        ("/anon_hugepage (deleted)", DsoKind::Anonymous),
        ("[heap]", DsoKind::Anonymous),
        ("[stack]", DsoKind::Anonymous),
        ("[stack:1234]", DsoKind::Anonymous),
        ("/SYSV00000000 (deleted)", DsoKind::Anonymous),
        ("[anon:scudo:primary]", DsoKind::Anonymous),
        ("[vdso]", DsoKind::Vdso),
        ("[vsyscall]", DsoKind::Vdso),
    ] {
        assert_kind(mapping(1, 0x1000..0x2000, name), kind);
    }
}

#[test]
fn huge_pages_are_memory_whatever_their_name() {
    let huge = Mmap {
        flags: MAP_PRIVATE | MAP_HUGETLB,
        ..mapping(1, 0x20_0000..0x40_0000, "/mnt/huge/pool")
    };
    assert_kind(huge, DsoKind::Anonymous);
}

#[test]
fn memory_of_the_kernel_has_a_kind_by_its_name() {
    for (name, kind) in [
        ("[kernel.kallsyms]_text", DsoKind::Kernel),
        ("[kernel.kallsyms]_stext", DsoKind::Kernel),
        ("[guest.kernel.kallsyms]", DsoKind::Kernel),
        ("/lib/modules/6.1/nf.ko", DsoKind::Module),
        ("[nf]", DsoKind::Module),
        ("__entry_SYSCALL_64_trampoline", DsoKind::Module),
    ] {
        assert_kind(kernel_mapping(0x1000..0x2000, name), kind);
    }
}

#[test]
fn addresses_in_files_are_offsets_in_the_file() {
    let data = Mmap {
        file_offset: 0x5000,
        ..mapping(1, 0x1000..0x3000, "/a")
    };
    let space = Script::default().mmap(10, data).space();
    assert_seen(&space, 1, 0x1000, 10, "/a+0x5000");
    assert_seen(&space, 1, 0x2345, 10, "/a+0x6345");
}

#[test]
fn addresses_in_memory_without_a_file_are_absolute() {
    for name in ["//anon", "[heap]", "[stack]", "/SYSV00000001", ""] {
        let memory = Mmap {
            file_offset: 0x5000,
            ..mapping(1, 0x1000..0x3000, name)
        };
        let space = Script::default().mmap(10, memory).space();
        assert_seen(&space, 1, 0x2345, 10, &format!("{name}+0x2345"));
    }
}

#[test]
fn addresses_in_the_vdso_and_in_modules_count_from_their_start() {
    let vdso = Mmap {
        file_offset: 0x5000,
        ..mapping(1, 0x1000..0x3000, "[vdso]")
    };
    let module = Mmap {
        file_offset: 0x5000,
        ..kernel_mapping(0x1000..0x3000, "[nf]")
    };
    let space = Script::default().mmap(10, vdso).mmap(10, module).space();
    assert_seen(&space, 1, 0x1234, 10, "[vdso]+0x234");
    let found = super::script::seen_in_kernel(&space, 0x1234, 10);
    assert_eq!(found.as_deref(), Some("[nf]+0x234"));
}

#[test]
fn offsets_of_damaged_records_may_overflow() {
    let file = Mmap {
        file_offset: u64::MAX,
        ..mapping(1, 0x1000..0x3000, "/a")
    };
    let space = Script::default().mmap(10, file).space();
    assert_seen(&space, 1, 0x1002, 10, "/a+0x1");
}

#[test]
fn mappings_of_data_count_too() {
    let data = Mmap {
        is_data: true,
        protection: Some(3),
        ..mapping(1, 0x1000..0x2000, "/a")
    };
    let old = Mmap {
        protection: None,
        flags: 0,
        ..mapping(1, 0x3000..0x4000, "/b")
    };
    let space = Script::default().mmap(10, data).mmap(10, old).space();
    assert_seen(&space, 1, 0x1000, 10, "/a+0x0");
    assert_seen(&space, 1, 0x3000, 10, "/b+0x0");
    assert_eq!(space.find(CpuMode::User, 1, 0x2000, at(10)), None);
}
