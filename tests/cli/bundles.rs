//! A capture in a bundle gives what it gives alone.

use crate::common::{contend_on, contend_reading, workspace};
use contend_bundle::{BundleWriter, CaptureFacts, Manifest};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn demo() -> PathBuf {
    workspace().join("fixtures/demo/false-sharing.perf.data")
}

/// A bundle with these members behind the manifest.
fn bundle(manifest: &Manifest, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = BundleWriter::new(Vec::new(), manifest).unwrap();
    for (name, bytes) in members {
        writer.add_bytes(name, bytes).unwrap();
    }
    writer.finish().unwrap()
}

fn demo_bundle() -> Vec<u8> {
    let capture = std::fs::read(demo()).unwrap();
    let members: [(&str, &[u8]); 2] = [("c2c.perf.data", &capture), ("kallsyms", b"0 T _text\n")];
    bundle(&Manifest::default(), &members)
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, bytes).unwrap();
    file
}

/// The document without what describes the file; and that it says `format`.
fn comparable(mut document: Value, format: &str) -> Value {
    let capture = document["capture"].as_object_mut().unwrap();
    assert_eq!(capture.remove("format").unwrap(), format);
    capture.remove("file").unwrap();
    document
}

/// The warnings of a document, taken out of it.
fn warnings(document: &mut Value) -> Vec<String> {
    let quality = document["quality"].as_object_mut().unwrap();
    let list = quality.remove("warnings").unwrap_or_default();
    serde_json::from_value(list).unwrap_or_default()
}

#[test]
fn packed_unpacked_or_through_a_pipe_the_documents_are_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let bytes = demo_bundle();
    let packed = written(scratch.path(), "x.tar.zst", &bytes);
    let unpacked = scratch.path().join("x");
    std::fs::create_dir(&unpacked).unwrap();
    let opened = contend_bundle::Bundle::open(&packed, &contend_bundle::Limits::default());
    let opened = opened.unwrap();
    for member in opened.members() {
        let content = opened.read(member.name(), 1 << 30).unwrap();
        written(&unpacked, member.name(), &content);
    }
    for command in ["c2c", "info"] {
        let alone = contend_on(&demo(), &[command, "--json"]).json("alone");
        let alone = comparable(alone, "perf.data");
        for threads in ["1", "3"] {
            let args = [command, "--json", "--threads", threads];
            for (what, run) in [
                ("packed", contend_on(&packed, &args)),
                ("unpacked", contend_on(&unpacked, &args)),
                ("piped", contend_reading(&bytes, &args)),
            ] {
                let document = comparable(run.json(what), "bundle");
                assert!(document == alone, "{command} {what}");
            }
        }
    }
}

#[test]
fn what_is_not_read_or_not_here_is_a_warning() {
    let scratch = tempfile::tempdir().unwrap();
    let capture = std::fs::read(demo()).unwrap();
    let manifest = Manifest {
        captures: vec![CaptureFacts {
            member: "second.perf.data".into(),
            kind: None,
            command: Vec::new(),
        }],
        notes: vec!["kallsyms: not readable".into()],
        ..Manifest::default()
    };
    // Bytes that do not compress: the cut is to be behind the first block of
    // 128 KiB, in which most of the capture is.
    let noise: Vec<u8> = (0..60_000_u32)
        .map(|at| (at.wrapping_mul(at ^ 0x9e37_79b9) >> 13) as u8)
        .collect();
    let members: [(&str, &[u8]); 3] = [
        ("first.perf.data", b""),
        ("second.perf.data", &capture),
        ("perf-1.map", &noise),
    ];
    let bytes = bundle(&manifest, &members);
    let two = written(scratch.path(), "two.tar.zst", &bytes);
    let mut document = contend_on(&two, &["c2c", "--json"]).json("two captures");
    let warnings_of_two = warnings(&mut document);
    assert_eq!(
        warnings_of_two[..2],
        [
            "kallsyms: not readable",
            "the bundle has 2 captures: second.perf.data is read, and not first.perf.data; \
             unpack it (`tar --zstd -xf`) and name the file of another"
        ]
    );

    let cut = written(scratch.path(), "cut.tar.zst", &bytes[..bytes.len() / 2]);
    let mut document = contend_on(&cut, &["info", "--json"]).json("a cut bundle");
    let warnings_of_cut = warnings(&mut document);
    assert!(warnings_of_cut[0].starts_with("the bundle is cut or damaged: it ends in the middle"));
    let missing = " bytes of second.perf.data are missing: the bundle is cut";
    assert!(
        warnings_of_cut.iter().any(|text| text.ends_with(missing)),
        "{warnings_of_cut:?}"
    );
}

fn facts(member: &str, kind: &str) -> CaptureFacts {
    CaptureFacts {
        member: member.into(),
        kind: Some(kind.into()),
        command: Vec::new(),
    }
}

