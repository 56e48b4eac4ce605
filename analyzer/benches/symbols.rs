//! Names for many addresses of big binaries, and what the addr2line crate alone
//! takes for the same addresses.
//!
//! ```text
//! cargo bench -p contend --bench symbols -- [--addresses N] [--runs N] BINARY...
//! ```
//! `tests/bench/symbols-vs-addr2line.sh` makes the binaries and runs it. Without
//! binaries there is nothing to time. For each binary a capture is written with a
//! sample at each of N addresses, spread evenly over its functions. Timed are
//!
//! * addr2line: `Loader` (which maps the file) and `find_frames` on the sorted
//!   list, names demangled, each line written as text;
//! * contend: [`name_all_code`] on the open capture: both walks, the address
//!   space, finding the binary by build-id, and all names.
//!
//! The functions, inlined functions and lines of both are compared first.
#![allow(clippy::unwrap_used, missing_docs)]

use addr2line::Loader;
use contend::{AllCode, Capture, SymbolSources, name_all_code};
use contend_fixtures::{
    Attr, ByteOrder, Container, CpuMode, Event, FileId, Record, Sample, Stream, Timed, Trailer,
    sample_type as st, wrap,
};
use contend_perfdata::DEFAULT_CHUNK;
use object::{Object, ObjectSegment, ObjectSymbol, SegmentFlags, SymbolKind, elf};
use std::fmt::Write;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

const PID: u32 = 4100;
/// Where the first binary is loaded; each has its own stretch.
const BASE: u64 = 0x5500_0000_0000;
const STRETCH: u64 = 0x1_0000_0000;
/// The longest that contend may take, in times of addr2line.
const MOST_RATIO: f64 = 1.5;
/// The least part of the gain of addr2line with a thread a binary that contend must
/// have.
const LEAST_SHARE: f64 = 0.75;

struct Binary {
    path: PathBuf,
    build_id: Vec<u8>,
    /// Address, offset in the file and size of the segment with code.
    code: (u64, u64, u64),
    /// Sorted addresses as stated in the file.
    addresses: Vec<u64>,
}

impl Binary {
    fn open(path: &Path, count: usize) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let file = object::File::parse(&*bytes).unwrap();
        let build_id = file.build_id().unwrap().expect("has a build-id").to_vec();
        let mut segments = file.segments().filter(|segment| {
            matches!(segment.flags(), SegmentFlags::Elf { p_flags, .. } if p_flags.contains(elf::PF_X))
        });
        let segment = segments.next().unwrap();
        let code = (segment.address(), segment.file_range().0, segment.size());
        let mut functions: Vec<(u64, u64)> = file
            .symbols()
            .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
            .map(|symbol| (symbol.address(), symbol.size()))
            .filter(|&(start, size)| start >= code.0 && start + size <= code.0 + code.2)
            .collect();
        functions.sort_unstable();
        functions.dedup_by_key(|&mut (start, _)| start);
        let total: u64 = functions.iter().map(|&(_, size)| size).sum();
        let step = (total / count as u64).max(1);
        let (mut addresses, mut next, mut passed) = (Vec::with_capacity(count), 0, 0);
        for (start, size) in functions {
            while next < passed + size && addresses.len() < count {
                addresses.push(start + next - passed);
                next += step;
            }
            passed += size;
        }
        addresses.sort_unstable();
        addresses.dedup();
        Self {
            path: path.canonicalize().unwrap(),
            build_id,
            code,
            addresses,
        }
    }
}

