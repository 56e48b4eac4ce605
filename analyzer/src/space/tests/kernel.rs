//! The kernel, its modules and its symbols.

use super::script::{Script, at, kernel_mapping, mapping, seen_in_kernel};
use contend_perfdata::{CpuMode, Mmap};

const TEXT: u64 = 0xffff_ffff_8100_0000;
const TEXT_END: u64 = 0xffff_ffff_8200_0000;
const MODULES: u64 = 0xffff_ffff_c000_0000;

/// The kernel's text and one module, as perf describes them.
fn kernel() -> Script {
    Script::default()
        .kernel(0, TEXT..TEXT_END, "[kernel.kallsyms]_text")
        .kernel(0, MODULES..MODULES + 0x4000, "/lib/modules/6.1/nf.ko")
}

#[track_caller]
fn assert_kernel(script: Script, address: u64, time: u64, what: &str) {
    let found = seen_in_kernel(&script.space(), address, time).unwrap_or_default();
    assert_eq!(found, what, "{address:#x}, time {time}");
}

#[test]
fn the_kernel_is_found_in_kernel_mode_whoever_runs() {
    let space = kernel().map(0, 1, 0x1000..0x2000, "/a").space();
    for pid in [-1, 0, 1, 77] {
        let map = space.find(CpuMode::Kernel, pid, TEXT, at(10)).unwrap();
        assert_eq!(space.map(map).start, TEXT);
        assert_eq!(space.find(CpuMode::User, pid, TEXT, at(10)), None);
    }
    // User memory that the kernel touches has no mapping in kernel mode.
    assert_eq!(space.find(CpuMode::Kernel, 1, 0x1000, at(10)), None);
}

#[test]
fn code_is_looked_for_in_the_process_and_then_in_the_kernel() {
    let space = kernel().map(0, 1, 0x1000..0x2000, "/a").space();
    let start_of = |pid, ip| {
        let map = space.find_code(pid, ip, at(10))?;
        Some(space.map(map).start)
    };
    assert_eq!(start_of(1, 0x1800), Some(0x1000));
    assert_eq!(start_of(1, TEXT + 1), Some(TEXT));
    assert_eq!(start_of(2, 0x1800), None);
}

#[test]
fn kernel_addresses_are_absolute_and_those_of_modules_are_not() {
    assert_kernel(
        kernel(),
        TEXT + 0x10,
        0,
        "[kernel.kallsyms]_text+0xffffffff81000010",
    );
    assert_kernel(kernel(), MODULES + 0x10, 0, "/lib/modules/6.1/nf.ko+0x10");
}

#[test]
fn old_writers_do_not_say_that_a_mapping_is_the_kernels() {
    for mode in [CpuMode::Unknown, CpuMode::User] {
        let text = Mmap {
            mode,
            ..kernel_mapping(TEXT..TEXT_END, "[kernel.kallsyms]")
        };
        let script = Script::default().mmap(0, text);
        assert_kernel(script, TEXT, 0, "[kernel.kallsyms]+0xffffffff81000000");
    }
    let of_process = Mmap {
        mode: CpuMode::Unknown,
        ..mapping(1, 0x1000..0x2000, "/a")
    };
    let space = Script::default().mmap(0, of_process).space();
    super::script::assert_seen(&space, 1, 0x1000, 0, "/a+0x0");
}

#[test]
fn the_kernel_reaches_up_to_its_first_module() {
    let name = "[kernel.kallsyms]_text";
    for address in [TEXT_END, MODULES - 1] {
        assert_kernel(kernel(), address, 0, &format!("{name}+{address:#x}"));
    }
    assert_kernel(kernel(), MODULES, 0, "/lib/modules/6.1/nf.ko+0x0");
    // Not beyond the last one, and modules do not reach further than they say.
    assert_kernel(kernel(), MODULES + 0x4000, 0, "");
    let alone = Script::default().kernel(0, TEXT..TEXT_END, name);
    assert_kernel(alone, TEXT_END, 0, "");
}

