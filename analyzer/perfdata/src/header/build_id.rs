//! Which binaries were seen, by their build-ids.

use super::text::c_text;
use crate::{Cursor, Endianness};

/// `misc` bit that says that the record gives the length of its build-id
/// (PERF_RECORD_MISC_BUILD_ID_SIZE, tools/lib/perf/include/perf/event.h).
const MISC_SIZE: u16 = 1 << 15;

/// The room for a build-id, the length of a SHA-1.
const ROOM: usize = 20;

/// A binary and its build-id (`struct perf_record_header_build_id`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildId {
    /// The process of the machine: -1 for the host, else a guest's.
    pub pid: i32,
    /// The record's `misc`: the low three bits are the CPU mode (1 kernel,
    /// 2 user), bit 15 says that the length was given. 0 where a record was
    /// handed over without it.
    pub misc: u16,
    /// The build-id, 20 bytes unless the record says fewer.
    pub build_id: Vec<u8>,
    /// The path of the binary, or a name in brackets for kernel and vdso.
    pub filename: String,
}

impl BuildId {
    /// Reads the bytes behind the record's header.
    ///
    /// The length byte behind the build-id is only meant when `misc` says so,
    /// but writers without it leave 0 there. So a possible length counts even
    /// where `misc` is not known.
    pub(super) fn parse(misc: u16, body: &[u8], endian: Endianness) -> Option<Self> {
        let mut cursor = Cursor::new(body, endian);
        let pid = cursor.i32()?;
        Self::parse_id(misc, pid, &mut cursor)
    }

    fn parse_id(misc: u16, pid: i32, cursor: &mut Cursor<'_>) -> Option<Self> {
        let room: [u8; ROOM] = cursor.array()?;
        let length = usize::from(cursor.u8()?);
        cursor.skip(3)?;
        let given = length <= ROOM && (length > 0 || misc & MISC_SIZE != 0);
        let length = if given { length } else { ROOM };
        Some(Self {
            pid,
            misc,
            build_id: room[..length].to_vec(),
            filename: c_text(cursor.rest()),
        })
    }

    /// Reads a whole BUILD_ID section, records one after the other. Appends
    /// what is there; `None` when it ends inside a record.
    ///
    /// The oldest files have no `pid`, which shows in the kernel's name: four bytes of it are then taken for the end of the build-id
    /// (tools/perf/util/header.c, perf_header__read_build_ids_abi_quirk).
    pub(super) fn read_all(bytes: &[u8], endian: Endianness, into: &mut Vec<Self>) -> Option<()> {
        let without_pid = Self::records(bytes, endian)
            .flatten()
            .filter_map(|(misc, body)| Self::parse(misc, body, endian))
            .any(|entry| entry.filename.starts_with("nel.kallsyms]"));
        for record in Self::records(bytes, endian) {
            let (misc, body) = record?;
            into.push(if without_pid {
                Self::parse_id(misc, -1, &mut Cursor::new(body, endian))?
            } else {
                Self::parse(misc, body, endian)?
            });
        }
        Some(())
    }

    /// `misc` and body of each record; `None` once when one is cut off.
    fn records(bytes: &[u8], endian: Endianness) -> impl Iterator<Item = Option<(u16, &[u8])>> {
        let mut cursor = Cursor::new(bytes, endian);
        std::iter::from_fn(move || {
            if cursor.remaining() == 0 {
                return None;
            }
            let mut next = || {
                cursor.skip(4)?;
                let misc = cursor.u16()?;
                let size = usize::from(cursor.u16()?);
                Some((misc, cursor.bytes(size.checked_sub(8)?)?))
            };
            let record = next();
            if record.is_none() {
                cursor = Cursor::new(&[], endian);
            }
            Some(record)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endianness::{BigEndian, LittleEndian};

    fn record(pid: Option<i32>, misc: u16, length: u8, name: &str) -> Vec<u8> {
        let mut body = pid.map_or_else(Vec::new, |pid| pid.to_le_bytes().to_vec());
        body.extend(1..=20);
        body.extend([length, 0, 0, 0]);
        body.extend(name.as_bytes());
        body.push(0);
        let mut bytes = vec![67, 0, 0, 0];
        bytes.extend(misc.to_le_bytes());
        bytes.extend((body.len() as u16 + 8).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn records_with_and_without_a_length() {
        let bytes = [
            record(Some(-1), 1, 0, "[kernel.kallsyms]"),
            record(Some(-1), 2 | MISC_SIZE, 16, "/bin/go"),
        ]
        .concat();
        let mut ids = Vec::new();
        assert_eq!(BuildId::read_all(&bytes, LittleEndian, &mut ids), Some(()));
        assert_eq!(
            (ids[0].pid, ids[0].misc, ids[0].build_id.len()),
            (-1, 1, 20)
        );
        assert_eq!(ids[0].filename, "[kernel.kallsyms]");
        assert_eq!(ids[1].build_id, (1..=16).collect::<Vec<u8>>());
        assert_eq!(ids[1].filename, "/bin/go");
        // As a record of a pipe, whose misc is not at hand.
        let lone = BuildId::parse(0, &record(Some(-1), 0, 16, "x")[8..], LittleEndian).unwrap();
        assert_eq!(lone.build_id.len(), 16);
    }

    #[test]
    fn length_beyond_the_room_is_not_believed() {
        let bytes = record(Some(-1), MISC_SIZE, 200, "x");
        let mut ids = Vec::new();
        assert_eq!(BuildId::read_all(&bytes, LittleEndian, &mut ids), Some(()));
        assert_eq!(ids[0].build_id.len(), 20);
    }

    #[test]
    fn the_oldest_layout_has_no_pid() {
        let bytes = [
            record(None, 1, 0, "[kernel.kallsyms]"),
            record(None, 2, 0, "/lib/libc.so"),
        ]
        .concat();
        let mut ids = Vec::new();
        assert_eq!(BuildId::read_all(&bytes, LittleEndian, &mut ids), Some(()));
        assert_eq!(ids[0].filename, "[kernel.kallsyms]");
        assert_eq!(ids[1].filename, "/lib/libc.so");
        assert_eq!(ids[1].build_id, (1..=20).collect::<Vec<u8>>());
    }

    #[test]
    fn what_is_whole_is_kept() {
        let bytes = [record(Some(-1), 1, 0, "a"), record(Some(-1), 1, 0, "b")].concat();
        for cut in 0..bytes.len() {
            let mut ids = Vec::new();
            let whole = BuildId::read_all(&bytes[..cut], LittleEndian, &mut ids);
            assert_eq!(whole.is_some(), cut == 0 || cut == bytes.len() / 2, "{cut}");
            assert_eq!(ids.len(), cut * 2 / bytes.len());
            let _ = BuildId::read_all(&bytes[..cut], BigEndian, &mut ids);
        }
    }
}
