//! The kernel's symbols, from a copy of `/proc/kallsyms`.
//!
//! ```text
//! ffffffff81000000 T _text
//! ffffffffc0a41000 t kvm_vcpu_init  [kvm]
//! ```

use super::elf::Use;
use super::regular::open_regular;
use super::symtab::Symbol;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// What kernels since 6.2 name the padding in front of functions (`objtool --prefix`).
/// Nothing runs there: callers are looked up a byte before their address, and where
/// an interrupt came at the first instruction of a function, that byte is in here.
const PADDING: &str = "__pfx_";

/// The largest file that is read, in bytes; usual ones have 10 to 20 MB.
const LARGEST: u64 = 128 << 20;

/// The most symbols; usual kernels have 200,000.
const MOST_SYMBOLS: usize = 4 << 20;

/// The most modules; usual machines have 200.
const MOST_MODULES: usize = 1 << 16;

/// How far behind its start a symbol may reach where the next one is another
/// module's, as in perf (`symbols__fixup_end` in `tools/perf/util/symbol.c`).
const PAGE: u64 = 4096;

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u64,
    /// As printed; upper case is global.
    kind: u8,
    /// Where its name begins in the names of all, and its length, in bytes.
    name: (u32, u32),
    /// 0 is the kernel itself.
    module: u32,
}

/// The symbols of one kernel.
#[derive(Debug, Default)]
pub(super) struct Kallsyms {
    sorted: Vec<Entry>,
    /// The names of all, one behind the other.
    names: String,
    /// Subtracted from an address of the capture.
    slide: u64,
    has_modules: bool,
    /// By their names in brackets.
    modules: BTreeMap<String, Module>,
}

#[derive(Clone, Copy, Debug)]
struct Module {
    number: u32,
    /// Its first code; absent when it has none.
    code: Option<u64>,
}

/// What the recorded end of the kernel says about a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinship {
    /// The list has a kernel that ends there too.
    Same,
    /// The list is of another kernel.
    Other,
    /// The capture does not know where the kernel's own symbols end, or the list
    /// does not.
    Unknown,
}

