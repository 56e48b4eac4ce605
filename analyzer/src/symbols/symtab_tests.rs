//! Tables with symbols that are in each other's way.

use super::super::elf::open_bytes;
use super::*;
use contend_fixtures::{ElfSymbol, elf_program};
use object::elf::{SHN_COMMON, STB_LOCAL, STT_TLS, SymbolBind};
use std::path::Path;
use std::process::Command;

/// Where the data of programs of [`elf_program`] is.
const DATA: u64 = 0xb000;
/// Where their symbols are in the file, and how long each is.
const TABLE: usize = 0xe000;
const ENTRY: usize = 24;

/// A symbol of the table: name, address, size, binding and type, section.
struct Row(&'static str, u64, u64, (u8, u8), u16);

fn global(name: &'static str, size: u64) -> Row {
    Row(name, DATA, size, (STB_GLOBAL.0, STT_OBJECT.0), 2)
}

fn bound(name: &'static str, bind: SymbolBind) -> Row {
    Row(name, DATA, 8, (bind.0, STT_OBJECT.0), 2)
}

/// The variable at an address, with the bytes from its start.
fn variable(rows: &[Row], svma: u64) -> Option<(String, u64)> {
    let symbols: Vec<ElfSymbol> = rows
        .iter()
        .map(|&Row(name, address, size, ..)| ElfSymbol {
            name: name.to_owned(),
            address,
            size,
            object: true,
        })
        .collect();
    let mut bytes = elf_program(&[7; 20], &symbols);
    // The first one of a table is none.
    for (&Row(.., (bind, kind), section), at) in rows.iter().zip((TABLE + ENTRY..).step_by(ENTRY)) {
        bytes[at + 4] = bind << 4 | kind;
        bytes[at + 6..at + 8].copy_from_slice(&section.to_le_bytes());
    }
    let bytes = open_bytes(bytes);
    let elf = Elf::parse(&bytes).unwrap();
    let symbol = Symbols::new(&elf, Use::Data).find(svma)?;
    Some((symbol.name.to_string(), symbol.offset))
}

#[test]
fn variables_of_threads_have_no_address() {
    // The value of such a symbol is an offset in the thread's block, which may
    // well be the address of something else.
    let tls = || Row("per_thread", DATA, 0x40, (STB_GLOBAL.0, STT_TLS.0), 2);
    assert_eq!(variable(&[tls()], DATA), None);
    let both = [tls(), global("counter", 8)];
    assert_eq!(variable(&both, DATA + 4), Some(("counter".into(), 4)));
    assert_eq!(variable(&both, DATA + 8), None);
}

#[test]
fn common_variables_have_one_once_they_are_linked() {
    let common = |section| Row("shared", DATA, 8, (STB_GLOBAL.0, STT_COMMON.0), section);
    assert_eq!(variable(&[common(2)], DATA), Some(("shared".into(), 0)));
    // Until then their value is an alignment.
    assert_eq!(variable(&[common(SHN_COMMON.0)], DATA), None);
    assert_eq!(variable(&[common(SHN_UNDEF.0)], DATA), None);
}

#[test]
fn variables_without_a_size_hold_no_address_and_hide_none() {
    let mark = |address| Row("mark", address, 0, (STB_GLOBAL.0, STT_OBJECT.0), 2);
    assert_eq!(variable(&[mark(DATA)], DATA), None);
    let table = || global("table", 0x40);
    let within = [table(), mark(DATA), mark(DATA + 0x10)];
    assert_eq!(variable(&within, DATA), Some(("table".into(), 0)));
    assert_eq!(variable(&within, DATA + 0x10), Some(("table".into(), 0x10)));
    // The nearest start wins, and behind its end what is around it.
    let inner = Row("inner", DATA + 0x10, 8, (STB_GLOBAL.0, STT_OBJECT.0), 2);
    let nested = [table(), inner];
    assert_eq!(variable(&nested, DATA + 0x14), Some(("inner".into(), 4)));
    assert_eq!(variable(&nested, DATA + 0x18), Some(("table".into(), 0x18)));
}

/// The rules of perf's `choose_best_symbol`, the first one first, each against all
/// that come behind it.
#[test]
fn of_several_names_the_one_that_perf_takes_is_taken() {
    let cases = [
        (bound("strong", STB_LOCAL), bound("weak_and_long", STB_WEAK)),
        (bound("__open", STB_GLOBAL), bound("local_long", STB_LOCAL)),
        (bound("open", STB_GLOBAL), bound("_open_longer", STB_GLOBAL)),
        (bound("_open", STB_GLOBAL), bound("__open_long", STB_GLOBAL)),
        (bound("longer", STB_GLOBAL), bound("short", STB_GLOBAL)),
        // The version counts, though it is not shown.
        (bound("some@@V_12", STB_GLOBAL), bound("longer", STB_GLOBAL)),
        (bound("first", STB_GLOBAL), bound("later", STB_GLOBAL)),
    ];
    for (best, other) in cases {
        let shown = best.0.split('@').next().unwrap();
        let wanted = Some((shown.to_owned(), 3));
        let is_tie = best.0 == "first";
        let pair = [best, other];
        assert_eq!(variable(&pair, DATA + 3), wanted);
        let [best, other] = pair;
        // Among equals, the order in the file decides.
        if !is_tie {
            assert_eq!(variable(&[other, best], DATA + 3), wanted);
        }
    }
}

#[test]
fn versions_are_cut_off() {
    for name in ["environ@@GLIBC_2.2.5", "environ@GLIBC_2.0", "environ"] {
        let found = variable(&[global(name, 8)], DATA);
        assert_eq!(found, Some(("environ".into(), 0)), "{name}");
    }
}

const SOURCE: &str = "
    __thread int per_thread[64] = {1}; static __thread int quiet_thread;
    int tentative[16]; int counter = 5; int _counter_alias __attribute__((alias(\"counter\")));
    extern int counter_weak_name __attribute__((weak, alias(\"counter\")));
    static int hidden[4] = {1}; int versioned_1 = 7;
    __asm__(\".symver versioned_1, versioned@@V_1\");
    int *use(void) { per_thread[1]++; quiet_thread++; return hidden; }
";

/// What compiler and linker make of such variables, by what readelf reads.
#[test]
fn variables_of_a_library_are_those_of_readelf() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let (source, versions, library) = (path("a.c"), path("a.map"), path("a.so"));
    std::fs::write(&source, SOURCE).unwrap();
    std::fs::write(&versions, "V_1 { global: *; };").unwrap();
    let script = format!("-Wl,--version-script={versions}");
    let args = [
        "-shared", "-fPIC", "-O1", "-fcommon", &script, "-o", &library, &source,
    ];
    let made = Command::new("gcc").args(args).output();
    let table = Command::new("readelf").args(["-Ws", &library]).output();
    let (Ok(made), Ok(table)) = (made, table) else {
        eprintln!("skipped: no gcc and readelf");
        return;
    };
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr);
        eprintln!("skipped: gcc does not make the library: {said}");
        return;
    }
    let bytes = super::super::elf::open(Path::new(&library)).unwrap();
    let elf = Elf::parse(&bytes).unwrap();
    let symbols = Symbols::new(&elf, Use::Data);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    let mut seen = Vec::new();
    for line in table.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [
            _,
            value,
            size,
            kind @ ("OBJECT" | "TLS"),
            _,
            _,
            section,
            name,
        ] = words[..]
        else {
            continue;
        };
        let start = u64::from_str_radix(value, 16).unwrap();
        let size: u64 = size.parse().unwrap();
        if section == "UND" || section == "ABS" || size == 0 {
            continue;
        }
        let name = name.split('@').next().unwrap();
        if kind == "TLS" {
            let found = symbols.find(start);
            assert!(found.is_none_or(|found| &*found.name != name), "{line}");
            seen.push(name.to_owned());
            continue;
        }
        let found = symbols.find(start + size - 1).unwrap();
        // Places with several names.
        let mut shared = ["counter", "versioned"].into_iter();
        let wanted = shared.find(|part| name.contains(part));
        let wanted = wanted.unwrap_or(name);
        assert_eq!((&*found.name, found.offset), (wanted, size - 1), "{line}");
        seen.push(name.to_owned());
    }
    for name in [
        "per_thread",
        "quiet_thread",
        "tentative",
        "counter",
        "_counter_alias",
        "counter_weak_name",
        "hidden",
        "versioned",
    ] {
        assert!(
            seen.iter().any(|it| it == name),
            "{name} is not in\n{table}"
        );
    }
}
