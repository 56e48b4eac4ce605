//! Stubs of programs that linkers made, against what `objdump` calls them.

use super::{Stub, Target, join};
use crate::symbols::binary::{Place, answer};
use crate::symbols::elf::Use;
use crate::symbols::image::{Image, Origin};
use crate::symbols::locate::Found;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Calls functions of the C library, one of which it also takes the address of, and one
/// that is chosen when the program starts.
const PROGRAM: &str = r#"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int (*volatile writes)(const char *) = puts;
static int one(void) { return 1; }
static int (*choose(void))(void) { return one; }
__attribute__((visibility("hidden"))) int chosen(void) __attribute__((ifunc("choose")));
int main(int argc, char **argv) {
    writes(argv[0]);
    puts(argv[0]);
    printf("%d %f %d\n", argc, floor(argc), chosen());
    return getppid() + atoi(argv[0]);
}
"#;

/// The output of a tool; nothing when it is not here or fails.
fn tool(name: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(name).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(text)
}

fn linked(folder: &Path, compiler: &str, options: &[&str]) -> Option<PathBuf> {
    let [source, program] = ["a.c", "a"].map(|name| folder.join(name));
    std::fs::write(&source, PROGRAM).unwrap();
    let files = ["-o", program.to_str()?, source.to_str()?, "-lm"];
    tool(compiler, &[options, &files].concat())?;
    Some(program)
}

/// What `objdump` calls stubs, by their offset in the file, with their lengths.
fn theirs(objdump: &str, program: &Path) -> Option<BTreeMap<u64, (String, u64)>> {
    let text = tool(objdump, &["-d", "-F", "-w", program.to_str()?])?;
    let mut found: BTreeMap<u64, (String, u64)> = BTreeMap::new();
    let mut own: Option<(u64, u64)> = None;
    for line in text.lines() {
        // `0000000000001030 <puts@plt> (File Offset: 0x1030):`
        if !line.starts_with(' ')
            && let Some((address, rest)) = line.split_once(" <")
            && let Some((name, rest)) = rest.split_once("> (File Offset: 0x")
        {
            own = None;
            if let Some(name) = name.strip_suffix("@plt") {
                let offset = u64::from_str_radix(rest.strip_suffix("):")?, 16).ok()?;
                own = Some((offset, u64::from_str_radix(address, 16).ok()?));
                found.insert(offset, (name.to_owned(), 0));
            }
        } else if let (Some((offset, start)), Some((address, _))) =
            (own, line.trim_start().split_once(":\t"))
        {
            let address = u64::from_str_radix(address, 16).ok()?;
            found.get_mut(&offset)?.1 = address - start;
        }
    }
    Some(found)
}

/// What we call places in a program.
fn ours(program: &Path, offsets: &[u64]) -> Vec<Option<(String, u64)>> {
    let found = Found {
        image: Image::at(program.to_owned(), Origin::Named),
        debug: None,
        shared: None,
        has_lines: false,
        is_proven: true,
    };
    let places: Vec<Place> = offsets.iter().map(|&at| (Use::Code, at)).collect();
    let answers = answer(&found, &places);
    assert_eq!(answers.remarks, Vec::<String>::new());
    let symbols = answers.places.into_iter().map(|answer| {
        let symbol = answer?.symbol?;
        Some((symbol.name.to_string(), symbol.offset))
    });
    symbols.collect()
}

/// How many stubs of a program have objdump's name, at their first and at their last
/// instruction.
fn agrees(objdump: &str, program: &Path) -> Option<usize> {
    let theirs = theirs(objdump, program)?;
    for (&offset, (name, length)) in &theirs {
        let both = ours(program, &[offset, offset + length]);
        for (found, behind) in both.iter().zip([0, *length]) {
            let Some((own, at)) = found else {
                panic!("{name} has no name in {}", program.display());
            };
            let is_same = match name.starts_with("*ABS*+0x") {
                // It tells where both of these are.
                true => ["choose@plt", "chosen@plt"].contains(&&**own),
                false => *own == format!("{name}@plt"),
            };
            assert!(is_same, "{own}, objdump {name}, {}", program.display());
            assert_eq!(*at, behind, "{own}");
        }
    }
    Some(theirs.len())
}

