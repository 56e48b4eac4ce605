//! What a page says that documents have.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The mark of fields that are reserved.
pub(super) const NOT_YET: &str = "**not yet**";

pub(super) type Fields = BTreeMap<String, BTreeSet<String>>;

/// What the page names, by section.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) fields: Fields,
    pub(super) reserved: Fields,
}

/// The names in backticks of a table's cell.
pub(super) fn names(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

pub(super) fn read_page(text: &str) -> Page {
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

pub(super) fn listed(fields: &Fields) -> BTreeSet<String> {
    let all = fields.iter();
    all.flat_map(|(section, names)| names.iter().map(move |name| format!("{section}: {name}")))
        .collect()
}

/// Adds the fields of the objects in a value by the sections that describe them, which
/// `sections` has by the objects' paths; no name stands for one that is described for all
/// documents.
pub(super) fn add_fields(
    fields: &mut Fields,
    sections: &[(&str, &str)],
    path: &str,
    value: &Value,
) {
    match value {
        Value::Array(list) => list
            .iter()
            .for_each(|value| add_fields(fields, sections, path, value)),
        Value::Object(object) => {
            let section = sections.iter().find(|(known, _)| *known == path);
            let (_, section) = section.unwrap_or_else(|| panic!("{path} is new to this test"));
            if section.is_empty() {
                return;
            }
            let own = fields.entry((*section).to_owned()).or_default();
            own.extend(object.keys().cloned());
            for (name, value) in object {
                let path = match path {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                add_fields(fields, sections, &path, value);
            }
        }
        _ => {}
    }
}
