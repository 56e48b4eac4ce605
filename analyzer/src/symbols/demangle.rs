//! Names as people write them: C++ and Rust, as perf prints them.

use cpp_demangle::{DemangleOptions, ParseOptions, Symbol};
use std::fmt::{self, Write};

/// Longer mangled names are shown as they are, in bytes.
const LONGEST_MANGLED: usize = 16 << 10;

/// Longer names are cut, in bytes: substitutions let a short mangled name
/// stand for gigabytes.
const LONGEST_NAME: usize = 4 << 10;

/// How deep C++ names may nest.
const DEEPEST: u32 = 128;

/// A text that takes no more than [`LONGEST_NAME`].
#[derive(Default)]
struct Bounded {
    text: String,
    is_full: bool,
}

impl Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.text.len() + more.len() > LONGEST_NAME {
            self.is_full = true;
            return Err(fmt::Error);
        }
        self.text.push_str(more);
        Ok(())
    }
}

impl Bounded {
    /// The text, with an ellipsis where it was cut; nothing when it failed for
    /// another reason.
    fn finish(mut self, written: fmt::Result) -> Option<String> {
        if self.is_full {
            self.text.push('…');
        } else if written.is_err() {
            return None;
        }
        Some(self.text)
    }
}

/// A symbol's name in the form of its language; as it is when it is in none.
pub(super) fn demangle(name: &str) -> String {
    if name.len() > LONGEST_MANGLED {
        let cut = name.char_indices().nth(LONGEST_NAME).map_or(0, |at| at.0);
        return format!("{}…", &name[..cut]);
    }
    rust(name)
        .or_else(|| cpp(name))
        .unwrap_or_else(|| name.to_owned())
}

/// Rust, without the hash of legacy names, as perf leaves it out.
fn rust(name: &str) -> Option<String> {
    let demangled = rustc_demangle::try_demangle(name).ok()?;
    let mut out = Bounded::default();
    let written = write!(out, "{demangled:#}");
    out.finish(written)
}

/// C++ in the Itanium scheme. Suffixes of clones read `[clone .constprop.0]`.
fn cpp(name: &str) -> Option<String> {
    let is_mangled = ["_Z", "__Z", "___Z", "____Z"];
    if !is_mangled.iter().any(|start| name.starts_with(start)) {
        return None;
    }
    let limits = ParseOptions::default().recursion_limit(DEEPEST);
    let symbol = Symbol::new_with_options(name, &limits).ok()?;
    let options = DemangleOptions::default().recursion_limit(DEEPEST);
    let mut out = Bounded::default();
    let written = symbol.structured_demangle(&mut out, &options);
    out.finish(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_their_language() {
        for (mangled, name) in [
            ("main", "main"),
            ("draw_ticket.constprop.0", "draw_ticket.constprop.0"),
            (
                "_Z9count_jobP13WorkerCounterm",
                "count_job(WorkerCounter*, unsigned long)",
            ),
            ("_Z3fooi.constprop.0", "foo(int) [clone .constprop.0]"),
            (
                "_Z3fooi.part.0.cold",
                "foo(int) [clone .part.0] [clone .cold]",
            ),
            (
                "_ZN6g_rust13note_produced17h0123456789abcdefE",
                "g_rust::note_produced",
            ),
            (
                "_RNvCskwGfYPst2Cb_3foo16example_function",
                "foo::example_function",
            ),
            ("_Znope", "_Znope"),
        ] {
            assert_eq!(demangle(mangled), name);
        }
    }

    #[test]
    fn names_are_bounded_in_length_and_depth() {
        let deep = format!("_Z1f{}i", "P".repeat(10_000));
        assert!(demangle(&deep).len() <= LONGEST_MANGLED);
        let long = "x".repeat(1 << 20);
        assert!(demangle(&long).len() < LONGEST_MANGLED);
        // Each template argument is the pair of the one before.
        let mut bomb = String::from("_Z1fI1A");
        for step in 0..60 {
            bomb += &format!(
                "S{}_",
                if step == 0 {
                    String::new()
                } else {
                    (step - 1).to_string()
                }
            );
        }
        bomb += "Evv";
        assert!(demangle(&bomb).len() <= LONGEST_NAME + 8);
    }
}
