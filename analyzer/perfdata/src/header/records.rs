//! Records that belong to the header: how a pipe carries attributes and
//! features, and how simpleperf carries what perf's header has no room for.

use super::attr::Attr;
use super::attrs::MAX_ATTRS;
use super::bits::feature;
use super::build_id::BuildId;
use super::event::EventAttr;
use super::note::Note;
use super::text::c_text;
use super::{Header, foreign};
use crate::Cursor;
use crate::record::record_kind as record;

/// The kind of EVENT_UPDATE that carries a name (PERF_EVENT_UPDATE__NAME). The
/// others, unit 0, scale 1 and CPUs 3, say nothing about samples.
const UPDATE_NAME: u64 = 2;

/// Split records are put together up to this length, in bytes. The longest
/// that simpleperf splits are kernel symbols and tracepoint formats, some
/// megabytes.
const MAX_SPLIT: usize = 64 << 20;

impl Header {
    /// Takes a record that belongs to the header; false for one that does not.
    ///
    /// `kind` is the type of the record, `body` the bytes behind its 8-byte
    /// header, `payload` what follows behind the record: the
    /// HEADER_TRACING_DATA record alone gives its size in the body and has
    /// more than that behind it, unless simpleperf wrote it. Damage is added
    /// to [`Header::notes`]. Records must come in the order of the file.
    pub fn absorb_record(&mut self, kind: u32, body: &[u8], payload: &[u8]) -> bool {
        self.absorb_record_with_misc(kind, 0, body, payload)
    }

    /// As [`Header::absorb_record`], with the `misc` of the record's header,
    /// which [`BuildId::misc`] keeps.
    pub fn absorb_record_with_misc(
        &mut self,
        kind: u32,
        misc: u16,
        body: &[u8],
        payload: &[u8],
    ) -> bool {
        match kind {
            foreign::RECORD_SPLIT => self.add_piece(body),
            foreign::RECORD_SPLIT_END => self.absorb_pieces(),
            _ => match self.absorb_whole(kind, misc, body, payload) {
                Some(taken) => return taken,
                None => self.note(Note::RecordCut { kind }),
            },
        }
        true
    }

    /// `None` when the record ends in the middle of a value.
    fn absorb_whole(&mut self, kind: u32, misc: u16, body: &[u8], payload: &[u8]) -> Option<bool> {
        match kind {
            record::HEADER_ATTR => self.absorb_attr(body)?,
            record::HEADER_EVENT_TYPE => self.absorb_event_type(body)?,
            record::HEADER_TRACING_DATA | foreign::RECORD_TRACING_DATA => {
                self.absorb_tracing_data(body, payload)?;
            }
            record::HEADER_BUILD_ID => {
                let build_id = BuildId::parse(misc, body, self.endian)?;
                self.features.build_ids.push(build_id);
            }
            record::EVENT_UPDATE => self.absorb_update(body)?,
            record::HEADER_FEATURE => self.absorb_feature_record(body)?,
            foreign::RECORD_EVENT_ID => self.absorb_event_ids(body)?,
            _ => return Some(false),
        }
        Some(true)
    }

    /// tools/perf/util/header.c, perf_event__process_attr: the ids are the
    /// rest of the record behind the attribute's own size.
    fn absorb_attr(&mut self, body: &[u8]) -> Option<()> {
        if self.attrs.len() >= MAX_ATTRS {
            return Some(());
        }
        let mut cursor = Cursor::new(body, self.endian);
        let attr = Attr::parse(&mut cursor)?;
        if u64::from(attr.size) > body.len() as u64 {
            let (index, size, room) = (self.attrs.len(), attr.size, body.len() as u64);
            self.note(Note::AttrSize { index, size, room });
        }
        let ids = std::iter::from_fn(|| cursor.u64()).collect();
        let name = None;
        self.add_event(EventAttr { attr, ids, name });
        Some(())
    }

