//! Documents of `offcpu`.

use super::page::{Fields, listed, read_page};
use crate::common::{contend_on, shared_captures, workspace};
use serde_json::Value;

/// Where the page describes the objects of `contend.offcpu/1`.
const OFF_CPU: [(&str, &str); 16] = [
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
];
const OFF_CPU_WAKERS: [(&str, &str); 2] = [
    ("wakers", "offcpu.wakers"),
    ("wakers.waker", "offcpu.waker"),
];

/// Whether a field is of these documents.
pub(super) fn is_its(field: &str) -> bool {
    field.starts_with("offcpu.") || field.starts_with("contend.offcpu/1")
}

fn add_fields(fields: &mut Fields, path: &str, value: &Value) {
    match value {
        Value::Array(list) => list
            .iter()
            .for_each(|value| add_fields(fields, path, value)),
        // Those of every document.
        Value::Object(_) if ["capture", "quality"].contains(&path) => {}
        Value::Object(object) => {
            let mut all = OFF_CPU.iter().chain(&OFF_CPU_WAKERS);
            let section = all.find(|(known, _)| *known == path);
            let section = section
                .unwrap_or_else(|| panic!("{path} is new to this test"))
                .1;
            let own = fields.entry(section.to_owned()).or_default();
            own.extend(object.keys().cloned());
            for (name, value) in object {
                let path = match path {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                add_fields(fields, &path, value);
            }
        }
        _ => {}
    }
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
        add_fields(&mut fields, "", &contend_on(&capture, &args).json(name));
    }
    let text = std::fs::read_to_string(workspace().join("docs/formats/json.md")).unwrap();
    let mut named = listed(&read_page(&text).fields);
    named.retain(|field| is_its(field));
    assert_eq!(named, listed(&fields));
}
