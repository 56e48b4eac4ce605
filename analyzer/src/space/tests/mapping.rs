//! Mappings over mappings.

use super::script::{Script, assert_seen, mapping};
use contend_perfdata::{CpuMode, Mmap};

#[test]
fn ranges_hold_their_first_byte_and_not_the_one_behind() {
    let space = Script::default().map(10, 1, 0x1000..0x2000, "/a").space();
    assert_seen(&space, 1, 0xfff, 10, "");
    assert_seen(&space, 1, 0x1000, 10, "/a+0x0");
    assert_seen(&space, 1, 0x1fff, 10, "/a+0xfff");
    assert_seen(&space, 1, 0x2000, 10, "");
}

#[test]
fn a_mapping_in_the_middle_leaves_both_ends() {
    let space = Script::default()
        .map(10, 1, 0x1000..0x5000, "/a")
        .map(20, 1, 0x2000..0x3000, "/b")
        .space();
    assert_seen(&space, 1, 0x2800, 15, "/a+0x1800");
    assert_seen(&space, 1, 0x1fff, 20, "/a+0xfff");
    assert_seen(&space, 1, 0x2800, 20, "/b+0x800");
    // The rest keeps its place in the file.
    assert_seen(&space, 1, 0x3000, 20, "/a+0x2000");
    assert_seen(&space, 1, 0x4fff, 20, "/a+0x3fff");
}

#[test]
fn a_mapping_over_the_beginning_leaves_the_end_and_the_other_way_round() {
    let space = Script::default()
        .map(10, 1, 0x2000..0x4000, "/a")
        .map(20, 1, 0x1000..0x3000, "/low")
        .map(30, 1, 0x3800..0x5000, "/high")
        .space();
    assert_seen(&space, 1, 0x2fff, 40, "/low+0x1fff");
    assert_seen(&space, 1, 0x3000, 40, "/a+0x1000");
    assert_seen(&space, 1, 0x37ff, 40, "/a+0x17ff");
    assert_seen(&space, 1, 0x3800, 40, "/high+0x0");
    assert_seen(&space, 1, 0x3800, 25, "/a+0x1800");
}

#[test]
fn a_mapping_covers_several() {
    let space = Script::default()
        .map(10, 1, 0x1000..0x2000, "/a")
        .map(11, 1, 0x2000..0x3000, "/b")
        .map(12, 1, 0x4000..0x6000, "/c")
        .map(20, 1, 0x1800..0x5000, "/over")
        .space();
    for (address, before, after) in [
        (0x1000, "/a+0x0", "/a+0x0"),
        (0x1800, "/a+0x800", "/over+0x0"),
        (0x2000, "/b+0x0", "/over+0x800"),
        (0x3000, "", "/over+0x1800"),
        (0x4fff, "/c+0xfff", "/over+0x37ff"),
        (0x5000, "/c+0x1000", "/c+0x1000"),
    ] {
        assert_seen(&space, 1, address, 15, before);
        assert_seen(&space, 1, address, 25, after);
    }
}

#[test]
fn a_piece_of_a_piece_keeps_its_place_in_the_file() {
    let space = Script::default()
        .map(10, 1, 0x1_0000..0x2_0000, "/a")
        .map(20, 1, 0x1_2000..0x1_3000, "/b")
        .map(30, 1, 0x1_8000..0x1_9000, "/c")
        .map(40, 1, 0x1_0000..0x1_4000, "/d")
        .space();
    assert_seen(&space, 1, 0x1_7fff, 50, "/a+0x7fff");
    assert_seen(&space, 1, 0x1_9000, 50, "/a+0x9000");
    assert_seen(&space, 1, 0x1_2000, 50, "/d+0x2000");
    assert_seen(&space, 1, 0x1_2000, 35, "/b+0x0");
    assert_seen(&space, 1, 0x1_3000, 35, "/a+0x3000");
}

#[test]
fn the_same_range_may_be_mapped_again_and_again() {
    let mut script = Script::default();
    for round in 0..50 {
        script = script.map(10 + round, 1, 0x1000..0x2000, &format!("/{round}"));
    }
    let space = script.space();
    for round in 0..50 {
        assert_seen(&space, 1, 0x1000, 10 + round, &format!("/{round}+0x0"));
    }
}

#[test]
fn a_wider_mapping_that_is_gone_does_not_hide_a_narrow_one() {
    // Both begin at the same address.
    let space = Script::default()
        .map(10, 1, 0x1000..0x9000, "/wide")
        .map(20, 1, 0x1000..0x2000, "/narrow")
        .space();
    assert_seen(&space, 1, 0x8000, 15, "/wide+0x7000");
    assert_seen(&space, 1, 0x1000, 25, "/narrow+0x0");
    assert_seen(&space, 1, 0x2000, 25, "/wide+0x1000");
}

#[test]
fn mappings_of_nothing_are_counted_and_change_nothing() {
    let space = Script::default()
        .map(10, 1, 0x1000..0x2000, "/a")
        .map(20, 1, 0x1800..0x1800, "/nothing")
        .space();
    assert_seen(&space, 1, 0x1800, 30, "/a+0x800");
    assert_eq!(space.notes().get("mappings of length 0"), Some(&1));
}

#[test]
fn mappings_of_guests_are_counted_and_left_out() {
    let mut script = Script::default();
    for mode in [
        CpuMode::GuestUser,
        CpuMode::GuestKernel,
        CpuMode::Hypervisor,
    ] {
        let guest = Mmap {
            mode,
            ..mapping(1, 0x1000..0x2000, "/guest")
        };
        script = script.mmap(10, guest);
    }
    let space = script.space();
    assert_seen(&space, 1, 0x1000, 20, "");
    assert_eq!(space.notes().get("mappings of guests"), Some(&3));
}

#[test]
fn mappings_may_reach_over_the_last_address() {
    let overlong = Mmap {
        length: u64::MAX,
        ..mapping(1, 0x1000..0x2000, "/a")
    };
    let last = Mmap {
        start: u64::MAX,
        ..overlong.clone()
    };
    let space = Script::default()
        .mmap(10, overlong)
        .mmap(20, last.clone())
        .mmap(30, last)
        .map(40, 1, 0x2000..0x3000, "/b")
        .space();
    assert_seen(&space, 1, 0x1000, 50, "/a+0x0");
    assert_seen(&space, 1, 0x2000, 50, "/b+0x0");
    assert_seen(&space, 1, 0x3000, 50, "/a+0x2000");
}
