//! Names of functions as tables know them.

/// A function as tables know it: without the version of a library, without what
/// libraries put in front of their inner names, without the arguments.
pub(super) fn plain(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    let name = name.trim_start_matches('_');
    let name = name.strip_prefix("GI_").unwrap_or(name);
    let name = name.trim_start_matches('_');
    let name = name.strip_prefix("libc_").unwrap_or(name);
    // What templates give back is written in front of their names.
    let results = ["void ", "bool ", "std::cv_status "];
    let name = results
        .iter()
        .find_map(|result| name.strip_prefix(result))
        .unwrap_or(name);
    // `<std::sync::mutex::Mutex<T>>::lock`
    name.trim_start_matches('<')
}

/// Whether a name begins with one of the table, and goes on with something that
/// is no letter of it: `poll` is not `pollute`.
pub(super) fn begins(name: &str, start: &str) -> bool {
    let Some(rest) = name.strip_prefix(start) else {
        return false;
    };
    let is_open = start.ends_with([':', '.', '_', '<']);
    is_open
        || !rest.starts_with(|c: char| c.is_ascii_lowercase())
            && (!rest.starts_with('_') || start.len() > 12)
}

pub(super) fn has(table: &[&str], name: &str) -> bool {
    table.iter().any(|start| begins(name, start))
}
