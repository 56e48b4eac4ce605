//! Exec, fork, exit and reuse of process numbers.

use super::script::{Script, assert_seen, mapping};
use contend_perfdata::{CpuMode, Mmap};

#[test]
fn a_mapping_is_there_from_its_record_on() {
    let space = Script::default().map(10, 1, 0x1000..0x2000, "/a").space();
    assert_seen(&space, 1, 0x1800, 9, "");
    assert_seen(&space, 1, 0x1800, 10, "/a+0x800");
    assert_seen(&space, 1, 0x1800, u64::MAX, "/a+0x800");
    assert_seen(&space, 2, 0x1800, 10, "");
}

#[test]
fn records_may_come_in_any_order() {
    let script = Script::default()
        .map(10, 1, 0x1000..0x2000, "/a")
        .exec(20, 1, "b")
        .map(30, 1, 0x1000..0x2000, "/b")
        .fork(40, 1, 2);
    for space in [script.clone().space(), script.shuffled().space()] {
        assert_seen(&space, 1, 0x1000, 15, "/a+0x0");
        assert_seen(&space, 1, 0x1000, 25, "");
        assert_seen(&space, 1, 0x1000, 35, "/b+0x0");
        assert_seen(&space, 2, 0x1000, 45, "/b+0x0");
    }
}

#[test]
fn records_without_times_go_by_their_place() {
    let space = Script::default()
        .map(0, 1, 0x1000..0x2000, "/a")
        .map(0, 1, 0x1000..0x2000, "/b")
        .space();
    assert_seen(&space, 1, 0x1000, 0, "/b+0x0");
}

#[test]
fn an_exec_clears_the_mappings() {
    let space = Script::default()
        .map(10, 1, 0x1000..0x3000, "/old")
        .exec(20, 1, "new")
        .map(30, 1, 0x1000..0x2000, "/new")
        .space();
    assert_seen(&space, 1, 0x2000, 19, "/old+0x1000");
    assert_seen(&space, 1, 0x2000, 20, "");
    assert_seen(&space, 1, 0x1000, 25, "");
    assert_seen(&space, 1, 0x1000, 30, "/new+0x0");
    assert_seen(&space, 1, 0x2000, 30, "");
}

#[test]
fn a_name_that_is_no_exec_clears_nothing() {
    let space = Script::default()
        .map(10, 1, 0x1000..0x2000, "/a")
        .comm(20, 1, 1, "worker")
        .space();
    assert_seen(&space, 1, 0x1000, 30, "/a+0x0");
}

#[test]
fn a_fork_inherits_what_was_mapped_then() {
    let space = Script::default()
        .map(10, 1, 0x1000..0x2000, "/a")
        .fork(20, 1, 2)
        .map(30, 1, 0x1000..0x2000, "/later")
        .map(30, 1, 0x5000..0x6000, "/later")
        .space();
    assert_seen(&space, 2, 0x1000, 19, "");
    assert_seen(&space, 2, 0x1000, 20, "/a+0x0");
    assert_seen(&space, 2, 0x1000, 40, "/a+0x0");
    assert_seen(&space, 2, 0x5000, 40, "");
    assert_seen(&space, 1, 0x1000, 40, "/later+0x0");
}

#[test]
fn a_child_maps_over_what_it_inherited_alone() {
    let space = Script::default()
        .map(10, 1, 0x1000..0x4000, "/a")
        .fork(20, 1, 2)
        .map(30, 2, 0x2000..0x3000, "/child")
        .space();
    assert_seen(&space, 2, 0x1000, 40, "/a+0x0");
    assert_seen(&space, 2, 0x2000, 40, "/child+0x0");
    assert_seen(&space, 2, 0x3000, 40, "/a+0x2000");
    assert_seen(&space, 2, 0x2000, 29, "/a+0x1000");
    assert_seen(&space, 1, 0x2000, 40, "/a+0x1000");
}

#[test]
fn a_grandchild_inherits_from_both() {
    let space = Script::default()
        .map(10, 1, 0x1000..0x2000, "/a")
        .fork(20, 1, 2)
        .map(30, 2, 0x5000..0x6000, "/b")
        .fork(40, 2, 3)
        .map(50, 2, 0x5000..0x6000, "/late")
        .map(50, 1, 0x1000..0x2000, "/late")
        .space();
    assert_seen(&space, 3, 0x1000, 60, "/a+0x0");
    assert_seen(&space, 3, 0x5000, 60, "/b+0x0");
}

