//! `docs/formats/json.md` names every field that documents have, and documents
//! have every field that it names; `docs/architecture.md` names every module.

mod architecture;
mod latency;
mod off_cpu;
mod page;
mod subjects;

use crate::common::{contend_on, workspace};
use page::{Fields, NOT_YET, listed, read_page};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use subjects::captures;

/// Which section of the page describes the object at a path. Paths go through
/// the names of fields; lists leave no trace in them.
const SECTIONS: [(&str, &str); 38] = [
    ("contend.info/1", "contend.info/1"),
    ("contend.c2c/1", "contend.c2c/1"),
    ("capture", "capture"),
    ("capture.nodes", "nodes"),
    ("quality", "quality"),
    ("quality.spe", "spe"),
    ("quality.spe.attribution", "attribution"),
    ("quality.spe.interval", "interval"),
    ("quality.spe.cpus", "spe.cpus"),
    ("quality.spe.timeline", "timeline"),
    ("events", "events"),
    ("can", "can"),
    ("other_captures", "other_captures"),
    ("perf_counters", "perf_counters"),
    ("classes", "classes"),
    ("ratios", "ratios"),
    ("ratios.hitm_per_load", "ratio"),
    ("ratios.hitm_per_llc_miss", "ratio"),
    ("ratios.remote_per_hitm", "ratio"),
    ("ratios.peer_per_load", "ratio"),
    ("lines", "lines"),
    ("lines.object", "object"),
    ("lines.perf_counters", "perf_counters"),
    ("lines.latency", "latency"),
    ("lines.writers", "writers` and `readers"),
    ("lines.readers", "writers` and `readers"),
    ("lines.rows", "rows"),
    ("lines.rows.latency", "latency"),
    ("lines.rows.variable", "variable"),
    ("lines.rows.inlined", "inlined"),
    ("quality.missing_binaries", "missing_binaries"),
    ("contend.symbols/1", "contend.symbols/1"),
    ("contend.oncpu/1", "contend.oncpu/1"),
    ("functions", "functions"),
    ("threads", "threads"),
    ("stacks", "stacks"),
    ("binaries", "binaries"),
    ("binaries.refused", "refused"),
];

/// Fields that need debug information, which no capture of this list has.
const OF_DEBUG_INFORMATION: [&str; 7] = [
    "binaries: debug",
    "binaries: shared",
    "inlined: function",
    "inlined: source",
    "rows: inlined",
    "rows: source",
    "stacks: inlined",
];

/// Objects whose keys are no fields.
const MAPS: [&str; 3] = ["records", "quality.skipped", "quality.spe.operations"];

/// Fields whose text is one of a list on the page.
const CHOICES: [&str; 9] = [
    "binaries.state",
    "capture.format",
    "events.kind",
    "sort",
    "classes.op",
    "classes.level",
    "classes.snoop",
    "classes.where",
    "lines.verdict",
];

/// What documents have, by section, and the texts that they choose from lists.
#[derive(Debug, Default)]
struct Found {
    fields: Fields,
    chosen: BTreeSet<(String, String)>,
}

impl Found {
    fn document(&mut self, what: &str, document: &Value) {
        let schema = document["schema"].as_str().expect("a schema");
        self.value(what, schema, "", document);
    }

    fn value(&mut self, what: &str, schema: &str, path: &str, value: &Value) {
        // What is of the first capture of a bundle is of the others.
        let path = path.strip_prefix("other_captures.").unwrap_or(path);
        match value {
            Value::Array(values) => {
                for value in values {
                    self.value(what, schema, path, value);
                }
            }
            Value::Object(_) if MAPS.contains(&path) => {}
            Value::Object(object) => {
                let path_or_schema = if path.is_empty() { schema } else { path };
                // Rows have the counters of lines.
                let known = path_or_schema.replace("lines.rows.perf_", "lines.perf_");
                let section = SECTIONS
                    .iter()
                    .find(|(path, _)| *path == known)
                    .unwrap_or_else(|| panic!("{what}: an object at {path} is new to this test"));
                let fields = self.fields.entry(section.1.to_owned()).or_default();
                fields.extend(object.keys().cloned());
                for (name, value) in object {
                    let separator = if path.is_empty() { "" } else { "." };
                    self.value(what, schema, &format!("{path}{separator}{name}"), value);
                }
            }
            Value::String(text) if CHOICES.contains(&path) => {
                self.chosen.insert((path.to_owned(), text.clone()));
            }
            _ => {}
        }
    }
}

