//! Many processes, many mappings, long chains of forks. Nothing here is timed:
//! sizes are counted, and what is quadratic would not end.

use super::script::{MAP_PRIVATE, Script, assert_seen, at, mapping};
use crate::space::AddressSpace;
use contend_perfdata::{At, CpuMode, Mmap, SideBand};

/// Rectangles of all images together.
fn rects(space: &AddressSpace) -> usize {
    space.images.iter().map(|image| image.maps.len()).sum()
}

/// The largest number of images that a look-up goes through.
fn deepest(space: &AddressSpace) -> usize {
    let depth = |image: &super::super::Image| {
        let mut depth = 1;
        let mut parent = image.parent;
        while let Some((image, _)) = parent {
            depth += 1;
            parent = space.images[image.0 as usize].parent;
        }
        depth
    };
    space.images.iter().map(depth).max().unwrap_or(0)
}

/// Records at times 1, 2, 3 and so on.
fn space_of(events: impl IntoIterator<Item = SideBand>) -> AddressSpace {
    let events = (1..).zip(events);
    let timed = events.map(|(time, event)| (At { time, pos: time }, event));
    AddressSpace::build(timed.collect(), &[])
}

fn map(pid: i32, start: u64, end: u64) -> SideBand {
    SideBand::Mmap(mapping(pid, start..end, "/a"))
}

fn fork(parent: i32, child: i32) -> SideBand {
    SideBand::Fork {
        pid: child,
        parent_pid: parent,
        tid: child,
        parent_tid: parent,
        exec: false,
    }
}

#[test]
fn forks_copy_no_mappings() {
    let maps = (1..=1000).map(|index| map(1, index * 0x2000, index * 0x2000 + 0x1000));
    let forks = (2..=2001).map(|child| fork(1, child));
    let space = space_of(maps.chain(forks));
    assert_eq!(space.images.len(), 2002, "and the kernel's");
    assert_eq!((space.maps.len(), rects(&space)), (1000, 1000));
    for child in [2, 1000, 2001] {
        assert_seen(&space, child, 0x2000, 9999, "/a+0x0");
        assert_seen(&space, child, 1000 * 0x2000 + 1, 9999, "/a+0x1");
        assert_seen(&space, child, 0x3000, 9999, "");
    }
}

#[test]
fn mappings_inside_each_other_stay_linear() {
    // Each leaves two ends of the one before.
    let count: u64 = 100_000;
    let top = 4 * count * 0x1000;
    let maps = (0..count).map(|index| map(1, index * 0x1000, top - index * 0x1000));
    let space = space_of(maps);
    assert!(rects(&space) <= 3 * count as usize, "{}", rects(&space));
    for index in [0, 1, 777, count - 1] {
        assert_seen(&space, 1, index * 0x1000 + 1, u64::MAX, "/a+0x1");
    }
    // The place that all of them held: now it is the last one's.
    let now = space.find(CpuMode::User, 1, top / 2, at(u64::MAX)).unwrap();
    assert_eq!(space.map(now).start, (count - 1) * 0x1000);
    // Long ago, behind 100,000 others: a look-up gives up, and a span says that
    // it does not know.
    assert_eq!(space.find(CpuMode::User, 1, top / 2, at(1)), None);
    let during = space.find_during(CpuMode::User, 1, top / 2, at(1), at(2));
    assert_eq!(during, crate::space::During::Varies);
    let given_up = space.given_up();
    assert_eq!(given_up.load(std::sync::atomic::Ordering::Relaxed), 2);
    let few = space.find(CpuMode::User, 1, top / 2, at(count - 5000));
    assert!(few.is_some(), "behind 5,000 it does not");
}

#[test]
fn mappings_that_slide_stay_linear() {
    let count: u64 = 100_000;
    let maps = (0..count).map(|index| map(1, index * 0x1000, (index + 500) * 0x1000));
    let space = space_of(maps);
    assert!(rects(&space) <= 3 * count as usize, "{}", rects(&space));
    for index in (0..count).step_by(997) {
        // Behind the record of each, the whole of it is its own.
        let range = [index * 0x1000, (index + 499) * 0x1000];
        for address in range {
            let map = space
                .find(CpuMode::User, 1, address, at(index + 1))
                .unwrap();
            assert_eq!(space.map(map).start, index * 0x1000);
        }
        assert_seen(&space, 1, index * 0x1000, index, &before(index));
    }
}

/// What the mapping before shows at the start of a sliding one.
fn before(index: u64) -> String {
    if index == 0 {
        String::new()
    } else {
        "/a+0x1000".to_owned()
    }
}

#[test]
fn a_wide_mapping_over_many_small_ones_ends_them_once() {
    let rounds: u64 = 100;
    let small: u64 = 1000;
    let mut events = Vec::new();
    for _ in 0..rounds {
        events.extend((0..small).map(|index| map(1, index * 0x1000, (index + 1) * 0x1000)));
        events.push(map(1, 0, small * 0x1000));
    }
    let space = space_of(events);
    let mapped = rounds * (small + 1);
    assert!(rects(&space) as u64 <= 3 * mapped, "{}", rects(&space));
    let time = 50 * (small + 1) + 500;
    for address in [0, 499 * 0x1000, 500 * 0x1000, 999 * 0x1000] {
        let map = space.find(CpuMode::User, 1, address, at(time)).unwrap();
        let is_small = address < 500 * 0x1000;
        assert_eq!(
            space.map(map).end == small * 0x1000,
            !is_small,
            "{address:#x}"
        );
    }
}