#[test]
fn an_exec_ends_what_a_fork_inherited() {
    let space = Script::default()
        .map(10, 1, 0x1000..0x2000, "/shell")
        .fork(20, 1, 2)
        .exec(30, 2, "ls")
        .map(40, 2, 0x5000..0x6000, "/ls")
        .fork(50, 2, 3)
        .space();
    assert_seen(&space, 2, 0x1000, 25, "/shell+0x0");
    assert_seen(&space, 2, 0x1000, 30, "");
    assert_seen(&space, 3, 0x1000, 60, "");
    assert_seen(&space, 3, 0x5000, 60, "/ls+0x0");
}

#[test]
fn an_exec_of_the_parent_leaves_the_child_alone() {
    let space = Script::default()
        .map(10, 1, 0x1000..0x2000, "/a")
        .fork(20, 1, 2)
        .exec(30, 1, "other")
        .space();
    assert_seen(&space, 1, 0x1000, 40, "");
    assert_seen(&space, 2, 0x1000, 40, "/a+0x0");
}

#[test]
fn a_new_thread_shares_the_mappings_of_its_process() {
    let script =
        Script::default()
            .map(10, 1, 0x1000..0x2000, "/a")
            .fork_of(20, (1, 1), (1, 7), false);
    // The thread maps: the mapping is the process's.
    let mapped_by_thread = Mmap {
        tid: 7,
        ..mapping(1, 0x3000..0x4000, "/b")
    };
    let space = script.mmap(30, mapped_by_thread).space();
    assert_eq!(space.images.len(), 2, "the kernel's and the process's");
    assert_seen(&space, 1, 0x1000, 40, "/a+0x0");
    assert_seen(&space, 1, 0x3000, 40, "/b+0x0");
    assert_seen(&space, 7, 0x1000, 40, "");
}

#[test]
fn a_process_number_that_is_used_again_begins_anew() {
    let space = Script::default()
        .map(10, 1, 0x1000..0x2000, "/one")
        .map(10, 2, 0x3000..0x4000, "/two")
        .exit(20, 2)
        .fork(30, 1, 2)
        .space();
    assert_seen(&space, 2, 0x3000, 15, "/two+0x0");
    assert_seen(&space, 2, 0x1000, 15, "");
    assert_seen(&space, 2, 0x3000, 30, "");
    assert_seen(&space, 2, 0x1000, 30, "/one+0x0");
}

#[test]
fn the_end_of_its_first_thread_is_not_the_end_of_a_process() {
    // perf forgets a thread at its EXIT; other threads of the process may go on.
    let space = Script::default()
        .map(10, 1, 0x1000..0x2000, "/a")
        .exit(20, 1)
        .space();
    assert_seen(&space, 1, 0x1000, 30, "/a+0x0");
}

#[test]
fn forks_that_perf_describes_have_none_of_the_parents_mappings() {
    let space = Script::default()
        .map(0, 1, 0x1000..0x2000, "/init")
        .fork_of(0, (1, 1), (2, 2), true)
        .map(0, 2, 0x3000..0x4000, "/daemon")
        // It describes the process's other threads, and may describe it again.
        .fork_of(0, (2, 2), (2, 9), true)
        .fork_of(0, (1, 1), (2, 2), true)
        .space();
    assert_seen(&space, 2, 0x1000, 10, "");
    assert_seen(&space, 2, 0x3000, 10, "/daemon+0x0");
}

#[test]
fn a_child_of_an_unknown_process_has_nothing() {
    let space = Script::default()
        .fork(10, 1, 2)
        .map(20, 1, 0x1000..0x2000, "/late")
        .space();
    assert_seen(&space, 2, 0x1000, 30, "");
    assert_seen(&space, 1, 0x1000, 30, "/late+0x0");
}

#[test]
fn a_process_that_forks_itself_is_one_process() {
    // Only damaged captures say so of two threads of one number.
    let space = Script::default()
        .map(10, 1, 0x1000..0x2000, "/a")
        .fork(20, 1, 1)
        .space();
    assert_seen(&space, 1, 0x1000, 30, "/a+0x0");
}

#[test]
fn only_user_mode_looks_into_a_process() {
    let space = Script::default().map(10, 1, 0x1000..0x2000, "/a").space();
    let modes = [
        CpuMode::Unknown,
        CpuMode::Kernel,
        CpuMode::Hypervisor,
        CpuMode::GuestKernel,
        CpuMode::GuestUser,
    ];
    for mode in modes {
        let found = space.find(mode, 1, 0x1000, super::script::at(20));
        assert_eq!(found, None, "{mode:?}");
    }
}
