//! Names for addresses, from binaries that are found by build-id.
//!
//! ```text
//! distinct places that are shown
//!   → locate   which file is the binary; the build-id proves it
//!   → jit      code that programs made: lists and dumps of their compilers
//!   → binary   symbol tables and debug information: one worker a binary
//!   → recorded what the recorder itself says of a binary that is not here
//!   → names    an answer for each place, and what was missing
//! ```
//! Nothing is asked of the machine that reads but files with the recorded
//! build-id: not its kernel, not its processes. Nothing is asked of others
//! unless the user says so.

mod archive;
mod binary;
mod cfi;
mod cfi_check;
mod code;
mod code_lists;
mod debuginfod;
mod demangle;
mod dwarf;
mod elf;
mod folders;
mod hunt;
mod image;
mod jit;
mod jitdump;
mod kallsyms;
mod kernel;
mod links;
mod loaded;
mod locate;
mod minidebug;
mod names;
mod needs;
mod perf_map;
mod plt;
mod recorded;
mod regular;
mod starts;
mod symtab;

pub(crate) use binary::Answer;
pub(crate) use cfi::{Cfi, CfiSearch, Content};
pub use code::{AllCode, NamedCode, NamedFrame, name_all_code};
#[cfg(test)]
pub(crate) use dwarf::Frame as NamedFunction;
pub(crate) use jit::Jit;
pub(crate) use locate::Locator;
pub use locate::SymbolSources;
pub(crate) use names::{Names, Spot};
pub use needs::symbols;
pub(crate) use starts::FunctionStarts;
#[cfg(test)]
pub(crate) use symtab::Symbol;
