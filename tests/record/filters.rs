//! Whose waits are recorded.

use super::naps::{Naps, agrees, build, record, threads, waits};
use super::support::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether waits can be recorded and read here.
fn ready() -> Option<PathBuf> {
    if !can_collect() {
        return None;
    }
    contend()
}

/// What is recorded of everybody with these options, and what the threads say.
fn recorded(
    contend: &Path,
    folder: &Path,
    options: &[&str],
    naps: &mut Naps,
) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
    let mut args = vec!["offcpu", "--min-block", "0", "-o", "x.tar.zst"];
    args.extend(options);
    let (off, _) = record(folder, &args, || naps.sleep());
    let bundle = folder.join("x.tar.zst");
    let mut document = waits(contend, &bundle);
    fs::remove_file(bundle).unwrap();
    // By name threads of other tests are recorded, too: they have the same names.
    let all = document["threads"].as_array_mut().unwrap();
    let (own, others): (Vec<_>, Vec<_>) = std::mem::take(all)
        .into_iter()
        .partition(|thread| thread["pid"] == naps.pid());
    for other in others {
        let is_same = own.iter().any(|thread| thread["comm"] == other["comm"]);
        assert!(is_same, "{other} passed the filter");
    }
    *all = own;
    (threads(&document), off)
}

#[test]
fn threads_by_number_and_by_name() {
    let Some(contend) = ready() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = build(folder.path(), "-DRECORDED") else {
        return;
    };
    let start = || Naps::start(&mut Command::new(&program));
    let mut naps = start();
    let tid = naps.tids["nap-b"].to_string();
    let (found, off) = recorded(&contend, folder.path(), &["-a", "--tid", &tid], &mut naps);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["nap-b"]);
    agrees("nap-b", found["nap-b"], off["nap-b"]);

    let mut naps = start();
    let options = ["-a", "--comm", "nap-c,nap-a"];
    let (found, off) = recorded(&contend, folder.path(), &options, &mut naps);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["nap-a", "nap-c"]);
    agrees("nap-a", found["nap-a"], off["nap-a"]);
    agrees("nap-c", found["nap-c"], off["nap-c"]);

    // Both must hold.
    let mut naps = start();
    let pid = naps.pid().to_string();
    let options = ["-p", &pid, "--comm", "nap-a,no-such-name"];
    let (found, off) = recorded(&contend, folder.path(), &options, &mut naps);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["nap-a"]);
    agrees("nap-a", found["nap-a"], off["nap-a"]);
}

/// A folder of the cgroup tree, and one in it.
struct Cgroup(PathBuf);

impl Cgroup {
    /// Nothing, and a reason, where there is no tree that one may write to.
    fn make() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let root = mounts.lines().find_map(|line| {
            let mut words = line.split(' ');
            let folder = words.nth(1)?;
            (words.next() == Some("cgroup2")).then(|| PathBuf::from(folder))
        });
        let Some(root) = root else {
            skipped("no unified tree of cgroups is mounted here");
            return None;
        };
        let path = root.join(format!("contend-test-{}", std::process::id()));
        if let Err(error) = fs::create_dir_all(path.join("inner")) {
            skipped(&format!("{}: {error}", path.display()));
            return None;
        }
        Some(Self(path))
    }

    /// Moves a process into the folder in the folder.
    fn take(&self, pid: u32) -> bool {
        let moved = fs::write(self.0.join("inner/cgroup.procs"), pid.to_string());
        if let Err(error) = &moved {
            skipped(&format!("no process can be moved here: {error}"));
        }
        moved.is_ok()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for path in [self.0.join("inner"), self.0.clone()] {
            // Until its processes are gone it is busy.
            for _ in 0..500 {
                if fs::remove_dir(&path).is_ok() || !path.exists() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
    }
}

#[test]
fn a_cgroup_and_what_is_below_it() {
    let Some(contend) = ready() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = build(folder.path(), "-DRECORDED") else {
        return;
    };
    // Declared first, so that it goes away last.
    let Some(cgroup) = Cgroup::make() else {
        return;
    };
    let mut inside = Naps::start(&mut Command::new(&program));
    let mut outside = Naps::start(&mut Command::new(&program));
    if !cgroup.take(inside.pid()) {
        return;
    }
    let path = cgroup.0.to_str().unwrap().to_owned();
    let args = [
        "offcpu",
        "-a",
        "--min-block",
        "0",
        "-o",
        "x.tar.zst",
        "--cgroup",
        &path,
    ];
    let (off, _) = record(folder.path(), &args, || {
        outside.sleep();
        inside.sleep()
    });
    let document = waits(&contend, &folder.path().join("x.tar.zst"));
    for thread in document["threads"].as_array().unwrap() {
        assert_eq!(thread["pid"], inside.pid(), "{thread}");
    }
    let found = threads(&document);
    for (name, own) in off {
        agrees(&name, found[&name], own);
    }
}

/// A filter that cannot work must not end in a recording of everybody.
#[test]
fn filters_that_cannot_work_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().to_str().unwrap();
    let many = vec!["1"; 5000].join(",");
    for (options, says) in [
        (["--cgroup", "/no/such/cgroup"], "no such cgroup"),
        (["--cgroup", text], "not a cgroup"),
        (["--tid", "4190000000"], "no such thread"),
        (["--tid", &many], "at most"),
        (["--comm", &many], "at most"),
    ] {
        for what in ["offcpu", "all"] {
            let output = recorder()
                .args([what, "-a", "--for", "1s"])
                .args(options)
                .current_dir(&folder)
                .output()
                .unwrap();
            let line = refusal(&output);
            assert!(line.contains(says), "{line}");
            assert!(line.contains(options[0]), "{line}");
        }
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_thread_is_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        // SAFETY: takes nothing.
        tell.send(unsafe { libc::gettid() }).unwrap();
        let _ = ended.recv();
    });
    let tid = told.recv().unwrap().to_string();
    let output = recorder()
        .args(["all", "-p", &tid, "--for", "1s"])
        .current_dir(&folder)
        .output()
        .unwrap();
    let line = refusal(&output);
    drop(end);
    thread.join().unwrap();
    let pid = std::process::id();
    assert!(
        line.contains(&format!("-p {tid} is a thread of process {pid}")),
        "{line}"
    );
    assert!(names(folder.path()).is_empty());
}

