//! Where binaries are looked for, and which are not taken.

use crate::common::{contend_on, workspace};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The build-id of `fixtures/demo/ingestd`, as the demo recorded it.
const BUILD_ID: &str = "c023ca0249c8a7a605277c9ab4cc14ab89b44249";

fn demo(name: &str) -> PathBuf {
    workspace().join("fixtures/demo").join(name)
}

fn c2c(folder: &Path) -> Value {
    let args = ["c2c", "--json", "--symbol-dir", folder.to_str().unwrap()];
    contend_on(&demo("false-sharing.perf.data"), &args).json("c2c")
}

fn first_function(document: &Value) -> Option<&str> {
    document["lines"][0]["rows"][0]["function"].as_str()
}

#[test]
fn every_layout_of_folders_is_found() {
    let (first, rest) = BUILD_ID.split_at(2);
    for place in [
        "ingestd".to_owned(),
        "srv/ingest/bin/ingestd".to_owned(),
        format!(".build-id/{first}/{rest}"),
        format!(".build-id/{first}/{rest}/elf"),
        format!("{first}/{rest}"),
        format!("{BUILD_ID}/executable"),
    ] {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join(&place);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::copy(demo("ingestd"), &file).unwrap();
        let document = c2c(scratch.path());
        assert_eq!(first_function(&document), Some("account_packet"), "{place}");
        assert_eq!(document["lines"][0]["object"]["name"], "worker_stats");
        assert_eq!(document["quality"]["missing_binaries"], Value::Null);

        let folder = scratch.path().to_str().unwrap();
        let args = ["symbols", "--json", "--symbol-dir", folder];
        let list = contend_on(&demo("false-sharing.perf.data"), &args).json("symbols");
        let binary = &list["binaries"][0];
        assert_eq!(binary["state"], "found", "{place}");
        assert_eq!(binary["verified"], true);
        assert_eq!(binary["file"], file.to_str().unwrap());
    }
}

#[test]
fn a_binary_of_another_build_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let (first, rest) = BUILD_ID.split_at(2);
    // Even where the build-id tree says that it is the one.
    let in_tree = scratch.path().join(".build-id").join(first).join(rest);
    std::fs::create_dir_all(in_tree.parent().unwrap()).unwrap();
    let symbol = contend_fixtures::ElfSymbol {
        name: "wrong".to_owned(),
        address: 0x1000,
        size: 0x8000,
        object: false,
    };
    let other = contend_fixtures::elf_program(&[0xab; 20], &[symbol]);
    std::fs::write(&in_tree, &other).unwrap();
    std::fs::write(scratch.path().join("ingestd"), &other).unwrap();
    let document = c2c(scratch.path());
    assert_eq!(first_function(&document), None);
    let quality = &document["quality"];
    assert_eq!(quality["missing_binaries"][0]["build_id"], BUILD_ID);
    assert!(
        quality["warnings"].to_string().contains("is not used for"),
        "{quality}"
    );

    let folder = scratch.path().to_str().unwrap();
    let args = ["symbols", "--json", "--symbol-dir", folder];
    let list = contend_on(&demo("false-sharing.perf.data"), &args).json("symbols");
    let binary = &list["binaries"][0];
    assert_eq!(binary["state"], "refused");
    assert_eq!(binary["refused"].as_array().unwrap().len(), 2, "{binary}");
    assert_eq!(binary["refused"][0]["build_id"], "ab".repeat(20));
}

#[test]
fn a_program_may_be_named_itself() {
    let document = c2c(&demo("ingestd"));
    assert_eq!(first_function(&document), Some("account_packet"));
    // By its build-id, whatever it is called.
    let scratch = tempfile::tempdir().unwrap();
    let renamed = scratch.path().join("x");
    std::fs::copy(demo("ingestd"), &renamed).unwrap();
    let document = c2c(&renamed);
    assert_eq!(first_function(&document), Some("account_packet"));
    let other = scratch.path().join("ingestd");
    std::fs::write(&other, contend_fixtures::elf_program(&[0xab; 20], &[])).unwrap();
    let capture = demo("false-sharing.perf.data");
    let args = ["c2c", "--symbol-dir", other.to_str().unwrap()];
    let ended = contend_on(&capture, &args);
    // It is refused once, with the reason.
    let text = String::from_utf8(ended.stdout).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(text.matches("is not used for").count(), 1, "{text}");
    assert!(!text.contains("is not here"), "{text}");
}

#[test]
fn no_symbols_looks_for_nothing() {
    let args = ["c2c", "--json", "--no-symbols"];
    let document = contend_on(&demo("false-sharing.perf.data"), &args).json("c2c");
    assert_eq!(first_function(&document), None);
    assert_eq!(document["quality"]["missing_binaries"], Value::Null);
}

#[test]
fn what_the_user_names_must_be_there() {
    let capture = demo("false-sharing.perf.data");
    for args in [
        &["c2c", "--symbol-dir", "/nonexistent/x"][..],
        &["symbols", "--symbol-dir", "/nonexistent/x"],
        &["c2c", "--kallsyms", "/nonexistent/x"],
    ] {
        let ended = contend_on(&capture, args);
        let line = ended.refused(&format!("{args:?}"));
        assert!(line.contains("/nonexistent/x"), "{line}");
    }
}
