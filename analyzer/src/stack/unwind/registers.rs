//! The registers of a sample, as unwinding wants them.

use contend_perfdata::Registers;
use framehop::aarch64::{PtrAuthMask, UnwindRegsAarch64};
use framehop::x86_64::{Reg, UnwindRegsX86_64};

/// `PERF_SAMPLE_REGS_ABI_64`.
const ABI_64: u64 = 2;

/// Bits of an address in a process; above, Arm may keep a signature of return
/// addresses.
const ADDRESS_BITS: u64 = (1 << 48) - 1;

/// Numbers of registers of `arch/x86/include/uapi/asm/perf_regs.h`.
mod x86 {
    use framehop::x86_64::Reg;

    pub(super) const IP: u32 = 8;
    pub(super) const REGISTERS: [(u32, Reg); 16] = [
        (0, Reg::RAX),
        (1, Reg::RBX),
        (2, Reg::RCX),
        (3, Reg::RDX),
        (4, Reg::RSI),
        (5, Reg::RDI),
        (6, Reg::RBP),
        (7, Reg::RSP),
        (16, Reg::R8),
        (17, Reg::R9),
        (18, Reg::R10),
        (19, Reg::R11),
        (20, Reg::R12),
        (21, Reg::R13),
        (22, Reg::R14),
        (23, Reg::R15),
    ];
}

/// Numbers of registers of `arch/arm64/include/uapi/asm/perf_regs.h`.
mod arm {
    pub(super) const FP: u32 = 29;
    pub(super) const LR: u32 = 30;
    pub(super) const SP: u32 = 31;
    pub(super) const PC: u32 = 32;
}

/// A machine whose stacks can be unwound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arch {
    X86,
    Arm,
}

impl Arch {
    /// The machine that calls itself so.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "x86_64" | "amd64" => Some(Self::X86),
            "aarch64" | "arm64" => Some(Self::Arm),
            _ => None,
        }
    }
}

/// Where unwinding starts.
pub(super) enum Start {
    X86(UnwindRegsX86_64),
    Arm(u64, UnwindRegsAarch64),
}

impl Start {
    /// Absent for programs of 32 bits, other machines, and when registers are
    /// missing.
    pub(super) fn new(arch: Option<Arch>, registers: &Registers<'_>) -> Option<Self> {
        if registers.abi != ABI_64 {
            return None;
        }
        let get = |number: u32| value(registers, number);
        match arch? {
            Arch::X86 => {
                let mut start = UnwindRegsX86_64::new(get(x86::IP)?, 0, 0);
                get(7)?;
                for (number, register) in x86::REGISTERS {
                    start.set(register, get(number).unwrap_or(0));
                }
                debug_assert_eq!(Some(start.get(Reg::RSP)), get(7));
                Some(Self::X86(start))
            }
            Arch::Arm => Some(Self::Arm(
                get(arm::PC)?,
                UnwindRegsAarch64::new_with_ptr_auth_mask(
                    PtrAuthMask(ADDRESS_BITS),
                    get(arm::LR)?,
                    get(arm::SP)?,
                    get(arm::FP).unwrap_or(0),
                ),
            )),
        }
    }
}

/// The value of a register; absent when it was not recorded.
fn value(registers: &Registers<'_>, number: u32) -> Option<u64> {
    let bit = 1u64 << number;
    if registers.mask & bit == 0 {
        return None;
    }
    let before = (registers.mask & (bit - 1)).count_ones();
    registers.values.iter().nth(before as usize)
}
