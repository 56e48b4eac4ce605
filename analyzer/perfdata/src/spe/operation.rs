//! What was sampled: the operation-type packet.

/// An operation as its packet tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Operation {
    /// 0 other, 1 load or store, 2 branch or exception return; 3 is reserved.
    pub class: u8,
    /// What of that class.
    pub payload: u8,
}

/// The one kind of an operation. Where more than one applies (an atomic with
/// acquire semantics) the one that costs most counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OpClass {
    /// A load or store of general-purpose registers.
    General,
    /// A load or store of SIMD and floating-point registers.
    SimdFp,
    /// A load or store of registers that are not told.
    Unspecified,
    /// An access to a system register of nested virtualisation.
    NestedVirtualisation,
    /// A load or store of memory tags.
    MteTag,
    /// An atomic read-modify-write.
    Atomic,
    /// A load-exclusive or store-exclusive.
    Exclusive,
    /// A load-acquire or store-release.
    AcquireRelease,
    /// A load or store of SVE or SME registers.
    Sve,
    /// A memory copy.
    MemoryCopy,
    /// A memory set.
    MemorySet,
    /// An access to the guarded control stack.
    GuardedStack,
    /// A load or store of a kind that is not known.
    UnknownAccess,
    /// A branch or exception return.
    Branch,
    /// Neither memory nor branch.
    Other,
    /// An Advanced SIMD operation that touches no memory.
    SimdOther,
    /// An SVE operation that touches no memory.
    SveOther,
    /// An SME operation that touches no memory.
    SmeOther,
}

impl OpClass {
    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::SimdFp => "simd_fp",
            Self::Unspecified => "unspecified",
            Self::NestedVirtualisation => "nested_virtualisation",
            Self::MteTag => "mte_tag",
            Self::Atomic => "atomic",
            Self::Exclusive => "exclusive",
            Self::AcquireRelease => "acquire_release",
            Self::Sve => "sve",
            Self::MemoryCopy => "memory_copy",
            Self::MemorySet => "memory_set",
            Self::GuardedStack => "guarded_stack",
            Self::UnknownAccess => "unknown_access",
            Self::Branch => "branch",
            Self::Other => "other",
            Self::SimdOther => "simd_other",
            Self::SveOther => "sve_other",
            Self::SmeOther => "sme_other",
        }
    }
}

/// Classes of the packet.
const MEMORY: u8 = 1;
const BRANCH: u8 = 2;

impl Operation {
    /// Whether it reads or writes memory.
    #[inline]
    pub fn is_memory(self) -> bool {
        self.class == MEMORY
    }

    /// Whether it reads memory. An atomic that is told as a load writes too.
    #[inline]
    pub fn is_load(self) -> bool {
        self.is_memory() && self.payload & 1 == 0
    }

    /// Whether it writes memory.
    #[inline]
    pub fn is_store(self) -> bool {
        self.is_memory() && self.payload & 1 == 1
    }

    /// Whether it is a branch or exception return.
    #[inline]
    pub fn is_branch(self) -> bool {
        self.class == BRANCH
    }

    /// Whether the bits for atomic, exclusive, acquire and release are there.
    #[inline]
    fn is_extended(self) -> bool {
        self.is_memory() && self.payload & 0xe2 == 0x02
    }

    /// Whether it is an atomic read-modify-write.
    #[inline]
    pub fn is_atomic(self) -> bool {
        self.is_extended() && self.payload & 0x04 != 0
    }

    /// Whether it is a load-exclusive or store-exclusive.
    #[inline]
    pub fn is_exclusive(self) -> bool {
        self.is_extended() && self.payload & 0x08 != 0
    }

    /// Whether it has acquire or release semantics.
    #[inline]
    pub fn is_acquire_release(self) -> bool {
        self.is_extended() && self.payload & 0x10 != 0
    }

    /// Its kind.
    #[inline]
    pub fn op_class(self) -> OpClass {
        match self.class {
            MEMORY => self.access(),
            BRANCH => OpClass::Branch,
            _ => self.other(),
        }
    }

    /// The tests in perf's order (`arm_spe_pkt_desc_op_type`).
    #[inline]
    fn access(self) -> OpClass {
        let p = self.payload;
        match p & 0xfe {
            0x00 => OpClass::General,
            0x04 => OpClass::SimdFp,
            0x10 => OpClass::Unspecified,
            0x30 => OpClass::NestedVirtualisation,
            0x14 => OpClass::MteTag,
            _ if self.is_atomic() => OpClass::Atomic,
            _ if self.is_exclusive() => OpClass::Exclusive,
            _ if self.is_acquire_release() => OpClass::AcquireRelease,
            _ if self.is_extended() => OpClass::General,
            _ if p & 0x0a == 0x08 => OpClass::Sve,
            0x20 => OpClass::MemoryCopy,
            _ if p == 0x25 => OpClass::MemorySet,
            _ if p & 0xfa == 0x40 => OpClass::GuardedStack,
            _ => OpClass::UnknownAccess,
        }
    }

    #[inline]
    fn other(self) -> OpClass {
        let p = self.payload;
        if self.class != 0 {
            OpClass::Other
        } else if p & 0x89 == 0x08 {
            OpClass::SveOther
        } else if p & 0x89 == 0x88 {
            OpClass::SmeOther
        } else if p & 0xf8 == 0 && p & 0x04 != 0 {
            OpClass::SimdOther
        } else {
            OpClass::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(class: u8, payload: u8) -> OpClass {
        Operation { class, payload }.op_class()
    }

    #[test]
    fn payloads_have_one_class() {
        for (payload, wanted) in [
            (0x00, OpClass::General),
            (0x05, OpClass::SimdFp),
            (0x10, OpClass::Unspecified),
            (0x31, OpClass::NestedVirtualisation),
            (0x14, OpClass::MteTag),
            (0x06, OpClass::Atomic),
            (0x17, OpClass::Atomic),
            (0x0a, OpClass::Exclusive),
            (0x12, OpClass::AcquireRelease),
            (0x02, OpClass::General),
            (0x88, OpClass::Sve),
            (0x21, OpClass::MemoryCopy),
            (0x25, OpClass::MemorySet),
            (0x44, OpClass::GuardedStack),
            (0x24, OpClass::UnknownAccess),
        ] {
            assert_eq!(class(1, payload), wanted, "{payload:#x}");
        }
        assert_eq!(class(2, 0x13), OpClass::Branch);
        assert_eq!(class(0, 0x01), OpClass::Other);
        assert_eq!(class(0, 0x04), OpClass::SimdOther);
        assert_eq!(class(0, 0x18), OpClass::SveOther);
        assert_eq!(class(0, 0x98), OpClass::SmeOther);
        assert_eq!(class(3, 0x00), OpClass::Other);
    }

    #[test]
    fn every_payload_is_a_load_or_a_store() {
        for payload in 0..=u8::MAX {
            let memory = Operation { class: 1, payload };
            assert!(memory.is_load() != memory.is_store());
            assert_ne!(memory.op_class(), OpClass::Other);
            let branch = Operation { class: 2, payload };
            assert!(!branch.is_load() && !branch.is_store() && branch.is_branch());
        }
    }
}
