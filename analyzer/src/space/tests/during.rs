//! What is at an address over a span of time.

use super::script::{
    MAP_PRIVATE, MAP_SHARED, Script, at, described, inode, kernel_mapping, mapping,
};
use crate::space::{AddressSpace, During};
use contend_perfdata::{CpuMode, Mmap};

const PLACE: u64 = 0x1800;

#[track_caller]
fn during(space: &AddressSpace, mode: CpuMode, from: u64, to: u64) -> String {
    match space.find_during(mode, 1, PLACE, at(from), at(to)) {
        During::Same(None) => "nothing".to_owned(),
        During::Same(Some(map)) => described(space, map, PLACE),
        During::Varies => "varies".to_owned(),
    }
}

#[track_caller]
fn assert_during(space: &AddressSpace, from: u64, to: u64, what: &str) {
    let found = during(space, CpuMode::User, from, to);
    assert_eq!(found, what, "from {from} to {to}");
}

#[test]
fn one_mapping_all_the_time_is_the_same() {
    let space = Script::default().map(10, 1, 0x1000..0x2000, "/a").space();
    assert_during(&space, 10, 10, "/a+0x800");
    assert_during(&space, 20, u64::MAX, "/a+0x800");
    assert_during(&space, 0, 9, "nothing");
}

#[test]
fn a_mapping_that_begins_inside_the_span_varies() {
    let space = Script::default().map(10, 1, 0x1000..0x2000, "/a").space();
    assert_during(&space, 9, 10, "varies");
    assert_during(&space, 0, 99, "varies");
}

#[test]
fn another_file_over_it_varies() {
    let space = Script::default()
        .map(10, 1, 0x1000..0x2000, "/a")
        .map(20, 1, 0x1000..0x2000, "/b")
        .space();
    assert_during(&space, 10, 19, "/a+0x800");
    assert_during(&space, 10, 20, "varies");
    assert_during(&space, 20, 30, "/b+0x800");
}

#[test]
fn the_same_file_at_the_same_place_over_it_is_the_same() {
    // As mprotect leaves it.
    let code = |range| Mmap {
        file: inode(7),
        ..mapping(1, range, "/a")
    };
    let upper = Mmap {
        file_offset: 0x800,
        ..code(0x1800..0x2000)
    };
    let space = Script::default()
        .mmap(10, code(0x1000..0x2000))
        .mmap(20, upper)
        .space();
    assert_during(&space, 10, 30, "/a+0x800");
}

#[test]
fn the_same_file_at_another_place_varies() {
    let code = Mmap {
        file: inode(7),
        ..mapping(1, 0x1000..0x2000, "/a")
    };
    let moved = Mmap {
        file_offset: 0x1000,
        ..code.clone()
    };
    let space = Script::default().mmap(10, code).mmap(20, moved).space();
    assert_during(&space, 10, 30, "varies");
}

#[test]
fn memory_mapped_again_is_the_same_unless_it_becomes_shared() {
    let memory = |flags| Mmap {
        flags,
        ..mapping(1, 0x1000..0x2000, "//anon")
    };
    let again = Script::default()
        .mmap(10, memory(MAP_PRIVATE))
        .mmap(20, memory(MAP_PRIVATE));
    assert_during(&again.clone().space(), 10, 30, "//anon+0x1800");
    let shared = again.mmap(30, memory(MAP_SHARED)).space();
    assert_during(&shared, 10, 30, "varies");
}

#[test]
fn mappings_elsewhere_do_not_matter() {
    let space = Script::default()
        .map(10, 1, 0x1000..0x4000, "/a")
        .map(20, 1, 0x3000..0x5000, "/b")
        .map(20, 2, 0x1000..0x2000, "/other")
        .map(20, 1, 0x1000..0x1800, "/below")
        .space();
    assert_during(&space, 10, 30, "/a+0x800");
}

#[test]
fn an_exec_inside_the_span_varies() {
    let space = Script::default()
        .map(10, 1, 0x1000..0x2000, "/a")
        .exec(20, 1, "a")
        .map(30, 1, 0x1000..0x2000, "/a")
        .space();
    assert_during(&space, 10, 19, "/a+0x800");
    assert_during(&space, 10, 20, "varies");
    assert_during(&space, 10, 40, "varies");
    assert_during(&space, 20, 29, "nothing");
}

#[test]
fn an_exec_where_nothing_is_mapped_is_the_same_nothing() {
    let space = Script::default()
        .map(10, 1, 0x5000..0x6000, "/a")
        .exec(20, 1, "a")
        .space();
    assert_during(&space, 15, 40, "nothing");
}

#[test]
fn what_a_fork_inherited_is_the_same_all_the_time() {
    let space = Script::default()
        .map(10, 7, 0x1000..0x2000, "/a")
        .fork(20, 7, 1)
        .map(30, 7, 0x1000..0x2000, "/parent")
        .space();
    assert_during(&space, 20, 99, "/a+0x800");
    let space = Script::default()
        .map(10, 7, 0x1000..0x2000, "/a")
        .fork(20, 7, 1)
        .map(30, 1, 0x1000..0x2000, "/child")
        .space();
    assert_during(&space, 20, 29, "/a+0x800");
    assert_during(&space, 20, 30, "varies");
}

#[test]
fn samples_from_before_a_process_was_known_are_looked_up_one_by_one() {
    let space = Script::default()
        .map(10, 7, 0x5000..0x6000, "/a")
        .fork(20, 7, 1)
        .space();
    // Nothing is there at any time; the answer is careful.
    assert_during(&space, 10, 30, "varies");
    assert_during(&space, 10, 19, "nothing");
    assert_during(&space, 20, 30, "nothing");
}

#[test]
fn unknown_processes_and_other_modes_have_nothing() {
    let space = Script::default().map(10, 7, 0x1000..0x2000, "/a").space();
    assert_during(&space, 0, 99, "nothing");
    for mode in [CpuMode::Unknown, CpuMode::Hypervisor, CpuMode::GuestUser] {
        assert_eq!(during(&space, mode, 0, 99), "nothing", "{mode:?}");
    }
}

#[test]
fn the_kernel_is_the_same_for_everybody() {
    let space = Script::default()
        .mmap(0, kernel_mapping(0x1000..0x2000, "[kernel.kallsyms]_text"))
        .map(10, 1, 0x1000..0x2000, "/a")
        .space();
    let found = during(&space, CpuMode::Kernel, 0, 99);
    assert_eq!(found, "[kernel.kallsyms]_text+0x1800");
}

#[test]
fn a_program_under_the_stretched_kernel_varies() {
    // The kernel reaches over the place of a BPF program that went.
    let space = Script::default()
        .kernel(0, 0x1000..0x1400, "[kernel.kallsyms]_text")
        .kernel(0, 0x9000..0xa000, "[nf]")
        .ksymbol(10, 0x1800, 0x80, "bpf_prog_1")
        .unregister(20, 0x1800, 0x80, "bpf_prog_1")
        .space();
    let kernel = "[kernel.kallsyms]_text+0x1800";
    for (from, to, what) in [
        (5, 9, kernel),
        (10, 19, "bpf_prog_1+0x0"),
        (20, 30, kernel),
        (5, 15, "varies"),
        (15, 25, "varies"),
        (5, 25, "varies"),
    ] {
        let found = during(&space, CpuMode::Kernel, from, to);
        assert_eq!(found, what, "from {from} to {to}");
    }
}
