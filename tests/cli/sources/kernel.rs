//! Names of the kernel.

use super::{bundle, warnings};
use crate::common::{contend_on, synthetic};
use serde_json::Value;
use std::path::{Path, PathBuf};

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
