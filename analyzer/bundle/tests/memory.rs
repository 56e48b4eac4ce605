//! Reading holds some frames, not the bundle. A process of its own, because
//! what is measured is the process.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

use contend_bundle::{Bundle, BundleWriter, Limits, Manifest};
use std::io::{self, Read};

/// Bytes of the capture: what would be seen if it were held.
const SIZE: u64 = 384 << 20;
/// Two threads: two windows of two frames of 4 MiB with their compressed forms,
/// and what the writer and the test itself take, twice over.
const MOST_KIB: u64 = 96 << 10;

/// Bytes that do not compress, so that the file is as large as the capture.
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

#[test]
fn memory_is_that_of_some_frames() {
    let file = tempfile::tempfile().unwrap();
    let mut writer = BundleWriter::new(file, &Manifest::default()).unwrap();
    writer.add("x.perf.data", SIZE, Noise(1)).unwrap();
    let file = writer.finish().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2);
    pool.build().unwrap().install(|| {
        let bundle = Bundle::from_file(file, &Limits::default()).unwrap();
        let extracted = bundle.extract("x.perf.data").unwrap();
        assert_eq!((extracted.length, extracted.missing), (SIZE, 0));
    });
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(peak < MOST_KIB, "{peak} KiB");
}