impl Kallsyms {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is no such list, or has no addresses.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let what = || format!("cannot use --kallsyms {}", path.display());
        let file = open_regular(path).with_context(what)?;
        Self::read(BufReader::new(file)).with_context(what)
    }

    /// Reads the lines of a file.
    ///
    /// # Errors
    /// When it cannot be read, is no such list, or has no addresses.
    pub(super) fn read(from: impl BufRead) -> Result<Self> {
        // One byte more shows that there is more.
        let mut from = from.take(LARGEST + 1);
        let mut sorted: Vec<Entry> = Vec::new();
        let mut names = String::new();
        let mut modules: BTreeMap<String, Module> = BTreeMap::new();
        let mut line = Vec::new();
        let mut zeros = 0u64;
        for number in 1.. {
            line.clear();
            if from.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let text = String::from_utf8_lossy(&line);
            let mut words = text.split_ascii_whitespace();
            let fields = (words.next(), words.next(), words.next());
            let (Some(address), Some(kind), Some(name)) = fields else {
                bail!("line {number} is not an address, a letter and a name");
            };
            let (Ok(start), [kind]) = (u64::from_str_radix(address, 16), kind.as_bytes()) else {
                bail!("line {number} does not begin with an address and a letter");
            };
            if start == 0 {
                zeros += 1;
                continue;
            }
            let module = match words.next() {
                Some(module) => {
                    if modules.len() == MOST_MODULES && !modules.contains_key(module) {
                        bail!("it has more than {MOST_MODULES} modules");
                    }
                    let number = modules.len() as u32 + 1;
                    let new = Module { number, code: None };
                    let module = modules.entry(module.to_owned()).or_insert(new);
                    if is_used(*kind, Use::Code) {
                        module.code = Some(module.code.map_or(start, |code| code.min(start)));
                    }
                    module.number
                }
                None => 0,
            };
            if sorted.len() == MOST_SYMBOLS {
                bail!("it has more than {MOST_SYMBOLS} symbols");
            }
            // Bytes that are no text become three, so that names may be longer
            // than the file.
            let place = u32::try_from(names.len()).ok();
            let place = place.zip(u32::try_from(name.len()).ok());
            let place = place.filter(|_| names.len() as u64 <= LARGEST && from.limit() > 0);
            let Some(place) = place else {
                bail!("it has more than {LARGEST} bytes");
            };
            names.push_str(name);
            sorted.push(Entry {
                start,
                kind: *kind,
                name: place,
                module,
            });
        }
        if sorted.is_empty() {
            if zeros > 0 {
                bail!("its addresses are all 0; copy /proc/kallsyms as root");
            }
            bail!("it is empty");
        }
        // Stable: what begins at one address stays in the order of the list.
        sorted.sort_by_key(|entry| entry.start);
        Ok(Self {
            sorted,
            names,
            slide: 0,
            has_modules: true,
            modules,
        })
    }

    /// Takes the kernel to be moved as far as the capture's is: it recorded the
    /// name of a symbol and its address (`machine__create_kernel_maps` in
    /// `tools/perf/util/machine.c`). Modules do not move with the kernel, so of
    /// those nothing is known when it moved. Whether the symbol is in the list.
    pub(super) fn align(&mut self, symbol: &str, address: u64) -> bool {
        let Some(known) = self.address(symbol) else {
            return false;
        };
        self.slide = address.wrapping_sub(known);
        self.has_modules = self.slide == 0;
        true
    }

    /// Whether the capture's kernel ran at other addresses than the list's.
    pub(super) fn is_moved(&self) -> bool {
        self.slide != 0
    }

    /// Where a symbol of the kernel itself is in the list.
    fn address(&self, symbol: &str) -> Option<u64> {
        let is_it = |entry: &&Entry| entry.module == 0 && name_of(&self.names, **entry) == symbol;
        Some(self.sorted.iter().find(is_it)?.start)
    }

    /// Whether the list is of the kernel whose mapping ended at `end` in the
    /// capture, now that it was moved there. One kernel is moved by whole pages,
    /// and keeps its length. A recorded end of whole pages may be that of
    /// another thing than the kernel's symbols: the first module.
    pub(super) fn kinship(&self, end: u64) -> Kinship {
        if !self.slide.is_multiple_of(PAGE) {
            return Kinship::Other;
        }
        let ends = ["_edata", "_etext"].map(|symbol| self.address(symbol));
        let mut ends = ends.iter().flatten().peekable();
        let has_end = ends.peek().is_some();
        if ends.any(|known| known.wrapping_add(self.slide) == end) {
            return Kinship::Same;
        }
        // What does not know the end writes the last address that there is.
        let is_symbol = !end.is_multiple_of(PAGE) && end < u64::MAX - PAGE;
        if has_end && is_symbol {
            return Kinship::Other;
        }
        Kinship::Unknown
    }

    /// Whether a module (its name in brackets) was elsewhere in the list's boot
    /// than in the capture, where its mapping begins at `start`: its code begins
    /// in the first page.
    pub(super) fn is_elsewhere(&self, module: &str, start: u64) -> bool {
        let code = self.modules.get(module).and_then(|module| module.code);
        code.is_some_and(|code| code.checked_sub(start).is_none_or(|behind| behind >= PAGE))
    }

    /// Whether it has names of a module (its name in brackets) that hold for the
    /// capture.
    pub(super) fn has_module(&self, module: &str) -> bool {
        self.has_modules && self.modules.contains_key(module)
    }

    /// The symbol at an address of the capture; if a `module` (its name in
    /// brackets) is there, one of that module.
    pub(super) fn find(&self, address: u64, used: Use, module: Option<&str>) -> Option<Symbol> {
        let address = address.wrapping_sub(self.slide);
        let behind = self.sorted.partition_point(|entry| entry.start <= address);
        let last = self.sorted[..behind].last()?;
        // The last one in the list, as in perf: it gives each symbol the end that
        // the next one begins at, and so only the last of an address has a length
        // (`symbols__fixup_end`, `symbols__fixup_duplicate`).
        let mut same = self.sorted[..behind]
            .iter()
            .rev()
            .take_while(|entry| entry.start == last.start);
        let best = same.find(|entry| is_used(entry.kind, used))?;
        if best.module != 0 && !self.has_modules {
            return None;
        }
        if let Some(module) = module
            && self.modules.get(module).map(|module| module.number) != Some(best.module)
        {
            return None;
        }
        let next = self.sorted.get(behind);
        let end = match next {
            Some(next) if next.module == best.module => next.start,
            next => {
                let page = (best.start / PAGE).saturating_add(2).saturating_mul(PAGE);
                next.map_or(page, |next| next.start.min(page))
            }
        };
        if address >= end {
            return None;
        }
        let name = name_of(&self.names, *best);
        Some(match name.strip_prefix(PADDING) {
            // The byte before the address at which an interrupt found the CPU.
            Some(function) => Symbol {
                name: function.into(),
                offset: 0,
            },
            None => Symbol {
                name: name.into(),
                offset: address - best.start,
            },
        })
    }
}

