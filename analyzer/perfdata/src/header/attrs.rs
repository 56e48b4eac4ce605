//! The attribute section of a file, and the table of names that went with it.

use super::Header;
use super::attr::{Attr, VER0};
use super::event::EventAttr;
use super::note::Note;
use super::section::{Section, bytes_at};
use super::text::c_text;
use crate::{Cursor, Error, Source};

/// The most attributes that are read, as in perf (MAX_NR_ATTRS).
pub(super) const MAX_ATTRS: usize = 1 << 16;
/// The most of one attribute that is read, in bytes; the kernel takes no
/// longer one than a page (kernel/events/core.c, perf_copy_attr).
const MAX_ATTR: u64 = 4096;
/// Bytes of an entry of the event names in old files: u64 config, name.
const EVENT_TYPE: usize = 72;
/// The most of that table that is read, in bytes.
const MAX_EVENT_TYPES: u64 = 1 << 20;

impl Header {
    /// The table of event names in old files (`struct perf_trace_event_type`).
    pub(super) fn read_event_types(
        &mut self,
        source: &dyn Source,
        section: Section,
    ) -> Result<(), Error> {
        let range = section.within(source.len());
        let bytes = bytes_at(source, range, MAX_EVENT_TYPES)?;
        for entry in bytes.chunks_exact(EVENT_TYPE) {
            let mut cursor = Cursor::new(entry, self.endian);
            if let Some(config) = cursor.u64() {
                self.names.by_config.insert(config, c_text(cursor.rest()));
            }
        }
        Ok(())
    }

    /// Each entry is an attribute of the size that it gives itself, and in the
    /// last 16 bytes the section of its ids (`struct perf_file_attr`).
    pub(super) fn read_attrs(
        &mut self,
        source: &dyn Source,
        section: Section,
        each: u64,
    ) -> Result<(), Error> {
        let length = source.len();
        let Section { offset, size } = section;
        if size == 0 {
            self.note(Note::AttrsMissing);
            return Ok(());
        }
        if !section.is_within(length) {
            self.note(Note::AttrsOutside { offset, size });
        }
        let Some(room) = each
            .checked_sub(Section::SIZE)
            .filter(|&room| room >= u64::from(VER0))
        else {
            self.note(Note::AttrsOdd { size, each });
            return Ok(());
        };
        if size % each != 0 {
            self.note(Note::AttrsOdd { size, each });
        }
        let range = section.within(length);
        let there = (range.end - range.start) / each;
        let count = there.min(MAX_ATTRS as u64);
        if there > count {
            let (kept, dropped) = (MAX_ATTRS, there - count);
            self.note(Note::AttrsDropped { kept, dropped });
        }
        // The ids of all events together cannot be more than the file; without
        // this, events that point to the same bytes would be.
        let mut budget = length;
        for nth in 0..count {
            let index = nth as usize;
            let start = range.start + nth * each;
            let entry = bytes_at(source, start..start + room, MAX_ATTR)?;
            let Some(attr) = Attr::parse(&mut Cursor::new(&entry, self.endian)) else {
                self.note(Note::AttrUnreadable { index });
                continue;
            };
            if u64::from(attr.size) > room {
                let size = attr.size;
                self.note(Note::AttrSize { index, size, room });
            }
            let tail = bytes_at(source, start + room..start + each, Section::SIZE)?;
            let ids = match Section::parse(&mut Cursor::new(&tail, self.endian)) {
                Some(section) => self.read_ids(source, index, section, &mut budget)?,
                None => Vec::new(),
            };
            let name = None;
            self.add_event(EventAttr { attr, ids, name });
        }
        Ok(())
    }

    fn read_ids(
        &mut self,
        source: &dyn Source,
        index: usize,
        section: Section,
        budget: &mut u64,
    ) -> Result<Vec<u64>, Error> {
        let Section { offset, size } = section;
        let bytes = bytes_at(source, section.within(source.len()), *budget)?;
        *budget -= bytes.len() as u64;
        if (bytes.len() as u64) < size || size % 8 != 0 {
            self.note(Note::IdsOutside {
                index,
                offset,
                size,
            });
        }
        let mut cursor = Cursor::new(&bytes, self.endian);
        Ok(std::iter::from_fn(|| cursor.u64()).collect())
    }

    /// When the attribute section is lost, EVENT_DESC has all of it too.
    pub(super) fn attrs_from_event_desc(&mut self) {
        if !self.attrs.is_empty() || self.features.event_desc.is_empty() {
            return;
        }
        self.note(Note::AttrsFromEventDesc);
        for desc in self.features.event_desc.clone() {
            let (attr, ids, name) = (desc.attr, desc.ids, Some(desc.name));
            self.add_event(EventAttr { attr, ids, name });
        }
    }
}
