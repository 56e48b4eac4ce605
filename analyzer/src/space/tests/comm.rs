//! Names of threads.

use super::script::{Script, at};
use crate::space::AddressSpace;

#[track_caller]
fn assert_comm(space: &AddressSpace, tid: i32, time: u64, name: Option<&str>) {
    assert_eq!(space.comm(tid, at(time)), name, "thread {tid}, time {time}");
}

#[test]
fn a_thread_has_the_last_name_that_it_got() {
    let space = Script::default()
        .comm(10, 1, 1, "first")
        .comm(20, 1, 1, "second")
        .space();
    assert_comm(&space, 1, 15, Some("first"));
    assert_comm(&space, 1, 20, Some("second"));
    assert_comm(&space, 2, 20, None);
}

#[test]
fn before_its_first_name_a_thread_has_that_one() {
    let space = Script::default().comm(10, 1, 1, "late").space();
    assert_comm(&space, 1, 5, Some("late"));
}

#[test]
fn threads_of_a_process_have_names_of_their_own() {
    let space = Script::default()
        .comm(10, 1, 1, "main")
        .comm(10, 1, 2, "worker")
        .space();
    assert_comm(&space, 1, 20, Some("main"));
    assert_comm(&space, 2, 20, Some("worker"));
}

#[test]
fn a_new_thread_has_the_name_of_the_one_that_made_it() {
    let space = Script::default()
        .comm(10, 1, 1, "main")
        .comm(10, 1, 2, "maker")
        .fork_of(20, (1, 2), (1, 3), false)
        .comm(30, 1, 2, "renamed")
        .comm(40, 1, 3, "worker")
        .space();
    assert_comm(&space, 3, 35, Some("maker"));
    assert_comm(&space, 3, 40, Some("worker"));
}

#[test]
fn a_new_process_has_its_parents_name_until_it_executes() {
    let space = Script::default()
        .comm(10, 1, 1, "bash")
        .fork(20, 1, 2)
        .exec(30, 2, "ls")
        .space();
    assert_comm(&space, 2, 25, Some("bash"));
    assert_comm(&space, 2, 30, Some("ls"));
    assert_comm(&space, 1, 30, Some("bash"));
}

#[test]
fn a_thread_number_that_is_used_again_has_a_new_name() {
    let space = Script::default()
        .comm(10, 1, 1, "parent")
        .comm(10, 2, 2, "old")
        .exit(20, 2)
        .fork(30, 1, 2)
        .space();
    assert_comm(&space, 2, 25, Some("old"));
    assert_comm(&space, 2, 35, Some("parent"));
}

#[test]
fn a_thread_number_does_not_keep_the_name_of_a_thread_before() {
    // Nobody knows what the new thread's parent is called.
    let space = Script::default()
        .comm(10, 2, 2, "old")
        .exit(20, 2)
        .fork(30, 1, 2)
        .fork(35, 2, 3)
        .comm(40, 2, 2, "new")
        .space();
    assert_comm(&space, 2, 25, Some("old"));
    assert_comm(&space, 2, 30, None);
    assert_comm(&space, 3, 35, None);
    assert_comm(&space, 2, 40, Some("new"));
}

#[test]
fn names_need_not_be_text() {
    let name = contend_perfdata::SideBand::Comm {
        pid: 1,
        tid: 1,
        name: [b'a', 0xff].into(),
        exec: false,
    };
    let space = Script::default().event(10, name).space();
    assert_comm(&space, 1, 10, Some("a\u{fffd}"));
}
