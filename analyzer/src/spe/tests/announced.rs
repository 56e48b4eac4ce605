//! When operations without a time were: as the kernel's announcement of their chunk.

use super::super::SpeTrace;
use crate::capture::Capture;
use contend_fixtures::{Container, SpeCapture, SpePlan};
use std::io::Write;

/// The times for look-ups of the operations of two chunks of a CPU, announced with
/// `flags`, in seconds.
fn seconds(flags: u64) -> Vec<u64> {
    let mut capture = SpeCapture::new(1);
    let plan = SpePlan {
        operation: Some((1, 0)),
        pc: Some((SpeCapture::TEXT, 0)),
        data: Some(SpeCapture::HEAP),
        ..SpePlan::default()
    };
    for _ in 0..2 {
        let mut bytes = Vec::new();
        (0..3).for_each(|_| plan.write(&mut bytes, 64));
        capture.raw_chunk(0, bytes, flags, true);
    }
    // The last word of the recording.
    capture.raw_chunk(0, vec![0; 64], 0, false);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let bytes = capture.wrapped(Container::File).unwrap();
    file.write_all(&bytes).unwrap();
    let capture = Capture::open(file.path(), 1, 1 << 20).unwrap();
    let trace = SpeTrace::gather(&capture).unwrap().unwrap();
    let (times, _) = trace
        .each(&capture, Vec::new, |times, op| {
            assert_eq!(op.time, None);
            times.push(op.at.time / 1_000_000_000);
        })
        .unwrap();
    times.concat()
}

#[test]
fn operations_without_a_time_were_when_their_chunk_was_announced() {
    assert_eq!(seconds(0), [1, 1, 1, 2, 2, 2]);
}

/// The place that is announced of a snapshot is where the hardware is in the buffer:
/// it says nothing about the data at that offset.
#[test]
fn announcements_of_snapshots_tell_no_time() {
    const OVERWRITE: u64 = 0x02;
    assert_eq!(seconds(OVERWRITE), [3; 6]);
}
