//! A made capture of time off the CPU: SWITCH records, and samples that tell the
//! stacks.

use contend_fixtures::{
    Backing, CpuMode, Machine, Place, Record, Role, Scene, ThreadId, ViewId, flag, sample_type,
    wrap,
};
use std::path::{Path, PathBuf};

/// A thread with a name that a picture must not take for markup.
pub(crate) const MARKUP: &str = "<img/a>";

/// The thread that is preempted.
pub(crate) const HOG: &str = "hog";

/// How many records it says were lost.
pub(crate) const LOST: u64 = 7;

const TEXT: u64 = 0x40_0000;
const KERNEL: u64 = 0xffff_ffff_8100_0000;

/// Writes it into a folder. [`MARKUP`] waits in the kernel, [`HOG`] is preempted in
/// the program.
pub(crate) fn written(folder: &Path) -> PathBuf {
    let mut machine = Machine::intel_icelake(1);
    for event in &mut machine.events {
        event.attr.sample_type |= sample_type::CALLCHAIN;
    }
    machine.events[0].attr.set(flag::CONTEXT_SWITCH, 1);
    let mut scene = Scene::new(machine, 4);
    let kernel = scene.memory("[kernel.kallsyms]_text", Backing::Kernel, 0);
    let kernel = scene.map_kernel(kernel, KERNEL, 0x200_0000);
    let waits = scene.process(4100, MARKUP, 0);
    let image = scene.memory("/srv/app", Backing::File, 0);
    let text = scene.map_code(waits, image, TEXT, 0x1000, 0x4000);
    let hog = scene.thread(waits, 4101, HOG, 1);
    scene.begin();
    scene.called_from(waits, vec![KERNEL + 0x200, TEXT + 0x111, TEXT + 0x222]);
    scene.called_from(hog, vec![TEXT + 0x333]);
    for _ in 0..20 {
        left(&mut scene, waits, (kernel, 0x100), CpuMode::Kernel, false);
        left(&mut scene, hog, (text, 0x400), CpuMode::User, true);
        for thread in [waits, hog] {
            let back = Record::Switch {
                out: false,
                preempted: false,
            };
            scene.side_band(thread, &back);
        }
    }
    scene.side_band(waits, &Record::Lost { id: 1, lost: LOST });
    let file = folder.join("off-cpu.perf.data");
    let stream = scene.stream(&["/usr/bin/perf", "record", "--switch-events"]);
    let bytes = wrap(&stream, contend_fixtures::Container::File, true);
    let bytes = bytes.unwrap_or_else(|error| panic!("{error}"));
    std::fs::write(&file, bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    file
}

/// A sample, and right behind it the thread leaves its CPU.
fn left(scene: &mut Scene, thread: ThreadId, at: (ViewId, u64), mode: CpuMode, preempted: bool) {
    scene.other(thread, Place::At(at.0, at.1), mode, Role::Other);
    let out = Record::Switch {
        out: true,
        preempted,
    };
    scene.side_band(thread, &out);
}
