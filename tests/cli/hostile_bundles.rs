//! Bundles that nobody should trust, through the command: one line, nothing
//! written, bounded memory.

use crate::common::{contend, contend_measured, contend_on, run, workspace};
use contend_bundle::{BundleWriter, Manifest};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

fn demo() -> Vec<u8> {
    std::fs::read(workspace().join("fixtures/demo/false-sharing.perf.data")).unwrap()
}

/// A member of a tar, in the bytes of the format.
fn member(name: &str, kind: u8, size: u64, content: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[156] = kind;
    if kind == b'2' {
        header[157..168].copy_from_slice(b"/etc/passwd");
    }
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header.extend(content);
    header.resize(header.len().next_multiple_of(512), 0);
    header
}

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    member(name, b'0', content.len() as u64, content)
}

/// A bundle as a plain tar: the manifest, the demo and `more`.
fn tar(more: &[u8]) -> Vec<u8> {
    let start = [
        file("manifest.json", b"{\"version\":1}"),
        file("c.perf.data", &demo()),
    ]
    .concat();
    [&start, more, &[0; 1024]].concat()
}

/// Zeros without end, in frames of 4 MiB, as a member of a terabyte.
fn zeros() -> Vec<u8> {
    let packed = |bytes: &[u8]| {
        let mut out = Vec::with_capacity(bytes.len() + 1024);
        zstd_safe::compress(&mut out, bytes, 3).unwrap();
        out
    };
    let start = tar(&member("zeros", b'0', 1 << 30, b""));
    let mut all = packed(&start[..start.len() - 1024]);
    let frame = packed(&vec![0; 4 << 20]);
    for _ in 0..(1u64 << 40) / (4 << 20) {
        all.extend(&frame);
    }
    all
}

/// Everything below a folder, by name.
fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut list: Vec<PathBuf> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    list.sort();
    list
}

#[test]
fn refused_in_one_line_and_nothing_written() {
    let scratch = tempfile::tempdir().unwrap();
    let temporary = scratch.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let path = scratch.path().join("x.tar");
    let many: Vec<u8> = (0..100_001)
        .flat_map(|number| member(&format!("m{number}"), b'0', 0, b""))
        .collect();
    let wrong = format!("{}  c.perf.data\n", "0".repeat(64));
    for (bytes, says) in [
        (tar(&file("../evil", b"x")), "unsafe name"),
        (tar(&file("/tmp/evil", b"x")), "unsafe name"),
        (tar(&member("link", b'2', 0, b"")), "is a "),
        (tar(&member("hard", b'1', 0, b"")), "is a "),
        (tar(&member("pipe", b'6', 0, b"")), "is a "),
        (tar(&file("c.perf.data", b"x")), "two members"),
        (tar(&many), "more than 100000 members"),
        (tar(&file("SHA256SUMS", wrong.as_bytes())), "c.perf.data"),
        (zeros(), "it is refused"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let before = listing(scratch.path());
        for command in ["info", "c2c", "symbols"] {
            let mut started = contend();
            started.env("TMPDIR", &temporary).arg(command).arg(&path);
            let ended = run(&mut started);
            let line = ended.refused(says);
            assert!(line.contains(says), "{says}: {line}");
        }
        assert_eq!(listing(scratch.path()), before, "{says}");
        assert_eq!(listing(&temporary), Vec::<PathBuf>::new(), "{says}");
    }
}

/// Bytes that do not compress.
struct Noise(u64);

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for bytes in buffer.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            bytes.copy_from_slice(&self.0.to_le_bytes()[..bytes.len()]);
        }
        Ok(buffer.len())
    }
}

/// Of a gigabyte with `CONTEND_TEST_FULL=1`.
#[test]
fn a_large_bundle_takes_the_memory_of_some_frames_and_reads_to_its_cut() {
    let full = std::env::var_os("CONTEND_TEST_FULL").is_some();
    let noise: u64 = if full { 1 << 30 } else { 192 << 20 };
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("large.tar.zst");
    let out = std::fs::File::create(&path).unwrap();
    let mut writer = BundleWriter::new(out, &Manifest::default()).unwrap();
    writer.add_bytes("c.perf.data", &demo()).unwrap();
    writer.add("perf-1.map", noise, Noise(1)).unwrap();
    let out = writer.finish().unwrap();
    let length = out.metadata().unwrap().len();
    assert!(length > noise);
    let args = ["c2c", "--json", "--threads", "2"];
    let (ended, cost) = contend_measured(&path, &args);
    let whole = ended.json("whole");
    if let Some(cost) = cost {
        // Two windows of two frames of 4 MiB, and the analysis of the demo.
        assert!(cost.peak_mb < 96.0, "{cost:?}");
    }
    for part in [0.99, 0.5, 0.1] {
        out.set_len((length as f64 * part) as u64).unwrap();
        let cut = contend_on(&path, &args).json("cut");
        assert_eq!(cut["lines"], whole["lines"], "{part}");
        let warnings = cut["quality"]["warnings"].to_string();
        assert!(warnings.contains("cut or damaged"), "{warnings}");
    }
}
