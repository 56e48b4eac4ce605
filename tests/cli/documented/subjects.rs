//! Captures of which documents are asked.

use crate::common::workspace;
use contend_bundle::{BundleWriter, CaptureFacts, Manifest};
use contend_fixtures::{Container, SpeCapture, SpePlan};
use std::path::{Path, PathBuf};

/// A bundle of two captures.
fn two_of(bytes: &[u8]) -> Vec<u8> {
    let members = ["one.perf.data", "c2c.perf.data"];
    let facts = members.map(|member| CaptureFacts {
        member: member.into(),
        kind: member.starts_with("c2c").then(|| "c2c".into()),
        command: Vec::new(),
    });
    let manifest = Manifest {
        captures: facts.into(),
        ..Manifest::default()
    };
    let mut bundle = BundleWriter::new(Vec::new(), &manifest).unwrap();
    for member in members {
        bundle.add_bytes(member, bytes).unwrap();
    }
    bundle.finish().unwrap()
}

/// The demo, the demo cut short, two of it in a bundle, and every small synthetic capture.
pub(super) fn captures(scratch: &Path) -> Vec<PathBuf> {
    let demo = workspace().join("fixtures/demo/false-sharing.perf.data");
    let bytes = std::fs::read(&demo).unwrap();
    let cut = scratch.join("cut.perf.data");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let two = scratch.join("two.tar.zst");
    std::fs::write(&two, two_of(&bytes)).unwrap();
    let synthetic = contend_fixtures::captures().into_iter().map(|capture| {
        let path = scratch.join(format!("{}.perf.data", capture.name));
        std::fs::write(&path, capture.bytes).unwrap();
        path
    });
    let spe = scratch.join("spe.perf.data");
    std::fs::write(&spe, slow_core()).unwrap();
    let nameless = scratch.join("nameless.perf.data");
    std::fs::write(&nameless, nameless_threads()).unwrap();
    [demo, cut, two, spe, nameless]
        .into_iter()
        .chain(synthetic)
        .collect()
}

/// Two CPUs that fight over a line, and nothing that tells threads.
fn nameless_threads() -> Vec<u8> {
    let mut capture = SpeCapture::new(2);
    for cpu in 0..2u32 {
        let plans: Vec<SpePlan> = (0..20u64)
            .map(|number| SpePlan {
                operation: Some((1, u8::from(cpu == 0))),
                source: (cpu == 1).then_some(9),
                pc: Some((SpeCapture::TEXT, 0)),
                data: Some(SpeCapture::HEAP),
                latencies: [Some(200), None, None],
                timestamp: Some(1_000_000 + number),
                ..SpePlan::default()
            })
            .collect();
        capture.chunk(cpu, &plans, 64);
    }
    capture.wrapped(Container::File).unwrap()
}

/// What Arm SPE recorded on a core that nobody knows: lines are ordered by latency.
fn slow_core() -> Vec<u8> {
    let mut capture = SpeCapture::new(2);
    capture.metadata = Some(vec![(0x510f_0010, 0); 2]);
    let plans: Vec<SpePlan> = (0..20u64)
        .map(|number| SpePlan {
            operation: Some((1, u8::from(number % 5 == 0))),
            pc: Some((SpeCapture::TEXT, 0)),
            data: Some(SpeCapture::HEAP + number / 10 * 64),
            latencies: [Some(if number < 10 { 500 } else { 40 }), None, None],
            timestamp: Some(1_000_000 + number),
            ..SpePlan::default()
        })
        .collect();
    capture.chunk(0, &plans, 64);
    capture.chunk(1, &plans, 64);
    capture.wrapped(Container::File).unwrap()
}
