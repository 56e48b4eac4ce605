//! The one thing in the object that aya does not fill in: the number of a variable
//! of the kernel.

use super::kernel_types::KernelTypes;

/// The instruction of two slots that loads 64 bits (`BPF_LD | BPF_IMM | BPF_DW`).
const LOAD: u8 = 0x18;

/// What the object loads until it is patched: `v_upcrep`, as the source has it.
const PLACEHOLDER: u64 = 0x7065_7263_7075_5f76;

/// The source register that says "the number of a variable"
/// (`BPF_PSEUDO_BTF_ID` in `include/uapi/linux/bpf.h`).
const PSEUDO_BTF_ID: u8 = 3;

/// Makes the object read the preemption count of a CPU, which tells interrupts.
/// What is returned goes into its option `preempt_variable`.
///
/// x86 alone has it in a variable: `__preempt_count`, from 6.2 to 6.14 in
/// `pcpu_hot`.
pub(super) fn preempt_count(object: &mut [u8], kernel: &KernelTypes<'_>) -> u8 {
    let found = kernel.variable("__preempt_count").map(|id| (1, id));
    let found = found.or_else(|| Some((2, kernel.variable("pcpu_hot")?)));
    let Some((which, id)) = found.filter(|_| cfg!(target_arch = "x86_64")) else {
        return 0;
    };
    match patch(object, id) {
        0 => 0,
        _ => which,
    }
}

/// Puts the number of a variable into every load of the placeholder; how many.
fn patch(object: &mut [u8], id: u32) -> usize {
    let low = (PLACEHOLDER as u32).to_le_bytes();
    let high = ((PLACEHOLDER >> 32) as u32).to_le_bytes();
    let mut count = 0;
    // Sections of code are aligned to 8 bytes in the file.
    for at in (0..object.len().saturating_sub(15)).step_by(8) {
        let slots = &mut object[at..at + 16];
        let is_it = slots[0] == LOAD
            && slots[1] & 0xf0 == 0
            && slots[4..8] == low
            && slots[8..12] == [0; 4]
            && slots[12..16] == high;
        if is_it {
            slots[1] |= PSEUDO_BTF_ID << 4;
            slots[4..8].copy_from_slice(&id.to_le_bytes());
            slots[12..16].fill(0);
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_has_the_placeholder() {
        for object in [
            &include_bytes!("../../bpf/offcpu.bpf.o")[..],
            &include_bytes!("../../bpf/offcpu-old.bpf.o")[..],
        ] {
            let mut object = object.to_vec();
            assert!(patch(&mut object, 77) > 0);
            assert_eq!(patch(&mut object, 77), 0, "all are replaced");
        }
    }
}