/// What any capture of a bundle answers the bundle answers, and each command reads its own.
#[test]
fn captures_of_several_kinds_answer_together() {
    let scratch = tempfile::tempdir().unwrap();
    let waits = crate::common::off_cpu::written(scratch.path());
    let waits = std::fs::read(waits).unwrap();
    let memory = std::fs::read(demo()).unwrap();
    let manifest = Manifest {
        captures: vec![
            facts("offcpu.perf.data", "offcpu"),
            facts("c2c.perf.data", "c2c"),
        ],
        ..Manifest::default()
    };
    let members: [(&str, &[u8]); 2] = [("offcpu.perf.data", &waits), ("c2c.perf.data", &memory)];
    let both = written(scratch.path(), "both.tar.zst", &bundle(&manifest, &members));
    let mut document = contend_on(&both, &["info", "--json"]).json("info");
    for question in ["offcpu", "c2c", "latency"] {
        assert_eq!(document["can"][question], true, "{question}");
    }
    assert!(document["can"]["spe"].is_string());
    // Of each capture it tells what is in it, as of that capture alone.
    let [other] = document["other_captures"].as_array().unwrap().as_slice() else {
        panic!("{document}");
    };
    assert_eq!(other["member"], "c2c.perf.data");
    assert_eq!(other["kind"], "c2c");
    let alone = written(scratch.path(), "alone.perf.data", &memory);
    let alone = contend_on(&alone, &["info", "--json"]).json("info");
    assert_eq!(other["events"], alone["events"]);
    assert_eq!(other["records"], alone["records"]);
    assert_eq!(
        other["capture"]["duration_s"],
        alone["capture"]["duration_s"]
    );
    assert_eq!(other["quality"]["samples"], alone["quality"]["samples"]);
    assert!(
        warnings(&mut document)
            .iter()
            .all(|warning| !warning.contains("is read, and not"))
    );
    let table = contend_on(&both, &["info"]);
    let text = table.text();
    assert!(
        text.contains("Also in the bundle: c2c.perf.data (c2c)"),
        "{text}"
    );
    // What no command would read it for a capture does not answer.
    let manifest = Manifest {
        captures: vec![facts("c2c.perf.data", "c2c"), facts("cpu.perf.data", "cpu")],
        ..Manifest::default()
    };
    let members: [(&str, &[u8]); 2] = [("c2c.perf.data", &memory), ("cpu.perf.data", &waits)];
    let mixed = written(
        scratch.path(),
        "mixed.tar.zst",
        &bundle(&manifest, &members),
    );
    let document = contend_on(&mixed, &["info", "--json"]).json("info");
    assert!(document["can"]["offcpu"].is_string(), "{document}");
    assert_eq!(contend_on(&mixed, &["offcpu"]).code, Some(2));
    // Standard input cannot be read again.
    let input = std::fs::read(&both).unwrap();
    let mut piped = contend_reading(&input, &["info", "--json"]).json("info");
    assert!(warnings(&mut piped)[0].contains("is read, and not c2c.perf.data"));
    for command in ["offcpu", "c2c"] {
        contend_on(&both, &[command, "--json"]).json(command);
    }
}

/// A kind is no name: the capture that `info` looks at is the one that it tells of.
#[test]
fn a_kind_that_is_the_name_of_another_capture_leads_nowhere_else() {
    let scratch = tempfile::tempdir().unwrap();
    let waits = std::fs::read(crate::common::off_cpu::written(scratch.path())).unwrap();
    let memory = std::fs::read(demo()).unwrap();
    let manifest = Manifest {
        captures: vec![facts("a.perf.data", "b.perf.data")],
        ..Manifest::default()
    };
    let members: [(&str, &[u8]); 2] = [("a.perf.data", &waits), ("b.perf.data", &memory)];
    let path = written(scratch.path(), "x.tar.zst", &bundle(&manifest, &members));
    let document = contend_on(&path, &["info", "--json"]).json("info");
    let alone = contend_on(&demo(), &["info", "--json"]).json("alone");
    assert_eq!(document["other_captures"][0]["member"], "b.perf.data");
    assert_eq!(document["other_captures"][0]["records"], alone["records"]);
}

#[test]
fn what_is_no_bundle_or_has_no_capture_is_refused_in_one_line() {
    let scratch = tempfile::tempdir().unwrap();
    let without = bundle(&Manifest::default(), &[("kallsyms", b"")]);
    let bytes = demo_bundle();
    let mut newer = b"{\"version\":2}".to_vec();
    std::fs::create_dir(scratch.path().join("newer")).unwrap();
    newer.push(b'\n');
    let capture = std::fs::read(demo()).unwrap();
    let mut packed = Vec::with_capacity(capture.len() + 1024);
    zstd_safe::compress(&mut packed, &capture, 3).unwrap();
    written(&scratch.path().join("newer"), "manifest.json", &newer);
    for (case, says) in [
        (
            written(scratch.path(), "without.tar.zst", &without),
            "the bundle has no capture, a member that ends in .perf.data; \
             it has manifest.json, kallsyms, SHA256SUMS",
        ),
        (
            written(scratch.path(), "start.tar.zst", &bytes[..4]),
            "is damaged",
        ),
        (
            written(scratch.path(), "text.gz", b"\x1f\x8b and text"),
            "is damaged",
        ),
        (
            written(scratch.path(), "perf.data.zst", &packed),
            "a perf.data file in it must be unpacked first",
        ),
        (
            scratch.path().join("newer"),
            "the bundle has format version 2, and this program reads versions 1 to 1",
        ),
    ] {
        for command in ["info", "c2c"] {
            let ended = contend_on(&case, &[command]);
            let line = ended.refused(&case.display().to_string());
            let start = format!("cannot read {}: ", case.display());
            assert!(line.contains(&start) && line.contains(says), "{line}");
        }
    }
}
