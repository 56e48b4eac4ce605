//! Binaries made of bytes that nobody should trust.

use super::*;
use crate::symbols::image::Origin;
use contend_fixtures::{ElfSymbol, elf_program};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn sample() -> Vec<u8> {
    let symbol = |name: &str, address, size, object| ElfSymbol {
        name: name.to_owned(),
        address,
        size,
        object,
    };
    elf_program(
        &[7; 20],
        &[
            symbol("_Z4worki", 0x1100, 0x40, false),
            symbol("counter", 0xb040, 0x40, true),
        ],
    )
}

fn found(image: &Path) -> Found {
    Found {
        image: Image::at(image.to_owned(), Origin::Named),
        debug: None,
        shared: None,
        has_lines: false,
        is_proven: true,
    }
}

fn places() -> Vec<Place> {
    vec![
        (Use::Code, 0x1110),
        (Use::Code, 0x7fff_ffff_ffff_ffff),
        (Use::Data, 0xa048),
        (Use::Data, u64::MAX),
    ]
}

#[test]
fn symbols_are_found_by_their_place_in_the_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), sample()).unwrap();
    let answers = answer(&found(file.path()), &places());
    assert_eq!(answers.remarks, Vec::<String>::new());
    let symbol = |place| {
        let answer: Option<&Answer> = answers.places.get(&place);
        let symbol = answer?.symbol.clone()?;
        Some((symbol.name, symbol.offset))
    };
    assert_eq!(
        symbol((Use::Code, 0x1110)),
        Some(("work(int)".into(), 0x10))
    );
    assert_eq!(symbol((Use::Data, 0xa048)), Some(("counter".into(), 8)));
    assert_eq!(symbol((Use::Data, u64::MAX)), None);
}

#[test]
fn what_is_no_binary_is_a_remark() {
    let nothing = answer(&found(&PathBuf::from("/nonexistent/x")), &places());
    assert_eq!(nothing.remarks.len(), 1);
    assert!(nothing.places.is_empty());
    let folder = answer(&found(&std::env::temp_dir()), &places());
    assert!(
        folder.remarks[0].contains("regular file"),
        "{:?}",
        folder.remarks
    );
}

