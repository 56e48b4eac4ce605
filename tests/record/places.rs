//! Programs in places of their own: containers, and code that was made just now.

use super::naps::{Naps, agrees, build, record, threads, waits};
use super::support::*;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const MADE: &str = "made_by_naps";

/// Whether waits can be recorded and read here.
fn ready() -> Option<PathBuf> {
    if !can_collect() || !can_record() {
        return None;
    }
    if cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64"))) {
        skipped("the program makes code for x86_64 and aarch64 only");
        return None;
    }
    contend()
}

/// A stack of sleeps has the function that slept, and who called it.
fn names_callers(document: &Value, caller: &str) {
    let stacks = document["stacks"].as_array().unwrap();
    let is_it = |stack: &&Value| {
        let text = stack["frames"].to_string();
        text.contains("take_a_nap") && text.contains(caller)
    };
    assert!(
        stacks.iter().any(|stack| is_it(&stack)),
        "no stack has take_a_nap and {caller}: {stacks:#?}"
    );
}

/// The only child of a process, by its number outside of containers.
fn child_of(pid: u32) -> u32 {
    let mut found = None;
    until("the process in the container", || {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        found = entries
            .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
            .find(|child| {
                let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
                let behind = stat.rsplit_once(") ").map_or("", |parts| parts.1);
                behind.split(' ').nth(1) == Some(&pid.to_string())
            });
        found.is_some()
    });
    found.unwrap()
}

/// Processes, mounts and root are its own, as in a container; the binary is under its path
/// only there, and the list of made code by the number that the process has there.
#[test]
fn a_container_is_recorded_from_outside() {
    let Some(contend) = ready() else {
        return;
    };
    if !has("unshare") || !has("chroot") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("tmp")).unwrap();
    let Some(program) = build(&root, "-static") else {
        return;
    };
    let probe = Command::new("unshare")
        .args(["--pid", "--mount", "--fork", "true"])
        .output()
        .unwrap();
    if !probe.status.success() {
        skipped(&format!("no container can be made here: {}", said(&probe)));
        return;
    }
    let mut naps = Naps::start(
        Command::new("unshare")
            .args(["--pid", "--mount", "--fork", "--kill-child", "chroot"])
            .arg(&root)
            .args(["/naps", "map", "/tmp"]),
    );
    let pid = child_of(naps.pid());
    assert!(root.join("tmp/perf-1.map").exists());
    let args = [
        "all",
        "--min-block",
        "0",
        "-o",
        "x.tar.zst",
        "-p",
        &pid.to_string(),
    ];
    let (off, text) = record(folder.path(), &args, || naps.sleep());
    let path = folder.path().join("x.tar.zst");
    let bundle = open(&path);
    assert!(bundle.member(&binary_member(&program)).is_some(), "{text}");
    let list = member(&bundle, &format!("perf-{pid}.map"));
    assert!(String::from_utf8(list).unwrap().contains(MADE));
    let members: Vec<_> = bundle.captures().collect();
    // Where the hardware samples memory there is c2c, too.
    for kind in ["cpu.perf.data", "offcpu.perf.data"] {
        assert!(members.contains(&kind), "{members:?}");
    }
    // Elsewhere, where the container is not.
    drop(naps);
    fs::remove_dir_all(&root).unwrap();
    let document = waits(&contend, &path);
    let found = threads(&document);
    for (name, own) in off {
        agrees(&name, found[&name], own);
    }
    names_callers(&document, MADE);
}

/// A dump tells made code, too: it is recorded because its writer maps it.
#[test]
fn a_dump_of_made_code_is_packed_and_names_it() {
    let Some(contend) = ready() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = build(folder.path(), "-DRECORDED") else {
        return;
    };
    let mut naps = Naps::start(Command::new(&program).arg("dump").arg(folder.path()));
    let pid = naps.pid().to_string();
    let name = format!("jit-{pid}.dump");
    let dump = fs::read(folder.path().join(&name)).unwrap();
    let args = ["offcpu", "--min-block", "0", "-o", "x.tar.zst", "-p", &pid];
    let (off, text) = record(folder.path(), &args, || naps.sleep());
    let path = folder.path().join("x.tar.zst");
    let bundle = open(&path);
    assert!(bundle.member(&name).is_some(), "{text}");
    assert!(member(&bundle, &name) == dump);
    drop(naps);
    fs::remove_file(folder.path().join(&name)).unwrap();
    let document = waits(&contend, &path);
    for (name, own) in off {
        agrees(&name, threads(&document)[&name], own);
    }
    names_callers(&document, MADE);
}

