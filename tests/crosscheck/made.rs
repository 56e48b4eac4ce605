//! Code that programs make while they run, recorded here and now, against what
//! `perf script` prints on the spot.

use crate::common::skipped;
use contend::{Capture, SymbolSources, name_all_code};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// It runs for a time of its processor, so that a busy machine makes as many samples.
const PROGRAM: &str = "
function mix(a, b) { let s = 0; for (let i = 0; i < 200; i++) s = (s * 31 + a * i + b) % 1000003; return s; }
class Ledger {
  constructor() { this.m = new Map(); }
  post(k, v) { this.m.set(k, mix(k, v)); }
  sum() { let t = 0; for (const v of this.m.values()) t += v; return t; }
}
const ledger = new Ledger(); let n = 0;
while (process.cpuUsage().user < 1200000) { for (let i = 0; i < 500; i++) ledger.post(i, n); n += ledger.sum() % 7; }
console.log(process.pid);
";

fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(text)
}

/// Node.js with its list of functions: the same names as perf for every address.
/// A name without what is in brackets.
fn outline(name: &str) -> String {
    let mut depth = 0u32;
    let mut text = String::new();
    for c in name.chars() {
        match c {
            '<' | '(' | '{' => depth += 1,
            '>' | ')' | '}' => depth = depth.saturating_sub(1),
            c if depth == 0 => text.push(c),
            _ => {}
        }
    }
    text
}

#[test]
fn a_list_of_functions_names_them_as_perf_does() {
    let scratch = tempfile::tempdir().unwrap();
    let (program, file) = (
        scratch.path().join("w.js"),
        scratch.path().join("perf.data"),
    );
    std::fs::write(&program, PROGRAM).unwrap();
    let mut record = Command::new("perf");
    // V8 leaves a log of its own where it runs.
    record
        .current_dir(scratch.path())
        .args(["record", "-q", "-e", "cpu-clock:u", "-F", "999", "-o"])
        .arg(&file)
        .args(["node", "--perf-basic-prof"])
        .arg(&program);
    let Some(printed) = output(&mut record) else {
        return skipped("no perf that records, or no node");
    };
    let name = format!("perf-{}.map", printed.trim());
    let list = Path::new("/tmp").join(&name);
    // perf looks where the program left it, contend where the user says.
    let mut script = Command::new("perf");
    script.args(["script", "-F", "ip,sym", "-i"]).arg(&file);
    let theirs = output(&mut script);
    let folder = scratch.path().join("symbols");
    std::fs::create_dir(&folder).unwrap();
    let copied = std::fs::copy(&list, folder.join(&name));
    drop(std::fs::remove_file(&list));
    let (Some(theirs), Ok(_)) = (theirs, copied) else {
        return skipped("node left no list, or perf does not print");
    };

    let mut capture = Capture::open(&file, 1, contend_perfdata::DEFAULT_CHUNK).unwrap();
    let mut sources = SymbolSources {
        enabled: true,
        folders: vec![folder],
        ..SymbolSources::default()
    };
    let ours = name_all_code(&mut capture, &sources).unwrap();
    let ours: BTreeMap<u64, (&str, &str)> = ours
        .code
        .iter()
        .map(|code| {
            (
                code.address,
                (&*code.path, code.function.as_deref().unwrap_or("[unknown]")),
            )
        })
        .collect();
    let (mut made, mut compiled, mut differences) = (0, 0, Vec::new());
    for line in theirs.lines() {
        let (address, perfs) = line.trim().split_once(' ').unwrap();
        let address = u64::from_str_radix(address, 16).unwrap();
        let Some(&(path, own)) = ours.get(&address) else {
            continue;
        };
        let is_file = path.starts_with('/') && !path.starts_with("//");
        let (count, is_same) = if is_file {
            // Older perfs leave out parameters and what is returned; all show
            // the versions of symbols.
            let is_stub = perfs.contains("@plt");
            let perfs = perfs.trim().split('@').next().unwrap();
            // Demanglers spell lambdas in arguments of templates differently.
            let is_same = own.contains(perfs) || outline(own).contains(&outline(perfs));
            // Before 6.3 perf may take one stub for another: it goes by their order.
            let is_stub = own.ends_with("@plt") && is_stub;
            (&mut compiled, is_same || is_stub)
        } else {
            (&mut made, own == perfs.trim())
        };
        *count += 1;
        if !is_same {
            differences.push(format!("{address:x} {path}: {own}, perf {perfs}"));
        }
    }
    println!("{made} samples in made code, {compiled} in files");
    assert!(made > 100, "{theirs}");
    let share = differences.len() as f64 / f64::from(made + compiled);
    assert!(share <= 0.001, "{differences:#?}");
    let is_named = |start: &str| ours.values().any(|(_, name)| name.contains(start));
    assert!(is_named("mix ") && is_named("post "), "{ours:?}");

    // Nobody named a folder, so nothing is known of it.
    sources.folders.clear();
    let mut capture = Capture::open(&file, 1, contend_perfdata::DEFAULT_CHUNK).unwrap();
    let unnamed = name_all_code(&mut capture, &sources).unwrap();
    let mut functions = unnamed
        .code
        .iter()
        .filter_map(|code| code.function.as_deref());
    assert!(!functions.any(|name| name.contains("mix ")));
}
