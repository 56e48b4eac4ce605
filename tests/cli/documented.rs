//! `docs/formats/json.md` names every field that documents have, and documents
//! have every field that it names; `docs/architecture.md` names every module.

use crate::common::{contend_on, shared_captures, unpacked, workspace};
use contend_bundle::{BundleWriter, CaptureFacts, Manifest};
use contend_fixtures::{Container, SpeCapture, SpePlan};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The mark of fields that are reserved.
const NOT_YET: &str = "**not yet**";

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

type Fields = BTreeMap<String, BTreeSet<String>>;

/// What the page names, by section.
#[derive(Debug, Default)]
struct Page {
    fields: Fields,
    reserved: Fields,
}

/// The names in backticks of a table's cell.
fn names(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

fn read_page(text: &str) -> Page {
    let mut page = Page::default();
    let mut section = String::new();
    let mut is_of_fields = false;
    for line in text.lines() {
        if let Some((_, title)) = line.split_once("## ").filter(|_| line.starts_with('#')) {
            section = title.trim_matches('`').to_owned();
        }
        let Some(row) = line.strip_prefix('|') else {
            is_of_fields = false;
            continue;
        };
        let (first, rest) = row.split_once('|').unwrap_or((row, ""));
        if ["field", "counter"].contains(&first.trim()) {
            is_of_fields = true;
        } else if is_of_fields {
            let list = if rest.contains(NOT_YET) {
                &mut page.reserved
            } else {
                &mut page.fields
            };
            list.entry(section.clone())
                .or_default()
                .extend(names(first));
        }
    }
    page
}

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
fn captures(scratch: &Path) -> Vec<PathBuf> {
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

fn is_of_off_cpu(field: &str) -> bool {
    field.starts_with("offcpu.") || field.starts_with("contend.offcpu/1")
}

fn off_cpu_fields(fields: &mut Fields, path: &str, value: &Value) {
    match value {
        Value::Array(list) => list
            .iter()
            .for_each(|value| off_cpu_fields(fields, path, value)),
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
                off_cpu_fields(fields, &path, value);
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
        off_cpu_fields(&mut fields, "", &contend_on(&capture, &args).json(name));
    }
    let text = std::fs::read_to_string(workspace().join("docs/formats/json.md")).unwrap();
    let mut named = listed(&read_page(&text).fields);
    named.retain(|field| is_of_off_cpu(field));
    assert_eq!(named, listed(&fields));
}

/// Where the page describes the objects of `contend.latency/1`. What groups have of
/// their distribution is described where that of all accesses is.
const LATENCY: [(&str, &str); 11] = [
    ("", "contend.latency/1"),
    ("events", "latency.events"),
    ("baseline", "latency.baseline"),
    ("total", "latency.total"),
    ("total.buckets", "latency.buckets"),
    ("groups", "latency.groups"),
    ("groups.buckets", "latency.buckets"),
    ("groups.key", "latency.key"),
    ("rest", "latency.rest"),
    ("capture", ""),
    ("quality", ""),
];

fn is_of_latency(field: &str) -> bool {
    field.starts_with("latency.") || field.starts_with("contend.latency/1")
}

fn latency_fields(fields: &mut Fields, path: &str, value: &Value) {
    match value {
        Value::Array(list) => list
            .iter()
            .for_each(|value| latency_fields(fields, path, value)),
        // As in lines of `contend.c2c`.
        Value::Object(_) if path == "groups.key.object" => {}
        Value::Object(object) => {
            let section = LATENCY.iter().find(|(known, _)| *known == path);
            let section = section
                .unwrap_or_else(|| panic!("{path} is new to this test"))
                .1;
            if section.is_empty() {
                return;
            }
            let own = fields.entry(section.to_owned()).or_default();
            own.extend(object.keys().cloned());
            for (name, value) in object {
                let path = match path {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                latency_fields(fields, &path, value);
            }
        }
        _ => {}
    }
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
            latency_fields(&mut fields, "", &ended.json(&what));
        }
    }
    // Groups have a distribution of their own.
    let shared = fields["latency.total"].clone();
    let groups = fields.get_mut("latency.groups").unwrap();
    assert!(groups.is_superset(&shared));
    groups.retain(|name| !shared.contains(name));
    let text = std::fs::read_to_string(workspace().join("docs/formats/json.md")).unwrap();
    let mut named = listed(&read_page(&text).fields);
    named.retain(|field| is_of_latency(field));
    assert_eq!(named, listed(&fields));
}

fn listed(fields: &Fields) -> BTreeSet<String> {
    let all = fields.iter();
    all.flat_map(|(section, names)| names.iter().map(move |name| format!("{section}: {name}")))
        .collect()
}

#[test]
fn the_page_and_the_documents_have_the_same_fields() {
    let text = std::fs::read_to_string(workspace().join("docs/formats/json.md")).unwrap();
    let page = read_page(&text);
    let found = documents();

    let (mut named, had) = (listed(&page.fields), listed(&found.fields));
    named.retain(|field| !is_of_off_cpu(field) && !is_of_latency(field));
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

/// Files and folders of a folder of sources, without `lib` and `mod`.
fn modules(sources: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(sources).unwrap();
    let names = entries.map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".rs").unwrap_or(&name).to_owned()
    });
    names.filter(|name| name != "lib").collect()
}

#[test]
fn the_architecture_names_every_module() {
    let text = std::fs::read_to_string(workspace().join("docs/architecture.md")).unwrap();
    let named: BTreeSet<String> = names(&text.replace("```", "")).collect();
    for sources in [
        "analyzer/src",
        "analyzer/bundle/src",
        "analyzer/perfdata/src",
    ] {
        let modules = modules(&workspace().join(sources));
        let unnamed: Vec<_> = modules.difference(&named).collect();
        assert!(unnamed.is_empty(), "modules of {sources}: {unnamed:?}");
    }
}
