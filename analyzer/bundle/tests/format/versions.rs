//! Every version that was ever written stays readable.

use contend_bundle::{Bundle, CaptureFacts, Limits};
use std::path::Path;

/// `fixtures/bundles/version-1.tar.zst` was written when version 1 was new and
/// is never written again. `docs/formats/bundle.md` says what is in it.
#[test]
fn version_1() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/bundles");
    let bundle = Bundle::open(&root.join("version-1.tar.zst"), &Limits::default()).unwrap();
    assert!(bundle.is_whole() && bundle.verify().is_empty());
    assert_eq!(bundle.notes(), [""; 0]);

    let manifest = bundle.manifest();
    assert_eq!(manifest.version, 1);
    assert_eq!(manifest.created_ns, Some(1_795_492_800_123_456_789));
    assert_eq!(manifest.host.name.as_deref(), Some("db7"));
    assert_eq!(manifest.host.kernel.as_deref(), Some("6.12.38-amd64"));
    assert_eq!(manifest.host.arch.as_deref(), Some("x86_64"));
    assert_eq!(manifest.host.cpus_online, Some(16));
    assert_eq!(
        manifest.command,
        ["contend-record", "c2c", "-a", "--for", "10s"]
    );
    assert_eq!(
        manifest.clocks[0].realtime_ns,
        Some(1_795_492_800_123_456_789)
    );
    assert_eq!(manifest.clocks[0].monotonic_ns, Some(86_400_000_000_123));
    assert_eq!(
        manifest.clocks[0].monotonic_raw_ns,
        Some(86_399_000_000_456)
    );
    assert_eq!(manifest.clocks[0].boottime_ns, Some(86_400_000_000_789));
    assert_eq!(manifest.tools[0].name, "perf");
    assert_eq!(manifest.tools[0].version, "6.12.38");
    assert_eq!(
        manifest.captures,
        [CaptureFacts {
            member: "c2c.perf.data".into(),
            kind: Some("c2c".into()),
            command: ["perf", "record", "-a"].map(String::from).to_vec(),
        }]
    );
    assert_eq!(manifest.notes, ["vmlinux.btf: not readable"]);

    let names: Vec<&str> = bundle
        .members()
        .iter()
        .map(|member| member.name())
        .collect();
    let long = format!("sys/devices/system/{}", "node/".repeat(20) + "cpulist");
    assert_eq!(
        names,
        [
            "manifest.json",
            "c2c.perf.data",
            ".build-id/01/23456789abcdef0123456789abcdef01234567",
            "kallsyms",
            "modules",
            "perf-4711.map",
            "proc/cpuinfo",
            &long,
            "SHA256SUMS",
        ]
    );
    let capture = bundle.read("c2c.perf.data", 1 << 20).unwrap();
    assert_eq!(capture, b"PERFILE2 would begin a capture");
    let binary = bundle.binary("0123456789abcdef0123456789abcdef01234567", 1 << 20);
    assert_eq!(
        binary.unwrap().as_deref(),
        Some(&b"\x7fELF would begin a binary"[..])
    );
    assert_eq!(
        bundle.read("kallsyms", 1 << 20).unwrap(),
        b"ffffffff81000000 T _text\n"
    );
    assert_eq!(bundle.read(&long, 1 << 20).unwrap(), b"0-15\n");
}
