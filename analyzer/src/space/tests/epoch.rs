//! Epochs, and where code can run.

use super::script::{Script, at, kernel_mapping, mapping};
use contend_perfdata::{CpuMode, Mmap};

#[test]
fn an_epoch_ends_with_every_change() {
    let space = Script::default()
        .mmap(10, kernel_mapping(0xf000..0xf100, "[kernel.kallsyms]_text"))
        .mmap(10, mapping(7, 0x1000..0x2000, "/a"))
        .mmap(20, mapping(7, 0x1000..0x1800, "/b"))
        .mmap(30, mapping(8, 0x1000..0x1800, "/b"))
        .space();
    let epoch = |pid, time| space.epoch(pid, at(time));
    assert_eq!(epoch(7, 11), epoch(7, 19));
    assert_ne!(epoch(7, 11), epoch(7, 20));
    assert_eq!(epoch(7, 21), epoch(7, 99));
    assert_ne!(epoch(7, 40), epoch(8, 40));
    assert_eq!(epoch(9, 40), epoch(9, 50));
}

#[test]
fn code_runs_only_where_it_may() {
    let heap = Mmap {
        protection: Some(3),
        ..mapping(7, 0x5000..0x6000, "[heap]")
    };
    let old_data = Mmap {
        protection: None,
        is_data: true,
        ..mapping(7, 0x7000..0x8000, "/a")
    };
    let space = Script::default()
        .mmap(1, mapping(7, 0x1000..0x2000, "/a"))
        .mmap(1, heap)
        .mmap(1, old_data)
        .space();
    let is_code = |address| {
        let found = space.find_executable(CpuMode::User, 7, address, at(9));
        found.is_some()
    };
    assert!(is_code(0x1000));
    assert!(!is_code(0x5000) && !is_code(0x7000) && !is_code(0x9000));
    let seen = space.find(CpuMode::User, 7, 0x5000, at(9));
    assert!(seen.is_some(), "data is still mapped there");
}
