//! Programs compiled and recorded now: their stacks are those that perf prints.

use crate::common::{installed_perf, skipped};
use crate::perf::{compare, script};
use crate::{document, stacks};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const CPP: &str = r#"
#include <atomic>
#include <thread>
#include <vector>
#include <unistd.h>
#define NI __attribute__((noinline))
static std::atomic<unsigned long> sum;
namespace work {
template <class T> struct Mill {
  NI unsigned long grind(T n) const { unsigned long s = 0; for (T i = 0; i < n; i++) s += i * i ^ sum; return s + 1; }
};
NI unsigned long leaf(long n) { return Mill<long>().grind(n) + 1; }
NI unsigned long recurse(int depth, long n) { return depth ? recurse(depth - 1, n) + 1 : leaf(n) + 1; }
NI unsigned long enter(int i) { for (int k = 0; k < 20; k++) if (getppid() < 0) sum++; return recurse(i % 9, 20000) + 1; }
}
int main() {
  std::vector<std::thread> all;
  for (int t = 0; t < 2; t++) all.emplace_back([t] { for (int i = 0; i < 40000; i++) sum += work::enter(i + t); });
  for (auto &t : all) t.join();
  return sum == 0;
}
"#;

const RUST: &str = r#"
use std::hint::black_box;
mod work {
    pub trait Mill { fn grind(&self, n: u64) -> u64; }
    pub struct Stone(pub u64);
    impl Mill for Stone {
        #[inline(never)]
        fn grind(&self, n: u64) -> u64 { (0..n).fold(self.0, |sum, i| std::hint::black_box(sum ^ i * i)) }
    }
    #[inline(never)]
    pub fn recurse(mill: &dyn Mill, depth: u64, n: u64) -> u64 {
        // Samples in the C library too: perf records its build-id then.
        if depth == 0 { (0..20).for_each(|_| { std::hint::black_box(std::process::id()); }); mill.grind(n) + 1 } else { recurse(mill, depth - 1, n) + 1 }
    }
}
fn main() {
    let threads: Vec<_> = (0..2).map(|t| std::thread::spawn(move || {
        (0..20000).map(|i| black_box(work::recurse(&work::Stone(t), i % 7, 50_000))).fold(0u64, |a, b| a ^ b)
    })).collect();
    for thread in threads { black_box(thread.join().unwrap()); }
}
"#;

fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Compiles a program; nothing where there is no compiler.
fn compiled(folder: &Path, name: &str, compiler: &[&str], source: &str) -> Option<PathBuf> {
    if !is_there(compiler[0]) {
        skipped(&format!("{} is not installed", compiler[0]));
        return None;
    }
    let end = if compiler[0] == "rustc" { "rs" } else { "cpp" };
    let file = folder.join(format!("{name}.{end}"));
    std::fs::write(&file, source).unwrap();
    let program = folder.join(name);
    let mut command = Command::new(compiler[0]);
    command
        .args(&compiler[1..])
        .arg("-o")
        .arg(&program)
        .arg(&file);
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(program)
}

/// Records a program; nothing where perf may not.
fn recorded(folder: &Path, program: &Path, graph: &[&str]) -> Option<PathBuf> {
    let capture = folder.join("perf.data");
    let mut command = Command::new("perf");
    command
        .args(["record", "-q", "-e", "cpu-clock", "-F", "499", "-m", "16M"])
        .args(graph)
        .arg("-o")
        .arg(&capture)
        .arg(program);
    let output = command.output().unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        skipped(&format!("perf does not record here: {}", said.trim()));
        return None;
    }
    Some(capture)
}

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
        let Some(capture) = recorded(folder, &program, graph) else {
            return;
        };
        // perf has the names of the kernel that runs now; and it records the
        // build-ids of binaries with samples or call chains in them, not of those
        // that only unwinding comes through, so we must be told that they are here.
        let names = ["--kallsyms", "/proc/kallsyms", "--symbol-dir", "/"];
        let ours = stacks(&document(&capture, "cpu-clock", &names));
        let perfs = ["cpu-clock", "cpu-clock:ppp", "cpu-clock:pppH"];
        let perfs = perfs
            .iter()
            .filter_map(|event| script(&capture, event, None));
        let perfs = perfs.max_by_key(|stacks| stacks.len()).unwrap();
        let found = compare(&perfs, &ours);
        let depth = ours.keys().map(Vec::len).max().unwrap();
        assert!(found.frames > 2000 && depth > 8, "{name}: {found:#?}");
        eprintln!(
            "{name}: {} of {} frames equal, {} samples in the vdso, {} in stubs",
            found.equal, found.frames, found.in_vdso, found.in_stubs
        );
        let left_out = found.in_vdso + found.in_stubs;
        assert!(
            left_out * 100 < ours.values().sum(),
            "{name}: {left_out} left out"
        );
        assert!(
            found.equal * 1000 >= found.frames * 999,
            "{name}: {} of {} frames: {:#?}",
            found.equal,
            found.frames,
            found.differences
        );
    }
}
