//! Programs that are compiled and recorded now.
//!
//! They run for a time of their processor, not of a clock on the wall, so a busy
//! machine makes as many samples. Their code is wide (two dozen instances of a
//! function with inlined ones in it), so that the samples are in many places.

use crate::common::skipped;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) const CPP: &str = r#"
#include <atomic>
#include <ctime>
#include <thread>
#include <vector>
#include <unistd.h>
#define NI __attribute__((noinline))
static std::atomic<unsigned long> sum;
namespace work {
static inline unsigned long turn(unsigned long n, int by) { return n << by | n >> (64 - by); }
template <int N> inline unsigned long mix(unsigned long n) {
  return turn(n * (2 * N + 1), N % 31 + 1) ^ n;
}
template <int N> struct Stage {
  static inline unsigned long sift(unsigned long n) { return mix<N>(n) + mix<N + 1>(n ^ N); }
  NI static unsigned long run(unsigned long n, int rounds) {
    for (int i = 0; i < rounds; i++) n = sift(n) + sum + i;
    return n;
  }
};
template <int N> struct Chain {
  static inline unsigned long run(unsigned long n) { return Stage<N>::run(Chain<N - 1>::run(n), 400); }
};
template <> struct Chain<-1> { static inline unsigned long run(unsigned long n) { return n; } };
template <class T> struct Mill {
  NI unsigned long grind(T n) const { return Chain<23>::run(n) + 1; }
};
NI unsigned long leaf(long n) { return Mill<long>().grind(n) + 1; }
NI unsigned long recurse(int depth, long n) { return depth ? recurse(depth - 1, n) + 1 : leaf(n) + 1; }
NI unsigned long enter(int i) { for (int k = 0; k < 20; k++) if (getppid() < 0) sum++; return recurse(i % 9, i) + 1; }
}
int main() {
  std::vector<std::thread> all;
  for (int t = 0; t < 2; t++) all.emplace_back([t] {
    for (int i = 0; i % 16 || clock() < 3 * CLOCKS_PER_SEC / 2; i++) sum += work::enter(i + t);
  });
  for (auto &t : all) t.join();
  return sum == 0;
}
"#;

pub(crate) const RUST: &str = r#"
use std::hint::black_box;
extern "C" { fn clock() -> i64; }
mod work {
    use std::hint::black_box;
    pub trait Mill { fn grind(&self, n: u64) -> u64; }
    pub struct Stone(pub u64);
    pub struct Stage<const N: u64>;
    #[inline(always)]
    fn mix(n: u64, by: u64) -> u64 { n.wrapping_mul(2 * by + 1).rotate_left(by as u32 % 31 + 1) ^ n }
    impl<const N: u64> Stage<N> {
        #[inline(always)]
        fn sift(n: u64) -> u64 { mix(n, N).wrapping_add(mix(n ^ N, N + 1)) }
        #[inline(never)]
        fn run(n: u64) -> u64 { (0..400).fold(n, |n, i| Self::sift(n).wrapping_add(black_box(i))) }
    }
    impl Mill for Stone {
        #[inline(never)]
        fn grind(&self, n: u64) -> u64 {
            let n = Stage::<0>::run(Stage::<1>::run(Stage::<2>::run(Stage::<3>::run(n ^ self.0))));
            let n = Stage::<4>::run(Stage::<5>::run(Stage::<6>::run(Stage::<7>::run(n))));
            let n = Stage::<8>::run(Stage::<9>::run(Stage::<10>::run(Stage::<11>::run(n))));
            let n = Stage::<12>::run(Stage::<13>::run(Stage::<14>::run(Stage::<15>::run(n))));
            n.wrapping_add(1)
        }
    }
    #[inline(never)]
    pub fn recurse(mill: &dyn Mill, depth: u64, n: u64) -> u64 {
        // Samples in the C library too: perf records its build-id then.
        let n = if depth == 0 { (0..20).for_each(|_| { black_box(std::process::id()); }); mill.grind(n) } else { recurse(mill, depth - 1, n) };
        n.wrapping_add(1)
    }
}
fn main() {
    let threads: Vec<_> = (0..2).map(|t| std::thread::spawn(move || {
        let busy = |i: &u64| i % 16 != 0 || unsafe { clock() } < 1_500_000;
        (0..).take_while(busy).map(|i| black_box(work::recurse(&work::Stone(t), i % 7, i))).fold(0u64, |a, b| a ^ b)
    })).collect();
    for thread in threads { black_box(thread.join().unwrap()); }
}
"#;

pub(crate) fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Compiles a program; nothing where there is no compiler.
pub(crate) fn compiled(
    folder: &Path,
    name: &str,
    compiler: &[&str],
    source: &str,
) -> Option<PathBuf> {
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

/// Records a program as `perf.data` in a folder, in which perf also has its cache;
/// nothing where perf may not.
pub(crate) fn recorded(folder: &Path, program: &Path, args: &[&str]) -> Option<PathBuf> {
    let capture = folder.join("perf.data");
    let mut command = Command::new("perf");
    command
        .env("HOME", folder)
        .args(["record", "-q", "-e", "cpu-clock", "-F", "999", "-m", "16M"])
        .args(args)
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
