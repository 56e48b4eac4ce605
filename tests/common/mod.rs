//! What the end-to-end tests share: running the command, finding captures that
//! do not live in this repository, comparing with perf.

// Every test target includes this module and uses a part of it.
#![allow(dead_code, unused_imports)]

pub(crate) mod capture;
pub(crate) mod compare;
pub(crate) mod counters;
pub(crate) mod distribution;
pub(crate) mod off_cpu;
pub(crate) mod perf_report;
pub(crate) mod spe_synthetic;
pub(crate) mod synthetic;
pub(crate) mod truth;

use serde_json::Value;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How one run of the command ended.
#[derive(Debug)]
pub(crate) struct Run {
    /// None when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("stdout is UTF-8")
    }

    /// The document on stdout; panics with everything there is when the run failed.
    pub(crate) fn json(&self, what: &str) -> Value {
        assert_eq!(self.code, Some(0), "{what}: {}", self.stderr);
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{what}: {error}: {}", self.text()))
    }

    /// Asserts the way in which a wrong input ends: exit 2, nothing on stdout, one
    /// line on stderr, which is given back.
    pub(crate) fn refused(&self, what: &str) -> &str {
        assert_eq!(self.code, Some(2), "{what}: {}", self.stderr);
        assert_eq!(self.text(), "", "{what}");
        let line = self
            .stderr
            .strip_suffix('\n')
            .unwrap_or_else(|| panic!("{what}: no line: {:?}", self.stderr));
        assert!(
            !line.is_empty() && !line.contains('\n'),
            "{what}: not one line: {line}"
        );
        assert!(!line.contains("panicked"), "{what}: {line}");
        line
    }
}

/// The command with nothing on standard input, no terminal, no colour settings.
pub(crate) fn contend() -> Command {
    let mut command = plain(env!("CARGO_BIN_EXE_contend"));
    // Nobody's cache of binaries.
    command.env("HOME", "/nonexistent");
    command
}

fn plain(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    for name in [
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "FORCE_COLOR",
        "RUST_BACKTRACE",
        "DEBUGINFOD_URLS",
    ] {
        command.env_remove(name);
    }
    command
}

pub(crate) fn run(command: &mut Command) -> Run {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    Run {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs the command on a capture.
pub(crate) fn contend_on(capture: &Path, args: &[&str]) -> Run {
    run(contend().args(args).arg(capture))
}

/// Runs the command on a capture that comes through standard input.
pub(crate) fn contend_reading(bytes: &[u8], args: &[&str]) -> Run {
    let mut command = contend();
    command
        .args(args)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let bytes = bytes.to_vec();
    // The reader may stop early; then the rest has nowhere to go.
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&bytes)));
    let output = child.wait_with_output().expect("the command ends");
    feeder.join().expect("the feeder ends");
    Run {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What a run cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Of all its threads, in itself and in the kernel.
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_mb: f64,
}

/// Runs the command under GNU time. Without it there is no cost.
pub(crate) fn contend_measured(capture: &Path, args: &[&str]) -> (Run, Option<Cost>) {
    let time = Path::new("/usr/bin/time");
    if !time.exists() {
        skipped("/usr/bin/time is absent, time and memory are not checked");
        return (contend_on(capture, args), None);
    }
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut command = plain(time);
    command
        .args(["--quiet", "-f", "%U %S %M", "-o"])
        .arg(file.path());
    command
        .arg(env!("CARGO_BIN_EXE_contend"))
        .args(args)
        .arg(capture);
    let ended = run(&mut command);
    let text = std::fs::read_to_string(file.path()).expect("what time wrote");
    let cost = text.split_whitespace().collect::<Vec<_>>();
    let [.., user, system, kilobytes] = cost.as_slice() else {
        panic!("time wrote {text:?}")
    };
    let seconds = |text: &str| text.parse::<f64>().expect("seconds");
    let cost = Cost {
        cpu_seconds: seconds(user) + seconds(system),
        peak_mb: kilobytes.parse::<f64>().expect("kilobytes") / 1024.0,
    };
    (ended, Some(cost))
}

/// The folder with captures that are too large for this repository. Says so and
/// gives nothing when it is not there, unless `CONTEND_SHARED` names it.
pub(crate) fn shared_captures() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CONTEND_SHARED") {
        let folder = Path::new(&named).join("captures");
        assert!(
            folder.is_dir(),
            "CONTEND_SHARED has no folder captures: {}",
            folder.display()
        );
        return Some(folder);
    }
    let folder = workspace().join("../shared/captures");
    if folder.is_dir() {
        return Some(folder);
    }
    skipped("../shared/captures is absent");
    None
}

/// Says that something is not tested here. Not with `println!`, which the test
/// runner swallows when a test passes.
pub(crate) fn skipped(what: &str) {
    let mut line = format!("skipped: {what}");
    if let Some(test) = std::thread::current().name() {
        line = format!("skipped in {test}: {what}");
    }
    line.push('\n');
    // Nobody reads it: no reason to fail.
    drop(std::io::stderr().write_all(line.as_bytes()));
}

/// The root of the repository.
pub(crate) fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .parent()
        .expect("the package is in a folder of the workspace")
        .to_owned()
}

/// The bytes of a file, decompressed by the `xz` command when its name says so.
pub(crate) fn read_maybe_xz(path: &Path) -> Vec<u8> {
    if path.extension().is_none_or(|extension| extension != "xz") {
        return std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let ended = run(plain("xz").args(["--decompress", "--stdout"]).arg(path));
    assert_eq!(
        ended.code,
        Some(0),
        "xz {}: {}",
        path.display(),
        ended.stderr
    );
    ended.stdout
}

/// A capture as a file that the command can open: itself, or its decompressed
/// copy in `scratch`.
pub(crate) fn unpacked(path: &Path, scratch: &Path) -> PathBuf {
    if path.extension().is_none_or(|extension| extension != "xz") {
        return path.to_owned();
    }
    let copy = scratch.join(path.file_stem().expect("a name before .xz"));
    std::fs::write(&copy, read_maybe_xz(path)).expect("room for the copy");
    copy
}

/// The perf command of this machine, with its version (major, minor).
pub(crate) fn installed_perf() -> Option<(u32, u32)> {
    let output = plain("perf").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text
        .split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// `perf c2c report` as text with all lines. Gives stderr when perf refuses.
pub(crate) fn perf_c2c(capture: &Path, args: &[&str]) -> Result<String, String> {
    let mut command = plain("perf");
    command
        .env("TERM", "dumb")
        .env("PAGER", "cat")
        .args(["c2c", "report", "-i"])
        .arg(capture);
    let ended = run(command.arg("--stdio").args(args));
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    if ended.code == Some(0) && text.contains("Trace Event Information") {
        Ok(text)
    } else {
        Err(format!("exit {:?}: {}", ended.code, ended.stderr.trim()))
    }
}
