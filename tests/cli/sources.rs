//! Names come out of the bundle that the capture is in, and out of archives of
//! binaries, by the same rules as out of folders.

mod kernel;

use crate::common::{contend_on, skipped, workspace};
use contend_bundle::{BundleWriter, Manifest};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The build-id of `fixtures/demo/ingestd`, as the demo recorded it.
const BUILD_ID: &str = "c023ca0249c8a7a605277c9ab4cc14ab89b44249";

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