    /// `struct perf_trace_event_type`: u64 config, 64 bytes of name. For events
    /// that come later; those before it mostly have a name of their own, and
    /// going over all of them for each record would take forever on a file
    /// that is made for it.
    fn absorb_event_type(&mut self, body: &[u8]) -> Option<()> {
        let mut cursor = Cursor::new(body, self.endian);
        let config = cursor.u64()?;
        self.names.by_config.insert(config, c_text(cursor.rest()));
        Some(())
    }

    /// The record gives the size; perf has the blob behind the record, padded
    /// to 8 bytes (perf_event__process_tracing_data), simpleperf inside it.
    fn absorb_tracing_data(&mut self, body: &[u8], payload: &[u8]) -> Option<()> {
        let mut cursor = Cursor::new(body, self.endian);
        let size = usize::try_from(cursor.u32()?).ok()?;
        let blob = if payload.is_empty() {
            cursor.rest()
        } else {
            payload
        };
        let blob = blob.get(..size).unwrap_or(blob);
        self.absorb_feature(feature::TRACING_DATA, blob);
        Some(())
    }

    /// tools/perf/util/header.c, perf_event__process_event_update.
    fn absorb_update(&mut self, body: &[u8]) -> Option<()> {
        let mut cursor = Cursor::new(body, self.endian);
        let (what, id) = (cursor.u64()?, cursor.u64()?);
        if what != UPDATE_NAME {
            return Some(());
        }
        let event = self
            .names
            .event(id)
            .and_then(|index| self.attrs.get_mut(index));
        match event {
            Some(event) => event.name = Some(c_text(cursor.rest())),
            None => {
                let kind = record::EVENT_UPDATE;
                self.note(Note::RecordStray { kind, id });
            }
        }
        Some(())
    }

    /// tools/perf/util/header.c, perf_event__process_feature. A record with a
    /// bit and nothing else marks the end of the features; its bit is the
    /// first that the writing perf did not know, and means another feature to
    /// the next version. Of the features without content perf writes no
    /// record.
    fn absorb_feature_record(&mut self, body: &[u8]) -> Option<()> {
        let mut cursor = Cursor::new(body, self.endian);
        let bit = cursor.u64()?;
        if cursor.remaining() == 0 {
            return Some(());
        }
        let names = bit == u64::from(feature::EVENT_DESC);
        if names && self.features.has(feature::EVENT_DESC) {
            // Never written twice, and to name all events costs time.
            return Some(());
        }
        match u32::try_from(bit) {
            Ok(bit) => self.absorb_feature(bit, cursor.rest()),
            Err(_) => self.note(Note::FeatureUnknown { bit }),
        }
        if names {
            self.name_events();
        }
        Some(())
    }

    /// simpleperf's EventIdRecord: ids that events got after the header was
    /// written (simpleperf/record.h).
    fn absorb_event_ids(&mut self, body: &[u8]) -> Option<()> {
        let mut cursor = Cursor::new(body, self.endian);
        for _ in 0..cursor.u64()? {
            let (attr, id) = (cursor.u64()?, cursor.u64()?);
            let index = usize::try_from(attr).unwrap_or(usize::MAX);
            let Some(event) = self.attrs.get_mut(index) else {
                let kind = foreign::RECORD_EVENT_ID;
                self.note(Note::RecordStray { kind, id: attr });
                continue;
            };
            if self.names.event(id) != Some(index) {
                event.ids.push(id);
                self.names.add_ids(index, &[id]);
            }
        }
        Some(())
    }

    fn add_piece(&mut self, piece: &[u8]) {
        let length = self.split.len() + piece.len();
        if length <= MAX_SPLIT {
            self.split.extend_from_slice(piece);
        } else {
            // Without one piece the others are of no use.
            self.split = Vec::new();
            self.note(Note::SplitTooLong { limit: MAX_SPLIT });
        }
    }

