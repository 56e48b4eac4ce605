//! Dumps written out byte by byte.

use super::*;
use proptest::prelude::*;
use std::io::Cursor;

/// Writes a dump in either byte order.
pub(in crate::symbols) struct Writer {
    is_big: bool,
    pub(in crate::symbols) bytes: Vec<u8>,
}

impl Writer {
    pub(in crate::symbols) fn new(is_big: bool, pid: u32, flags: u64) -> Self {
        let bytes = Vec::new();
        let mut writer = Self { is_big, bytes };
        writer.u32s(&[MAGIC, 1, 48, 62, 0, pid]);
        // A header that is longer than is known.
        writer.u64s(&[5, flags, 0]);
        writer
    }

    fn u32s(&mut self, words: &[u32]) {
        for word in words {
            self.bytes.extend(if self.is_big {
                word.to_be_bytes()
            } else {
                word.to_le_bytes()
            });
        }
    }

    fn u64s(&mut self, words: &[u64]) {
        for word in words {
            self.bytes.extend(if self.is_big {
                word.to_be_bytes()
            } else {
                word.to_le_bytes()
            });
        }
    }

    fn record(&mut self, id: u32, time: u64, body: impl FnOnce(&mut Self)) {
        let bytes = Vec::new();
        let mut inner = Self {
            is_big: self.is_big,
            bytes,
        };
        body(&mut inner);
        self.u32s(&[id, inner.bytes.len() as u32 + 16]);
        self.u64s(&[time]);
        self.bytes.append(&mut inner.bytes);
    }

    pub(in crate::symbols) fn load(
        &mut self,
        time: u64,
        start: u64,
        size: u64,
        index: u64,
        name: &str,
    ) {
        self.record(CODE_LOAD, time, |body| {
            body.u32s(&[7, 8]);
            body.u64s(&[start, start, size, index]);
            body.bytes.extend(name.as_bytes());
            body.bytes.push(0);
            body.bytes.extend(vec![0xc3; size as usize]);
        });
    }

    pub(in crate::symbols) fn moved(
        &mut self,
        time: u64,
        old: u64,
        new: u64,
        size: u64,
        index: u64,
    ) {
        self.record(CODE_MOVE, time, |body| {
            body.u32s(&[7, 8]);
            body.u64s(&[new, old, new, size, index]);
        });
    }

    pub(in crate::symbols) fn lines(&mut self, code: u64, lines: &[(u64, u32, &[u8])]) {
        self.record(DEBUG_INFO, 0, |body| {
            body.u64s(&[code, lines.len() as u64]);
            for &(address, line, file) in lines {
                body.u64s(&[address]);
                body.u32s(&[line, 0]);
                body.bytes.extend(file);
                body.bytes.push(0);
            }
        });
    }

    pub(in crate::symbols) fn other(&mut self, id: u32) {
        self.record(id, 0, |body| body.u64s(&[1, 2, 3]));
    }
}

fn written(is_big: bool) -> Vec<u8> {
    let mut writer = Writer::new(is_big, 7, 0);
    writer.lines(
        0x1000,
        &[
            (0x1000, 3, b"a.js"),
            (0x1008, 4, b"\xff"),
            (0x100c, 9, b"b.js"),
        ],
    );
    writer.load(10, 0x1000, 0x40, 0, "LazyCompile:~f a b.js:1");
    writer.other(UNWINDING_INFO);
    writer.other(77);
    writer.load(20, 0x2000, 0x20, 1, "g");
    writer.moved(30, 0x1000, 0x5000, 0x40, 0);
    writer.moved(31, 0x9999, 0x6000, 0x40, 1);
    writer.other(CLOSE);
    writer.load(40, 0x3000, 0x20, 2, "behind the end");
    writer.bytes
}

#[test]
fn records_are_read_in_both_byte_orders() {
    for is_big in [false, true] {
        let mut limits = Limits::default();
        let dump = read(Cursor::new(written(is_big)), &mut limits).unwrap();
        let seen = dump.codes.iter();
        let seen = seen.map(|(time, code)| (*time, code.start, code.end, &*code.name));
        let f = "LazyCompile:~f a b.js:1";
        let expected = [
            (10, 0x1000, 0x1040, f),
            (20, 0x2000, 0x2020, "g"),
            (30, 0x5000, 0x5040, f),
        ];
        assert_eq!(seen.collect::<Vec<_>>(), expected);
        let lines = |code: &Code| -> Vec<(u64, u32, String)> {
            let lines = code.lines.iter().flat_map(|lines| lines.iter());
            lines
                .map(|line| (line.offset, line.line, line.file.to_string()))
                .collect()
        };
        let expected = [(0, 3, "a.js"), (8, 4, "a.js"), (12, 9, "b.js")]
            .map(|(by, line, file)| (by, line, file.to_owned()));
        assert_eq!(lines(&dump.codes[0].1), expected);
        assert_eq!(lines(&dump.codes[1].1), []);
        // Code that was moved has the same lines, not a copy of them.
        let shared = [0, 2].map(|code| dump.codes[code].1.lines.clone().unwrap());
        assert!(Arc::ptr_eq(&shared[0], &shared[1]));
        assert_eq!(
            (dump.pid, dump.has_cpu_times, limits.damaged),
            (7, false, 1)
        );
    }
}

#[test]
fn a_cut_dump_is_read_as_far_as_it_goes() {
    let whole = written(false);
    let mut most = 0;
    for length in HEADER + 8..whole.len() {
        let dump = read(Cursor::new(&whole[..length]), &mut Limits::default()).unwrap();
        assert!(dump.codes.len() >= most);
        most = dump.codes.len();
    }
    assert_eq!(most, 3);
    assert!(read(Cursor::new(&whole[..20]), &mut Limits::default()).is_err());
    assert!(read(Cursor::new(b"7f00 40 plain"), &mut Limits::default()).is_err());
}

proptest! {
    #[test]
    fn damage_never_panics(
        is_big: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = written(is_big);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let mut limits = Limits::default();
        if let Ok(dump) = read(Cursor::new(bytes), &mut limits) {
            for (_, code) in dump.codes {
                prop_assert!(code.start < code.end);
            }
        }
    }
}
