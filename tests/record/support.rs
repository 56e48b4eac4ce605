//! What the tests of the recorder share: running it, small programs to record, and the
//! reasons to skip.

use contend_bundle::{Bundle, Limits};
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The recorder.
pub(crate) fn recorder() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_contend-record"));
    command.stdin(Stdio::null());
    // The servers of the tests are on this machine.
    for proxy in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(proxy).env_remove(proxy.to_uppercase());
    }
    // Shells start background jobs with Ctrl-C ignored, which is inherited, and which the
    // recorder respects: tests that press it would wait for ever.
    // SAFETY: signal(2) may be called between fork and exec, and nothing else is.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            Ok(())
        });
    }
    command
}

/// Copies a program to where everybody may execute it. Another program does the writing:
/// what this process has open for writing is for a moment also open in every process that
/// another test starts meanwhile, and cannot be executed (`ETXTBSY`).
pub(crate) fn install(program: &Path, to: &Path) {
    let mut copy = Command::new("install");
    let copied = copy.args(["-m", "755"]).args([program, to]).status();
    assert!(copied.unwrap().success());
}

/// Makes a program of a text, which can be executed at once.
pub(crate) fn script(to: &Path, text: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    install(file.path(), to);
}

/// Runs the recorder and hands out what it said.
pub(crate) fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Output {
    recorder().args(args).output().unwrap()
}

/// What a program said on standard error.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the recorder, which must do it.
pub(crate) fn succeeds<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> String {
    let output = run(args);
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

/// Exit 2, and a last line that says all of it; hands that line out.
pub(crate) fn refusal(output: &Output) -> String {
    let text = said(output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    let last = text.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("contend-record: "), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    last
}

/// The analyzer, which a build of the whole workspace leaves beside this test.
pub(crate) fn contend() -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let path = test.parent()?.parent()?.join("contend");
    if !path.is_file() {
        skipped(&format!(
            "{} is not there (cargo build --workspace)",
            path.display()
        ));
        return None;
    }
    Some(path)
}

/// Says that something is not tested here, and why. Not with `println!`, which the test
/// runner swallows when a test passes.
pub(crate) fn skipped(what: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Nobody reads it: no reason to fail.
    drop(std::io::stderr().write_all(format!("skipped in {test}: {what}\n").as_bytes()));
}

/// Whether a program can be run; says that it is missing otherwise.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    let found = folders.iter().any(|folder| folder.join(program).is_file());
    if !found {
        skipped(&format!("there is no {program} here"));
    }
    found
}

/// Whether the tests run as root; says so otherwise.
pub(crate) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    let is_root = id.stdout == b"0\n";
    if !is_root {
        skipped("this needs root");
    }
    is_root
}

/// Builds a small program; nothing, and a reason, where there is no compiler.
pub(crate) fn compile(source: &Path, to: &Path, define: &str) -> bool {
    if !has("gcc") {
        return false;
    }
    let built = Command::new("gcc")
        .args([
            "-O1",
            "-g",
            "-fno-omit-frame-pointer",
            "-fno-inline",
            "-pthread",
            "-Wl,--build-id",
        ])
        .arg(define)
        .arg("-o")
        .args([to, source])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", said(&built));
    true
}

/// A program that computes for a while in functions of its own, `NAME` in their names.
pub(crate) fn busy(folder: &Path, name: &str) -> Option<PathBuf> {
    let source = folder.join("busy.c");
    std::fs::write(
        &source,
        "#include <time.h>\n#include <unistd.h>\n#include <stdlib.h>\n\
         #define JOIN2(a, b) a##b\n#define JOIN(a, b) JOIN2(a, b)\n\
         volatile unsigned long sink;\n\
         void JOIN(work_in_, NAME)(void) { for (int i = 0; i < 1000000; i++) sink += i; }\n\
         int main(int argc, char **argv) {\n\
           double seconds = argc > 1 ? atof(argv[1]) : 0.3;\n\
           struct timespec a, b; clock_gettime(CLOCK_MONOTONIC, &a);\n\
           do { JOIN(work_in_, NAME)(); clock_gettime(CLOCK_MONOTONIC, &b); }\n\
           while (b.tv_sec - a.tv_sec + (b.tv_nsec - a.tv_nsec) / 1e9 < seconds);\n\
           if (argc > 2) sleep(atoi(argv[2]));\n\
           return 0; }\n",
    )
    .unwrap();
    let path = folder.join(name);
    compile(&source, &path, &format!("-DNAME={name}")).then_some(path)
}

