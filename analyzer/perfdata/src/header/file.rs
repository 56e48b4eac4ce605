//! The file header, and the sections that it points to.

use super::bits::{self, feature};
use super::foreign;
use super::note::Note;
use super::section::{Section, bytes_at};
use super::{Format, Header, Writer};
use crate::{Cursor, Endianness, Error, Source};

/// Bytes of `struct perf_file_header`.
const FILE_HEADER: usize = 104;
/// Bytes of `struct perf_pipe_file_header`.
const PIPE_HEADER: usize = 16;
/// Bytes of the file header up to the feature bits, and the whole of it before
/// there were any.
const WITHOUT_FEATURES: u64 = 72;
/// The most of one feature that is read, in bytes. Tracepoint formats of a
/// whole kernel are below 10 MB.
const MAX_FEATURE: u64 = 256 << 20;

/// The fields of `struct perf_file_header` behind its size.
struct Layout {
    attr_size: u64,
    attrs: Section,
    data: Section,
    event_types: Section,
    /// Set feature bits, ascending.
    features: Vec<u32>,
}

/// Tells the form and byte order from the magic number and the size
/// (tools/perf/util/header.c, check_magic_endian).
fn identify(first: &[u8]) -> Result<(Format, Endianness), Error> {
    let mut magic = [0; 8];
    let have = first.len().min(8);
    magic[..have].copy_from_slice(&first[..have]);
    if first.len() < 8 {
        let begins = [b"PERFILE2", b"2ELIFREP", b"PERFFILE"];
        return Err(match begins.iter().any(|begin| begin.starts_with(first)) {
            true => too_short(first, PIPE_HEADER),
            false => Error::NotPerfData { magic },
        });
    }
    let size = |endian| {
        let mut cursor = Cursor::new(&first[8..], endian);
        cursor.u64().ok_or_else(|| too_short(first, PIPE_HEADER))
    };
    let form = |endian| {
        Ok(match size(endian)? {
            16 => (Format::Pipe, endian),
            _ => (Format::File, endian),
        })
    };
    match &magic {
        b"PERFILE2" => form(Endianness::LittleEndian),
        b"2ELIFREP" => form(Endianness::BigEndian),
        // A text, the same in both byte orders; the size tells them apart.
        b"PERFFILE" if size(Endianness::LittleEndian)? > u64::from(u32::MAX) => {
            Ok((Format::V1, Endianness::BigEndian))
        }
        b"PERFFILE" => Ok((Format::V1, Endianness::LittleEndian)),
        _ => Err(Error::NotPerfData { magic }),
    }
}

fn too_short(first: &[u8], need: usize) -> Error {
    Error::HeaderTooShort {
        have: first.len() as u64,
        need: need as u64,
    }
}

pub(super) fn read(source: &dyn Source) -> Result<Header, Error> {
    let length = source.len();
    let first = bytes_at(source, 0..length, FILE_HEADER as u64)?;
    if first.is_empty() {
        return Err(Error::Empty);
    }
    let (format, endian) = identify(&first)?;
    let mut header = Header::new(format, endian);
    if format == Format::Pipe {
        header.data = PIPE_HEADER as u64..length;
        return Ok(header);
    }
    let layout = header
        .layout(&first)
        .ok_or_else(|| too_short(&first, FILE_HEADER))?;
    header.writer = match layout.features.last() {
        Some(&(foreign::FEATURE_HIPERF..)) => Writer::Hiperf,
        Some(&(foreign::FEATURE_SIMPLEPERF..)) => Writer::Simpleperf,
        _ => Writer::Perf,
    };
    if format == Format::V1 {
        header.note(Note::Version1);
    }
    let table = header.read_data_section(source, &layout)?;
    header.read_features(source, &layout, &table)?;
    header.read_event_types(source, layout.event_types)?;
    header.names.index(&header.features);
    header.read_attrs(source, layout.attrs, layout.attr_size)?;
    header.attrs_from_event_desc();
    Ok(header)
}

