//! Without root.

use super::can_collect;
use super::child;
use crate::support::{install, skipped};
use std::os::unix::fs::PermissionsExt;

/// Runs the recorder as `nobody` with these capabilities; what it says.
fn as_nobody(capabilities: &str) -> Option<String> {
    // Where nobody comes, whatever TMPDIR is.
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let program = folder.path().join("recorder");
    install(&std::env::current_exe().unwrap(), &program);
    let inherited = format!("--inh-caps={capabilities}");
    let ambient = format!("--ambient-caps={capabilities}");
    let before = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        &inherited,
        &ambient,
    ];
    let file = folder.path().join("offcpu.perf.data");
    let mut child = match child::command(&program, &before, &file).spawn() {
        Ok(child) => child,
        Err(error) => {
            skipped(&format!("setpriv: {error}"));
            return None;
        }
    };
    let said = child::started(&mut child);
    drop(child.stdin.take());
    child.wait().unwrap();
    if said.starts_with("started") {
        assert!(file.metadata().unwrap().len() > 1000);
    } else {
        assert!(!file.exists(), "a refused recording leaves no file");
    }
    Some(said)
}

#[test]
fn two_capabilities_suffice() {
    if !can_collect() {
        return;
    }
    if let Some(said) = as_nobody("-all,+bpf,+perfmon") {
        assert!(said.starts_with("started"), "{said}");
    }
}

#[test]
fn without_them_one_line_says_what_to_do() {
    if !can_collect() {
        return;
    }
    for capabilities in ["-all", "-all,+bpf"] {
        if let Some(said) = as_nobody(capabilities) {
            assert!(said.starts_with("refused"), "{said}");
            assert!(said.contains("CAP_BPF and CAP_PERFMON"), "{said}");
        }
    }
}
