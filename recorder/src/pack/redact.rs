//! What is left out when a company asks for it. `docs/recording.md` lists it, and what
//! stays.

mod command;

use anyhow::{Context, Result};
use contend_perfdata::Endianness;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Stands where something was left out.
const MARK: &str = "[redacted]";
/// Folders whose entries are named like users.
const HOMES: [&str; 2] = ["home", "Users"];

/// `HEADER_HOSTNAME` and `HEADER_CMDLINE` (tools/perf/util/header.h).
const HOSTNAME: u32 = 3;
const CMDLINE: u32 = 11;
/// The bytes of a feature that are looked at: a command line is no longer.
const MAX_FEATURE: u64 = 4 << 20;
/// `PERF_RECORD_USER_TYPE_START` and `PERF_RECORD_HEADER_FEATURE` (tools/lib/perf/include/perf/event.h).
const FIRST_USER_RECORD: u32 = 64;
const HEADER_FEATURE: u32 = 80;
/// Records in front of the kernel's that are looked at: there is one a feature and event.
const MAX_RECORDS: usize = 10_000;

/// What is taken out of texts.
#[derive(Clone, Debug, Default)]
pub(super) struct Redaction {
    is_on: bool,
    /// Names that are in no text afterwards: of the machine and of the user.
    names: Vec<String>,
}

impl Redaction {
    /// One that takes out these names, homes and arguments; or one that changes nothing.
    pub(super) fn new(is_on: bool, host: Option<&str>) -> Self {
        let users = ["USER", "LOGNAME", "SUDO_USER"]
            .into_iter()
            .filter_map(|name| std::env::var(name).ok());
        let mut redaction = Self {
            is_on,
            names: Vec::new(),
        };
        for name in host.map(str::to_owned).into_iter().chain(users) {
            redaction.also(&name);
        }
        redaction
    }

    /// Takes out this name, too.
    pub(super) fn also(&mut self, name: &str) {
        // A capture may have anything in it, and texts are looked at by the word.
        for word in name.split(|c| !is_word(c)) {
            // `root` is nobody's name, and a name of one letter is in every word.
            if word.len() > 1 && word != "root" {
                self.names.push(word.to_owned());
            }
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// A line for people without names.
    pub(super) fn text(&self, text: &str) -> String {
        if !self.is_on {
            return text.to_owned();
        }
        let mut out = String::new();
        let mut is_home = false;
        // Words and what is between them, one behind the other.
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let end = rest
                .find(|c| is_word(c) != is_word(first))
                .unwrap_or(rest.len());
            let (piece, behind) = rest.split_at(end);
            rest = behind;
            let is_name =
                is_word(first) && (is_home || self.names.iter().any(|name| name == piece));
            out.push_str(if is_name { MARK } else { piece });
            is_home = match is_word(first) {
                true => HOMES.contains(&piece) && rest.starts_with('/'),
                false => is_home && piece == "/",
            };
        }
        out
    }

    /// A command line: the program, its commands and the names of its options stay.
    pub(super) fn command(&self, command: &[String]) -> Vec<String> {
        if !self.is_on {
            return command.to_vec();
        }
        command::redacted(command)
    }

    /// The bytes of a capture in which host name and command line stand, if these are
    /// taken out.
    ///
    /// # Errors
    /// When that cannot be told: then it is better not to pack.
    pub(super) fn ranges(&self, path: &Path) -> Result<Vec<Range<u64>>> {
        if !self.is_on {
            return Ok(Vec::new());
        }
        let what = || format!("cannot redact {}", path.display());
        let file = File::open(path).with_context(what)?;
        let header = Header::read(&file).with_context(what)?;
        let Some(header) = header else {
            anyhow::bail!(
                "cannot redact {}: it was written to a pipe, where host name and command line may stand anywhere; leave out --redact, or record to a file",
                path.display()
            );
        };
        let mut ranges = Vec::new();
        let sections = header.sections(&file).into_iter();
        for (bit, section) in sections.chain(header.records(&file)) {
            match bit {
                HOSTNAME => ranges.push(section.start + 4..section.end),
                CMDLINE => header.strings(&file, section, &mut ranges),
                _ => {}
            }
        }
        ranges.retain(|range| range.start < range.end);
        ranges.sort_by_key(|range| range.start);
        Ok(ranges)
    }
}

/// Whether names and words have it in them.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}

/// The file header as far as it says where the features are.
struct Header {
    is_big: bool,
    data: u64,
    table: u64,
    features: [u64; 4],
    length: u64,
}

impl Header {
    /// `None` for what was written to a pipe.
    fn read(file: &File) -> io::Result<Option<Self>> {
        let length = file.metadata()?.len();
        let mut bytes = [0; 104];
        let bytes = match length {
            0..104 => return Ok(None),
            _ => {
                file.read_exact_at(&mut bytes, 0)?;
                bytes
            }
        };
        let is_big = &bytes[..8] == b"2ELIFREP";
        let word = |at: usize| {
            let word = bytes[at..].first_chunk().copied().unwrap_or_default();
            if is_big {
                u64::from_be_bytes(word)
            } else {
                u64::from_le_bytes(word)
            }
        };
        if word(8) < 104 {
            return Ok(None);
        }
        Ok(Some(Self {
            is_big,
            data: word(40),
            table: word(40).saturating_add(word(48)),
            features: [word(72), word(80), word(88), word(96)],
            length,
        }))
    }