/// The file of a program that runs may be gone or another by now.
#[test]
fn a_deleted_program_is_named_all_the_same() {
    let Some(contend) = ready() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = build(folder.path(), "-DRECORDED") else {
        return;
    };
    let id = binary_member(&program);
    let mut naps = Naps::start(&mut Command::new(&program));
    let pid = naps.pid().to_string();
    fs::remove_file(&program).unwrap();
    install(Path::new("/bin/true"), &program);
    let args = ["offcpu", "--min-block", "0", "-o", "x.tar.zst", "-p", &pid];
    let (off, text) = record(folder.path(), &args, || naps.sleep());
    let path = folder.path().join("x.tar.zst");
    assert!(open(&path).member(&id).is_some(), "{text}");
    drop(naps);
    let document = waits(&contend, &path);
    for (name, own) in off {
        agrees(&name, threads(&document)[&name], own);
    }
    names_callers(&document, "directly");
}

/// Stacks of code without frame pointers are copied, and unwound where they are read.
#[test]
fn copied_stacks_are_unwound_elsewhere() {
    if !can_record() {
        return;
    }
    let Some(contend) = contend() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("deep.c");
    fs::write(
        &source,
        "#include <time.h>\nvolatile unsigned long sink;\n\
         __attribute__((noinline)) void innermost(void) {\n\
           for (int i = 0; i < 1000000; i++) sink += i; }\n\
         __attribute__((noinline)) void between(void) { innermost(); sink++; }\n\
         __attribute__((noinline)) void outermost(void) { between(); sink++; }\n\
         int main(void) { while (clock() < CLOCKS_PER_SEC / 2) outermost(); return 0; }\n",
    )
    .unwrap();
    let program = folder.path().join("deep");
    if !compile(&source, &program, "-DRECORDED") {
        return;
    }
    let plain = Command::new("gcc")
        .args(["-O2", "-g", "-fomit-frame-pointer", "-Wl,--build-id", "-o"])
        .args([&program, &source])
        .status();
    assert!(plain.unwrap().success());
    let out = folder.path().join("x.tar.zst");
    succeeds([
        "cpu".as_ref(),
        "--call-graph".as_ref(),
        "dwarf,4096".as_ref(),
        // Not more than slow machines allow (perf_event_max_sample_rate).
        "-F".as_ref(),
        "197".as_ref(),
        "-o".as_ref(),
        out.as_os_str(),
        "--".as_ref(),
        program.as_os_str(),
    ]);
    let manifest = open(&out).manifest().clone();
    let command = manifest.captures[0].command.join(" ");
    assert!(command.contains("--call-graph dwarf,4096"), "{command}");
    assert!(command.contains("-F 197"), "{command}");
    fs::remove_file(&program).unwrap();
    let output = Command::new(&contend)
        .args(["oncpu", "--json"])
        .arg(&out)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let stacks = document["stacks"].as_array().unwrap();
    let whole = stacks.iter().filter(|stack| {
        let text = stack["frames"].to_string();
        ["main", "outermost", "between", "innermost"]
            .iter()
            .all(|name| text.contains(name))
    });
    assert!(whole.count() > 0, "{stacks:#?}");
}

/// That a file may not be read is another thing than that it is gone.
#[test]
fn what_this_user_may_not_read_is_said_so() {
    if !is_root() || !has("setpriv") {
        return;
    }
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let open_to = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open_to(folder.path(), 0o777);
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    let Some(program) = busy(&closed, "hidden") else {
        return;
    };
    let capture = folder.path().join("run.data");
    if !perf_record(&capture, &["--buildid-all"], &program, "0.1") {
        return;
    }
    open_to(&closed, 0o700);
    open_to(&capture, 0o644);
    let copy = folder.path().join("contend-record");
    install(Path::new(env!("CARGO_BIN_EXE_contend-record")), &copy);
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy)
        .args(["pack", "run.data", "-o", "x.tar.zst"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let text = said(&output);
    let line = text.lines().find(|line| line.contains("closed/hidden"));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("this user may not read it"), "{line}");
}
