//! Captures of known content: what was planted in them, what perf 7.2 prints of
//! them, and where perf is wrong. They do not live in this repository.

mod announced;
mod perf;
mod truth;
mod wrong;

use super::SpeTrace;
use super::op::{Attribution, SpeOp};
use super::sums::SpeSums;
use crate::capture::Capture;
use crate::memory::Class;
use contend_perfdata::{CpuMode, OpClass};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The captures whose records are all intact.
const INTACT: [&str; 8] = [
    "n1-v1meta",
    "v1-contexts",
    "v1-bare",
    "v2-newbits",
    "n3-unknown-mixed-ops",
    "ampereone",
    "hip12",
    "biglittle-no-contexts",
];

/// An operation without what it borrows.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    time: Option<u64>,
    cpu: u32,
    pid: i32,
    tid: i32,
    by: Attribution,
    mode: CpuMode,
    ip: u64,
    addr: u64,
    phys_addr: u64,
    is_load: bool,
    is_store: bool,
    is_branch: bool,
    is_atomic: bool,
    is_perf_memory: bool,
    op_class: OpClass,
    events: u64,
    code: Option<u16>,
    core: String,
    latencies: [u64; 3],
    data_src: u64,
    class: Option<Class>,
}

impl Plain {
    fn new(op: &SpeOp<'_>) -> Self {
        let cycles = |latency: Option<u16>| u64::from(latency.unwrap_or(0));
        Self {
            time: op.time,
            cpu: op.cpu,
            pid: op.pid,
            tid: op.tid,
            by: op.by,
            mode: op.mode,
            ip: op.ip,
            addr: op.addr,
            phys_addr: op.phys_addr,
            is_load: op.operation.is_load(),
            is_store: op.operation.is_store(),
            is_branch: op.operation.is_branch(),
            is_atomic: op.operation.is_atomic(),
            is_perf_memory: op.is_perf_memory(),
            op_class: op.operation.op_class(),
            events: op.events,
            code: op.code,
            core: op.core.name().to_string(),
            latencies: [op.total, op.issue, op.translation].map(cycles),
            data_src: op.perf_src.0,
            class: op.class(),
        }
    }
}

/// A decoded capture with its truth.
struct Decoded {
    name: &'static str,
    truth: Value,
    ops: Vec<Plain>,
    sums: SpeSums,
    trace: SpeTrace,
    capture: Capture,
    folder: PathBuf,
    _file: tempfile::NamedTempFile,
}

/// The folder of the captures; says so where it is absent.
fn folder() -> Option<PathBuf> {
    let shared = match std::env::var_os("CONTEND_SHARED") {
        Some(named) => PathBuf::from(named),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    let folder = shared.join("captures/spe-synthetic");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("CONTEND_SHARED").is_none(),
        "{} is absent",
        folder.display()
    );
    // Not with println!, which the runner swallows when a test passes.
    drop(writeln!(
        std::io::stderr(),
        "skipped: ../shared/captures/spe-synthetic is absent"
    ));
    None
}

/// The bytes of a file that may be compressed.
fn bytes(path: &Path) -> Vec<u8> {
    if path.exists() {
        return std::fs::read(path).unwrap();
    }
    let mut packed = path.as_os_str().to_owned();
    packed.push(".xz");
    let output = Command::new("xz")
        .args(["--decompress", "--stdout"])
        .arg(&packed)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", path.display());
    output.stdout
}

fn decoded(name: &'static str, threads: usize) -> Option<Decoded> {
    let folder = folder()?;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let capture = bytes(&folder.join(format!("{name}.perf.data")));
    file.write_all(&capture).unwrap();
    let truth = bytes(&folder.join(format!("{name}.truth.json")));
    let truth = serde_json::from_slice(&truth).unwrap();
    let capture = Capture::open(file.path(), threads, 1 << 20).unwrap();
    let trace = SpeTrace::gather(&capture).unwrap().unwrap();
    let (states, sums) = trace
        .each(&capture, Vec::new, |ops, op| {
            ops.push((op.at.pos, Plain::new(op)));
        })
        .unwrap();
    let mut ops: Vec<(u64, Plain)> = states.into_iter().flatten().collect();
    ops.sort_unstable_by_key(|(pos, _)| *pos);
    let ops = ops.into_iter().map(|(_, op)| op).collect();
    Some(Decoded {
        name,
        truth,
        ops,
        sums,
        trace,
        capture,
        folder,
        _file: file,
    })
}

impl Decoded {
    /// The lines of `perf script`, as (cpu, tid, ns, data address, instruction,
    /// weight, data source).
    fn script(&self) -> Vec<Line> {
        let name = format!("{}.script.perf7.2.txt", self.name);
        let text = String::from_utf8(bytes(&self.folder.join(name))).unwrap();
        let lines = text.lines().filter(|line| line.contains("|OP "));
        lines.map(line).collect()
    }

    /// What perf takes for memory samples, in the same form.
    fn memory(&self) -> Vec<Line> {
        let memory = self.ops.iter().filter(|op| op.is_perf_memory);
        let lines = memory.map(|op| Line {
            cpu: op.cpu,
            tid: op.tid,
            ns: op.time.unwrap_or(0),
            addr: op.addr,
            ip: op.ip,
            weight: op.latencies[0],
            data_src: op.data_src,
        });
        lines.collect()
    }
}

/// One memory sample as `perf script` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    cpu: u32,
    tid: i32,
    ns: u64,
    addr: u64,
    ip: u64,
    weight: u64,
    data_src: u64,
}

/// `4242 [000]  5999.900002400: ffff600ecfa8 688200842 |OP LOAD|...|BLK  N/A 105 aaaad019bbdc`
fn line(text: &str) -> Line {
    let (front, behind) = text.split_once("|OP ").unwrap();
    let front: Vec<&str> = front.split_whitespace().collect();
    let [tid, cpu, time, addr, data_src] = front[..] else {
        panic!("{text}")
    };
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let (seconds, nanos) = time.trim_end_matches(':').split_once('.').unwrap();
    let behind = behind.rsplit_once('|').unwrap().1;
    let mut behind = behind.split_whitespace().rev();
    Line {
        cpu: cpu.trim_matches(['[', ']']).parse().unwrap(),
        tid: tid.parse().unwrap(),
        ns: seconds.parse::<u64>().unwrap() * 1_000_000_000 + nanos.parse::<u64>().unwrap(),
        addr: hex(addr),
        ip: hex(behind.next().unwrap()),
        weight: behind.next().unwrap().parse().unwrap(),
        data_src: hex(data_src),
    }
}

/// What is in one list and not in the other, both ways.
fn difference<T: Ord + Clone>(ours: &[T], theirs: &[T]) -> (Vec<T>, Vec<T>) {
    let mut counts: BTreeMap<T, i64> = BTreeMap::new();
    for line in ours {
        *counts.entry(line.clone()).or_default() += 1;
    }
    for line in theirs {
        *counts.entry(line.clone()).or_default() -= 1;
    }
    let (mut only_ours, mut only_theirs) = (Vec::new(), Vec::new());
    for (line, count) in counts {
        let list = if count > 0 {
            &mut only_ours
        } else {
            &mut only_theirs
        };
        list.extend((0..count.unsigned_abs()).map(|_| line.clone()));
    }
    (only_ours, only_theirs)
}
