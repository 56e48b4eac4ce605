//! A command with all that it started.

use std::collections::BTreeSet;
use std::process::Child;

/// Kills the command, what it started and what that started: a part of a pipeline that
/// lives on takes the end of its input for the end of a whole bundle.
///
/// They are not a process group of their own, as only the group of the terminal may ask
/// it for a password.
pub(super) fn kill(child: &Child) {
    let mut family = BTreeSet::from([child.id()]);
    signal(child.id(), libc::SIGSTOP);
    // Who is stopped starts nothing more, and its children, of whom nobody takes note now,
    // keep their numbers.
    loop {
        let found = children(&family);
        if found.is_empty() {
            break;
        }
        for &pid in &found {
            signal(pid, libc::SIGSTOP);
        }
        family.extend(found);
    }
    for &pid in &family {
        signal(pid, libc::SIGKILL);
    }
}

/// The children of `family` that are not in it.
fn children(family: &BTreeSet<u32>) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_new = |pid: &u32| {
        !family.contains(pid) && parent(*pid).is_some_and(|parent| family.contains(&parent))
    };
    numbers.filter(is_new).collect()
}

/// The parent of a process: proc_pid_stat(5), behind the name, which may have anything in it.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let fields = stat.rsplit_once(") ")?.1;
    fields.split(' ').nth(1)?.parse().ok()
}

fn signal(pid: u32, signal: libc::c_int) {
    // SAFETY: kill(2) takes no pointer. The child was not waited for, so that no number is
    // another process's by now.
    unsafe {
        libc::kill(pid.cast_signed(), signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};

    #[test]
    fn what_a_command_started_ends_with_it() {
        let mut child = Command::new("sh")
            .args([
                "-c",
                "(sh -c 'echo one; sleep 1000'; :) & echo two; sleep 1000",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        for _ in 0..2 {
            output.read_line(&mut String::new()).unwrap();
        }
        kill(&child);
        child.wait().unwrap();
        // All of them had it open for writing.
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}