#[test]
fn stubs_are_called_as_objdump_calls_them() {
    let scratch = tempfile::tempdir().unwrap();
    for (prefix, options) in [
        ("", &["-O1", "-Wl,-z,lazy"][..]),
        ("", &["-O1", "-Wl,-z,now"]),
        ("", &["-O1", "-no-pie"]),
        ("", &["-O1", "-fcf-protection=full", "-Wl,-z,ibtplt"]),
        ("aarch64-linux-gnu-", &["-O1"]),
        ("aarch64-linux-gnu-", &["-O1", "-Wl,-z,force-bti"]),
    ] {
        let (compiler, objdump) = (format!("{prefix}gcc"), format!("{prefix}objdump"));
        let Some(program) = linked(scratch.path(), &compiler, options) else {
            eprintln!("skipped: no {compiler} with {options:?}");
            continue;
        };
        let Some(count) = agrees(&objdump, &program) else {
            eprintln!("skipped: no {objdump} that tells offsets");
            continue;
        };
        println!("{compiler} {options:?}: {count} stubs");
        assert!(count >= 2, "{compiler} {options:?}: {count} stubs");
    }
}

/// In front of the first stub is the code that binds functions, and in front of that is
/// `_init`, which has no size.
#[test]
fn code_between_stubs_is_not_called_as_what_is_in_front() {
    if cfg!(not(target_arch = "x86_64")) {
        eprintln!("skipped: how long that code is differs");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let program = linked(scratch.path(), "gcc", &["-O1", "-Wl,-z,lazy"]);
    let Some((program, stubs)) = program.and_then(|it| Some((it.clone(), theirs("objdump", &it)?)))
    else {
        eprintln!("skipped: no gcc and objdump");
        return;
    };
    let first = *stubs.keys().next().unwrap();
    assert_eq!(ours(&program, &[first - 16, first - 1]), [None, None]);
}

/// Static programs choose functions as they start: a stub jumps by a word, whose relocation
/// has the address of who chooses, which the table of symbols names.
#[test]
fn stubs_of_static_programs_are_called_as_who_chooses() {
    let scratch = tempfile::tempdir().unwrap();
    let program = linked(scratch.path(), "gcc", &["-O1", "-static"]);
    let run = |name: &str, options: &[&str]| {
        let path = program.as_ref()?.to_str()?;
        tool(name, &[options, &[path]].concat())
    };
    let (Some(code), Some(relocations), Some(symbols)) = (
        run("objdump", &["-d", "-F", "-w", "-j", ".plt"]),
        run("readelf", &["-rW"]),
        run("nm", &[]),
    ) else {
        eprintln!("skipped: no gcc that links statically, objdump, readelf and nm");
        return;
    };
    // `0000004c7018  000000000025 R_X86_64_IRELATIV  41f260`
    let choosers: BTreeMap<u64, u64> = relocations
        .lines()
        .filter(|line| line.contains("_IRELATIV"))
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |word: &str| u64::from_str_radix(word, 16).ok();
            Some((number(words[0])?, number(words.last()?)?))
        })
        .collect();
    let mut checked = 0;
    // `401018:  ff 25 fa 5f 0c 00  jmp *0xc5ffa(%rip)  # 4c7018 <...> (File Offset: 0x...)`
    for line in code.lines() {
        let Some((_, word)) = line.split_once("(%rip)        # ") else {
            continue;
        };
        let number = |text: &str| {
            let end = text.find(|c: char| !c.is_ascii_hexdigit());
            u64::from_str_radix(&text[..end.unwrap_or(text.len())], 16).ok()
        };
        let (Some(address), Some(word)) = (number(line.trim_start()), number(word)) else {
            continue;
        };
        let chooser = format!("{:016x} ", choosers[&word]);
        let names: Vec<String> = symbols
            .lines()
            .filter(|line| line.starts_with(&chooser))
            .map(|line| format!("{}@plt", line.rsplit(' ').next().unwrap()))
            .collect();
        // Programs of ld have their code as far in the file as in memory, from here on.
        let own = ours(program.as_ref().unwrap(), &[address - 0x40_0000]);
        let (name, behind) = own[0].as_ref().expect(line);
        assert!(names.contains(name), "{name}, {names:?}: {line}");
        assert_eq!(*behind, 0);
        checked += 1;
    }
    if cfg!(target_arch = "x86_64") {
        assert!(checked > 5, "{code}");
    }
}

/// As many as that would be made of a file of a few megabytes would fill the memory.
#[test]
fn many_stubs_and_relocations_of_a_word_make_each_stub_once() {
    let jumps: Vec<_> = (0..900u64)
        .map(|stub| (stub / 300, 16 * stub..16 * stub + 16))
        .collect();
    let named = (0..1000u64).map(|relocation| (relocation % 2, Target::Chosen(relocation)));
    let stubs = join(&jumps, named);
    assert_eq!(stubs.len(), 600);
    for (stub, Stub { target, .. }) in stubs.iter().enumerate() {
        assert!(matches!(target, Target::Chosen(first) if *first == stub as u64 / 300));
    }
}