/// A program with debug information, if there is a collection of captures.
fn real() -> Option<Vec<u8>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    let captures = std::env::var_os("CONTEND_SHARED")
        .map_or(beside, |shared| PathBuf::from(shared).join("captures"));
    let read = std::fs::read(captures.join("mem-realistic/bin/c_atomic")).ok();
    if read.is_none() {
        eprintln!("no mem-realistic: only a binary without debug information is damaged");
    }
    read
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Reading ends with an answer, whatever the bytes are.
    #[test]
    fn damaged_binaries_never_panic(
        real_one: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        in_headers in prop::collection::vec((0usize..512, any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let base = if real_one { real() } else { None };
        let mut bytes = base.unwrap_or_else(sample);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        // The tables of sections and segments are where lengths are believed.
        let tables = bytes.len().saturating_sub(4096);
        for (at, value) in in_headers {
            bytes[at] = value;
            if let Some(byte) = bytes.get_mut(tables + at * 8) {
                *byte = value;
            }
        }
        if let Some(cut) = cut {
            let length = cut.index(bytes.len());
            bytes.truncate(length);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let mut places = places();
        places.extend((0x1000..0x1400).step_by(16).map(|at| (Use::Code, at)));
        drop(answer(&found(file.path()), &places));
    }
}

const SOURCE: &str = "
volatile int counter; int table[64];
__attribute__((always_inline)) static inline int inner(int x) { return table[x & 63] + counter; }
__attribute__((always_inline)) static inline int middle(int x) { return inner(x) * 3; }
__attribute__((noinline)) int outer(int x) { counter++; return middle(x) + 1; }
int main(int argc, char **argv) { return outer(argc); }
";

fn tool(name: &str, args: &[&str]) -> Option<String> {
    let ended = std::process::Command::new(name).args(args).output().ok()?;
    let is_done = ended.status.success();
    is_done.then(|| String::from_utf8_lossy(&ended.stdout).into_owned())
}

/// Names and lines of every instruction of a function, by `addr2line -i`.
#[test]
fn inlined_functions_are_those_of_addr2line() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("a.c"), SOURCE).unwrap();
    let mut compared = 0;
    for kind in [
        &["-pie", "-fPIE"][..],
        &["-no-pie", "-fno-pie"],
        &["-gz=zlib"],
        &["-gz=zstd"],
    ] {
        let (source, binary) = (path("a.c"), path("a"));
        let args = [&["-O2", "-g", "-o", &binary, &source], kind].concat();
        if tool("gcc", &args).is_none() {
            eprintln!("skipped: no gcc that does {kind:?}");
            continue;
        }
        let Some(table) = tool("nm", &["-S", &binary]) else {
            eprintln!("skipped: no nm");
            return;
        };
        let line = table
            .lines()
            .find(|line| line.ends_with(" T outer"))
            .unwrap();
        let mut words = line.split(' ').map(|word| u64::from_str_radix(word, 16));
        let (start, size) = (
            words.next().unwrap().unwrap(),
            words.next().unwrap().unwrap(),
        );
        // The linker puts code at equal offsets in file and memory.
        let base = if kind[0] == "-no-pie" { 0x40_0000 } else { 0 };
        let offsets: Vec<u64> = (start..start + size).map(|at| at - base).collect();
        let places: Vec<Place> = offsets.iter().map(|&at| (Use::Code, at)).collect();
        let answers = answer(&found(Path::new(&binary)), &places);
        assert_eq!(answers.remarks, Vec::<String>::new(), "{kind:?}");
        for at in offsets {
            let known = &answers.places[&(Use::Code, at)];
            let symbol = known.symbol.as_ref().unwrap();
            assert_eq!(
                (symbol.name.as_str(), symbol.offset),
                ("outer", at + base - start)
            );
            let address = format!("{:#x}", at + base);
            let Some(theirs) = tool("addr2line", &["-i", "-f", "-e", &binary, &address]) else {
                eprintln!("skipped: no addr2line that does {kind:?}");
                break;
            };
            let ours: Vec<String> = known
                .frames
                .iter()
                .map(|frame| {
                    let [function, source] = [&frame.function, &frame.source]
                        .map(|text| text.clone().unwrap_or_default());
                    format!("{function}\n{source}\n")
                })
                .collect();
            let theirs: Vec<&str> = theirs
                .lines()
                .map(|line| line.split(" (discriminator").next().unwrap_or(line))
                .collect();
            if theirs
                .iter()
                .any(|line| line.ends_with(":?") || line.contains("??"))
            {
                continue;
            }
            assert_eq!(
                ours.concat(),
                theirs.join("\n") + "\n",
                "{kind:?} {address}"
            );
            compared += usize::from(known.frames.len() > 1);
        }
    }
    if compared == 0 {
        eprintln!("skipped: nothing was compared with addr2line");
    }
}

/// A stripped binary and the file with its debug information, by name and by
/// build-id.
#[test]
fn split_debug_information_is_found() {
    use crate::space::{Dso, DsoKind};
    use crate::symbols::locate::{Locator, SymbolSources};
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("a.c"), SOURCE).unwrap();
    let (source, binary, debug) = (path("a.c"), path("prog"), path("other.debug"));
    let made = tool(
        "gcc",
        &["-O2", "-g", "-Wl,--build-id=sha1", "-o", &binary, &source],
    )
    .and_then(|_| tool("objcopy", &["--only-keep-debug", &binary, &debug]))
    .and_then(|_| tool("strip", &["--strip-all", &binary]))
    .and_then(|_| {
        tool(
            "objcopy",
            &[&format!("--add-gnu-debuglink={debug}"), &binary],
        )
    });
    if made.is_none() {
        eprintln!("skipped: no gcc and binutils");
        return;
    }
    let bytes = Image::at(binary.clone().into(), Origin::Named)
        .open()
        .unwrap();
    let id = super::Elf::parse(&bytes).unwrap().build_id().unwrap();
    let dso = |id: &[u8]| Dso {
        name: b"/opt/prog".as_slice().into(),
        kind: DsoKind::File,
        inode: None,
        build_id: contend_perfdata::BuildIdBytes::new(id),
    };
    let sources = SymbolSources {
        enabled: true,
        folders: vec![scratch.path().to_owned()],
        ..SymbolSources::default()
    };
    let demo = "../fixtures/demo/false-sharing.perf.data";
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join(demo);
    let capture = crate::Capture::open(&demo, 1, 1 << 20).unwrap();
    let locator = Locator::new(&sources, &capture).unwrap();
    let search = locator.find(&dso(&id));
    let found = search.found.unwrap();
    assert_eq!(found.image.to_string(), binary);
    assert_eq!(found.debug.as_ref().map(Image::to_string), Some(debug));
    let places: Vec<Place> = (0x1000..0x1400).map(|at| (Use::Code, at)).collect();
    let answers = answer(&found, &places);
    let named = answers.places.values().filter(|answer| {
        let symbol = answer.symbol.as_ref();
        symbol.is_some_and(|symbol| symbol.name == "outer") && answer.frames.len() == 3
    });
    assert!(named.count() > 3, "outer has inner and middle in it");

    let other = locator.find(&dso(&[9; 20]));
    assert!(other.found.is_none() && !other.refused.is_empty());
}

