//! Processes that replace their code.

use super::super::jitdump::tests::Writer;
use super::super::locate::SymbolSources;
use super::super::names::Names;
use super::super::starts::FunctionStarts;
use super::*;
use contend_perfdata::{CpuMode, FileId, Mmap, SideBand};
use std::path::Path;

fn mapped(start: u64, length: u64, name: &str) -> (At, SideBand) {
    let mmap = Mmap {
        pid: 7,
        tid: 7,
        start,
        length,
        file_offset: 0,
        path: name.as_bytes().into(),
        file: FileId::Unknown,
        protection: Some(7),
        flags: 2,
        is_data: false,
        mode: CpuMode::User,
    };
    let at = At {
        time: 1,
        pos: start,
    };
    (at, SideBand::Mmap(mmap))
}

fn space() -> AddressSpace {
    let maps = vec![
        mapped(0x1000, 0x8000, "//anon"),
        mapped(0x10_0000, 0x1000, "/memfd:jit (deleted)"),
        mapped(0x20_0000, 0x1000, "/home/u/.debug/jit/x/jit-7.dump"),
        mapped(0x30_0000, 0x1000, "/usr/bin/node"),
    ];
    AddressSpace::build(maps, &[])
}

fn locator(folder: &Path) -> Locator {
    Locator::without_capture(&SymbolSources {
        enabled: true,
        folders: vec![folder.to_owned()],
        ..SymbolSources::default()
    })
}

/// What is named at an address at a time, and where its function begins.
fn named(space: &AddressSpace, jit: &Jit, address: u64, time: u64) -> Option<(String, u64)> {
    let pool = rayon::ThreadPoolBuilder::new().build().unwrap();
    let at = At { time, pos: 0 };
    let map = space.find_code(7, address, at)?;
    let spot = jit.spot(space, map, 7, address, at);
    let locator = locator(Path::new("/"));
    let names = Names::look_up(space, jit, vec![spot, spot], &locator, &pool).unwrap();
    let starts = FunctionStarts::look_up(space, jit, vec![spot], &locator, &pool).unwrap();
    let symbol = names.get(spot)?.symbol.clone()?;
    let start = starts.start(spot)?;
    assert_eq!(start.offset, address - symbol.offset);
    Some((symbol.name.to_string(), symbol.offset))
}

#[test]
fn the_later_line_of_a_list_stays() {
    let folder = tempfile::tempdir().unwrap();
    let list = "1000 100 first\n1080 10 second one\n100000 20 in memfd\n300000 20 not node\nx\n";
    std::fs::write(folder.path().join("perf-7.map"), list).unwrap();
    std::fs::write(folder.path().join("perf-8.map"), "1000 100 other\n").unwrap();
    let space = space();
    let jit = Jit::open(&space, &locator(folder.path()), false);
    let name = |address| named(&space, &jit, address, 5);
    assert_eq!(name(0x1004), Some(("first".into(), 4)));
    assert_eq!(name(0x1084), Some(("second one".into(), 4)));
    assert_eq!(name(0x10a0), Some(("first".into(), 0xa0)));
    assert_eq!(name(0x1100), None);
    assert_eq!(name(0x10_0001), Some(("in memfd".into(), 1)));
    assert_eq!(name(0x30_0000), None);
    let path = folder.path().join("perf-7.map");
    let warning = format!("{}: 1 damaged entries are left out", path.display());
    assert_eq!(jit.warnings, [warning]);
}

#[test]
fn times_of_a_dump_tell_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut dump = Writer::new(false, 7, 0);
    dump.load(10, 0x1000, 0x100, 0, "first");
    dump.load(30, 0x1000, 0x80, 1, "second");
    dump.lines(0x2000, &[(0x2000, 5, b"a.js"), (0x2010, 6, b"\xff")]);
    dump.load(20, 0x2000, 0x100, 2, "moving");
    dump.moved(40, 0x2000, 0x3000, 0x100, 2);
    // Where the capture knows that it was.
    let place = folder.path().join("home/u/.debug/jit/x");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("jit-7.dump"), &dump.bytes).unwrap();
    std::fs::write(folder.path().join("perf-7.map"), "7000 100 listed\n").unwrap();
    let space = space();
    let jit = Jit::open(&space, &locator(folder.path()), true);
    assert_eq!(jit.warnings, Vec::<String>::new());
    let name = |address, time| named(&space, &jit, address, time).map(|named| named.0);
    assert_eq!(name(0x1004, 5), None);
    assert_eq!(name(0x1004, 10).unwrap(), "first");
    assert_eq!(name(0x1004, 29).unwrap(), "first");
    assert_eq!(name(0x1004, 30).unwrap(), "second");
    assert_eq!(name(0x1084, 99).unwrap(), "first");
    assert_eq!(name(0x2004, 39).unwrap(), "moving");
    assert_eq!(name(0x3004, 39), None);
    assert_eq!(name(0x3004, 40).unwrap(), "moving");
    assert_eq!(name(0x7004, 5).unwrap(), "listed");
    let at = At { time: 40, pos: 0 };
    let map = space.find_code(7, 0x3014, at).unwrap();
    let code = jit.spot(&space, map, 7, 0x3014, at).made.unwrap();
    let frames = jit.answer(code, 0x3014).unwrap().frames;
    assert_eq!(frames[0].source.as_deref(), Some("a.js:6"));

    // Without times that can be compared, the last one is named, and said so.
    let jit = Jit::open(&space, &locator(folder.path()), false);
    let name = |address, time| named(&space, &jit, address, time).map(|named| named.0);
    assert_eq!(name(0x1004, 5).unwrap(), "second");
    assert!(
        jit.warnings[0].contains("another clock"),
        "{:?}",
        jit.warnings
    );
}

#[test]
fn nothing_is_read_that_the_user_did_not_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("perf-7.map"), "1000 100 first\n").unwrap();
    let space = space();
    let mut sources = SymbolSources {
        enabled: false,
        folders: vec![folder.path().to_owned()],
        ..SymbolSources::default()
    };
    let is_empty = |sources: &SymbolSources| {
        let locator = Locator::without_capture(sources);
        Jit::open(&space, &locator, false).processes.is_empty()
    };
    assert!(is_empty(&sources));
    sources.enabled = true;
    assert!(!is_empty(&sources));
    sources.folders.clear();
    assert!(is_empty(&sources));
}
