//! Documents of `latency`.

use super::page::{Fields, add_fields, listed, read_page};
use super::subjects::captures;
use crate::common::{contend_on, shared_captures, unpacked, workspace};

/// Where the page describes the objects of `contend.latency/1`. What groups have of
/// their distribution is described where that of all accesses is.
const LATENCY: [(&str, &str); 12] = [
    ("", "contend.latency/1"),
    ("events", "latency.events"),
    ("baseline", "latency.baseline"),
    ("total", "latency.total"),
    ("total.buckets", "latency.buckets"),
    ("groups", "latency.groups"),
    ("groups.buckets", "latency.buckets"),
    ("groups.key", "latency.key"),
    ("rest", "latency.rest"),
    // As in lines of `contend.c2c`.
    ("groups.key.object", ""),
    ("capture", ""),
    ("quality", ""),
];

/// Whether a field is of these documents.
pub(super) fn is_its(field: &str) -> bool {
    field.starts_with("latency.") || field.starts_with("contend.latency/1")
}

#[test]
fn the_page_and_latency_documents_have_the_same_fields() {
    let Some(shared) = shared_captures() else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let spe = shared.join("spe-synthetic/v2-newbits.perf.data.xz");
    let many = scratch.path().join("many.perf.data");
    let big = contend_fixtures::Big {
        samples: 5000,
        lines: 2000,
        rows_per_line: 1,
        cpus: 8,
    };
    big.write(&mut std::fs::File::create(&many).unwrap())
        .unwrap();
    let mut fields = Fields::new();
    let mut captures = captures(scratch.path());
    captures.extend([unpacked(&spe, scratch.path()), many]);
    for capture in captures {
        for by in ["source", "function", "line", "thread", "cpu", "node"] {
            let ended = contend_on(&capture, &["latency", "--json", "--by", by]);
            let what = format!("{by} {}", capture.display());
            add_fields(&mut fields, &LATENCY, "", &ended.json(&what));
        }
    }
    // Groups have a distribution of their own.
    let shared = fields["latency.total"].clone();
    let groups = fields.get_mut("latency.groups").unwrap();
    assert!(groups.is_superset(&shared));
    groups.retain(|name| !shared.contains(name));
    let text = std::fs::read_to_string(workspace().join("docs/formats/json.md")).unwrap();
    let mut named = listed(&read_page(&text).fields);
    named.retain(|field| is_its(field));
    assert_eq!(named, listed(&fields));
}