impl Header {
    /// Takes the file header apart; `None` when it is cut off.
    fn layout(&mut self, first: &[u8]) -> Option<Layout> {
        let mut cursor = Cursor::new(first, self.endian);
        cursor.skip(8)?;
        let size = cursor.u64()?;
        let mut layout = Layout {
            attr_size: cursor.u64()?,
            attrs: Section::parse(&mut cursor)?,
            data: Section::parse(&mut cursor)?,
            event_types: Section::parse(&mut cursor)?,
            features: Vec::new(),
        };
        if size != WITHOUT_FEATURES {
            layout.features = bits::set_bits(&cursor.array()?, self.endian);
        }
        if size != WITHOUT_FEATURES && size != FILE_HEADER as u64 {
            self.note(Note::HeaderSize { size });
        }
        Some(layout)
    }

    /// Decides where the records are; returns the feature table, empty where
    /// there is none.
    fn read_data_section(
        &mut self,
        source: &dyn Source,
        layout: &Layout,
    ) -> Result<Vec<Section>, Error> {
        let length = source.len();
        let data = layout.data;
        self.data = data.within(length);
        self.data_declared = data.size;
        if data.offset < WITHOUT_FEATURES {
            let offset = data.offset;
            self.note(Note::DataOdd { offset });
        }
        let behind = data.offset.saturating_add(data.size);
        let table = self.feature_table(source, behind, layout.features.len())?;
        if data.size == 0 {
            // perf fills the size in when it finishes. A finished file can be
            // empty all the same, and then its feature table makes sense; in
            // an unfinished one a record stands there.
            let sound = |section: &Section| section.offset >= behind && section.is_within(length);
            if !table.is_empty() && table.iter().all(sound) {
                return Ok(table);
            }
            self.note(Note::Unfinished);
            self.data.end = length;
            return Ok(Vec::new());
        }
        if behind > length {
            let missing = behind - length;
            self.note(Note::DataCut { missing });
        }
        if table.len() < layout.features.len() {
            let features = layout.features.len();
            self.note(Note::FeatureTable { features });
        }
        Ok(table)
    }

    /// The sections of the features, right behind the data section in the
    /// order of their bits (perf_header__process_sections). Fewer than there
    /// are bits where the file ends.
    fn feature_table(
        &self,
        source: &dyn Source,
        offset: u64,
        count: usize,
    ) -> Result<Vec<Section>, Error> {
        let size = count as u64 * Section::SIZE;
        let range = Section { offset, size }.within(source.len());
        let bytes = bytes_at(source, range, size)?;
        let mut cursor = Cursor::new(&bytes, self.endian);
        Ok(std::iter::from_fn(|| Section::parse(&mut cursor)).collect())
    }