    /// The pieces together are a record with its header
    /// (simpleperf/record_file_writer.cpp).
    fn absorb_pieces(&mut self) {
        let whole = std::mem::take(&mut self.split);
        let mut cursor = Cursor::new(&whole, self.endian);
        let (Some(kind), Some(())) = (cursor.u32(), cursor.skip(4)) else {
            let kind = foreign::RECORD_SPLIT_END;
            return self.note(Note::RecordCut { kind });
        };
        if self.absorb_whole(kind, 0, cursor.rest(), &[]).is_none() {
            self.note(Note::RecordCut { kind });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::attr::tests::bytes as attr_bytes;
    use super::super::tracing::tests::blob;
    use super::*;
    use crate::Endianness::{self, BigEndian, LittleEndian};
    use crate::Format;

    fn numbers(endian: Endianness, values: &[u64]) -> Vec<u8> {
        let bytes = |value: &u64| match endian {
            LittleEndian => value.to_le_bytes(),
            BigEndian => value.to_be_bytes(),
        };
        values.iter().flat_map(bytes).collect()
    }

    fn header_with_event(endian: Endianness) -> Header {
        let mut header = Header::new(Format::Pipe, endian);
        let body = [attr_bytes(0, 136, 0, endian), numbers(endian, &[11, 12])].concat();
        assert!(header.absorb_record(record::HEADER_ATTR, &body, &[]));
        header
    }

    #[test]
    fn attribute_then_name_then_feature() {
        for endian in [LittleEndian, BigEndian] {
            let mut header = header_with_event(endian);
            assert_eq!(header.attrs[0].ids, [11, 12]);
            assert_eq!(header.display_name(0).as_deref(), Some("cycles:pp"));

            let update = [numbers(endian, &[2, 12]), b"cycles:P\0".to_vec()].concat();
            assert!(header.absorb_record(record::EVENT_UPDATE, &update, &[]));
            assert_eq!(header.display_name(0).as_deref(), Some("cycles:P"));

            let length = match endian {
                LittleEndian => [2, 0, 0, 0],
                BigEndian => [0, 0, 0, 2],
            };
            let host = [&numbers(endian, &[3])[..], &length, b"h\0"].concat();
            assert!(header.absorb_record(record::HEADER_FEATURE, &host, &[]));
            assert_eq!(header.features.hostname.as_deref(), Some("h"));
            // The mark at the end of the features.
            assert!(header.absorb_record(record::HEADER_FEATURE, &numbers(endian, &[32]), &[]));
            assert_eq!(header.features.present, [3]);
            assert_eq!(header.notes, []);
        }
    }

    #[test]
    fn event_desc_names_events_before_and_behind_it() {
        let mut header = header_with_event(LittleEndian);
        let one = |config: u64, id: u64, name: &[u8; 4]| {
            let attr = attr_bytes(0, 64, config, LittleEndian);
            let id = numbers(LittleEndian, &[id]);
            [&attr[..], b"\x01\0\0\0\x04\0\0\0", name, &id].concat()
        };
        let body = [
            &numbers(LittleEndian, &[12])[..],
            b"\x02\0\0\0\x40\0\0\0",
            &one(1, 20, b"ins\0"),
            &one(0, 11, b"cyc\0"),
        ]
        .concat();
        assert!(header.absorb_record(record::HEADER_FEATURE, &body, &[]));
        let late = [
            attr_bytes(0, 64, 1, LittleEndian),
            numbers(LittleEndian, &[20]),
        ]
        .concat();
        assert!(header.absorb_record(record::HEADER_ATTR, &late, &[]));
        assert_eq!(header.attrs[0].name.as_deref(), Some("cyc"));
        assert_eq!(header.attrs[1].name.as_deref(), Some("ins"));
    }

    #[test]
    fn tracing_data_behind_or_inside_the_record() {
        let blob = blob("0.6", LittleEndian);
        let size = (blob.len() as u32).to_le_bytes();
        let mut perf = Header::new(Format::Pipe, LittleEndian);
        let padded = [&blob[..], &[0; 5]].concat();
        assert!(perf.absorb_record(record::HEADER_TRACING_DATA, &size, &padded));
        let mut simpleperf = Header::new(Format::File, LittleEndian);
        let body = [&size[..], &blob].concat();
        assert!(simpleperf.absorb_record(foreign::RECORD_TRACING_DATA, &body, &[]));
        let mut split = Header::new(Format::File, LittleEndian);
        let whole = [&66_u32.to_le_bytes()[..], &[0; 4], &body].concat();
        for piece in whole.chunks(50) {
            assert!(split.absorb_record(foreign::RECORD_SPLIT, piece, &[]));
        }
        assert!(split.absorb_record(foreign::RECORD_SPLIT_END, &[], &[]));
        for header in [perf, simpleperf, split] {
            assert_eq!(header.notes, []);
            assert!(header.features.tracing_data.unwrap().complete);
        }
    }

    #[test]
    fn simpleperf_ids_are_added_once() {
        let mut header = header_with_event(LittleEndian);
        let body = numbers(LittleEndian, &[3, 0, 12, 0, 13, 7, 1]);
        assert!(header.absorb_record(foreign::RECORD_EVENT_ID, &body, &[]));
        assert_eq!(header.attrs[0].ids, [11, 12, 13]);
        let kind = foreign::RECORD_EVENT_ID;
        assert_eq!(header.notes, [Note::RecordStray { kind, id: 7 }]);
    }

    #[test]
    fn build_ids_keep_their_misc() {
        let mut header = Header::new(Format::Pipe, LittleEndian);
        let body = [&(-1_i32).to_le_bytes()[..], &[7; 20], &[0; 4], b"/bin/x\0"].concat();
        assert!(header.absorb_record_with_misc(record::HEADER_BUILD_ID, 2, &body, &[]));
        assert_eq!(header.features.build_ids[0].misc, 2);
        assert_eq!(header.features.build_ids[0].filename, "/bin/x");
    }

    #[test]
    fn other_records_are_refused_and_short_ones_noted() {
        let mut header = Header::new(Format::Pipe, LittleEndian);
        assert!(!header.absorb_record(9, &[0; 40], &[]));
        assert!(!header.absorb_record(foreign::RECORD_KERNEL_SYMBOL, &[0; 40], &[]));
        assert_eq!(header.notes, []);
        for kind in [64, 65, 66, 67, 78, 80, 32_773, 32_774] {
            assert!(header.absorb_record(kind, &[1], &[]));
            assert_eq!(header.notes.pop(), Some(Note::RecordCut { kind }));
        }
    }

    #[test]
    fn notes_do_not_grow_without_end() {
        let mut header = Header::new(Format::Pipe, LittleEndian);
        for _ in 0..5_000 {
            header.absorb_record(record::HEADER_ATTR, &[1], &[]);
        }
        assert_eq!(header.notes.len(), 1_000);
    }

    proptest::proptest! {
        #[test]
        fn nothing_in_a_record_makes_it_panic(
            records in proptest::collection::vec(
                (proptest::sample::select(&[64_u32, 65, 66, 67, 78, 80, 32_772, 32_773, 32_774, 32_777]),
                 proptest::collection::vec(0_u8..4, 0..200)),
                0..20,
            ),
            big in proptest::bool::ANY,
        ) {
            let endian = if big { BigEndian } else { LittleEndian };
            let mut header = Header::new(Format::Pipe, endian);
            for (kind, body) in records {
                header.absorb_record(kind, &body, &[]);
                for bit in 0..40 {
                    let _ = header.features.absorb(bit, &body, endian);
                }
            }
            for index in 0..header.attrs.len() {
                proptest::prop_assert!(header.display_name(index).is_some());
            }
        }
    }
}
