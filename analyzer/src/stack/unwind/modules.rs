//! The binaries of a capture with their unwind information, read once, shared
//! by all workers.

use super::registers::Arch;
use crate::capture::Capture;
use crate::result::MissingBinary;
use crate::space::{AddressSpace, DsoId, DsoKind};
use crate::symbols::{Cfi, CfiSearch, Content, Jit, Locator};
use framehop::aarch64::UnwinderAarch64;
use framehop::x86_64::UnwinderX86_64;
use framehop::{ExplicitModuleSectionInfo, Unwinder};
use std::sync::OnceLock;

/// An unwinder that knows one binary.
enum Machine {
    X86(UnwinderX86_64<Content>),
    Arm(UnwinderAarch64<Content>),
}

/// A binary.
pub(super) struct Module {
    cfi: Cfi,
    machine: Machine,
}

impl Module {
    fn new(arch: Arch, mut cfi: Cfi) -> Self {
        let (eh_frame, eh_frame_svma) = cfi.eh_frame.take().unzip();
        let sections = ExplicitModuleSectionInfo {
            // Offsets from the base have 32 bits.
            base_svma: cfi.base,
            text_svma: cfi.text.clone(),
            got_svma: cfi.got.clone(),
            eh_frame_svma,
            eh_frame,
            debug_frame: cfi.debug_frame.take(),
            ..ExplicitModuleSectionInfo::default()
        };
        let range = cfi.base..cfi.end;
        let module = framehop::Module::new(String::new(), range, cfi.base, sections);
        let machine = match arch {
            Arch::X86 => {
                let mut unwinder = UnwinderX86_64::new();
                unwinder.add_module(module);
                Machine::X86(unwinder)
            }
            Arch::Arm => {
                let mut unwinder = UnwinderAarch64::new();
                unwinder.add_module(module);
                Machine::Arm(unwinder)
            }
        };
        Self { cfi, machine }
    }

    /// The address (SVMA) of an offset of the file.
    pub(super) fn svma(&self, offset: u64) -> Option<u64> {
        self.cfi.svma(offset)
    }

    pub(super) fn x86(&self) -> Option<&UnwinderX86_64<Content>> {
        match &self.machine {
            Machine::X86(unwinder) => Some(unwinder),
            Machine::Arm(_) => None,
        }
    }

    pub(super) fn arm(&self) -> Option<&UnwinderAarch64<Content>> {
        match &self.machine {
            Machine::Arm(unwinder) => Some(unwinder),
            Machine::X86(_) => None,
        }
    }
}

/// What came of looking for a binary.
enum Loaded {
    Here(Box<Module>),
    Missing(MissingBinary),
    Unreadable(String),
    /// Memory without a file.
    NoBinary,
}

/// Unwind information of everything that a capture ran.
pub(crate) struct Unwinding<'a> {
    space: &'a AddressSpace,
    locator: &'a Locator,
    /// Code that programs made.
    jit: Jit,
    arch: Option<Arch>,
    /// By DSO.
    modules: Vec<OnceLock<Loaded>>,
    workers: usize,
}

impl std::fmt::Debug for Unwinding<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unwinding")
            .field("arch", &self.arch)
            .finish_non_exhaustive()
    }
}

impl<'a> Unwinding<'a> {
    /// Prepares to unwind; nothing is read before it is needed.
    pub(crate) fn new(capture: &Capture, space: &'a AddressSpace, locator: &'a Locator) -> Self {
        let features = &capture.header().features;
        let modules = (0..space.dso_count()).map(|_| OnceLock::new());
        Self {
            space,
            locator,
            jit: Jit::open(space, locator, capture.is_monotonic()),
            arch: features.arch.as_deref().and_then(Arch::named),
            modules: modules.collect(),
            workers: capture.pool().current_num_threads(),
        }
    }

    /// How many work on the capture, at least one.
    pub(in crate::stack) fn workers(&self) -> usize {
        self.workers.max(1)
    }

    pub(crate) fn space(&self) -> &'a AddressSpace {
        self.space
    }

    /// Code that programs made.
    pub(crate) fn jit(&self) -> &Jit {
        &self.jit
    }

    pub(super) fn arch(&self) -> Option<Arch> {
        self.arch
    }

    /// The unwinder of a binary; absent when it is not here.
    pub(super) fn module(&self, dso: DsoId) -> Option<&Module> {
        let module = self.modules.get(dso.index() as usize)?;
        match module.get_or_init(|| self.load(dso)) {
            Loaded::Here(module) => Some(module),
            _ => None,
        }
    }

    fn load(&self, id: DsoId) -> Loaded {
        let dso = self.space.dso(id);
        let (Some(arch), DsoKind::File | DsoKind::Vdso) = (self.arch, dso.kind) else {
            return Loaded::NoBinary;
        };
        match Cfi::find(dso, self.locator) {
            CfiSearch::Found(cfi) => Loaded::Here(Box::new(Module::new(arch, *cfi))),
            CfiSearch::Missing(binary) => Loaded::Missing(binary),
            CfiSearch::Unreadable(remark) => Loaded::Unreadable(remark),
        }
    }

    /// Binaries that stacks went through and that are not here.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &MissingBinary> {
        let loaded = self.modules.iter().filter_map(OnceLock::get);
        loaded.filter_map(|loaded| match loaded {
            Loaded::Missing(binary) => Some(binary),
            _ => None,
        })
    }

    /// What could not be read, for people.
    pub(crate) fn remarks(&self) -> impl Iterator<Item = &str> {
        let loaded = self.modules.iter().filter_map(OnceLock::get);
        loaded.filter_map(|loaded| match loaded {
            Loaded::Unreadable(remark) => Some(remark.as_str()),
            _ => None,
        })
    }
}
