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
    let name = without_version(name);
    rust(name)
        .or_else(|| cpp(name))
        .or_else(|| go(name))
        .unwrap_or_else(|| name.to_owned())
}

/// A name without the version that linkers put behind it: `memcpy@@GLIBC_2.14`.
pub(super) fn without_version(name: &str) -> &str {
    let Some((own, version)) = name.split_once('@') else {
        return name;
    };
    let version = version.strip_prefix('@').unwrap_or(version);
    let is_version = version.starts_with(|first: char| first.is_ascii_alphabetic())
        && version
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    if is_version && !own.is_empty() {
        own
    } else {
        name
    }
}

/// Go, whose names are plain but for bytes of import paths that assemblers would
/// not take (`objabi.PathToPrefix` in `cmd/internal/objabi/path.go`), and for the
/// letters that stand for `.` and `/` in its assembly code. Nothing when there are
/// none.
fn go(name: &str) -> Option<String> {
    if !name.contains(['%', '·', '∕']) || !name.contains(['.', '·']) {
        return None;
    }
    let text = name.replace('·', ".").replace('∕', "/");
    let mut plain: Vec<u8> = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = (first == b'%').then(|| escaped(behind)).flatten();
        plain.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() {
            &behind[2..]
        } else {
            behind
        };
    }
    // Escapes that do not make a text were none.
    let plain = String::from_utf8(plain).unwrap_or(text);
    Some(plain)
}

/// The byte of an escape of Go behind its `%`.
fn escaped(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..2)?).ok()?;
    let byte = u8::from_str_radix(digits, 16).ok()?;
    // Control characters stay as they are written.
    (matches!(byte, b'.' | b'%' | b'"') || byte > 0x7f).then_some(byte)
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
    out.finish(written).map(as_binutils)
}

/// How cpp_demangle writes parts of names, and how binutils and with them perf
/// do: tables and thunks in words, the streams and the string of the standard
/// library by their short names but where they are constructed.
fn as_binutils(text: String) -> String {
    let mut text = in_words(&text).unwrap_or(text);
    if !text.contains("std::") {
        return text;
    }
    for (full, short) in [
        (
            "std::basic_istream<char, std::char_traits<char> >",
            "std::istream",
        ),
        (
            "std::basic_iostream<char, std::char_traits<char> >",
            "std::iostream",
        ),
    ] {
        let Some((first, rest)) = text.split_once(full) else {
            continue;
        };
        let pieces = rest.split(full);
        text = pieces.fold(first.to_owned(), |text, piece| {
            let is_made = piece.starts_with("::basic_") || piece.starts_with("::~basic_");
            text + if is_made { full } else { short } + piece
        });
    }
    for (short, full) in [
        (
            "std::ostream::ostream(",
            "std::basic_ostream<char, std::char_traits<char> >::basic_ostream(",
        ),
        (
            "std::ostream::~ostream(",
            "std::basic_ostream<char, std::char_traits<char> >::~basic_ostream(",
        ),
        (
            "std::string::string(",
            "std::basic_string<char, std::char_traits<char>, std::allocator<char> >::basic_string(",
        ),
        (
            "std::string::string<",
            "std::basic_string<char, std::char_traits<char>, std::allocator<char> >::basic_string<",
        ),
        (
            "std::string::~string(",
            "std::basic_string<char, std::char_traits<char>, std::allocator<char> >::~basic_string(",
        ),
    ] {
        if text.contains(short) {
            text = text.replace(short, full);
        }
    }
    text
}

