//! Names come out of the bundle that the capture is in, and out of archives of
//! binaries, by the same rules as out of folders.

use crate::common::{contend_on, skipped, synthetic, workspace};
use contend_bundle::{BundleWriter, Manifest};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The build-id of `fixtures/demo/ingestd`, as the demo recorded it.
const BUILD_ID: &str = "c023ca0249c8a7a605277c9ab4cc14ab89b44249";

/// What the synthetic kernel has at the places that are sampled
/// (`fixtures/src/scenario/odd.rs`).
const KALLSYMS: &str = "\
ffffffff81000000 T _text
ffffffff81002000 T fixture_softirq
ffffffff81003000 T behind
ffffffff82800000 D fixture_table
ffffffff82801000 D end
ffffffffc034b000 d fixture_state\t[fixture_net]
ffffffffc034c000 d fixture_end\t[fixture_net]
";

const MODULES: &str = "fixture_net 32768 0 - Live 0xffffffffc0345000\n";

fn demo(name: &str) -> PathBuf {
    workspace().join("fixtures/demo").join(name)
}

fn bundle(file: &Path, members: &[(&str, &[u8])]) {
    let mut writer = BundleWriter::new(Vec::new(), &Manifest::default()).unwrap();
    for (name, bytes) in members {
        writer.add_bytes(name, bytes).unwrap();
    }
    std::fs::write(file, writer.finish().unwrap()).unwrap();
}

fn unpack(packed: &Path, folder: &Path) {
    let opened = contend_bundle::Bundle::open(packed, &contend_bundle::Limits::default());
    let opened = opened.unwrap();
    for member in opened.members() {
        let file = folder.join(member.name());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let content = opened.read(member.name(), 1 << 30).unwrap();
        std::fs::write(file, content).unwrap();
    }
}

/// A program that names everything, and every name is wrong.
fn other_build() -> Vec<u8> {
    let symbol = |address, object| contend_fixtures::ElfSymbol {
        name: "wrong".to_owned(),
        address,
        size: 0x8000,
        object,
    };
    contend_fixtures::elf_program(&[0xab; 20], &[symbol(0x1000, false), symbol(0xb000, true)])
}

fn in_tree() -> String {
    let (first, rest) = BUILD_ID.split_at(2);
    format!(".build-id/{first}/{rest}")
}

fn first_function(document: &Value) -> Option<&str> {
    document["lines"][0]["rows"][0]["function"].as_str()
}

fn warnings(document: &Value) -> String {
    document["quality"]["warnings"].to_string()
}

#[test]
fn binaries_of_the_bundle_are_used_before_all_others() {
    let scratch = tempfile::tempdir().unwrap();
    let capture = std::fs::read(demo("false-sharing.perf.data")).unwrap();
    let binary = std::fs::read(demo("ingestd")).unwrap();
    let packed = scratch.path().join("x.tar.zst");
    bundle(&packed, &[("c.perf.data", &capture), (&in_tree(), &binary)]);
    let unpacked = scratch.path().join("x");
    unpack(&packed, &unpacked);

    let folder = demo("").to_str().unwrap().to_owned();
    let alone = contend_on(
        &demo("false-sharing.perf.data"),
        &["c2c", "--json", "--symbol-dir", &folder],
    );
    let expected = alone.json("alone")["lines"].take();
    for (file, shown) in [
        (&packed, format!("{}:{}", packed.display(), in_tree())),
        (&unpacked, unpacked.join(in_tree()).display().to_string()),
    ] {
        for threads in ["1", "3"] {
            let args = ["c2c", "--json", "--threads", threads];
            let document = contend_on(file, &args).json("c2c");
            assert_eq!(first_function(&document), Some("account_packet"));
            assert_eq!(document["lines"], expected);
            assert_eq!(document["quality"]["missing_binaries"], Value::Null);
        }
        let args = ["symbols", "--json", "--symbol-dir", &folder];
        let list = contend_on(file, &args).json("symbols");
        let found = &list["binaries"][0];
        assert_eq!(found["state"], "found");
        assert_eq!(found["source"], "bundle");
        assert_eq!(found["file"], shown.as_str());
        assert_eq!(found["verified"], true);
    }
}

