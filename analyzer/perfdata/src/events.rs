//! Which event a record belongs to, and how its samples are laid out.

use crate::header::EventAttr;
use crate::sample::{Fields, SampleLayout, TrailerLayout};
use linux_perf_event_reader::Endianness;
use rustc_hash::FxHashMap;

impl From<&crate::header::Attr> for Fields {
    fn from(attr: &crate::header::Attr) -> Self {
        Self {
            sample_type: attr.sample_type,
            read_format: attr.read_format,
            branch_sample_type: attr.branch_sample_type,
            regs_user: attr.sample_regs_user,
            regs_intr: attr.sample_regs_intr,
            sample_id_all: attr.sample_id_all(),
        }
    }
}

/// The events of a capture by the ids that records carry.
#[derive(Clone, Debug)]
pub struct EventTable {
    layouts: Vec<SampleLayout>,
    trailer: TrailerLayout,
    by_id: FxHashMap<u64, u32>,
    id_offset: Option<usize>,
    endian: Endianness,
}

impl EventTable {
    /// Builds the table of the events in the order of the attributes.
    pub fn new(attrs: &[EventAttr], endian: Endianness) -> Self {
        let layouts: Vec<SampleLayout> = attrs
            .iter()
            .map(|event| SampleLayout::new(Fields::from(&event.attr), endian))
            .collect();
        let mut by_id = FxHashMap::default();
        for (index, event) in attrs.iter().enumerate() {
            for &id in &event.ids {
                by_id.entry(id).or_insert(index as u32);
            }
        }
        let first = attrs.first();
        let trailer = first.map_or_else(Fields::default, |event| Fields::from(&event.attr));
        Self {
            id_offset: layouts.iter().find_map(SampleLayout::id_offset),
            trailer: TrailerLayout::new(trailer),
            layouts,
            by_id,
            endian,
        }
    }

    /// The event of a sample, as an index into the attributes; absent when the
    /// sample carries an id that no attribute has, or there is no event at all.
    ///
    /// The rule is perf's (`evlist__event2evsel` in `tools/perf/util/evlist.c`):
    /// with one event every sample is its; samples without an id, or with id 0,
    /// belong to the first event.
    #[inline]
    pub fn event_of(&self, body: &[u8]) -> Option<usize> {
        match self.layouts.len() {
            0 => return None,
            1 => return Some(0),
            _ => {}
        }
        let Some(offset) = self.id_offset else {
            return Some(0);
        };
        let bytes = *body.get(offset..)?.first_chunk::<8>()?;
        let id = match self.endian {
            Endianness::LittleEndian => u64::from_le_bytes(bytes),
            Endianness::BigEndian => u64::from_be_bytes(bytes),
        };
        if id == 0 {
            return Some(0);
        }
        self.by_id.get(&id).map(|&index| index as usize)
    }

    /// How the samples of an event are laid out.
    #[inline]
    pub fn layout(&self, event: usize) -> Option<&SampleLayout> {
        self.layouts.get(event)
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.layouts.len()
    }

    /// Whether there is no event at all.
    pub fn is_empty(&self) -> bool {
        self.layouts.is_empty()
    }

    /// The trailer of records that are not samples. perf writes files in which
    /// it is the same for every event.
    pub fn trailer(&self) -> &TrailerLayout {
        &self.trailer
    }

    /// The byte order of the records.
    pub fn endian(&self) -> Endianness {
        self.endian
    }
}
