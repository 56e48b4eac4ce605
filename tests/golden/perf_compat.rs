//! `contend c2c --perf-compat` against the text that perf printed.
//!
//! Where no symbol is involved, byte for byte. Symbols, binaries and source lines
//! depend on the files of the machine that made the report; where perf had no
//! symbol, its raw address and the binary are compared too.
//!
//! The texts in `perf/` are kept in the repository, and need nothing else:
//!
//! ```text
//! false-sharing.txt       perf c2c report --stdio --no-source
//! false-sharing-lcl.txt   … -d lcl -c pid,tid,iaddr
//! peer.txt                … -d peer, on the capture that `peer_capture` makes
//! ```
//!
//! They are of perf 6.1, whose layout is that of 7.2 here.

use crate::common::capture::Capture;
use crate::common::perf_report::{self, ParetoLine, Report, Row};
use crate::common::{contend_on, shared_captures, unpacked, workspace};
use std::path::{Path, PathBuf};

/// How wide the columns in front of "Symbol" are.
const FIXED: usize = 155;

const PARETO: &str = "      Shared Cache Line Distribution Pareto      \n";

fn compat(capture: &Path, args: &[&str]) -> String {
    let args = [&["c2c", "--perf-compat"], args].concat();
    let run = contend_on(capture, &args);
    assert_eq!(run.code, Some(0), "{}: {}", capture.display(), run.stderr);
    run.text()
}

/// Asserts that two texts are equal; names the first line that is not.
fn assert_same_lines(name: &str, ours: &str, perfs: &str) {
    for (index, (ours, perfs)) in ours.lines().zip(perfs.lines()).enumerate() {
        assert_eq!(ours, perfs, "{name}, line {}", index + 1);
    }
    assert_eq!(ours.lines().count(), perfs.lines().count(), "{name}: lines");
    assert_eq!(ours, perfs, "{name}: ends of lines");
}

/// What does not depend on symbols of a line of the Pareto table.
fn fixed_columns(line: &str) -> &str {
    line.get(..FIXED).unwrap_or(line)
}

/// Numbers of a row, and its code where perf had no symbol for it.
fn without_symbols(ours: &mut Row, perfs: &mut Row) {
    if !perfs.symbol.contains("] 0x") {
        for row in [&mut *ours, &mut *perfs] {
            row.symbol.clear();
            row.object.clear();
        }
    }
    ours.source = None;
    perfs.source = None;
}

fn equals(name: &str, ours: &str, perfs: &str) {
    // All in front of the last table.
    let (our_head, our_pareto) = ours.split_once(PARETO).expect("the last table");
    let (head, pareto) = perfs.split_once(PARETO).expect("the last table");
    assert_same_lines(name, our_head, head);

    // Its columns in front of the symbols, blanks and all.
    let fixed = |text: &str| {
        let lines = text.lines().map(fixed_columns);
        lines.collect::<Vec<_>>().join("\n")
    };
    assert_same_lines(name, &fixed(our_pareto), &fixed(pareto));

    // Every number again, with those behind the symbols.
    let parse = |text| perf_report::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (mut ours, mut perfs): (Report, Report) = (parse(ours), parse(perfs));
    assert_eq!(ours.stats, perfs.stats, "{name}");
    assert_eq!(ours.shared, perfs.shared, "{name}");
    assert_eq!(ours.lines, perfs.lines, "{name}");
    let count = |lines: &[ParetoLine]| lines.iter().map(|line| line.rows.len()).sum::<usize>();
    assert_eq!(count(&ours.pareto), count(&perfs.pareto), "{name}: rows");
    for (ours, perfs) in ours.pareto.iter_mut().zip(&mut perfs.pareto) {
        for (ours, perfs) in ours.rows.iter_mut().zip(&mut perfs.rows) {
            without_symbols(ours, perfs);
        }
        assert_eq!(ours, perfs, "{name}");
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn realistic_captures_equal_perf() {
    let Some(captures) = shared_captures() else {
        return;
    };
    let folder = captures.join("mem-realistic");
    for name in [
        "a_static", "b_heap", "c_atomic", "d_mutex", "f_config", "g_rust",
    ] {
        let ours = compat(&folder.join(format!("{name}.perf.data")), &[]);
        let perfs = read(&folder.join(format!("{name}.c2c-report-perf7.2.txt")));
        equals(name, &ours, &perfs);
    }
}

#[test]
fn recorded_captures_equal_perf() {
    let Some(captures) = shared_captures() else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    for (name, suffix) in [
        ("amd-epyc9254-ibs-c2c-ring", ".perf.data.xz"),
        ("intel-skx-load-latency-weight-struct", ".perf.data"),
        ("intel-ivbep-4socket-mem-loads", ".perf.data"),
    ] {
        let file = captures.join("mem").join(format!("{name}{suffix}"));
        let capture = unpacked(&file, scratch.path());
        let ours = compat(&capture, &["--show-all"]);
        let perfs = read(&captures.join(format!("golden/{name}.c2c.perf7.2.txt")));
        equals(name, &ours, &perfs);
        // `perf c2c report --stats` is the same up to the first table.
        let stats = read(&captures.join(format!("golden/{name}.c2c-stats.perf7.2.txt")));
        assert!(ours.starts_with(stats.trim_end()), "{name}: --stats");
    }
}

fn demo() -> PathBuf {
    workspace().join("fixtures/demo/false-sharing.perf.data")
}

fn kept(name: &str) -> String {
    read(&workspace().join("tests/golden/perf").join(name))
}

#[test]
fn demo_equals_the_kept_text() {
    let ours = compat(&demo(), &[]);
    assert_same_lines("tot", &ours, &kept("false-sharing.txt"));
}

#[test]
fn rows_by_process_and_thread_equal_the_kept_text() {
    let args = ["--sort", "lcl", "--coalesce", "pid,tid,iaddr"];
    let ours = compat(&demo(), &args);
    assert_same_lines("lcl", &ours, &kept("false-sharing-lcl.txt"));
}

/// The demo as a machine would have seen it that knows of peers but not of HITM:
/// SNOOP_HITM becomes SNOOPX_PEER.
fn peer_capture() -> Vec<u8> {
    const SNOOP_HITM: u64 = 0x10 << 19;
    const SNOOPX_PEER: u64 = 0x2 << 38;
    let capture = Capture::new(std::fs::read(demo()).unwrap());
    capture.with_sources(|source| {
        if source & SNOOP_HITM == 0 {
            source
        } else {
            source & !SNOOP_HITM | SNOOPX_PEER
        }
    })
}

#[test]
fn peer_snoops_equal_the_kept_text() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("peer.perf.data");
    std::fs::write(&path, peer_capture()).unwrap();
    let ours = compat(&path, &["--sort", "peer"]);
    assert_same_lines("peer", &ours, &kept("peer.txt"));
}

/// Rows and headers keep to one layout in every mode.
#[test]
fn headers_name_what_is_sorted_by() {
    for (sort, upper, lower, title) in [
        ("tot", "Tot", "Hitm", "Total HITMs"),
        ("rmt", "Rmt", "Hitm", "Remote HITMs"),
        ("lcl", "Lcl", "Hitm", "Local HITMs"),
    ] {
        let text = compat(&demo(), &["--sort", sort]);
        let at = text.find("Shared Data Cache Line Table").unwrap();
        let header: Vec<&str> = text[at..].lines().skip(3).take(2).collect();
        assert_eq!(header[0][44..51].trim(), upper);
        assert_eq!(header[1][44..51].trim(), lower);
        let details = format!("  Cachelines sort on                : {title}\n");
        assert!(text.contains(&details), "{sort}");
    }
}
