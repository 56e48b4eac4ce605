//! Names of functions as tables know them.

use std::borrow::Cow;

/// A function as tables know it: without the version of a library, without what
/// libraries put in front of their inner names, without the arguments.
pub(super) fn plain(name: &str) -> Cow<'_, str> {
    let name = name.split('@').next().unwrap_or(name);
    let name = name.trim_start_matches('_');
    let name = name.strip_prefix("GI_").unwrap_or(name);
    let name = name.trim_start_matches('_');
    let name = name.strip_prefix("libc_").unwrap_or(name);
    // What templates give back is written in front of their names.
    let results = [
        "void ",
        "bool ",
        "std::cv_status ",
        "folly::detail::FutexResult ",
    ];
    let name = results
        .iter()
        .find_map(|result| name.strip_prefix(result))
        .unwrap_or(name);
    // `<std::sync::mutex::Mutex<T>>::lock`
    without_version(name.trim_start_matches('<'))
}

/// Abseil's names have a version in them (`ABSL_OPTION_INLINE_NAMESPACE_NAME` in
/// absl/base/options.h): `absl::lts_20240116::Mutex::Lock()`, and Debian's another.
fn without_version(name: &str) -> Cow<'_, str> {
    let rest = name.strip_prefix("absl::");
    let named = rest.and_then(|rest| rest.split_once("::"));
    match named {
        Some((version, rest)) if version.starts_with("lts_") || version.starts_with("debian") => {
            Cow::Owned(format!("absl::{rest}"))
        }
        _ => Cow::Borrowed(name),
    }
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

/// A lock call as programs write it. Types of arguments are long, and who makes the
/// call is to be seen beside it.
pub(in crate::offcpu) fn shown(function: &str) -> Cow<'_, str> {
    let name = function.split('@').next().unwrap_or(function);
    let name = name.strip_prefix("__GI_").unwrap_or(name);
    let bare = name.trim_start_matches('_');
    if bare.starts_with("pthread_") {
        return Cow::Borrowed(bare);
    }
    let call = name.strip_suffix(" const").unwrap_or(name);
    match arguments(call) {
        Some(start) if start > 0 => Cow::Owned(format!("{}()", &call[..start])),
        _ => Cow::Borrowed(name),
    }
}

/// Where the arguments begin with which a name ends.
fn arguments(name: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in name.bytes().enumerate().rev() {
        match byte {
            b')' => depth += 1,
            b'(' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return (byte == b'(').then_some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_shown_without_types() {
        for (name, expected) in [
            ("__GI___pthread_mutex_lock", "pthread_mutex_lock"),
            ("pthread_cond_wait@@GLIBC_2.3.2", "pthread_cond_wait"),
            ("std::mutex::lock()", "std::mutex::lock()"),
            (
                "art::Monitor::Wait(art::Thread*, long)",
                "art::Monitor::Wait()",
            ),
            ("A::wait(void (*)(int), B<(C)1>) const", "A::wait()"),
            ("sync.(*Mutex).Lock", "sync.(*Mutex).Lock"),
            ("__lll_lock_wait", "__lll_lock_wait"),
            ("(anonymous)", "(anonymous)"),
            ("a)", "a)"),
        ] {
            assert_eq!(shown(name), expected);
        }
    }
}