/// Records a program with perf; nothing, and a reason, where that is not possible.
pub(crate) fn perf_record(to: &Path, options: &[&str], program: &Path, seconds: &str) -> bool {
    let program = program.to_str().unwrap();
    let options = [&["-g"], options].concat();
    perf_record_of(to, &options, &["--", program, seconds])
}

/// Records a target, which are perf's last arguments.
pub(crate) fn perf_record_of(to: &Path, options: &[&str], target: &[&str]) -> bool {
    if !has("perf") {
        return false;
    }
    // perf 6.1 now and then ends in an assertion of its own (util/build-id.c) when other
    // tests' files go away meanwhile.
    let mut message = String::new();
    for _ in 0..5 {
        let recorded = Command::new("perf")
            // Several perfs at once break each other's cache of build-ids (6.1).
            .args(["record", "-q", "-N", "-e", "cpu-clock", "-o"])
            .arg(to)
            .args(options)
            .args(target)
            .output()
            .unwrap();
        if recorded.status.success() {
            return true;
        }
        message = said(&recorded);
        if !message.contains("assertion failed") {
            break;
        }
    }
    skipped(&format!("perf cannot record here: {message}"));
    false
}

/// Whether contend-record can record here by perf, which is tried once: containers forbid
/// perf_event_open(2) in ways that only the call tells.
pub(crate) fn can_record() -> bool {
    static WHY_NOT: OnceLock<Option<String>> = OnceLock::new();
    if !has("perf") {
        return false;
    }
    let why_not = WHY_NOT.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("x.tar.zst");
        let output = run(["cpu", "-o", out.to_str().unwrap(), "--", "true"]);
        // Where perf alone can, the fault is ours, and for the tests to find.
        let plain = folder.path().join("perf.data");
        let is_here =
            !output.status.success() && !perf_record_of(&plain, &[], &["--", "/bin/true"]);
        is_here.then(|| said(&output).trim().to_owned())
    });
    if let Some(why) = why_not {
        skipped(why);
    }
    why_not.is_none()
}

/// Whether BPF programs can be loaded here; says why not.
pub(crate) fn can_collect() -> bool {
    // SAFETY: takes no pointer.
    if unsafe { libc::geteuid() } != 0 {
        skipped("loading BPF programs needs root");
        return false;
    }
    if !contend_record::host::Host::read("/".as_ref()).rights.bpf() {
        skipped("this root may not load BPF programs");
        return false;
    }
    match contend_record::offcpu::why_not() {
        Some(why) => {
            skipped(&why);
            false
        }
        None => true,
    }
}

/// The bundle at `path`.
pub(crate) fn open(path: &Path) -> Bundle {
    Bundle::open(path, &Limits::default()).unwrap()
}

/// A member of at most 64 MiB.
pub(crate) fn member(bundle: &Bundle, name: &str) -> Vec<u8> {
    bundle.read(name, 64 << 20).unwrap()
}

/// Where the binary at `path` stands in a bundle.
pub(crate) fn binary_member(path: &Path) -> String {
    let id = contend_record::pack::build_id(path).unwrap();
    let digits: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    contend_bundle::layout::binary(&digits).unwrap()
}

/// Waits until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_secs(300),
            "{what} does not come"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Names of what is in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A file system of its own that holds so many bytes, as long as this lives.
pub(crate) struct Small(PathBuf);

impl Small {
    /// Nothing, and a reason, where none can be mounted.
    pub(crate) fn mount(folder: &Path, bytes: u64) -> Option<Self> {
        if !is_root() {
            return None;
        }
        let path = folder.join("small");
        std::fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
            .arg(&path)
            .output()
            .unwrap();
        if !mounted.status.success() {
            skipped(&format!("cannot mount here: {}", said(&mounted)));
            return None;
        }
        Some(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