/// A capture with one sample an address.
fn capture(binaries: &[Binary]) -> Vec<u8> {
    let attr = Attr {
        sample_type: st::IP | st::TID | st::TIME,
        ..contend_fixtures::demo().capture.stream.events[0]
            .attr
            .clone()
    };
    let order = ByteOrder::Little;
    let mut time = 1_000_000;
    let mut timed = Vec::new();
    let mut push = |bytes| {
        time += 1;
        let (time, cpu) = (time, 0);
        timed.push(Timed { time, cpu, bytes });
    };
    for (binary, base) in binaries.iter().zip((BASE..).step_by(STRETCH as usize)) {
        let (address, offset, size) = binary.code;
        let page = address % 4096;
        let map = Record::Mmap2 {
            pid: PID,
            tid: PID,
            start: base + address - page,
            len: size + page,
            pgoff: offset - page,
            id: FileId::BuildId(binary.build_id.clone()),
            prot: 5,
            flags: 2,
            name: binary.path.to_str().unwrap().to_owned(),
        };
        let trailer = Trailer {
            pid: PID,
            tid: PID,
            time: 1_000_000,
            ..Trailer::default()
        };
        push(map.encode(order, &attr, &trailer));
        for &svma in &binary.addresses {
            let sample = Sample {
                misc: CpuMode::User.bits(),
                ip: base + svma,
                pid: PID,
                tid: PID,
                time: 2_000_000,
                ..Sample::default()
            };
            push(sample.encode(order, &attr));
        }
    }
    let stream = Stream {
        order,
        events: vec![Event {
            attr,
            name: "cycles".to_owned(),
            ids: vec![1],
        }],
        prologue: Vec::new(),
        timed,
        round_ns: 1_000_000_000,
        features: Vec::new(),
    };
    wrap(&stream, Container::File, false).unwrap()
}

/// A name as contend shows it.
fn demangled(name: &str) -> String {
    match rustc_demangle::try_demangle(name) {
        Ok(name) => format!("{name:#}"),
        Err(_) => addr2line::demangle_auto(name.into(), None).into_owned(),
    }
}

/// What addr2line says, a line a frame.
fn theirs(binary: &Binary) -> Vec<String> {
    looked_up(binary, demangled)
}

/// What it says without demangling.
fn mangled(binary: &Binary) -> Vec<String> {
    looked_up(binary, str::to_owned)
}

fn looked_up(binary: &Binary, named: impl Fn(&str) -> String) -> Vec<String> {
    let loader = Loader::new(&binary.path).unwrap();
    let each = binary.addresses.iter().map(|&address| {
        let mut text = String::new();
        let mut frames = loader.find_frames(address).unwrap();
        while let Some(frame) = frames.next().unwrap() {
            let name = frame.function.as_ref().map(|name| name.raw_name().unwrap());
            text += &name.map_or("??".into(), |name| named(&name));
            if let Some(location) = frame.location
                && let (Some(file), Some(line)) = (location.file, location.line)
                && line > 0
            {
                write!(text, " {file}:{line}").unwrap();
            }
            text.push('\n');
        }
        text
    });
    each.collect()
}

fn ours(capture: &Path, threads: usize) -> AllCode {
    let mut capture = Capture::open(capture, threads, DEFAULT_CHUNK).unwrap();
    let sources = SymbolSources {
        enabled: true,
        ..SymbolSources::default()
    };
    name_all_code(&mut capture, &sources).unwrap()
}

/// The least time of each of some works in seconds. They take turns, so that what
/// else the machine does meets all of them.
fn best<const N: usize>(runs: usize, works: [&dyn Fn(); N]) -> [f64; N] {
    let mut best = [f64::INFINITY; N];
    for _ in 0..runs {
        for (best, work) in best.iter_mut().zip(works) {
            let begin = Instant::now();
            work();
            *best = best.min(begin.elapsed().as_secs_f64());
        }
    }
    best
}

