//! What a page says that documents have.

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
