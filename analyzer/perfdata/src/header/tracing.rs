//! The formats of tracepoints, as perf copies them from tracefs.

use std::collections::HashMap;

use crate::{Cursor, Endianness};

/// What the blob begins with.
const MAGIC: &[u8] = b"\x17\x08\x44tracing";

/// The formats of the tracepoints that a capture uses (feature TRACING_DATA,
/// or a record of that name). The layout is that of trace.dat up to its
/// records (tools/perf/util/trace-event-info.c writes it, trace-event-read.c
/// reads it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracingData {
    /// `0.5`, or `0.6` with the names of processes at the end.
    pub version: String,
    /// The byte order of the numbers in the payload of tracepoint samples.
    pub endian: Endianness,
    /// Bytes of a C `long` in the recorder's kernel.
    pub long_size: u8,
    /// Bytes a page in the recorder's kernel.
    pub page_size: u32,
    /// The events, those that every trace has (system `ftrace`) first.
    pub events: Vec<TraceEvent>,
    /// Lines of thread id and name; empty before version 0.6.
    pub saved_cmdlines: String,
    /// Whether all of it was there.
    pub complete: bool,
    /// Place in `events` by id: a capture may have thousands of both.
    by_id: HashMap<u64, usize>,
}

/// One tracepoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEvent {
    /// The group, `sched`.
    pub system: String,
    /// The name in it, `sched_switch`.
    pub name: String,
    /// The number that an event's `config` gives; absent when the format has
    /// no readable `ID:` line.
    pub id: Option<u64>,
    /// The whole format file: fields with offset, size and sign.
    pub format: String,
}

impl TracingData {
    /// Reads the blob. What is there is kept when it ends early, and
    /// [`TracingData::complete`] is false then. `None` when it does not begin
    /// as such a blob does.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        // Lengths before the byte-order mark do not exist, so any order does.
        let mut cursor = Cursor::new(bytes, Endianness::LittleEndian);
        if cursor.bytes(MAGIC.len())? != MAGIC {
            return None;
        }
        let version = text(cursor.c_bytes());
        let endian = match cursor.u8()? {
            0 => Endianness::LittleEndian,
            _ => Endianness::BigEndian,
        };
        let mut cursor = Cursor::new(cursor.rest(), endian);
        let mut data = Self {
            version,
            endian,
            long_size: cursor.u8()?,
            page_size: cursor.u32()?,
            events: Vec::new(),
            saved_cmdlines: String::new(),
            complete: false,
            by_id: HashMap::new(),
        };
        data.complete = data.read(&mut cursor).is_some();
        let ids = data.events.iter().enumerate();
        data.by_id = ids
            .filter_map(|(at, event)| Some((event.id?, at)))
            .collect();
        Some(data)
    }

    fn read(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        for expected in ["header_page", "header_event"] {
            if cursor.c_bytes() != expected.as_bytes() {
                return None;
            }
            long_text(cursor)?;
        }
        for _ in 0..cursor.u32()? {
            let format = long_text(cursor)?;
            self.events.push(TraceEvent::new("ftrace", format));
        }
        for _ in 0..cursor.u32()? {
            let system = text(cursor.c_bytes());
            for _ in 0..cursor.u32()? {
                let format = long_text(cursor)?;
                self.events.push(TraceEvent::new(&system, format));
            }
        }
        // The symbols of the kernel, which newer perfs leave out, and the texts
        // of trace_printk.
        for _ in ["kallsyms", "printk formats"] {
            let length = usize::try_from(cursor.u32()?).ok()?;
            cursor.skip(length)?;
        }
        // Versions are compared as numbers there too (trace-event-read.c).
        if self
            .version
            .parse::<f64>()
            .is_ok_and(|version| version >= 0.6)
        {
            self.saved_cmdlines = text(long_text(cursor)?);
        }
        Some(())
    }

    /// The event that a tracepoint's `config` names.
    #[must_use]
    pub fn event(&self, id: u64) -> Option<&TraceEvent> {
        self.events.get(*self.by_id.get(&id)?)
    }
}

impl TraceEvent {
    fn new(system: &str, format: &[u8]) -> Self {
        let format = text(format);
        let line = |key| {
            let found = format.lines().find_map(|line| line.strip_prefix(key));
            found.map(str::trim)
        };
        Self {
            system: system.to_owned(),
            name: line("name:").unwrap_or_default().to_owned(),
            id: line("ID:").and_then(|id| id.parse().ok()),
            format,
        }
    }
}

/// A u64 length and that many bytes.
fn long_text<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = usize::try_from(cursor.u64()?).ok()?;
    cursor.bytes(length)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Endianness::{BigEndian, LittleEndian};

    /// A blob with one ftrace event and one of system `sched`.
    pub(in crate::header) fn blob(version: &str, endian: Endianness) -> Vec<u8> {
        let u32_of = |value: usize| match endian {
            LittleEndian => (value as u32).to_le_bytes(),
            BigEndian => (value as u32).to_be_bytes(),
        };
        let u64_of = |value: usize| match endian {
            LittleEndian => (value as u64).to_le_bytes(),
            BigEndian => (value as u64).to_be_bytes(),
        };
        let mut bytes = MAGIC.to_vec();
        bytes.extend(version.as_bytes());
        bytes.extend([0, u8::from(endian == BigEndian), 8]);
        bytes.extend(u32_of(4096));
        let mut long = |before: &[u8], text: &str| {
            bytes.extend(before);
            bytes.extend(u64_of(text.len()));
            bytes.extend(text.as_bytes());
        };
        long(b"header_page\0", "page");
        long(b"header_event\0", "event");
        long(&u32_of(1), "name: function\nID: 1\nformat:\n");
        let sched = [&u32_of(1)[..], b"sched\0", &u32_of(1)].concat();
        long(
            &sched,
            "name: sched_switch\nID: 317\nformat:\n\tfield:int x;\n",
        );
        let tail = [&u32_of(2)[..], b"ks", &u32_of(3), b"pri"].concat();
        if version == "0.6" {
            long(&tail, "12 sh\n");
        } else {
            bytes.extend(tail);
        }
        bytes
    }

    #[test]
    fn both_versions_in_both_byte_orders() {
        for endian in [LittleEndian, BigEndian] {
            for version in ["0.5", "0.6"] {
                let data = TracingData::parse(&blob(version, endian)).unwrap();
                assert!(data.complete);
                assert_eq!((data.version.as_str(), data.endian), (version, endian));
                assert_eq!((data.long_size, data.page_size), (8, 4096));
                let event = data.event(317).unwrap();
                assert_eq!(
                    (event.system.as_str(), event.name.as_str()),
                    ("sched", "sched_switch")
                );
                assert!(event.format.ends_with("\tfield:int x;\n"));
                assert_eq!(data.event(1).unwrap().system, "ftrace");
                assert_eq!(data.event(2), None);
                assert_eq!(
                    data.saved_cmdlines,
                    if version == "0.6" { "12 sh\n" } else { "" }
                );
            }
        }
    }

    #[test]
    fn every_cut_is_survived() {
        let whole = blob("0.6", LittleEndian);
        for cut in 0..whole.len() {
            if let Some(data) = TracingData::parse(&whole[..cut]) {
                assert!(!data.complete);
                assert!(data.events.len() <= 2);
            }
        }
        assert_eq!(TracingData::parse(b"something else entirely"), None);
    }
}
