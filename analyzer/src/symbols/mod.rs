//! Names for addresses, from binaries that are found by build-id.
//!
//! ```text
//! distinct places that are shown
//!   → locate   which file is the binary; the build-id proves it
//!   → binary   symbol tables and debug information: one worker a binary
//!   → names    an answer for each place, and what was missing
//! ```
//! Nothing is asked of the machine that reads but files with the recorded
//! build-id: not its kernel, not its processes.

mod archive;
mod binary;
mod cfi;
mod cfi_check;
mod demangle;
mod dwarf;
mod elf;
mod folders;
mod image;
mod kallsyms;
mod kernel;
mod locate;
mod minidebug;
mod names;
mod needs;
mod symtab;

pub(crate) use binary::Answer;
pub(crate) use cfi::{Cfi, CfiSearch, Content};
#[cfg(test)]
pub(crate) use dwarf::Frame as NamedFunction;
pub(crate) use locate::Locator;
pub use locate::SymbolSources;
pub(crate) use names::{Names, Spot};
pub use needs::symbols;
#[cfg(test)]
pub(crate) use symtab::Symbol;