    fn endian(&self) -> Endianness {
        if self.is_big {
            Endianness::BigEndian
        } else {
            Endianness::LittleEndian
        }
    }

    /// The set bits with their sections, as far as they are in the file.
    fn sections(&self, file: &File) -> Vec<(u32, Range<u64>)> {
        let bits =
            (0..256u32).filter(|bit| self.features[(bit / 64) as usize] >> (bit % 64) & 1 == 1);
        let section = |(index, bit): (u64, u32)| {
            let mut bytes = [0; 16];
            let at = self.table.checked_add(index * 16)?;
            file.read_exact_at(&mut bytes, at).ok()?;
            let mut cursor = contend_perfdata::Cursor::new(&bytes, self.endian());
            let (offset, size) = (cursor.u64()?, cursor.u64()?);
            let end = offset.checked_add(size)?.min(self.length);
            Some((bit, offset..end))
        };
        (0..).zip(bits).filter_map(section).collect()
    }

    /// The features that stand as records in front of what the kernel told, as the off-CPU
    /// collector writes them for files that get no end.
    fn records(&self, file: &File) -> Vec<(u32, Range<u64>)> {
        let mut found = Vec::new();
        let mut at = self.data;
        for _ in 0..MAX_RECORDS {
            let mut bytes = [0; 16];
            if file.read_exact_at(&mut bytes, at).is_err() {
                break;
            }
            let mut cursor = contend_perfdata::Cursor::new(&bytes, self.endian());
            let (Some(kind), Some(_), Some(size), Some(feature)) =
                (cursor.u32(), cursor.u16(), cursor.u16(), cursor.u64())
            else {
                break;
            };
            let next = at.saturating_add(u64::from(size));
            if kind < FIRST_USER_RECORD || size < 8 || next > self.length {
                break;
            }
            if kind == HEADER_FEATURE && size >= 16 {
                found.extend(u32::try_from(feature).map(|bit| (bit, at + 16..next)));
            }
            at = next;
        }
        found
    }

    /// The strings of a list: their number, then each with its length in front.
    fn strings(&self, file: &File, section: Range<u64>, ranges: &mut Vec<Range<u64>>) {
        let size = (section.end.saturating_sub(section.start)).min(MAX_FEATURE);
        let mut bytes = vec![0; size as usize];
        if file.read_exact_at(&mut bytes, section.start).is_err() {
            return;
        }
        let mut cursor = contend_perfdata::Cursor::new(&bytes, self.endian());
        let count = cursor.u32().unwrap_or(0);
        for _ in 0..count {
            let Some(length) = cursor.u32() else {
                break;
            };
            let start = section.start + (size - cursor.remaining() as u64);
            let end = start.saturating_add(u64::from(length)).min(section.end);
            ranges.push(start..end);
            if cursor.skip(length as usize).is_none() {
                break;
            }
        }
    }
}

/// Bytes with zeros in some places.
#[derive(Debug)]
pub(super) struct Blanked<R> {
    input: R,
    ranges: Vec<Range<u64>>,
    at: u64,
}

impl<R: Read> Blanked<R> {
    pub(super) fn new(input: R, ranges: Vec<Range<u64>>) -> Self {
        Self {
            input,
            ranges,
            at: 0,
        }
    }
}

impl<R: Read> Read for Blanked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        let (first, last) = (self.at, self.at + count as u64);
        for range in &self.ranges {
            let (start, end) = (range.start.max(first), range.end.min(last));
            if start < end {
                buffer[(start - first) as usize..(end - first) as usize].fill(0);
            }
        }
        self.at = last;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redaction() -> Redaction {
        Redaction {
            is_on: true,
            names: vec!["db7".into(), "ann".into()],
        }
    }

    #[test]
    fn names_of_people_and_machines_go() {
        for (text, out) in [
            ("/home/bob/x: gone", "/home/[redacted]/x: gone"),
            ("/home/bob", "/home/[redacted]"),
            ("/data/ann/lib.so", "/data/[redacted]/lib.so"),
            ("on db7, not db70", "on [redacted], not db70"),
            ("annual home / bob", "annual home / bob"),
            ("", ""),
        ] {
            assert_eq!(redaction().text(text), out);
            assert_eq!(Redaction::default().text(text), text);
        }
    }

    #[test]
    fn blanks_are_where_they_are_asked_for_whatever_the_pieces() {
        let bytes: Vec<u8> = (1..=100).collect();
        for piece in 1..=100 {
            let mut reader = Blanked::new(&bytes[..], vec![3..5, 90..200]);
            let mut out: Vec<u8> = Vec::new();
            let mut buffer = vec![0; piece];
            loop {
                let count = reader.read(&mut buffer).unwrap();
                if count == 0 {
                    break;
                }
                out.extend(&buffer[..count]);
            }
            for (at, &byte) in out.iter().enumerate() {
                let is_blank = (3..5).contains(&at) || at >= 90;
                assert_eq!(byte, if is_blank { 0 } else { bytes[at] });
            }
        }
    }
}
