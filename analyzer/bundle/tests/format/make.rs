//! Makes tars and bundles, with layout code of its own.

use contend_bundle::{Bundle, BundleWriter, Error, Limits, Manifest};
use std::fs::File;
use std::io::Write;

pub(crate) const FRAME: usize = 4 << 20;

/// A tar header in the oldest form that has a type.
pub(crate) fn header(name: &[u8], size: u64, kind: u8) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
    block[100..107].copy_from_slice(b"0000644");
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[136..147].copy_from_slice(b"00000000000");
    block[156] = kind;
    block[157..161].copy_from_slice(b"/etc");
    block[257..265].copy_from_slice(b"ustar  \0");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

pub(crate) fn member(name: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(name.as_bytes(), content.len() as u64, b'0');
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// A tar with a manifest, then `more`, then the end.
pub(crate) fn tar(more: &[u8]) -> Vec<u8> {
    let mut bytes = member("manifest.json", b"{\"version\":1}");
    bytes.extend(more);
    bytes.extend([0; 1024]);
    bytes
}

pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
    zstd_safe::compress(&mut frame, bytes, 1).unwrap();
    frame
}

pub(crate) fn frames(tar: &[u8]) -> Vec<u8> {
    tar.chunks(FRAME).flat_map(compress).collect()
}

pub(crate) fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

pub(crate) fn open(bytes: &[u8]) -> Result<Bundle, Error> {
    Bundle::from_file(file(bytes), &Limits::default())
}

pub(crate) fn write(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = BundleWriter::new(Vec::new(), &Manifest::default()).unwrap();
    for (name, content) in members {
        writer.add_bytes(name, content).unwrap();
    }
    writer.finish().unwrap()
}

/// Bytes that compress, but not to nothing.
pub(crate) fn content(size: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(size + 4);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bytes.extend([state as u8, (state >> 8) as u8 & 3, 0, 7]);
    }
    bytes.truncate(size);
    bytes
}

/// Three frames: a capture of nine million bytes between small members.
pub(crate) fn sample() -> Vec<(String, Vec<u8>)> {
    vec![
        ("c2c.perf.data".into(), content(9_000_001, 1)),
        ("kallsyms".into(), b"0 T _text\n".to_vec()),
        (".build-id/ab/cdef0123".into(), content(70_000, 2)),
        ("proc/cpuinfo".into(), Vec::new()),
    ]
}