#[test]
fn a_module_may_lie_below_the_kernel() {
    // arm64 has its modules there.
    let below = TEXT - 0x10_0000;
    let script = kernel().kernel(0, below..below + 0x1000, "[low]");
    assert_kernel(script.clone(), below, 0, "[low]+0x0");
    assert_kernel(script.clone(), below + 0x1000, 0, "");
    assert_kernel(
        script,
        TEXT_END,
        0,
        "[kernel.kallsyms]_text+0xffffffff82000000",
    );
}

#[test]
fn a_module_is_there_from_its_record_on() {
    let late = MODULES + 0x1_0000;
    let script = kernel().kernel(50, late..late + 0x1000, "[late]");
    assert_kernel(script.clone(), late, 49, "");
    assert_kernel(script, late, 50, "[late]+0x0");
}

#[test]
fn a_symbol_outside_all_mappings_is_a_mapping() {
    let program = MODULES + 0x1_0000;
    let script = kernel().ksymbol(10, program, 0x80, "bpf_prog_1");
    assert_kernel(script.clone(), program, 9, "");
    assert_kernel(script.clone(), program + 0x7f, 10, "bpf_prog_1+0x7f");
    assert_kernel(script, program + 0x80, 10, "");
}

#[test]
fn a_symbol_inside_a_mapping_is_none() {
    let script = kernel()
        .ksymbol(10, TEXT + 0x100, 0x80, "trampoline")
        .ksymbol(10, MODULES + 0x100, 0x80, "of_module");
    assert_kernel(
        script.clone(),
        TEXT + 0x100,
        20,
        "[kernel.kallsyms]_text+0xffffffff81000100",
    );
    assert_kernel(script, MODULES + 0x100, 20, "/lib/modules/6.1/nf.ko+0x100");
}

#[test]
fn a_symbol_goes_when_it_is_unregistered() {
    let program = MODULES + 0x1_0000;
    let script = kernel()
        .ksymbol(10, program, 0x80, "bpf_prog_1")
        .unregister(20, program, 0x80, "bpf_prog_1")
        .ksymbol(30, program, 0x80, "bpf_prog_2");
    assert_kernel(script.clone(), program, 19, "bpf_prog_1+0x0");
    assert_kernel(script.clone(), program, 20, "");
    assert_kernel(script, program, 30, "bpf_prog_2+0x0");
}

#[test]
fn unregistering_takes_away_nothing_else() {
    let program = MODULES + 0x1_0000;
    let script = kernel()
        .ksymbol(10, program, 0x80, "bpf_prog_1")
        .ksymbol(10, program + 0x80, 0x80, "bpf_prog_2")
        .unregister(20, MODULES, 0x4000, "bpf_prog_1")
        .unregister(20, TEXT, 0x1000, "bpf_prog_1")
        .unregister(20, program + 0x80, 0x80, "bpf_prog_1")
        // Longer than what was registered.
        .unregister(30, program, 0x1000, "bpf_prog_1");
    assert_kernel(script.clone(), MODULES, 40, "/lib/modules/6.1/nf.ko+0x0");
    assert_kernel(
        script.clone(),
        TEXT,
        40,
        "[kernel.kallsyms]_text+0xffffffff81000000",
    );
    assert_kernel(script.clone(), program, 29, "bpf_prog_1+0x0");
    assert_kernel(script.clone(), program, 30, "");
    assert_kernel(script, program + 0x80, 40, "bpf_prog_2+0x0");
}

#[test]
fn a_symbol_of_length_0_is_ignored() {
    let program = MODULES + 0x1_0000;
    let script = kernel().ksymbol(10, program, 0, "nothing");
    assert_kernel(script, program, 20, "");
}

#[test]
fn a_program_that_went_is_found_inside_the_stretched_kernel() {
    // Below the first module: the kernel reaches over where it was.
    let program = MODULES - 0x1_0000;
    let script = kernel()
        .ksymbol(10, program, 0x80, "bpf_prog_1")
        .unregister(20, program, 0x80, "bpf_prog_1");
    assert_kernel(script.clone(), program, 15, "bpf_prog_1+0x0");
    let kernel = format!("[kernel.kallsyms]_text+{program:#x}");
    assert_kernel(script.clone(), program, 25, &kernel);
    assert_kernel(script, program, 5, &kernel);
}
