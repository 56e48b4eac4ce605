//! The kernel of the capture: which list of symbols is its own.
//!
//! `--kallsyms` if the user gave one, or else the list that was packed into the
//! bundle. This machine's is never read.

use super::elf::Use;
use super::image::Origin;
use super::kallsyms::{Kallsyms, Kinship};
use super::loaded::Loaded;
use super::locate::Locator;
use super::symtab::Symbol;
use crate::space::{AddressSpace, Dso, DsoKind, KernelReference};
use anyhow::{Context, Result, bail};
use contend_bundle::layout;
use std::fs::File;
use std::io::{BufReader, Seek};

/// What is known of the kernel of the capture.
#[derive(Debug, Default)]
pub(super) struct Kernel {
    list: Option<List>,
}

#[derive(Debug)]
struct List {
    symbols: Kallsyms,
    /// Where the machine's modules were.
    loaded: Loaded,
    shown: String,
    origin: Origin,
}

impl Kernel {
    /// Reads the list of symbols; that of the bundle only if it `is_needed`. What
    /// makes it useless is a warning, and an error if the user named it.
    ///
    /// # Errors
    /// When the file of `--kallsyms` cannot be used.
    pub(super) fn open(
        space: &AddressSpace,
        locator: &Locator,
        is_needed: bool,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        if let Some(path) = &locator.sources().kallsyms {
            let shown = path.display().to_string();
            let mut symbols = Kallsyms::open(path)?;
            let (is_used, remark) = place(&mut symbols, space, &shown);
            warnings.extend(remark);
            if !is_used {
                return Ok(Self::default());
            }
            return Ok(Self {
                list: Some(List {
                    symbols,
                    loaded: Loaded::default(),
                    shown,
                    origin: Origin::Kallsyms,
                }),
            });
        }
        let bundled = locator
            .bundle()
            .filter(|bundle| is_needed && bundle.member(layout::KALLSYMS).is_some());
        if bundled.is_none() {
            return Ok(Self::default());
        }
        match Self::of_bundle(space, locator) {
            Ok(list) => Ok(Self { list: Some(list) }),
            Err(error) => {
                warnings.push(format!(
                    "the bundle's {} is not used: {error:#}",
                    layout::KALLSYMS
                ));
                Ok(Self::default())
            }
        }
    }

    fn of_bundle(space: &AddressSpace, locator: &Locator) -> Result<List> {
        let mut symbols = Kallsyms::read(BufReader::new(whole(locator, layout::KALLSYMS)?))?;
        if let Some(kernel) = space.kernel_reference() {
            let name = &kernel.symbol;
            // It was packed on the machine that recorded. Had that been started
            // anew in between, it might run another kernel as well.
            if !symbols.align(name, kernel.address) {
                bail!("it has no {name}, by which the capture places its kernel");
            }
            if symbols.is_moved() {
                bail!("it is of another boot than the capture: its {name} is elsewhere");
            }
            if symbols.kinship(kernel.end) == Kinship::Other {
                bail!("it is of another kernel than the capture: its end is elsewhere");
            }
        }
        let loaded = whole(locator, layout::MODULES)
            .map(|file| Loaded::read(BufReader::new(file)))
            .unwrap_or_default();
        Ok(List {
            symbols,
            loaded,
            shown: locator.shown(layout::KALLSYMS),
            origin: Origin::Bundle,
        })
    }

    /// Where the list is; absent when there is none.
    pub(super) fn file(&self) -> Option<(&str, Origin)> {
        let list = self.list.as_ref()?;
        Some((&list.shown, list.origin))
    }

    /// Whether there are names for this part of the kernel.
    pub(super) fn knows(&self, dso: &Dso) -> bool {
        let Some(list) = &self.list else {
            return false;
        };
        match dso.kind {
            DsoKind::Module => list.symbols.has_module(&module(dso)),
            _ => true,
        }
    }

    /// What is at an address of the kernel, `offset` bytes from the start of its
    /// mapping.
    pub(super) fn symbol(&self, dso: &Dso, address: u64, offset: u64, used: Use) -> Option<Symbol> {
        if dso.kind == DsoKind::Module && !is_module(dso) {
            // A mapping that the kernel named itself, such as a BPF program.
            return Some(Symbol {
                name: dso.display_name().into(),
                offset,
            });
        }
        let list = self.list.as_ref()?;
        if dso.kind != DsoKind::Module {
            return list.symbols.find(address, used, None);
        }
        let module = module(dso);
        let start = address.wrapping_sub(offset);
        if list.loaded.is_elsewhere(&module, start) || list.symbols.is_elsewhere(&module, start) {
            return None;
        }
        list.symbols.find(address, used, Some(&module))
    }

    /// The name and build-id by which a part of the kernel is missed. The symbols
    /// of modules are in the kernel's list, but a user may know the module better.
    pub(super) fn missing(dso: &Dso) -> (String, Option<String>) {
        let name = match dso.kind {
            DsoKind::Kernel => "[kernel.kallsyms]".to_owned(),
            _ => dso.display_name().into_owned(),
        };
        (name, dso.build_id.map(|id| id.to_string()))
    }
}

/// Moves the list to where the capture's kernel was. Whether it is used, and what
/// is doubtful about that.
fn place(symbols: &mut Kallsyms, space: &AddressSpace, shown: &str) -> (bool, Option<String>) {
    let Some(KernelReference {
        symbol,
        address,
        end,
    }) = space.kernel_reference()
    else {
        let why =
            "the capture does not tell where its kernel was; its addresses are taken as they are";
        return (true, Some(format!("{shown} is not verified: {why}")));
    };
    if !symbols.align(&symbol, address) {
        let remark = format!(
            "{shown} is not verified: it has no {symbol}, by which the capture places its kernel; \
             its addresses are taken as they are"
        );
        return (true, Some(remark));
    }
    let moved =
        "it is of another boot: the kernel's symbols were moved, those of modules are not used";
    let remark = match (symbols.kinship(end), symbols.is_moved()) {
        (Kinship::Other, _) => {
            let why = "it is of another kernel than the capture, by the place or the length";
            return (false, Some(format!("{shown} is not used: {why}")));
        }
        (Kinship::Same, false) => None,
        (Kinship::Same, true) => Some(format!("{shown}: {moved}")),
        (Kinship::Unknown, is_moved) => {
            let moved = if is_moved {
                format!("; {moved}")
            } else {
                String::new()
            };
            Some(format!(
                "{shown} is not verified: the capture has no length of the kernel that it could \
                 be compared with, so it may be of another kernel{moved}"
            ))
        }
    };
    (true, remark)
}

/// A member of the bundle, from its start to its end.
fn whole(locator: &Locator, name: &str) -> Result<File> {
    let extracted = locator.extract(name)?;
    if let Some(note) = extracted.note {
        bail!("{note}");
    }
    let mut file = extracted.file;
    file.rewind().context("cannot read the temporary file")?;
    Ok(file)
}

/// Whether a part of the kernel is a module, by path or in brackets.
pub(super) fn is_module(dso: &Dso) -> bool {
    dso.name.starts_with(b"/") || dso.name.starts_with(b"[")
}

/// The name of a module as the kernel has it, in brackets.
fn module(dso: &Dso) -> String {
    dso.perf_name(0).replace('-', "_")
}
