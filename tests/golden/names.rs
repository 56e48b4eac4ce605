//! Names from the programs' own binaries, against what perf printed and what the
//! programs are known to have done.

use crate::common::{contend_on, perf_report, shared_captures};
use serde_json::Value;
use std::path::{Path, PathBuf};

const ALL: [&str; 6] = [
    "a_static", "b_heap", "c_atomic", "d_mutex", "f_config", "g_rust",
];

fn folder() -> Option<PathBuf> {
    Some(shared_captures()?.join("mem-realistic"))
}

fn document(capture: &Path, binaries: &Path) -> Value {
    let args = ["c2c", "--json", "--symbol-dir", binaries.to_str().unwrap()];
    contend_on(capture, &args).json(&capture.display().to_string())
}

/// Every row whose code is in the program: symbol, object and source line as
/// perf cuts them. Rows in libraries depend on what this machine has.
#[test]
fn functions_and_lines_equal_perfs() {
    let Some(folder) = folder() else { return };
    let binaries = folder.join("bin");
    for name in ALL {
        let capture = folder.join(format!("{name}.perf.data"));
        let args = ["c2c", "--perf-compat", "--symbol-dir"];
        let args = [&args[..], &[binaries.to_str().unwrap()]].concat();
        let ours = contend_on(&capture, &args).text();
        let path = folder.join(format!("{name}.c2c-report-perf7.2.txt"));
        let perfs = std::fs::read_to_string(path).unwrap();
        let ours = perf_report::parse(&ours).unwrap();
        let perfs = perf_report::parse(&perfs).unwrap();
        let mut compared = 0;
        assert_eq!(ours.pareto.len(), perfs.pareto.len(), "{name}");
        for (ours, perfs) in ours.pareto.iter().zip(&perfs.pareto) {
            assert_eq!(ours.rows.len(), perfs.rows.len(), "{name}");
            for (ours, perfs) in ours.rows.iter().zip(&perfs.rows) {
                if perfs.object != name {
                    continue;
                }
                compared += 1;
                assert_eq!(ours.symbol, perfs.symbol, "{name}");
                assert_eq!(ours.object, perfs.object, "{name}");
                assert_eq!(ours.source, perfs.source, "{name} {}", perfs.symbol);
            }
        }
        assert!(compared > 0, "{name} has rows of its program");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether a source line of a document is that of the truth, which has only the
/// name of the file.
fn is_source(ours: &Value, truth: &str) -> bool {
    text(ours).rsplit('/').next() == Some(truth)
}

#[test]
fn variables_and_lines_are_the_truths() {
    let Some(folder) = folder() else { return };
    let (mut variables, mut places) = (0, 0);
    for name in ALL {
        let truth = std::fs::read_to_string(folder.join(format!("{name}.truth.json"))).unwrap();
        let truth: Value = serde_json::from_str(&truth).unwrap();
        let document = document(
            &folder.join(format!("{name}.perf.data")),
            &folder.join("bin"),
        );
        for object in truth["objects"].as_array().unwrap() {
            let is_static = text(&object["kind"]).starts_with("static");
            for line in object["lines"].as_array().unwrap() {
                let shown = document["lines"].as_array().unwrap();
                let shown = shown.iter().find(|it| it["address"] == line["line"]);
                let Some(shown) = shown else { continue };
                let what = format!("{name} {}", line["line"]);
                if is_static {
                    variables += 1;
                    assert_eq!(shown["object"]["name"], object["object"], "{what}");
                    let offset = line["object_offset"].as_u64().unwrap();
                    assert_eq!(
                        text(&shown["object"]["offset"]),
                        format!("{offset:#x}"),
                        "{what}"
                    );
                } else {
                    assert_eq!(shown["object"]["name"], Value::Null, "{what}: on the heap");
                }
                for code in line["members"].as_array().unwrap() {
                    for code in code["code"].as_array().unwrap() {
                        let rows = shown["rows"].as_array().unwrap();
                        for row in rows.iter().filter(|row| row["ip"] == code["ip"]) {
                            let dso = text(&row["dso"]);
                            if !dso.ends_with(&format!("/{name}")) {
                                continue;
                            }
                            places += 1;
                            let wanted = text(&code["source"]);
                            let lines = row["inlined"].as_array().into_iter().flatten();
                            let mut lines = lines.map(|frame| &frame["source"]);
                            let is_there = is_source(&row["source"], wanted)
                                || lines.any(|source| is_source(source, wanted));
                            assert!(is_there, "{what} {}: {row} is not {wanted}", code["ip"]);
                        }
                    }
                }
            }
        }
    }
    assert!(variables >= 6, "{variables} static variables");
    assert!(places >= 30, "{places} places in the code");
}

/// Another program under the recorded path and name is not asked.
#[test]
fn another_build_is_refused() {
    let Some(folder) = folder() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let inside = scratch.path().join("tmp/w/bin");
    std::fs::create_dir_all(&inside).unwrap();
    for place in [inside.join("a_static"), scratch.path().join("a_static")] {
        std::fs::copy(folder.join("bin/f_config"), place).unwrap();
    }
    let document = document(&folder.join("a_static.perf.data"), scratch.path());
    for line in document["lines"].as_array().unwrap() {
        assert_eq!(line["object"]["name"], Value::Null, "{}", line["object"]);
        for row in line["rows"].as_array().unwrap() {
            if text(&row["dso"]) == "/tmp/w/bin/a_static" {
                assert_eq!(row["function"], Value::Null, "{row}");
                assert_eq!(row["source"], Value::Null, "{row}");
            }
        }
    }
    let missing = document["quality"]["missing_binaries"].as_array().unwrap();
    let is_listed = missing.iter().any(|binary| {
        text(&binary["path"]) == "/tmp/w/bin/a_static"
            && text(&binary["build_id"]) == "7ed640aa072668df56986c72da1489489b98877b"
    });
    assert!(is_listed, "{missing:?}");
    let warnings = document["quality"]["warnings"].as_array().unwrap();
    let refusals = warnings
        .iter()
        .filter(|it| text(it).contains("is not used for"));
    assert_eq!(refusals.count(), 2, "{warnings:?}");
}