fn name_of(names: &str, entry: Entry) -> &str {
    let (start, length) = (entry.name.0 as usize, entry.name.1 as usize);
    &names[start..start + length]
}

/// Letters as `nm` has them; weak ones may be either.
fn is_used(kind: u8, used: Use) -> bool {
    let kind = kind.to_ascii_uppercase();
    match used {
        Use::Code => matches!(kind, b'T' | b'W' | b'I'),
        Use::Data | Use::Beside => {
            matches!(kind, b'D' | b'B' | b'R' | b'V' | b'G' | b'S' | b'C' | b'A')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    const LIST: &str = "\
ffffffff81000000 T _text
ffffffff81000000 T _stext
ffffffff81001000 t local_part
ffffffff81001000 T do_futex
ffffffff81002000 D jiffies
ffffffffc0000000 t kvm_init\t[kvm]
ffffffffc0000100 t kvm_exit\t[kvm]
";

    fn at(symbols: &Kallsyms, address: u64, used: Use) -> Option<(String, u64)> {
        let symbol = symbols.find(address, used, None)?;
        Some((symbol.name.to_string(), symbol.offset))
    }

    #[test]
    fn padding_is_the_function_behind() {
        let list = "ffffffff81000000 T _text\nffffffff81000100 T one\n\
                    ffffffff811001f0 T __pfx_two\nffffffff81100200 T two\n";
        let symbols = Kallsyms::read(list.as_bytes()).unwrap();
        let before = at(&symbols, 0xffff_ffff_8110_01ff, Use::Code);
        assert_eq!(before, Some(("two".to_owned(), 0)));
        let inside = at(&symbols, 0xffff_ffff_8110_0204, Use::Code);
        assert_eq!(inside, Some(("two".to_owned(), 4)));
    }

    #[test]
    fn symbols_reach_to_the_next() {
        let symbols = Kallsyms::read(LIST.as_bytes()).unwrap();
        let named = |name: &str, offset| Some((name.to_owned(), offset));
        assert_eq!(
            at(&symbols, 0xffff_ffff_8100_1010, Use::Code),
            named("do_futex", 0x10)
        );
        assert_eq!(
            at(&symbols, 0xffff_ffff_8100_2008, Use::Data),
            named("jiffies", 8)
        );
        assert_eq!(at(&symbols, 0xffff_ffff_8100_2008, Use::Code), None);
        assert_eq!(
            at(&symbols, 0xffff_ffff_c000_0010, Use::Code),
            named("kvm_init", 0x10)
        );
        assert_eq!(at(&symbols, 0xffff_ffff_9000_0000, Use::Data), None);
        assert_eq!(at(&symbols, 0x1000, Use::Code), None);
        assert_eq!(at(&symbols, u64::MAX, Use::Code), None);
    }

    #[test]
    fn the_kernel_moves_and_its_modules_are_lost() {
        let mut symbols = Kallsyms::read(LIST.as_bytes()).unwrap();
        assert!(!symbols.align("_nothing", 0));
        assert!(symbols.align("_text", 0xffff_ffff_9100_0000));
        let found = at(&symbols, 0xffff_ffff_9100_1010, Use::Code);
        assert_eq!(found, Some(("do_futex".to_owned(), 0x10)));
        assert_eq!(at(&symbols, 0xffff_ffff_d000_0010, Use::Code), None);
    }

    #[test]
    fn a_module_has_its_own_symbols_only() {
        let symbols = Kallsyms::read(LIST.as_bytes()).unwrap();
        let at = |module| symbols.find(0xffff_ffff_c000_0010, Use::Code, Some(module));
        assert_eq!(
            at("[kvm]").map(|symbol| symbol.name),
            Some("kvm_init".into())
        );
        assert_eq!(at("[xfs]"), None);
        assert!(symbols.has_module("[kvm]") && !symbols.has_module("[xfs]"));
    }

    #[test]
    fn a_list_of_another_kernel_is_told_by_its_length() {
        let list = |etext: &str| {
            let text = format!("{LIST}{etext} T _etext\n");
            let mut symbols = Kallsyms::read(text.as_bytes()).unwrap();
            assert!(symbols.align("_text", 0xffff_ffff_9100_0000));
            symbols
        };
        let own = list("ffffffff81001988");
        let other = list("ffffffff81001a00");
        let end = 0xffff_ffff_9100_1988;
        assert_eq!(own.kinship(end), Kinship::Same);
        assert_eq!(other.kinship(end), Kinship::Other);
        // The first module, and no end at all.
        assert_eq!(other.kinship(0xffff_ffff_d000_0000), Kinship::Unknown);
        assert_eq!(other.kinship(u64::MAX), Kinship::Unknown);
        let without = Kallsyms::read(LIST.as_bytes()).unwrap();
        assert_eq!(without.kinship(end), Kinship::Unknown);
        let mut askew = list("ffffffff81001988");
        askew.align("_text", 0xffff_ffff_9100_0010);
        assert_eq!(askew.kinship(0xffff_ffff_9100_1998), Kinship::Other);
    }

    #[test]
    fn modules_of_another_boot_are_elsewhere() {
        let symbols = Kallsyms::read(LIST.as_bytes()).unwrap();
        assert!(!symbols.is_elsewhere("[kvm]", 0xffff_ffff_c000_0000));
        assert!(symbols.is_elsewhere("[kvm]", 0xffff_ffff_c000_1000));
        assert!(symbols.is_elsewhere("[kvm]", 0xffff_ffff_bfff_f000));
        assert!(!symbols.is_elsewhere("[xfs]", 0xffff_ffff_c000_0000));
    }

    #[test]
    fn lists_without_end_are_refused() {
        let line = b"ffffffff81000000 T x\n";
        let symbols = std::io::repeat(0).take(u64::MAX);
        let endless = BufReader::new(symbols);
        assert!(Kallsyms::read(endless).is_err());
        let many = line.repeat(MOST_SYMBOLS + 1);
        let error = Kallsyms::read(&many[..]).unwrap_err().to_string();
        assert!(error.contains("symbols"), "{error}");
        let long = [&b"ffffffff81000000 T "[..], &b"x".repeat(LARGEST as usize)].concat();
        let error = Kallsyms::read(&long[..]).unwrap_err().to_string();
        assert!(error.contains("bytes"), "{error}");
        let modules: String = (0..=MOST_MODULES)
            .map(|n| format!("ffffffff81000000 T x [m{n}]\n"))
            .collect();
        let error = Kallsyms::read(modules.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("modules"), "{error}");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for (text, reason) in [
            ("", "empty"),
            ("0000000000000000 T _text\n", "as root"),
            ("hello\n", "line 1"),
            ("xyz T _text\n", "line 1"),
        ] {
            let error = Kallsyms::read(text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(reason), "{text:?}: {error}");
        }
    }
}