#[test]
fn one_range_mapped_again_and_again_stays_linear() {
    let count = 100_000;
    // Never quite the same twice in a row.
    let with_flags = |index| {
        let flags = MAP_PRIVATE | (index as u32 % 2) << 5;
        SideBand::Mmap(Mmap {
            flags,
            ..mapping(1, 0x1000..0x2000, "/a")
        })
    };
    let space = space_of((0..count).map(with_flags));
    assert_eq!(rects(&space), count);
    for time in [1, 500, 100_000] {
        assert_seen(&space, 1, 0x1800, time, "/a+0x800");
    }
    let during = space.find_during(CpuMode::User, 1, 0x1800, at(1), at(u64::MAX));
    assert!(matches!(during, crate::space::During::Same(Some(_))));
}

#[test]
fn a_long_chain_of_forks_keeps_its_mappings() {
    let generations = 100_000;
    let first = std::iter::once(map(1, 0x1000, 0x2000));
    let forks = (1..=generations).map(|pid| fork(pid, pid + 1));
    let space = space_of(first.chain(forks));
    for pid in [1, 2, 64, 65, 66, 1000, generations + 1] {
        assert_seen(&space, pid, 0x1800, u64::MAX, "/a+0x800");
    }
    assert!(deepest(&space) <= 3, "{}", deepest(&space));
    assert_eq!(rects(&space), 1);
    assert!(space.notes().is_empty(), "{:?}", space.notes());
}

#[test]
fn a_long_chain_of_forks_that_all_map_is_cut_and_says_so() {
    let generations = 100_000;
    let events = (1..=generations).flat_map(|pid| {
        let start = pid as u64 * 0x1000;
        [map(pid, start, start + 0x1000), fork(pid, pid + 1)]
    });
    let space = space_of(events);
    assert!(deepest(&space) <= 70, "{}", deepest(&space));
    let notes = space.notes();
    let cut = notes.get("forks too deep to inherit mappings").copied();
    assert!(cut.is_some_and(|count| count > 1000), "{notes:?}");
    // Near ancestors' mappings are there, far ones' are not.
    for pid in [2, 50, generations] {
        assert_seen(&space, pid, (pid as u64) * 0x1000, u64::MAX, "/a+0x0");
    }
    assert_seen(&space, 50, 0x1000, u64::MAX, "/a+0x0");
    assert_seen(&space, generations, 0x1000, u64::MAX, "");
}

#[test]
fn many_execs_of_one_process_stay_linear() {
    let mut script = Script::default();
    let count = 20_000;
    for round in 0..count {
        script =
            script
                .exec(10 * round + 1, 1, "loop")
                .map(10 * round + 2, 1, 0x1000..0x2000, "/a");
    }
    let space = script.space();
    assert_eq!(rects(&space), count as usize);
    for round in [0, 1, count / 2, count - 1] {
        assert_seen(&space, 1, 0x1000, 10 * round + 1, "");
        assert_seen(&space, 1, 0x1000, 10 * round + 2, "/a+0x0");
    }
}

#[test]
fn mapping_the_same_again_is_one_mapping() {
    let space = space_of((0..10_000).map(|_| map(1, 0x1000, 0x3000)));
    assert_eq!((space.maps.len(), rects(&space)), (1, 1));
    assert_seen(&space, 1, 0x2000, 1, "/a+0x1000");
    assert_seen(&space, 1, 0x2000, 9999, "/a+0x1000");
    assert_seen(&space, 1, 0x2000, 0, "");
    // Other memory, another part of the range or another part of the file is not
    // the same.
    let other = SideBand::Mmap(mapping(1, 0x1000..0x3000, "/b"));
    let moved = SideBand::Mmap(Mmap {
        file_offset: 0x1000,
        ..mapping(1, 0x1000..0x3000, "/b")
    });
    let whole = || map(1, 0x1000, 0x3000);
    let space = space_of([whole(), map(1, 0x2000, 0x3000), whole(), other, moved]);
    assert_eq!(space.maps.len(), 5);
    assert_seen(&space, 1, 0x2000, 2, "/a+0x0");
    assert_seen(&space, 1, 0x2000, 3, "/a+0x1000");
    assert_seen(&space, 1, 0x2000, 4, "/b+0x1000");
    assert_seen(&space, 1, 0x2000, 5, "/b+0x2000");
}

#[test]
fn a_mapping_that_was_unmapped_by_an_exec_or_covered_is_mapped_again() {
    let exec = SideBand::Comm {
        pid: 1,
        tid: 1,
        name: b"new".as_slice().into(),
        exec: true,
    };
    let space = space_of([map(1, 0x1000, 0x3000), exec, map(1, 0x1000, 0x3000)]);
    assert_seen(&space, 1, 0x2000, 1, "/a+0x1000");
    assert_seen(&space, 1, 0x2000, 2, "");
    assert_seen(&space, 1, 0x2000, 3, "/a+0x1000");
}
