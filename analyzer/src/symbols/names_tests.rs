//! Memory that has names without a file of its own on disk.

use super::*;
use crate::symbols::SymbolSources;
use crate::symbols::starts::FunctionStarts;
use contend_perfdata::{At, BuildId, CpuMode, FileId, Mmap, SideBand};
use std::io::{Read, Seek, SeekFrom};
use std::process::Command;

const AT: At = At { time: 1, pos: 1 };

fn mapped(pid: i32, start: u64, length: u64, path: &str, mode: CpuMode) -> (At, SideBand) {
    let mmap = Mmap {
        pid,
        tid: pid,
        start,
        length,
        file_offset: 0,
        path: path.as_bytes().into(),
        file: FileId::Unknown,
        protection: Some(5),
        flags: 2,
        is_data: false,
        mode,
    };
    (AT, SideBand::Mmap(mmap))
}

fn pool() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().build().unwrap()
}

/// This machine's vdso, out of the memory of this process, and where it is.
fn own_vdso() -> Option<(u64, Vec<u8>)> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("[vdso]"))?;
    let (start, end) = line.split(' ').next()?.split_once('-')?;
    let start = u64::from_str_radix(start, 16).ok()?;
    let end = u64::from_str_radix(end, 16).ok()?;
    let mut memory = std::fs::File::open("/proc/self/mem").ok()?;
    memory.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = vec![0; (end - start) as usize];
    memory.read_exact(&mut bytes).ok()?;
    Some((start, bytes))
}

#[test]
fn the_vdso_is_found_by_its_build_id() {
    let Some((start, bytes)) = own_vdso() else {
        eprintln!("skipped: no vdso to be read");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, &bytes).unwrap();
    let opened = crate::symbols::elf::open(&plain).unwrap();
    let id = crate::symbols::elf::Elf::parse(&opened).unwrap();
    let id = id.build_id().unwrap();
    let table = Command::new("readelf").arg("-Ws").arg(&plain).output();
    let Some(table) = table.ok().filter(|output| output.status.success()) else {
        eprintln!("skipped: no readelf");
        return;
    };
    // Value, size, type, binding, visibility, section, name@version.
    let table = String::from_utf8(table.stdout).unwrap();
    let functions: Vec<(u64, u64, &str)> = table
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, value, size, "FUNC", _, _, _, name] = words[..8.min(words.len())] else {
                return None;
            };
            let value = u64::from_str_radix(value, 16).ok()?;
            Some((value, size.parse().ok()?, name.split('@').next()?))
        })
        .collect();
    assert!(
        functions
            .iter()
            .any(|&(.., name)| name == "__vdso_clock_gettime")
    );

    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let place = folder
        .path()
        .join("cache/.build-id")
        .join(&hex[..2])
        .join(&hex[2..]);
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("vdso"), &bytes).unwrap();
    let maps = vec![mapped(
        7,
        start,
        bytes.len() as u64,
        "[vdso]",
        CpuMode::User,
    )];
    let known = BuildId {
        pid: -1,
        misc: 2,
        build_id: id.clone(),
        filename: "[vdso]".to_owned(),
    };
    let space = AddressSpace::build(maps, &[known]);
    let sources = SymbolSources {
        enabled: true,
        folders: vec![folder.path().join("cache")],
        ..SymbolSources::default()
    };
    let locator = Locator::without_capture(&sources);
    let jit = Jit::default();
    for (value, size, _) in functions.iter().filter(|function| function.1 > 1) {
        let address = start + value + size - 1;
        let map = space.find_code(7, address, AT).unwrap();
        let spot = Spot::code(&space, map, address);
        let names = Names::look_up(&space, &jit, vec![spot], &locator, &pool()).unwrap();
        let symbol = names.get(spot).unwrap().symbol.as_ref().unwrap();
        assert_eq!(symbol.offset, size - 1);
        let mut same = functions.iter().filter(|function| function.0 == *value);
        assert!(same.any(|&(.., name)| name == &*symbol.name), "{symbol:?}");
        let starts = FunctionStarts::look_up(&space, &jit, vec![spot], &locator, &pool()).unwrap();
        assert_eq!(starts.start(spot).unwrap().offset, *value);
    }
}

#[test]
fn programs_that_the_kernel_names_need_no_list() {
    let start = 0xffff_ffff_c000_1000;
    let events = vec![
        mapped(
            -1,
            0xffff_ffff_8100_0000,
            0x100_0000,
            "[kernel.kallsyms]_text",
            CpuMode::Kernel,
        ),
        (
            AT,
            SideBand::Ksymbol {
                start,
                length: 0x200,
                kind: 1,
                unregister: false,
                name: b"bpf_prog_6deef7357e7b4530_sched".as_slice().into(),
            },
        ),
    ];
    let space = AddressSpace::build(events, &[]);
    let map = space.find_code(7, start + 0x24, AT).unwrap();
    let spot = Spot::code(&space, map, start + 0x24);
    let sources = SymbolSources {
        enabled: true,
        ..SymbolSources::default()
    };
    let locator = Locator::without_capture(&sources);
    let jit = Jit::default();
    let names = Names::look_up(&space, &jit, vec![spot], &locator, &pool()).unwrap();
    let symbol = names.get(spot).unwrap().symbol.clone().unwrap();
    assert_eq!(&*symbol.name, "bpf_prog_6deef7357e7b4530_sched");
    assert_eq!(symbol.offset, 0x24);
    assert_eq!(names.missing, []);
    let starts = FunctionStarts::look_up(&space, &jit, vec![spot], &locator, &pool()).unwrap();
    let first = space.find_code(7, start, AT).unwrap();
    assert_eq!(starts.start(spot), Some(Spot::code(&space, first, start)));
}

#[test]
fn paths_of_the_kernel_are_known_however_they_are_written() {
    for path in [
        "/dev/shm/ring",
        "//dev//////null",
        "/./dev/zero",
        "/usr/../proc/self/exe",
        "/sys/kernel/x",
        "/memfd:x (deleted)",
        "/SYSV00000000",
    ] {
        assert!(is_odd(path.as_bytes()), "{path}");
    }
    for path in ["/usr/bin/dev/x", "/device/x", "/dev", "/opt/sys/../x"] {
        assert!(!is_odd(path.as_bytes()), "{path}");
    }
}
