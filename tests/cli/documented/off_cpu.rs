//! Documents of `offcpu`.

use super::page::{Fields, add_fields, listed, read_page};
use crate::common::{contend_on, shared_captures, workspace};

/// Where the page describes the objects of `contend.offcpu/1`.
const OFF_CPU: [(&str, &str); 20] = [
    ("", "contend.offcpu/1"),
    ("by_state", "offcpu.by_state"),
    ("threads.by_state", "offcpu.by_state"),
    ("upper_bounds", "offcpu.upper_bounds"),
    ("threads.upper_bounds", "offcpu.upper_bounds"),
    ("sums", "offcpu.sums"),
    ("threads.sums", "offcpu.sums"),
    ("idle", "offcpu.idle"),
    ("states", "offcpu.states"),
    ("threads", "offcpu.threads"),
    ("threads.histogram", "offcpu.histogram"),
    ("locks", "offcpu.locks"),
    ("locks.holders", "offcpu.holders"),
    ("locks.stacks", "offcpu.lock stacks"),
    ("syscalls", "offcpu.syscalls"),
    ("stacks", "offcpu.stacks"),
    ("wakers", "offcpu.wakers"),
    ("wakers.waker", "offcpu.waker"),
    ("capture", ""),
    ("quality", ""),
];

/// Whether a field is of these documents.
pub(super) fn is_its(field: &str) -> bool {
    field.starts_with("offcpu.") || field.starts_with("contend.offcpu/1")
}

#[test]
fn the_page_and_off_cpu_documents_have_the_same_fields() {
    let Some(folder) = shared_captures() else {
        return;
    };
    let folder = folder.join("offcpu-local");
    let binaries = folder.join("bin");
    let mut fields = Fields::new();
    for name in [
        "bpf-offcpu-time",
        "bpf-offcpu-time-raw",
        "cpp-fp-cpuclock-switch",
        "cpp-fp-switch-wakeup-a-fp",
        "perf72-offcpu-thresh5",
        // A monitor in which a thread only sleeps.
        "../offcpu/simpleperf-traceoffcpu-raw-arm64-a.perf",
    ] {
        let capture = folder.join(format!("{name}.data"));
        let args = [
            "offcpu",
            "--json",
            "--symbol-dir",
            binaries.to_str().unwrap(),
        ];
        add_fields(
            &mut fields,
            &OFF_CPU,
            "",
            &contend_on(&capture, &args).json(name),
        );
    }
    let text = std::fs::read_to_string(workspace().join("docs/formats/json.md")).unwrap();
    let mut named = listed(&read_page(&text).fields);
    named.retain(|field| is_its(field));
    assert_eq!(named, listed(&fields));
}