#[test]
fn a_binary_of_another_build_is_refused_in_a_bundle() {
    let scratch = tempfile::tempdir().unwrap();
    let capture = std::fs::read(demo("false-sharing.perf.data")).unwrap();
    let packed = scratch.path().join("x.tar.zst");
    bundle(
        &packed,
        &[("c.perf.data", &capture), (&in_tree(), &other_build())],
    );
    let unpacked = scratch.path().join("x");
    unpack(&packed, &unpacked);
    for file in [&packed, &unpacked] {
        let document = contend_on(file, &["c2c", "--json"]).json("c2c");
        assert!(!document["lines"].to_string().contains("wrong"));
        let missing = &document["quality"]["missing_binaries"];
        assert_eq!(missing[0]["build_id"], BUILD_ID);
        let warnings = warnings(&document);
        assert!(warnings.contains("is not used for"), "{warnings}");

        let list = contend_on(file, &["symbols", "--json"]).json("symbols");
        assert_eq!(list["binaries"][0]["state"], "refused");
        let refused = &list["binaries"][0]["refused"][0];
        assert_eq!(refused["build_id"], "ab".repeat(20));

        // The right one elsewhere is still found.
        let folder = demo("").to_str().unwrap().to_owned();
        let args = ["symbols", "--json", "--symbol-dir", &folder];
        let list = contend_on(file, &args).json("symbols");
        assert_eq!(list["binaries"][0]["state"], "found");
        assert_eq!(list["binaries"][0]["source"], "symbol-dir");
    }
}

#[test]
fn a_member_that_was_changed_is_not_used() {
    let scratch = tempfile::tempdir().unwrap();
    let capture = std::fs::read(demo("false-sharing.perf.data")).unwrap();
    let binary = std::fs::read(demo("ingestd")).unwrap();
    let packed = scratch.path().join("x.tar.zst");
    bundle(&packed, &[("c.perf.data", &capture), (&in_tree(), &binary)]);
    let unpacked = scratch.path().join("x");
    unpack(&packed, &unpacked);
    let file = unpacked.join(in_tree());
    let mut changed = binary;
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&file, changed).unwrap();
    let document = contend_on(&unpacked, &["c2c", "--json"]).json("c2c");
    assert_eq!(first_function(&document), None);
    let warnings = warnings(&document);
    assert!(warnings.contains(&in_tree()), "{warnings}");
}

/// A synthetic capture with samples in the kernel and a module, in a bundle with
/// these members.
fn kernel_bundle(folder: &Path, members: &[(&str, &[u8])]) -> PathBuf {
    let all = synthetic::all();
    let capture = all.iter().find(|capture| capture.name.starts_with("intel"));
    let file = folder.join("kernel.tar.zst");
    let mut list: Vec<(&str, &[u8])> = vec![("c.perf.data", &capture.unwrap().bytes)];
    list.extend(members);
    bundle(&file, &list);
    file
}

fn all_lines(file: &Path, more: &[&str]) -> Value {
    let args = [&["c2c", "--json", "--show-all"], more].concat();
    contend_on(file, &args).json("c2c")
}

/// Whether a kernel function and a variable of a module are named.
fn kernel_names(document: &Value) -> (bool, bool) {
    let text = document["lines"].to_string();
    (
        text.contains("fixture_softirq"),
        text.contains("fixture_state"),
    )
}

#[test]
fn the_kernel_of_a_bundle_has_its_own_names() {
    let scratch = tempfile::tempdir().unwrap();
    let members: [(&str, &[u8]); 2] = [
        ("kallsyms", KALLSYMS.as_bytes()),
        ("modules", MODULES.as_bytes()),
    ];
    let file = kernel_bundle(scratch.path(), &members);
    let document = all_lines(&file, &[]);
    assert_eq!(kernel_names(&document), (true, true));
    assert!(document["lines"].to_string().contains("fixture_table"));
    assert!(!warnings(&document).contains("kallsyms"));

    let list = contend_on(&file, &["symbols", "--json"]).json("symbols");
    let binaries = list["binaries"].as_array().unwrap();
    let of = |path: &str| binaries.iter().find(|it| it["path"] == path).unwrap();
    assert_eq!(of("[kernel.kallsyms]")["state"], "found");
    assert_eq!(of("[kernel.kallsyms]")["source"], "bundle");
}

