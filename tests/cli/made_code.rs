//! Code that programs made while they ran, named by what their compilers left:
//! from the bundle, from folders and from archives.

use crate::common::contend_on;
use contend_bundle::{BundleWriter, Manifest};
use contend_fixtures::{
    Access, Backing, Container, ElfSymbol, Feature, Machine, Scene, elf_program, wrap,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Processes of which the compiler left a list, a dump, and an image that
/// `perf inject -j` made of a dump.
const LISTED: u32 = 4400;
const DUMPED: u32 = 4410;
const INJECTED: u32 = 4420;
/// Where code is that the programs made.
const CODE: u64 = 0x7f21_0000_0000;
const IMAGE: &str = "/home/u/.debug/jit/llvm-IR-jit-20261101/jitted-4420-3.so";

/// In each process two threads that fight over one line.
fn capture(build_ids: bool) -> Vec<u8> {
    let mut machine = Machine::intel_icelake(2);
    machine.build_ids = build_ids;
    let cpus = [0, 1].map(|node| machine.nodes[node].cpus[0]);
    let mut scene = Scene::new(machine, 17);
    let image = scene.memory(IMAGE, Backing::File, 0);
    let mut fights = Vec::new();
    for (number, pid) in [LISTED, DUMPED, INJECTED].into_iter().enumerate() {
        let main = scene.process(pid, "engine", cpus[0]);
        let other = scene.thread(main, pid + 1, "engine-1", cpus[1]);
        let (made, from) = match pid {
            INJECTED => (image, 0x1000),
            _ => (scene.memory("//anon", Backing::Anonymous, 0), 0),
        };
        let code = scene.map_code(main, made, CODE, from, 0x8000);
        let heap = scene.memory("[heap]", Backing::Heap, 0);
        let start = 0x5600_0000_0000 + ((number as u64) << 32);
        let heap = scene.map(main, heap, start, 0, 0x1_0000);
        fights.push((main, other, code, heap));
    }
    scene.begin();
    for _ in 0..60 {
        for &(main, other, code, heap) in &fights {
            scene.touch(main, (code, 0x110), (heap, 0), Access::StoreL1);
            scene.touch(other, (code, 0x240), (heap, 8), Access::HitmRemote);
        }
    }
    let mut stream = scene.stream(&["perf", "c2c", "record"]);
    let is_kept = |feature: &Feature| build_ids || !matches!(feature, Feature::BuildId(_));
    stream.features.retain(is_kept);
    wrap(&stream, Container::File, false).unwrap()
}

fn perf_map() -> Vec<u8> {
    let start = CODE + 0x100;
    format!(
        "{start:x} 40 JS:*push ring.mjs:7\n{:x} 80 JS:*pull ring.mjs:9\n",
        CODE + 0x200
    )
    .into_bytes()
}

/// A dump in the byte order of this machine.
fn jitdump(pid: u32) -> Vec<u8> {
    let mut dump = Vec::new();
    let mut words = |words: &[u32]| dump.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
    // Magic, version, bytes of the header, x86-64; pid, time and flags.
    words(&[0x4a69_5444, 1, 40, 62, 0, pid, 0, 0, 0, 0]);
    let mut load = |index: u32, start: u64, size: u32, name: &[u8; 8]| {
        let [low, high] = [start as u32, (start >> 32) as u32];
        words(&[0, 16 + 40 + 8 + size, 1, 0, pid, pid, low, high, low, high]);
        words(&[size, 0, index, 0]);
        words(&[0, 4].map(|at| u32::from_ne_bytes(name[at..at + 4].try_into().unwrap())));
        words(&vec![0; size as usize / 4]);
    };
    load(1, CODE + 0x100, 0x40, b"wr_ring\0");
    load(2, CODE + 0x200, 0x80, b"rd_ring\0");
    dump
}

/// The image that is made of a dump, with this build-id.
fn image(build_id: &[u8]) -> Vec<u8> {
    let symbol = |name: &str, address| ElfSymbol {
        name: name.to_owned(),
        address,
        size: 0x80,
        object: false,
    };
    elf_program(build_id, &[symbol("put", 0x1100), symbol("take", 0x1200)])
}

fn recorded_id(capture: &Path) -> Vec<u8> {
    let list = contend_on(capture, &["symbols", "--json"]).json("symbols");
    let binary = &list["binaries"][0];
    assert_eq!(binary["path"], IMAGE);
    let digits = binary["build_id"].as_str().unwrap();
    let bytes = (0..digits.len()).step_by(2);
    bytes
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

fn bundle(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = BundleWriter::new(Vec::new(), &Manifest::default()).unwrap();
    for (name, bytes) in members {
        writer.add_bytes(name, bytes).unwrap();
    }
    writer.finish().unwrap()
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let file = folder.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, bytes).unwrap();
    file
}

/// All functions of the rows of a report.
fn functions(document: &Value) -> BTreeSet<String> {
    let lines = document["lines"].as_array().unwrap().iter();
    let rows = lines.flat_map(|line| line["rows"].as_array().unwrap());
    let names = rows.filter_map(|row| row["function"].as_str());
    names.map(str::to_owned).collect()
}

fn c2c(capture: &Path, more: &[&str]) -> Value {
    let args = [&["c2c", "--json"], more].concat();
    contend_on(capture, &args).json(&format!("{} {more:?}", capture.display()))
}

const ALL: [&str; 6] = [
    "JS:*pull ring.mjs:9",
    "JS:*push ring.mjs:7",
    "put",
    "rd_ring",
    "take",
    "wr_ring",
];

fn is_named(document: &Value, names: &[&str], what: &str) {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(
        functions(document),
        names,
        "{what}: {}",
        document["quality"]
    );
}

#[test]
fn bundles_folders_and_archives_name_made_code() {
    let scratch = tempfile::tempdir().unwrap();
    let capture = capture(true);
    let alone = written(scratch.path(), "alone.perf.data", &capture);
    let id = recorded_id(&alone);
    let digits: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let in_tree = format!(".build-id/{}/{}", &digits[..2], &digits[2..]);
    let (list, dump, image) = (perf_map(), jitdump(DUMPED), image(&id));
    is_named(&c2c(&alone, &[]), &[], "nothing is here");

    let members: [(&str, &[u8]); 4] = [
        ("c2c.perf.data", &capture),
        ("perf-4400.map", &list),
        ("jit-4410.dump", &dump),
        (&in_tree, &image),
    ];
    let packed = written(scratch.path(), "packed.tar.zst", &bundle(&members));
    let unpacked = scratch.path().join("unpacked");
    let opened = contend_bundle::Bundle::open(&packed, &contend_bundle::Limits::default());
    let opened = opened.unwrap();
    for member in opened.members() {
        let content = opened.read(member.name(), 1 << 30).unwrap();
        written(&unpacked, member.name(), &content);
    }
    for of_bundle in [&packed, &unpacked] {
        let document = c2c(of_bundle, &[]);
        is_named(&document, &ALL, &of_bundle.display().to_string());
        // The capture's clock is not that of the dump, which is said by name.
        let warnings = document["quality"]["warnings"].as_array().unwrap();
        let mut warnings = warnings.iter().filter_map(Value::as_str);
        let shown = if of_bundle == &packed { ":" } else { "/" };
        let shown = format!("{}{shown}jit-4410.dump: its times", of_bundle.display());
        assert!(warnings.any(|text| text.starts_with(&shown)), "{document}");
        is_named(&c2c(of_bundle, &["--no-symbols"]), &[], "--no-symbols");
    }

    // A bundle, and any other tar, in the place of a folder.
    let folder = scratch.path().join("folder");
    written(&folder, "tmp/perf-4400.map", &list);
    written(&folder, "home/u/.debug/jit/x/jit-4410.dump", &dump);
    written(&folder, &IMAGE[1..], &image);
    let tar = scratch.path().join("folder.tar");
    let made = std::process::Command::new("tar")
        .args(["-cf", tar.to_str().unwrap(), "-C", folder.to_str().unwrap()])
        .args(["tmp", "home"])
        .status();
    let archive = packed.to_str().unwrap();
    is_named(&c2c(&alone, &["--symbol-dir", archive]), &ALL, "a bundle");
    if made.is_ok_and(|made| made.success()) {
        let document = c2c(&alone, &["--symbol-dir", tar.to_str().unwrap()]);
        let made: Vec<&str> = ALL.into_iter().filter(|name| name.len() > 4).collect();
        is_named(&document, &made, "a tar knows images by build-id only");
    } else {
        eprintln!("skipped: no tar");
    }
    // Where the dump was is not recorded here, so it is looked for at the top.
    written(&folder, "jit-4410.dump", &dump);
    let args = ["--symbol-dir", folder.to_str().unwrap()];
    is_named(&c2c(&alone, &args), &ALL, "a folder");
}

#[test]
fn images_of_injected_code_are_found_by_their_path_and_proven_by_build_id() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("folder");
    let args = ["--symbol-dir", folder.to_str().unwrap()];
    let alone = written(scratch.path(), "alone.perf.data", &capture(true));
    let id = recorded_id(&alone);
    for place in [&IMAGE[1..], "jitted-4420-3.so"] {
        let file = written(&folder, place, &image(&id));
        is_named(&c2c(&alone, &args), &["put", "take"], place);
        written(&folder, place, &image(&[9; 20]));
        let document = c2c(&alone, &args);
        is_named(&document, &[], "of another run");
        let warnings = document["quality"]["warnings"].to_string();
        assert!(warnings.contains("is not used for /home/u/"), "{warnings}");
        std::fs::remove_file(file).unwrap();
    }
    // Without a recorded build-id the user's word is taken.
    let unproven = written(scratch.path(), "unproven.perf.data", &capture(false));
    written(&folder, &IMAGE[1..], &image(&[9; 20]));
    let document = c2c(&unproven, &args);
    is_named(&document, &["put", "take"], "by its path alone");
    let warnings = document["quality"]["warnings"].to_string();
    assert!(
        warnings.contains("the capture has no build-id of /home/u/"),
        "{warnings}"
    );
}

#[test]
fn what_is_no_list_in_a_bundle_is_a_warning() {
    let scratch = tempfile::tempdir().unwrap();
    let capture = capture(true);
    let members: [(&str, &[u8]); 4] = [
        ("c2c.perf.data", &capture),
        // A process that the capture does not know.
        ("perf-1.map", b"1000 10 stranger\n"),
        ("perf-4400.map", b"no list\n7f2100000100 40 push\n"),
        ("jit-4410.dump", b"no dump"),
    ];
    let packed = written(scratch.path(), "packed.tar.zst", &bundle(&members));
    let document = c2c(&packed, &[]);
    is_named(&document, &["push"], "the line that is one");
    let warnings = document["quality"]["warnings"].as_array().unwrap();
    let has = |text: &str| warnings.iter().any(|warning| warning == text);
    let shown = packed.display();
    assert!(
        has(&format!(
            "{shown}:perf-4400.map: 1 damaged entries are left out"
        )),
        "{document}"
    );
    assert!(
        has(&format!("{shown}:jit-4410.dump: not a jitdump file")),
        "{document}"
    );
}