fn compare(binaries: &[Binary], all: &AllCode) {
    assert_eq!(all.missing, Vec::<String>::new());
    let expected = binaries.iter().flat_map(theirs);
    let count: usize = binaries.iter().map(|binary| binary.addresses.len()).sum();
    assert_eq!(all.code.len(), count);
    let mut named = 0;
    for (ours, theirs) in all.code.iter().zip(expected) {
        let mut text = String::new();
        for (function, source) in &ours.frames {
            text += function.as_deref().unwrap_or("??");
            if let Some(source) = source {
                write!(text, " {source}").unwrap();
            }
            text.push('\n');
        }
        // contend words these as binutils do.
        let is_worded = |name: &str| {
            [
                "std::basic_i",
                "std::istream",
                "std::iostream",
                "std::ostream",
                "thunk",
                "std::string",
            ]
            .iter()
            .any(|part| name.contains(part))
        };
        let is_same = text == theirs
            || is_worded(&theirs)
                && text.lines().zip(theirs.lines()).all(|(ours, theirs)| {
                    ours == theirs
                        || is_worded(theirs) && ours.rsplit(' ').next() == theirs.rsplit(' ').next()
                })
                && text.lines().count() == theirs.lines().count();
        assert!(
            is_same,
            "at {:#x} of {}:\n{text}\n{theirs}",
            ours.address, ours.path
        );
        assert!(ours.behind.is_some(), "the symbol table has {ours:?}");
        named += usize::from(!ours.frames.is_empty());
    }
    println!("  {count} addresses, {named} with debug information: the same answers");
}

fn main() {
    let (mut count, mut runs, mut paths) = (100_000, 5, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--addresses" => count = args.next().unwrap().parse().unwrap(),
            "--runs" => runs = args.next().unwrap().parse().unwrap(),
            "--bench" => {}
            path => paths.push(PathBuf::from(path)),
        }
    }
    if paths.is_empty() {
        println!("no binaries: see tests/bench/symbols-vs-addr2line.sh");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("perf.data");
    let binaries: Vec<Binary> = paths.iter().map(|path| Binary::open(path, count)).collect();
    let (mut longest, mut is_right) = (0.0_f64, true);
    for binary in binaries.chunks(1) {
        let size = std::fs::metadata(&binary[0].path).unwrap().len();
        println!("{}: {} MB", binary[0].path.display(), size / 1_000_000);
        std::fs::write(&file, capture(binary)).unwrap();
        compare(binary, &ours(&file, 1));
        let [alone, bare, whole] = best(
            runs,
            [
                &|| drop(black_box(theirs(&binary[0]))),
                &|| drop(black_box(mangled(&binary[0]))),
                &|| drop(black_box(ours(&file, 1))),
            ],
        );
        let ratio = whole / alone;
        println!("  addr2line alone      {alone:>8.3} s");
        println!("    without demangling {bare:>8.3} s");
        println!("  contend, 1 thread    {whole:>8.3} s");
        println!("  contend / addr2line  {ratio:>8.2}");
        longest = longest.max(ratio);
    }
    if binaries.len() > 1 {
        std::fs::write(&file, capture(&binaries)).unwrap();
        compare(&binaries, &ours(&file, 0));
        // What a second thread gains of addr2line, on this machine at this time.
        let each = || {
            for binary in &binaries {
                black_box(theirs(binary));
            }
        };
        let beside = || {
            std::thread::scope(|scope| {
                for binary in &binaries {
                    scope.spawn(|| black_box(theirs(binary)));
                }
            });
        };
        let [one, all, each, beside] = best(
            runs,
            [
                &|| drop(black_box(ours(&file, 1))),
                &|| drop(black_box(ours(&file, 0))),
                &each,
                &beside,
            ],
        );
        println!("{} binaries in one capture", binaries.len());
        println!("  contend, 1 thread    {one:>8.3} s");
        let gain = one / all;
        println!("  contend, all threads {all:>8.3} s: {gain:.2} times as fast");
        let control = each / beside;
        let share = gain / control;
        println!("  addr2line, a thread each: {control:.2} times as fast");
        println!("  of that gain contend has {share:.2}, at least {LEAST_SHARE:.2} is wanted");
        is_right = share >= LEAST_SHARE;
    }
    println!("worst ratio {longest:.2}, at most {MOST_RATIO:.2} is wanted");
    std::process::exit(i32::from(!is_right || longest > MOST_RATIO));
}