/// Who gives an option that has no effect would take the capture for another.
#[test]
fn options_without_effect_are_refused() {
    for (words, says) in [
        ("cpu --tid 1", "--tid has no effect on cpu"),
        ("cpu --min-block 1ms", "it concerns offcpu, all"),
        ("cpu -c 1000", "-c has no effect on cpu"),
        ("cpu --ldlat 30", "c2c, spe, all"),
        ("spe -F 99", "-F has no effect on spe"),
        ("spe --call-graph fp", "--call-graph has no effect on spe"),
        ("c2c --cgroup /", "--cgroup has no effect on c2c"),
        ("offcpu -F 99", "-F has no effect on offcpu"),
        ("offcpu --call-graph dwarf", "frame pointers only"),
        ("offcpu --call-graph none", "frame pointers only"),
    ] {
        let mut args: Vec<_> = words.split(' ').collect();
        args.extend(["-a", "--for", "1s"]);
        let line = refusal(&run(args));
        assert!(line.contains(says), "{line}");
    }
}

/// More processes than the kernel's table of them has room for, one behind the other.
#[test]
fn any_number_of_children_is_followed() {
    let Some(contend) = ready() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("many.c");
    fs::write(
        &source,
        "#define _GNU_SOURCE\n#include <stdio.h>\n#include <sys/wait.h>\n#include <time.h>\n#include <unistd.h>\n\
         static unsigned long long now(clockid_t c) { struct timespec t; clock_gettime(c, &t);\n\
           return t.tv_sec * 1000000000ull + t.tv_nsec; }\n\
         int main(void) {\n\
           for (int i = 0; i < 17000; i++) {\n\
             pid_t p = vfork(); if (!p) _exit(0); waitpid(p, 0, 0); }\n\
           pid_t p = fork();\n\
           if (!p) {\n\
             unsigned long long a = now(CLOCK_MONOTONIC), r = now(CLOCK_THREAD_CPUTIME_ID);\n\
             for (int i = 0; i < 40; i++) usleep(3000);\n\
             r = now(CLOCK_THREAD_CPUTIME_ID) - r; a = now(CLOCK_MONOTONIC) - a;\n\
             printf(\"%d %llu\\n\", getpid(), a - r); fflush(stdout); _exit(0); }\n\
           waitpid(p, 0, 0); return 0; }\n",
    )
    .unwrap();
    let program = folder.path().join("many");
    if !compile(&source, &program, "-DRECORDED") {
        return;
    }
    let bundle = folder.path().join("x.tar.zst");
    let output = recorder()
        .args(["offcpu", "-o"])
        .arg(&bundle)
        .arg("--")
        .arg(&program)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(!said(&output).contains("not followed"), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let (pid, own) = text.trim().split_once(' ').unwrap();
    let pid: u32 = pid.parse().unwrap();
    let document = waits(&contend, &bundle);
    let threads = document["threads"].as_array().unwrap();
    let thread = threads
        .iter()
        .find(|thread| thread["tid"] == pid)
        .unwrap_or_else(|| panic!("the last process is missing: {threads:?}"));
    agrees(
        "the last process",
        thread["total_ns"].as_u64().unwrap(),
        own.parse().unwrap(),
    );
}