#[test]
fn a_list_that_is_not_of_the_recording_boot_names_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let moved = KALLSYMS.replace("ffffffff8", "ffffffff9");
    let zeros: String = KALLSYMS
        .lines()
        .map(|line| format!("{:016x}{}\n", 0, &line[16..]))
        .collect();
    let without = KALLSYMS.replace("_text", "_nothing");
    for (list, why) in [
        (moved.as_str(), "is of another boot"),
        (&zeros, "addresses are all 0"),
        (&without, "has no _text"),
        ("no such list\n", "line 1"),
        ("", "it is empty"),
    ] {
        let file = kernel_bundle(scratch.path(), &[("kallsyms", list.as_bytes())]);
        let document = all_lines(&file, &[]);
        assert_eq!(kernel_names(&document), (false, false), "{why}");
        let warnings = warnings(&document);
        let start = "the bundle's kallsyms is not used: ";
        assert!(
            warnings.contains(start) && warnings.contains(why),
            "{warnings}"
        );
        let list = contend_on(&file, &["symbols", "--json"]).json("symbols");
        let kernel = list["binaries"].as_array().unwrap().iter();
        let mut kernel = kernel.filter(|it| it["path"] == "[kernel.kallsyms]");
        assert_eq!(kernel.next().unwrap()["state"], "missing", "{why}");
    }
}

#[test]
fn a_module_that_was_loaded_again_has_no_names() {
    let scratch = tempfile::tempdir().unwrap();
    let again = MODULES.replace("c0345000", "c0355000");
    let members: [(&str, &[u8]); 2] = [
        ("kallsyms", KALLSYMS.as_bytes()),
        ("modules", again.as_bytes()),
    ];
    let document = all_lines(&kernel_bundle(scratch.path(), &members), &[]);
    assert_eq!(kernel_names(&document), (true, false));
}

#[test]
fn the_kernel_of_this_machine_is_never_asked() {
    let scratch = tempfile::tempdir().unwrap();
    let file = kernel_bundle(scratch.path(), &[]);
    let document = all_lines(&file, &[]);
    let rows = document["lines"].as_array().unwrap().iter();
    let rows = rows.flat_map(|line| line["rows"].as_array().unwrap());
    let kernel: Vec<&Value> = rows
        .filter(|row| row["dso"].as_str().unwrap_or("").starts_with("[kernel"))
        .collect();
    assert!(!kernel.is_empty());
    assert!(kernel.iter().all(|row| row["function"].is_null()));
    let missing = document["quality"]["missing_binaries"].to_string();
    assert!(missing.contains("[kernel.kallsyms]"), "{missing}");
}

#[test]
fn tarballs_of_perf_archive_are_searched() {
    let scratch = tempfile::tempdir().unwrap();
    let packing = |name: &str, binary: &[u8]| {
        let folder = scratch.path().join(name);
        let file = folder.join(format!("srv/ingest/bin/ingestd/{BUILD_ID}/elf"));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, binary).unwrap();
        folder
    };
    let right = packing("right", &std::fs::read(demo("ingestd")).unwrap());
    let wrong = packing("wrong", &other_build());
    for (how, suffix) in [
        ("-cf", "tar"),
        ("-czf", "tar.gz"),
        ("-cjf", "tar.bz2"),
        ("--zstd", "tar.zst"),
    ] {
        let made = |folder: &Path, name: &str| {
            let file = scratch.path().join(format!("{name}.{suffix}"));
            let mut command = std::process::Command::new("tar");
            command.arg("-C").arg(folder);
            match how {
                "--zstd" => command.args(["-I", "zstd", "-cf"]),
                _ => command.arg(how),
            };
            let ended = command.arg(&file).arg(".").output();
            ended
                .is_ok_and(|ended| ended.status.success())
                .then_some(file)
        };
        let (Some(good), Some(bad)) = (made(&right, "right"), made(&wrong, "wrong")) else {
            skipped(&format!("tar cannot make a {suffix}"));
            continue;
        };
        let with = |command: &str, files: &[&Path]| {
            let mut args = vec![command, "--json"];
            for file in files {
                args.extend(["--symbol-dir", file.to_str().unwrap()]);
            }
            contend_on(&demo("false-sharing.perf.data"), &args).json(suffix)
        };
        let document = with("c2c", &[&good]);
        assert_eq!(
            first_function(&document),
            Some("account_packet"),
            "{suffix}"
        );
        // The first archive has the wrong one: it is refused, not the search ended.
        let list = with("symbols", &[&bad, &good]);
        let binary = &list["binaries"][0];
        assert_eq!(binary["state"], "found", "{suffix}");
        assert_eq!(binary["source"], "symbol-dir");
        let member = format!("srv/ingest/bin/ingestd/{BUILD_ID}/elf");
        let file = binary["file"].as_str().unwrap();
        assert!(file.ends_with(&member), "{file}");
        assert_eq!(binary["refused"].as_array().unwrap().len(), 1);
        let document = with("c2c", &[&bad]);
        assert_eq!(first_function(&document), None, "{suffix}");
    }
}