    fn read_features(
        &mut self,
        source: &dyn Source,
        layout: &Layout,
        table: &[Section],
    ) -> Result<(), Error> {
        self.features.present.clone_from(&layout.features);
        let length = source.len();
        // Sections do not overlap, so that all of them together are shorter than
        // the file. Without this limit 200 that do would take 200 times as much.
        let mut budget = length;
        for (&bit, &section) in layout.features.iter().zip(table) {
            let Section { offset, size } = section;
            let range = section.within(length);
            self.sections.push((bit, range.clone()));
            if !section.is_within(length) {
                self.note(Note::FeatureOutside { bit, offset, size });
                if range.is_empty() {
                    continue;
                }
            }
            let limit = match bit {
                // Counted only, and the count comes first.
                feature::BPF_PROG_INFO | feature::BPF_BTF => 4,
                // Marks without content.
                feature::BRANCH_STACK | feature::STAT => 0,
                // Not read: symbols of simpleperf and hiperf, which may be
                // large, and what is not known.
                bit if !bits::is_read(bit) => 0,
                _ => MAX_FEATURE,
            };
            if limit == MAX_FEATURE && size > limit {
                let read = limit;
                self.note(Note::FeatureTooLong { bit, size, read });
            }
            if limit > 0 {
                let length = (range.end - range.start).min(limit);
                let Some(left) = budget.checked_sub(length) else {
                    self.note(Note::FeatureOverlap { bit, size });
                    continue;
                };
                budget = left;
                let bytes = bytes_at(source, range, limit)?;
                self.absorb_feature(bit, &bytes);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::attr::tests::bytes as attr_bytes;
    use super::*;
    use crate::Endianness::{BigEndian, LittleEndian};

    /// A file with one event of two ids, eight bytes of data and the feature
    /// HOSTNAME.
    fn file(endian: Endianness) -> Vec<u8> {
        let u64_of = |value: u64| match endian {
            LittleEndian => value.to_le_bytes(),
            BigEndian => value.to_be_bytes(),
        };
        let mut bytes = match endian {
            LittleEndian => b"PERFILE2".to_vec(),
            BigEndian => b"2ELIFREP".to_vec(),
        };
        for value in [104, 88, 104, 88, 208, 8, 0, 0, 1 << 3, 0, 0, 0] {
            bytes.extend(u64_of(value));
        }
        bytes.extend(attr_bytes(0, 72, 1, endian));
        bytes.extend([u64_of(192), u64_of(16)].concat());
        bytes.extend([u64_of(7), u64_of(8)].concat());
        bytes.extend(*b"records.");
        bytes.extend([u64_of(232), u64_of(8)].concat());
        bytes.extend(match endian {
            LittleEndian => [4, 0, 0, 0],
            BigEndian => [0, 0, 0, 4],
        });
        bytes.extend(*b"host");
        bytes
    }

    fn put(bytes: &mut [u8], at: usize, value: u64) {
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    #[test]
    fn a_whole_file_in_both_byte_orders() {
        for endian in [LittleEndian, BigEndian] {
            let header = Header::read(&file(endian)).unwrap();
            assert_eq!((header.format, header.endian), (Format::File, endian));
            assert_eq!(header.notes, []);
            assert_eq!(header.attrs.len(), 1);
            assert_eq!(header.attrs[0].ids, [7, 8]);
            assert_eq!(header.display_name(0).as_deref(), Some("instructions:pp"));
            assert_eq!((header.data, header.data_declared), (208..216, 8));
            assert_eq!(header.features.hostname.as_deref(), Some("host"));
            assert_eq!(header.sections, [(3, 232..240)]);
            assert_eq!(header.writer, Writer::Perf);
        }
    }

    #[test]
    fn every_cut_is_an_error_or_noted() {
        let whole = file(LittleEndian);
        for cut in 0..whole.len() {
            match Header::read(&whole[..cut].to_vec()) {
                Ok(header) => assert!(!header.notes.is_empty(), "{cut}"),
                Err(Error::Empty) => assert_eq!(cut, 0),
                Err(Error::HeaderTooShort { have, .. }) => assert_eq!(have, cut as u64),
                Err(error) => panic!("{cut}: {error}"),
            }
        }
        let header = Header::read(&whole[..212].to_vec()).unwrap();
        assert_eq!(header.data, 208..212);
        let notes = [
            Note::DataCut { missing: 4 },
            Note::FeatureTable { features: 1 },
        ];
        assert_eq!(header.notes, notes);
    }

    #[test]
    fn a_recorder_that_was_killed() {
        let mut bytes = file(LittleEndian);
        put(&mut bytes, 48, 0);
        bytes.truncate(216);
        let header = Header::read(&bytes).unwrap();
        assert_eq!((header.data, header.data_declared), (208..216, 0));
        assert_eq!(header.notes, [Note::Unfinished]);
    }

    #[test]
    fn a_finished_file_without_records() {
        let mut bytes = file(LittleEndian);
        put(&mut bytes, 40, 216);
        put(&mut bytes, 48, 0);
        let header = Header::read(&bytes).unwrap();
        assert_eq!((header.data, header.notes.len()), (216..216, 0));
        assert_eq!(header.features.hostname.as_deref(), Some("host"));
    }

    #[test]
    fn pipe_and_version_one() {
        let pipe = [&b"2ELIFREP"[..], &16_u64.to_be_bytes(), b"12345678"].concat();
        let header = Header::read(&pipe).unwrap();
        assert_eq!((header.format, header.endian), (Format::Pipe, BigEndian));
        assert_eq!((header.data, header.data_declared), (16..24, 0));
        for endian in [LittleEndian, BigEndian] {
            let mut old = file(endian);
            old[..8].copy_from_slice(b"PERFFILE");
            let header = Header::read(&old).unwrap();
            assert_eq!((header.format, header.endian), (Format::V1, endian));
            assert_eq!(header.notes, [Note::Version1]);
            assert_eq!(header.attrs[0].ids, [7, 8]);
        }
    }

    #[test]
    fn other_files_are_refused() {
        let refused = |bytes: &[u8]| Header::read(&bytes.to_vec()).unwrap_err();
        assert!(matches!(refused(b""), Error::Empty));
        assert!(matches!(
            refused(b"PERF"),
            Error::HeaderTooShort { have: 4, need: 16 }
        ));
        assert!(matches!(refused(b"PERX"), Error::NotPerfData { .. }));
        assert!(matches!(refused(&[0x1f; 200]), Error::NotPerfData { .. }));
        let short = [&b"PERFILE2"[..], &104_u64.to_le_bytes(), &[0; 60]].concat();
        assert!(matches!(
            refused(&short),
            Error::HeaderTooShort {
                have: 76,
                need: 104
            }
        ));
    }

    #[test]
    fn attributes_of_odd_sizes() {
        for (each, note) in [
            (0, Note::AttrsOdd { size: 88, each: 0 }),
            (79, Note::AttrsOdd { size: 88, each: 79 }),
            (
                u64::MAX,
                Note::AttrsOdd {
                    size: 88,
                    each: u64::MAX,
                },
            ),
        ] {
            let mut bytes = file(LittleEndian);
            put(&mut bytes, 16, each);
            assert_eq!(Header::read(&bytes).unwrap().notes, [note]);
        }
        let mut bytes = file(LittleEndian);
        bytes[108..112].copy_from_slice(&120_u32.to_le_bytes());
        let header = Header::read(&bytes).unwrap();
        assert_eq!(
            header.notes,
            [Note::AttrSize {
                index: 0,
                size: 120,
                room: 72
            }]
        );
        assert_eq!(header.attrs[0].ids, [7, 8]);
    }

    #[test]
    fn sections_that_overlap_take_no_more_than_the_file() {
        let mut bytes = file(LittleEndian);
        // HOSTNAME, OSRELEASE, VERSION, ARCH and CPUDESC, all of the same bytes,
        // which make up more than half of the file.
        let bits = [3, 4, 5, 6, 8];
        let features = bits.iter().fold(0, |word, bit| word | 1 << bit);
        put(&mut bytes, 72, features);
        bytes.truncate(216);
        let at = 216 + 16 * bits.len() as u64;
        let size = 1000_u64;
        for _ in bits {
            bytes.extend([at.to_le_bytes(), size.to_le_bytes()].concat());
        }
        bytes.extend(996_u32.to_le_bytes());
        bytes.resize((at + size) as usize, b'h');
        let header = Header::read(&bytes).unwrap();
        assert_eq!(header.features.hostname.map(|text| text.len()), Some(996));
        let left_out = bits[1..]
            .iter()
            .map(|&bit| Note::FeatureOverlap { bit, size });
        assert_eq!(header.notes, left_out.collect::<Vec<_>>());
        assert_eq!(header.features.os_release, None);
    }

    #[test]
    fn sections_outside_the_file() {
        let mut bytes = file(LittleEndian);
        put(&mut bytes, 176, u64::MAX - 3);
        put(&mut bytes, 216, 1 << 40);
        let header = Header::read(&bytes).unwrap();
        let (size, bit) = (8, 3);
        let offset = u64::MAX - 3;
        assert_eq!(
            header.notes,
            [
                Note::FeatureOutside {
                    bit,
                    offset: 1 << 40,
                    size
                },
                Note::IdsOutside {
                    index: 0,
                    offset,
                    size: 16
                },
            ]
        );
        assert_eq!(header.attrs[0].ids, [0; 0]);
    }
}