/// `{vtable(X)}` as `vtable for X`, and so on; nothing when it is none of them.
fn in_words(text: &str) -> Option<String> {
    let (inner, clones) = text.strip_prefix('{')?.rsplit_once(")}")?;
    let (kind, mut rest) = inner.split_once('(')?;
    let words = match kind {
        "vtable" => "vtable for ",
        "vtt" => "VTT for ",
        "virtual override thunk" => {
            let is_virtual = rest.starts_with("{virtual");
            let mut offsets = 0;
            while rest.starts_with("{offset(") || rest.starts_with("{virtual offset(") {
                rest = rest.split_once(")}, ")?.1;
                offsets += 1;
            }
            match (offsets, is_virtual) {
                (1, false) => "non-virtual thunk to ",
                (1, true) => "virtual thunk to ",
                _ => "covariant return thunk to ",
            }
        }
        _ => return None,
    };
    Some(format!("{words}{rest}{clones}"))
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
            ("memcpy@@GLIBC_2.14", "memcpy"),
            ("memcpy@GLIBC_2.2.5", "memcpy"),
            (
                "_ZNSs4swapERSs@@GLIBCXX_3.4",
                "std::string::swap(std::string&)",
            ),
            ("odd@", "odd@"),
            ("@plt", "@plt"),
            ("main.(*Server).serve", "main.(*Server).serve"),
            ("main.main.func1", "main.main.func1"),
            (
                "gopkg.in/yaml%2ev3.(*Decoder).Decode",
                "gopkg.in/yaml.v3.(*Decoder).Decode",
            ),
            ("runtime·memmove", "runtime.memmove"),
            ("internal∕cpu·X86", "internal/cpu.X86"),
            (
                "type:.eq.[2]go%2eshape.string",
                "type:.eq.[2]go.shape.string",
            ),
            ("main.caf%c3%a9", "main.café"),
            ("main.%zz%0a%", "main.%zz%0a%"),
            ("$s4main3fooyyF", "$s4main3fooyyF"),
            ("_D4test3fooFZv", "_D4test3fooFZv"),
            ("_Z3fooi.isra.0", "foo(int) [clone .isra.0]"),
            ("_Z3fooi.llvm.123", "foo(int) [clone .llvm.123]"),
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
        // Without a bound the last of them would not end in this life.
        let short = demangle(&bomb(4));
        assert!(short.starts_with("f(std::pair<int, int>, "), "{short}");
        for steps in [20, 30, 60] {
            let name = demangle(&bomb(steps));
            assert!(name.ends_with('…') && name.len() > 1000, "{name}");
            assert!(name.len() <= LONGEST_NAME + '…'.len_utf8());
        }
    }

    /// A function whose arguments are each the pair of the one before: a few
    /// hundred bytes that stand for as many as two to the number of steps.
    fn bomb(steps: u32) -> String {
        let digit = |n: u32| char::from_digit(n, 36).unwrap().to_ascii_uppercase();
        let number = |n: u32| match n {
            0..36 => digit(n).to_string(),
            _ => format!("{}{}", digit(n / 36), digit(n % 36)),
        };
        let pairs = (0..steps).map(|step| {
            let before = number(step);
            format!("S_IS{before}_S{before}_E")
        });
        format!("_Z1fSt4pairIiiE{}", pairs.collect::<String>())
    }

    /// What libraries of this machine have, as `c++filt` of binutils prints it.
    #[test]
    fn names_are_those_of_cxxfilt() {
        use std::process::{Command, Stdio};
        let library = [
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu",
            "/usr/lib64",
        ]
        .map(|folder| std::path::Path::new(folder).join("libstdc++.so.6"));
        let library = library.iter().find(|path| path.exists());
        let run = |name: &str, args: &[&std::ffi::OsStr], input: &str| {
            use std::io::Write;
            let child = Command::new(name)
                .args(args)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn();
            let mut child = child.ok()?;
            let mut pipe = child.stdin.take()?;
            let input = input.to_owned();
            let writer = std::thread::spawn(move || pipe.write_all(input.as_bytes()));
            let output = child.wait_with_output().ok()?;
            writer.join().unwrap().ok()?;
            output
                .status
                .success()
                .then(|| String::from_utf8(output.stdout).unwrap())
        };
        let list = library.and_then(|path| {
            let args = [
                "-D",
                "--defined-only",
                "--without-symbol-versions",
                "--format=just-symbols",
            ];
            let mut args = args.map(std::ffi::OsStr::new).to_vec();
            args.push(path.as_os_str());
            run("nm", &args, "")
        });
        let printed = list
            .as_ref()
            .and_then(|list| run("c++filt", &["-i".as_ref()], list));
        let (Some(list), Some(printed)) = (list, printed) else {
            eprintln!("skipped: no libstdc++, nm or c++filt");
            return;
        };
        let pairs: Vec<_> = list.lines().zip(printed.lines()).collect();
        assert!(pairs.len() > 1000);
        let other: Vec<_> = pairs
            .iter()
            .filter(|(mangled, printed)| demangle(mangled) != **printed)
            .collect();
        for (mangled, printed) in other.iter().take(5) {
            eprintln!("{mangled}\n  {}\n  {printed}", demangle(mangled));
        }
        let share = other.len() as f64 / pairs.len() as f64;
        assert!(share < 0.02, "{} of {} differ", other.len(), pairs.len());
    }

    #[test]
    fn hostile_names_end() {
        // A time is not asserted: what takes exponential time on these does not end at all.
        let names = [
            "_Z1f".to_owned() + &"N".repeat(16_000),
            "_Z1f".to_owned() + &"I".repeat(16_000),
            "_Z".to_owned() + &"T_".repeat(8_000),
            "_Z1fI".to_owned() + &"J".repeat(5_000) + &"E".repeat(5_000),
            "_Z1f".to_owned() + &"DpT_".repeat(4_000),
            "_Z1fIXL".to_owned() + &"Z1fIXL".repeat(2_500),
            "_Z1fIX".to_owned() + &"cl".repeat(8_000) + "EE",
            "_Z1fF".to_owned() + &"F".repeat(16_000),
            "_Z1f".to_owned() + &"S_".repeat(8_000),
            "_RN".to_owned() + &"vC".repeat(8_000),
            "_RINv".to_owned() + &"B_".repeat(8_000),
            "_R".to_owned() + &"T".repeat(16_000),
            "_RYFG_FG_".to_owned() + &"yyyyy".repeat(3_000),
            "_ZN".to_owned() + &"1a".repeat(8_000) + "17h0123456789abcdefE",
            "%2e.".repeat(4_000),
            "·".repeat(8_000),
            "@".repeat(16_000),
        ];
        for name in &names {
            assert!(demangle(name).len() <= LONGEST_MANGLED);
        }
        // Names that are right are bounded by what is printed.
        for name in [bomb(60), format!("_Z1f{}i", "P".repeat(100))] {
            let shown = demangle(&name);
            assert!(
                shown.starts_with("f(") && shown.len() < 2 * LONGEST_NAME,
                "{shown}"
            );
        }
    }
}
