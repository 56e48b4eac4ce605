//! What is written is read.

use crate::make::{content, file, open, sample, write};
use contend_bundle::{Bundle, FRAME_BYTES, Limits};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::{Read, Seek};

#[test]
fn a_bundle_reads_as_written() {
    let members = sample();
    let bundle = open(&write(&members)).unwrap();
    assert_eq!(bundle.notes(), [""; 0]);
    assert!(bundle.is_whole());
    assert!(bundle.verify().is_empty());
    let names: Vec<&str> = bundle
        .members()
        .iter()
        .map(|member| member.name())
        .collect();
    let mut expected = vec!["manifest.json"];
    expected.extend(members.iter().map(|(name, _)| name.as_str()));
    expected.push("SHA256SUMS");
    assert_eq!(names, expected);
    for (name, content) in &members {
        assert!(bundle.read(name, 1 << 30).unwrap() == *content, "{name}");
    }
    let id = "ABCDEF0123";
    assert!(bundle.binary(id, 1 << 20).unwrap().unwrap() == members[2].1);
    assert!(bundle.debug_binary(id, 1 << 20).unwrap().is_none());
    assert!(
        bundle
            .binary("../../etc/passwd", 1 << 20)
            .unwrap()
            .is_none()
    );
    let error = bundle.read("kallsyms", 3).unwrap_err().to_string();
    assert_eq!(error, "member kallsyms has 10 bytes; at most 3 are read");
    let error = bundle.read("none", 3).unwrap_err().to_string();
    assert_eq!(error, "the bundle has no member none");
}

#[test]
fn any_number_of_threads_extracts_the_same() {
    let members = sample();
    let bytes = write(&members);
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        let extracted = pool.install(|| {
            let bundle = open(&bytes).unwrap();
            bundle.extract("c2c.perf.data").unwrap()
        });
        assert_eq!((extracted.missing, extracted.note), (0, None));
        assert_eq!(extracted.length, members[0].1.len() as u64);
        let mut file = extracted.file;
        file.rewind().unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        assert!(content == members[0].1, "{threads} threads");
    }
}

#[test]
fn captures_stand_in_the_order_of_the_manifest() {
    use contend_bundle::{BundleWriter, CaptureFacts, Manifest};
    let capture = |member: &str| CaptureFacts {
        member: member.into(),
        kind: None,
        command: Vec::new(),
    };
    let manifest = Manifest {
        captures: ["z.perf.data", "gone.perf.data", "z.perf.data"]
            .map(capture)
            .to_vec(),
        ..Manifest::default()
    };
    let mut writer = BundleWriter::new(Vec::new(), &manifest).unwrap();
    for name in ["a.perf.data", "kallsyms", "z.perf.data"] {
        writer.add_bytes(name, b"").unwrap();
    }
    let bundle = open(&writer.finish().unwrap()).unwrap();
    assert_eq!(bundle.manifest(), &manifest);
    assert_eq!(
        bundle.captures().collect::<Vec<_>>(),
        ["z.perf.data", "a.perf.data"]
    );
}

/// Sizes around those where the layout changes.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..2000_usize,
        (0..3_usize, -1030..1030_i64)
            .prop_map(|(frames, more)| { ((frames * FRAME_BYTES) as i64 + more).max(0) as usize }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_members_read_as_written(
        members in prop::collection::btree_map("[a-zäA-Z0-9 ._-]{1,40}(/x[a-z.]{1,90}){0,9}", (size(), any::<u32>()), 0..6)
    ) {
        let members: BTreeMap<String, Vec<u8>> = members
            .into_iter()
            .filter(|(name, _)| contend_bundle::layout::check_name(name).is_ok())
            .map(|(name, (size, seed))| (name, content(size, seed)))
            .collect();
        let listed: Vec<_> = members.clone().into_iter().collect();
        let bundle = Bundle::from_file(file(&write(&listed)), &Limits::default()).unwrap();
        prop_assert!(bundle.is_whole() && bundle.notes().is_empty());
        prop_assert_eq!(bundle.members().len(), members.len() + 2);
        for (name, content) in &members {
            prop_assert!(&bundle.read(name, 1 << 30).unwrap() == content);
        }
    }
}