fn documents() -> Found {
    let scratch = tempfile::tempdir().unwrap();
    let mut found = Found::default();
    let binaries = workspace().join("fixtures/demo");
    let binaries = binaries.to_str().unwrap();
    let others = scratch.path().join("others");
    std::fs::create_dir(&others).unwrap();
    std::fs::write(
        others.join("ingestd"),
        contend_fixtures::elf_program(&[1; 20], &[]),
    )
    .unwrap();
    let others = others.to_str().unwrap();
    for capture in captures(scratch.path()) {
        for args in [
            &["info", "--json"][..],
            &["c2c", "--json"],
            &["c2c", "--json", "--symbol-dir", binaries],
            &["symbols", "--json", "--symbol-dir", binaries],
            &["symbols", "--json", "--symbol-dir", others],
            &[
                "c2c",
                "--json",
                "--coalesce",
                "pid,tid",
                "--pid",
                "1",
                "--show-all",
            ],
            &["c2c", "--json", "--coalesce", "dso", "--time", "0%..50%"],
        ] {
            let ended = contend_on(&capture, args);
            let what = format!("{args:?} {}", capture.display());
            // Where there is nothing to say there is no document.
            if args[0] == "info" {
                stacks_of_events(&mut found, &capture, &ended.json(&what));
            }
            if ended.code == Some(2) {
                ended.refused(&what);
            } else {
                found.document(&what, &ended.json(&what));
            }
        }
    }
    found
}

/// The stacks of every event, which no capture of this list has for want of
/// better ones: memory samples are stacks of one frame.
fn stacks_of_events(found: &mut Found, capture: &Path, info: &Value) {
    for event in info["events"].as_array().unwrap() {
        let name = event["name"].as_str().unwrap();
        let ended = contend_on(capture, &["oncpu", "--json", "--event", name]);
        let what = format!("{name} of {}", capture.display());
        // Its operations are in no samples.
        if event["kind"] == "spe" {
            continue;
        }
        match event["samples"].as_u64() {
            Some(0) => drop(ended.refused(&what)),
            _ => found.document(&what, &ended.json(&what)),
        }
    }
}

#[test]
fn the_page_and_the_documents_have_the_same_fields() {
    let text = std::fs::read_to_string(workspace().join("docs/formats/json.md")).unwrap();
    let page = read_page(&text);
    let found = documents();

    let (mut named, had) = (listed(&page.fields), listed(&found.fields));
    named.retain(|field| !off_cpu::is_its(field) && !latency::is_its(field));
    assert!(named.len() > 100, "the page was understood: {named:?}");
    let unnamed: Vec<_> = had.difference(&named).collect();
    assert!(unnamed.is_empty(), "not on the page: {unnamed:#?}");
    let unseen: Vec<_> = named
        .difference(&had)
        .filter(|field| !OF_DEBUG_INFORMATION.contains(&field.as_str()))
        .collect();
    assert!(
        unseen.is_empty(),
        "in no document, and not marked {NOT_YET}: {unseen:#?}"
    );

    for (path, text_of_field) in &found.chosen {
        assert!(
            text.contains(&format!("`{text_of_field}`")),
            "{path} is {text_of_field:?}, which the page does not explain"
        );
    }
    assert!(found.chosen.len() > 20, "{:?}", found.chosen);
}

/// A mark that is not taken away when the field comes fails the test above; one
/// on a misspelt name would not.
#[test]
fn reserved_fields_are_those_of_the_contract() {
    let text = std::fs::read_to_string(workspace().join("docs/formats/json.md")).unwrap();
    let reserved = listed(&read_page(&text).reserved);
    let reserved: Vec<&str> = reserved.iter().map(String::as_str).collect();
    assert_eq!(reserved, ["object: field",]);
}
