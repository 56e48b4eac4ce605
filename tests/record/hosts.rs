//! Recorded facts of machines (`fixtures/hosts`) and of perf (`fixtures/perf`).

use contend_record::host::Host;
use contend_record::perf::PerfTool;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

/// Names of the recorded machines, sorted.
pub(crate) fn names() -> Vec<String> {
    let entries = fs::read_dir(fixtures().join("hosts")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("tree.txt").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 16, "only {names:?} below fixtures/hosts");
    names
}

/// The facts of one machine, read from files as on the machine itself.
pub(crate) fn host(name: &str) -> Host {
    changed(name, &[])
}

/// The same with some files having another text; an empty text removes the file.
pub(crate) fn changed(name: &str, changes: &[(&str, &str)]) -> Host {
    let root = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(fixtures().join("hosts").join(name).join("tree.txt")).unwrap();
    for (path, content) in files(&text) {
        write(root.path(), path, &content);
    }
    for (path, content) in changes {
        if content.is_empty() {
            fs::remove_file(root.path().join(path)).unwrap();
        } else {
            write(root.path(), path, content);
        }
    }
    Host::read(root.path())
}

fn write(root: &Path, path: &str, content: &str) {
    let file = root.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
}

/// `path = line`, or `path:` and indented lines; `\0` is a zero byte.
fn files(text: &str) -> Vec<(&str, String)> {
    let mut files: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        if line.starts_with('#') {
            continue;
        }
        if let Some(more) = line.strip_prefix("    ") {
            let (_, content) = files.last_mut().expect("a path in front of its lines");
            content.push_str(more);
            content.push('\n');
        } else if let Some((path, content)) = line.split_once(" = ") {
            files.push((path, content.replace("\\0", "\0") + "\n"));
        } else if let Some(path) = line.strip_suffix(':') {
            files.push((path, String::new()));
        } else if line.is_empty() {
            let (_, content) = files.last_mut().expect("a path in front of its lines");
            content.push('\n');
        } else {
            panic!("not a line of a tree: {line}");
        }
    }
    files
}

/// perf 6.1 as Debian builds it.
pub(crate) fn perf() -> PerfTool {
    let [version, build, help] = perf_texts();
    PerfTool::from_texts(Path::new("perf"), &version, &build, &help).unwrap()
}

/// What perf 6.1 prints about itself: version, build options, `record -h`.
pub(crate) fn perf_texts() -> [String; 3] {
    ["version.txt", "build-options.txt", "record-help.txt"]
        .map(|file| fs::read_to_string(fixtures().join("perf/6.1").join(file)).unwrap())
}
