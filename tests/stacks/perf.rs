//! Stacks as `perf script` prints them, and the comparison with ours.

use crate::Counted;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

/// What perf prints of an event of a capture. Nothing when it does not read the
/// capture. With a folder that looks like the recording machine's root, binaries
/// are taken from there, and kernel frames are left out: perf would name them by
/// this machine's kernel.
pub(crate) fn script(capture: &Path, event: &str, root: Option<&Path>) -> Option<Counted> {
    let mut command = Command::new("perf");
    command
        // Its cache is where the capture is, if it has one.
        .env("HOME", capture.parent().unwrap())
        .args(["script", "--no-inline", "-F", "comm,event,ip,sym,dso", "-i"])
        .arg(capture)
        .stdin(Stdio::null());
    if let Some(root) = root {
        command.arg("--symfs").arg(root);
    }
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut counted = Counted::new();
    for sample in text.split("\n\n") {
        let mut lines = sample.trim_matches('\n').lines();
        // `name of the thread event: `
        let head = lines.next().map_or("", str::trim_end);
        let comm = head
            .strip_suffix(':')
            .and_then(|head| head.strip_suffix(event));
        let Some(comm) = comm else { continue };
        let mut stack: Vec<String> = lines
            .filter_map(frame)
            .filter(|(_, is_kernel)| root.is_none() || !is_kernel)
            .map(|(name, _)| name)
            .collect();
        // What is cut and counted here: callers at which no code is.
        while stack.len() > 1 && stack.last().is_some_and(|frame| frame == "[unknown]") {
            stack.pop();
        }
        stack.push(comm.trim().to_owned());
        stack.reverse();
        *counted.entry(stack).or_default() += 1;
    }
    Some(counted)
}

/// What perf prints of a recording of `cpu-clock` where it was made: perfs call
/// the event differently.
pub(crate) fn live_script(capture: &Path) -> Counted {
    let names = ["cpu-clock", "cpu-clock:ppp", "cpu-clock:pppH"];
    let all = names
        .iter()
        .filter_map(|event| script(capture, event, None));
    all.max_by_key(|stacks| stacks.len()).unwrap()
}

/// `55d0 name (/path/binary)`: what to call it, and whether it is the kernel's.
fn frame(line: &str) -> Option<(String, bool)> {
    let (_, rest) = line.trim_start().split_once(' ')?;
    let (name, binary) = rest.rsplit_once(" (")?;
    let binary = binary.trim_end_matches(')').trim_end_matches("_text");
    let binary = binary.rsplit('/').next().unwrap_or(binary);
    let is_kernel = binary.starts_with('[') && !["[vdso]", "[unknown]"].contains(&binary);
    let name = match name {
        "[unknown]" if binary == "[unknown]" => "[unknown]".to_owned(),
        "[unknown]" => format!("{binary}+"),
        name => plain(name),
    };
    Some((name, is_kernel))
}

/// A name without what perf's demangler leaves out: parameters; and without
/// the version of a symbol.
fn plain(name: &str) -> String {
    // `free@@GLIBC_2.2.5`, `cfree@GLIBC_2.2.5`, but `free@plt`.
    let version = name.split_once('@').filter(|(_, end)| *end != "plt");
    let name = version.map_or(name, |(name, _)| name);
    let name = name.split(" [clone").next().unwrap_or(name);
    let name = name.trim_end_matches(" const");
    if name == "_dl_start_user" {
        // In the dynamic linker, the label behind the call in `_start`. perf looks
        // callers up where they go on, we look them up at the call.
        return "_start".to_owned();
    }
    let mut depth = 0;
    let mut end = name.len();
    // The last pair of brackets; `operator()` has them in its name.
    for (at, c) in name.char_indices().rev() {
        match c {
            ')' => depth += 1,
            '(' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            end = if c == '(' { at } else { end };
            break;
        }
    }
    let name = name[..end].trim_end();
    match name.is_empty() {
        true => "operator()".to_owned(),
        false => name.to_owned(),
    }
}

/// Our stacks as perf would print them.
fn as_perf(ours: &Counted) -> Counted {
    let mut counted = Counted::new();
    for (stack, samples) in ours {
        let frames = stack
            .iter()
            .enumerate()
            .map(|(index, frame)| match frame.split_once("+0x") {
                _ if index == 0 => frame.clone(),
                Some((binary, _)) => format!("{binary}+"),
                None => plain(frame),
            });
        *counted.entry(frames.collect()).or_default() += samples;
    }
    counted
}

/// How many frames perf has, and how many of them are the same here, among
/// stacks that perf and we can both know; and what differs.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) frames: u64,
    pub(crate) equal: u64,
    /// Samples with code in the vdso: perf has it in its own cache, and unwinds
    /// it by what it finds there or not at all.
    pub(crate) in_vdso: u64,
    /// Samples in the linker's stubs (`getppid@plt`). Before 6.3 perf names them by their
    /// order, or after the symbol in front (`_init`), which may be another one.
    pub(crate) in_stubs: u64,
    /// Samples in `clone3` or the kernel below it: unwinding from copies perf ends at it
    /// (the thread that begins there has no caller), we go on to who made the thread.
    /// How many there are is chance, and each has many frames.
    pub(crate) in_clone: u64,
    pub(crate) differences: Vec<String>,
}

impl Comparison {
    /// Says what it came to. Of a thousand frames one may differ, and of the samples one
    /// in a hundred may be in stubs.
    pub(crate) fn assert_agrees(&self, what: &str, samples: u64) {
        let differ = match self.differences.is_empty() {
            true => "",
            false => "; differ:\n",
        };
        eprintln!(
            "{what}: {} of {} frames equal, {} samples in stubs{differ}{}",
            self.equal,
            self.frames,
            self.in_stubs,
            self.differences.join("\n")
        );
        assert!(self.in_stubs * 100 < samples, "{what}: {}", self.in_stubs);
        assert!(self.equal * 1000 >= self.frames * 999, "{what}: {self:#?}");
    }
}

/// Compares stacks; those through the vdso only where both have it.
pub(crate) fn compare(perf: &Counted, ours: &Counted, vdso: bool) -> Comparison {
    let ours = as_perf(ours);
    let mut found = Comparison::default();
    let is_vdso = |stack: &Vec<String>| {
        let clocks = ["__vdso_clock_gettime", "[vdso]+"];
        stack.iter().any(|frame| clocks.contains(&frame.as_str()))
    };
    let all: BTreeSet<&Vec<String>> = perf.keys().chain(ours.keys()).collect();
    for stack in all {
        let [perfs, our] = [perf, &ours].map(|all| all.get(stack).copied().unwrap_or(0));
        if !vdso && is_vdso(stack) {
            found.in_vdso += perfs;
            continue;
        }
        let is_stub = |frame: &String| frame.ends_with("@plt") || frame == "_init";
        if stack.iter().any(is_stub) {
            found.in_stubs += perfs;
            continue;
        }
        let is_entry = |frame: &String| {
            let entries = ["entry_SYSCALL_64", "el0t_64_sync"];
            entries.iter().any(|entry| frame.starts_with(entry))
        };
        let below = stack.iter().position(|frame| frame == "clone3");
        if below.is_some_and(|at| stack.get(at + 1).is_none_or(is_entry)) {
            found.in_clone += perfs;
            continue;
        }
        let frames = stack.len() as u64 - 1;
        found.frames += frames * perfs;
        found.equal += frames * perfs.min(our);
        if perfs != our {
            let stack = stack.join(";");
            found
                .differences
                .push(format!("perf {perfs}, ours {our}: {stack}"));
        }
    }
    found
}
