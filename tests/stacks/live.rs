//! Programs compiled and recorded now: their stacks are those that perf prints.

use crate::common::{installed_perf, skipped};
use crate::perf::{compare, live_script};
use crate::programs::{CPP, RUST, compiled, recorded};
use crate::{document, stacks};

#[test]
fn fresh_recordings_have_perfs_stacks() {
    if installed_perf().is_none() {
        return skipped("perf is not installed");
    }
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let no_fp: &[&str] = &["g++", "-O2", "-g", "-fomit-frame-pointer", "-pthread"];
    let fp: &[&str] = &["g++", "-O2", "-g", "-fno-omit-frame-pointer", "-pthread"];
    let rust: &[&str] = &["rustc", "--edition", "2021", "-O", "-g"];
    let programs = [
        ("cpp-fp", fp, CPP, &["-g"][..]),
        ("cpp-nofp", no_fp, CPP, &["--call-graph", "dwarf,8192"][..]),
        ("rust", rust, RUST, &["--call-graph", "dwarf,8192"][..]),
    ];
    for (name, compiler, source, graph) in programs {
        let Some(program) = compiled(folder, name, compiler, source) else {
            continue;
        };
        // Without it perf leaves out the build-ids of binaries that only unwinding
        // comes through.
        let Some(capture) = recorded(folder, &program, &[graph, &["--buildid-all"]].concat())
        else {
            return;
        };
        // perf has the names of the kernel that runs now, and keeps a copy of the vdso.
        let cache = folder.join(".debug");
        let names = ["--kallsyms", "/proc/kallsyms", "--symbol-dir", "/"];
        let names = [&names[..], &["--symbol-dir", cache.to_str().unwrap()]].concat();
        let ours = stacks(&document(&capture, "cpu-clock", &names));
        let perfs = live_script(&capture);
        let found = compare(&perfs, &ours, true);
        let depth = ours.keys().map(Vec::len).max().unwrap();
        assert!(found.frames > 2000 && depth > 8, "{name}: {found:#?}");
        found.assert_agrees(name, ours.values().sum());
    }
}