#[test]
fn what_is_no_archive_of_binaries_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let text = scratch.path().join("notes.txt");
    std::fs::write(&text, "hello").unwrap();
    for command in ["c2c", "symbols"] {
        let args = [command, "--symbol-dir", text.to_str().unwrap()];
        let ended = contend_on(&demo("false-sharing.perf.data"), &args);
        let line = ended.refused("a text file");
        assert!(
            line.contains("--symbol-dir") && line.contains("not a tar archive"),
            "{line}"
        );
    }
}

#[test]
fn a_list_of_kernel_symbols_is_read_before_it_is_called_found() {
    let scratch = tempfile::tempdir().unwrap();
    let file = kernel_bundle(scratch.path(), &[]);
    let list = scratch.path().join("list");
    let path = list.to_str().unwrap();
    for (text, why) in [("", "it is empty"), ("no such list\n", "line 1")] {
        std::fs::write(&list, text).unwrap();
        for command in ["symbols", "c2c"] {
            let ended = contend_on(&file, &[command, "--kallsyms", path]);
            let line = ended.refused(why);
            assert!(line.contains(path) && line.contains(why), "{line}");
        }
    }
    let kernel = |list: &Value| {
        let mut all = list["binaries"].as_array().unwrap().iter();
        let kernel = all.find(|it| it["path"] == "[kernel.kallsyms]");
        kernel.unwrap().clone()
    };
    std::fs::write(&list, KALLSYMS).unwrap();
    let args = ["symbols", "--json", "--kallsyms", path];
    let right = kernel(&contend_on(&file, &args).json("right"));
    assert_eq!(right["state"], "found");
    assert_eq!(right["source"], "kallsyms");
    // One kernel moves by whole pages.
    let other = KALLSYMS.replace("ffffffff81000000 T _text", "ffffffff81000123 T _text");
    std::fs::write(&list, other).unwrap();
    let other = contend_on(&file, &args).json("other");
    assert_eq!(kernel(&other)["state"], "missing");
    assert!(warnings(&other).contains("of another kernel"));
}

#[test]
fn a_list_of_a_kernel_of_another_length_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let file = kernel_bundle(scratch.path(), &[]);
    let list = scratch.path().join("list");
    let args = ["--kallsyms", list.to_str().unwrap()];
    // The synthetic kernel ends with whole pages: nothing can be compared.
    std::fs::write(&list, KALLSYMS).unwrap();
    let document = all_lines(&file, &args);
    assert_eq!(kernel_names(&document), (true, true));
    assert!(warnings(&document).contains("is not verified"));

    // As newer perfs write it: the kernel ends where its code ends.
    let name = b"[kernel.kallsyms]_text";
    let all = synthetic::all();
    let capture = all.iter().find(|capture| capture.name.starts_with("intel"));
    let mut capture = capture.unwrap().bytes.clone();
    let path = capture.windows(name.len()).position(|text| text == name);
    // In a record of type 1 the path is behind address, length and offset.
    let record = path.unwrap() - 40;
    assert_eq!(capture[record..record + 4], [1, 0, 0, 0]);
    capture[record + 24..record + 32].copy_from_slice(&0x0120_9988u64.to_le_bytes());
    let with_end = |end: &str| format!("{KALLSYMS}{end} T _etext\n");
    let (own, other) = (with_end("ffffffff82209988"), with_end("ffffffff82219988"));
    let plain = scratch.path().join("c.perf.data");
    std::fs::write(&plain, &capture).unwrap();
    for (text, is_own) in [(&own, true), (&other, false)] {
        std::fs::write(&list, text).unwrap();
        let bundled = scratch.path().join("b.tar.zst");
        bundle(
            &bundled,
            &[("c.perf.data", &capture), ("kallsyms", text.as_bytes())],
        );
        for document in [all_lines(&plain, &args), all_lines(&bundled, &[])] {
            assert_eq!(kernel_names(&document).0, is_own);
            let warnings = warnings(&document);
            assert_eq!(
                warnings.contains("of another kernel"),
                !is_own,
                "{warnings}"
            );
            assert!(!warnings.contains("not verified"), "{warnings}");
        }
    }
}