#[test]
fn functions_of_a_stripped_binary_come_from_its_mini_debug_info() {
    const SOURCE: &str = "\
        static volatile int n;
        __attribute__((noinline)) static int hidden_one(int a) { n += a; return n * 3; }
        __attribute__((noinline)) static int hidden_two(int a) { n -= a; return n * 5; }
        int main(int c, char **v) { return hidden_one(c) + hidden_two(c); }
    ";
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("a.c"), SOURCE).unwrap();
    std::fs::write(path("kept"), "hidden_one\nhidden_two\n").unwrap();
    let (whole, mini, binary) = (path("whole"), path("mini"), path("binary"));
    let kept = format!("--keep-symbols={}", path("kept"));
    let section = format!(".gnu_debugdata={mini}.xz");
    let made = tool("gcc", &["-O2", "-o", &whole, &path("a.c")])
        .and_then(|_| tool("objcopy", &["-S", &kept, &whole, &mini]))
        .and_then(|_| tool("xz", &["--keep", &mini]))
        .and_then(|_| tool("strip", &["--strip-all", "-o", &binary, &whole]))
        .and_then(|_| tool("objcopy", &["--add-section", &section, &binary]));
    let listed = std::process::Command::new("nm")
        .args(["-S", &whole])
        .output();
    let (Some(_), Ok(listed)) = (made, listed) else {
        eprintln!("skipped: no gcc, binutils and xz");
        return;
    };
    let listed = String::from_utf8(listed.stdout).unwrap();
    let mut checked = 0;
    let bytes = super::super::elf::open(Path::new(&binary)).unwrap();
    let elf = Elf::parse(&bytes).unwrap();
    let places: Vec<Place> = (0x1000..0x1400).map(|at| (Use::Code, at)).collect();
    let answers = answer(&found(Path::new(&binary)), &places);
    assert_eq!(answers.remarks, Vec::<String>::new());
    for &(used, offset) in &places {
        let Some(svma) = elf.svma(offset, used) else {
            continue;
        };
        let expected = listed.lines().find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [start, size, _, name @ ("hidden_one" | "hidden_two")] = words[..] else {
                return None;
            };
            let number = |text| u64::from_str_radix(text, 16).unwrap();
            let start = number(start);
            (start..start + number(size))
                .contains(&svma)
                .then_some(name)
        });
        let answer = answers.places.get(&(used, offset));
        let symbol = answer.and_then(|answer| answer.symbol.as_ref());
        if let Some(name) = expected {
            assert_eq!(symbol.map(|symbol| &*symbol.name), Some(name), "{svma:x}");
            checked += 1;
        }
    }
    assert!(checked > 10, "{listed}");

    // What is no xz is a remark, and the rest is as it was.
    std::fs::write(path("mini.xz"), "no xz").unwrap();
    tool("objcopy", &["--update-section", &section, &binary]).unwrap();
    let answers = answer(&found(Path::new(&binary)), &places);
    let remark = ".gnu_debugdata is of no use";
    assert!(answers.remarks[0].contains(remark), "{:?}", answers.remarks);
}
