//! The page of the architecture.

use super::page::names;
use crate::common::workspace;
use std::collections::BTreeSet;
use std::path::Path;

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
