//! Which event a record belongs to, and how its samples are laid out.

use crate::bytes::Cursor;
use crate::header::{Attr, EventAttr};
use crate::sample::{Fields, SampleLayout, TrailerLayout, Window};
use linux_perf_event_reader::{AttrFlags, Endianness};
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

/// Event indices by id.
#[derive(Clone, Debug)]
enum Ids {
    /// The kernel numbers events one after the other, so those of a capture are
    /// close together: by the distance from the first one. [`NO_EVENT`] in gaps.
    Near {
        first: u64,
        events: Vec<u32>,
    },
    Far(FxHashMap<u64, u32>),
}

const NO_EVENT: u32 = u32::MAX;

const WINDOW_WORDS: usize = size_of::<Window>() / 8;

/// How much longer than the number of ids the range of near ids may be.
const NEAR: u64 = 4;

impl Ids {
    /// Of ids that are given twice, the first counts.
    fn new(mut ids: Vec<(u64, u32)>) -> Self {
        ids.sort_by_key(|(id, _)| *id);
        ids.dedup_by_key(|(id, _)| *id);
        let (Some(&(first, _)), Some(&(last, _))) = (ids.first(), ids.last()) else {
            return Self::Far(FxHashMap::default());
        };
        if (last - first) / NEAR >= ids.len() as u64 {
            return Self::Far(ids.into_iter().collect());
        }
        let mut events = vec![NO_EVENT; (last - first) as usize + 1];
        for (id, event) in ids {
            events[(id - first) as usize] = event;
        }
        Self::Near { first, events }
    }

    #[inline]
    fn get(&self, id: u64) -> Option<u32> {
        match self {
            Self::Near { first, events } => {
                let place = usize::try_from(id.checked_sub(*first)?).ok()?;
                let event = *events.get(place)?;
                (event != NO_EVENT).then_some(event)
            }
            Self::Far(events) => events.get(&id).copied(),
        }
    }
}

/// How records that are not samples end.
#[derive(Clone, Debug)]
enum Trailers {
    /// In the same way, whatever event they were written for, or as nothing in them
    /// tells apart.
    Same(TrailerLayout),
    /// In the way of their event, whose id is that many words from the end. perf leaves
    /// the CPU out where one event did not ask for it (`perf record -D 10 -e sched:...`
    /// adds such a one, and gives it the mappings to tell).
    ById {
        from_end: usize,
        /// By event, at least two.
        layouts: Vec<TrailerLayout>,
    },
}

impl Trailers {
    fn new(attrs: &[EventAttr]) -> Self {
        let layout = |event: &EventAttr| TrailerLayout::new(Fields::from(&event.attr));
        let Some(first) = attrs.first().map(layout) else {
            return Self::Same(TrailerLayout::new(Fields::default()));
        };
        let layouts: Vec<TrailerLayout> = attrs.iter().map(layout).collect();
        if layouts.iter().all(|layout| layout.is_like(&first)) {
            return Self::Same(first);
        }
        let from_end = first.id_from_end();
        let is_told = |from_end| layouts.iter().all(|it| it.id_from_end() == Some(from_end));
        match from_end.filter(|&from_end| is_told(from_end)) {
            Some(from_end) => Self::ById { from_end, layouts },
            None => Self::Same({
                // Those of the event that asked for such records count.
                let mut asked = attrs.iter().filter(|event| is_tracking(&event.attr));
                asked.next().map_or(first, layout)
            }),
        }
    }
}

/// Whether an event asks for records of what processes do.
fn is_tracking(attr: &Attr) -> bool {
    let asks = [
        AttrFlags::CONTEXT_SWITCH,
        AttrFlags::MMAP,
        AttrFlags::COMM,
        AttrFlags::TASK,
    ];
    asks.iter().any(|&flag| attr.has_flags(flag))
}

/// The events of a capture by the ids that records carry.
#[derive(Clone, Debug)]
pub struct EventTable {
    layouts: Vec<SampleLayout>,
    trailers: Trailers,
    by_id: Ids,
    id_place: Option<usize>,
    /// The same, where it can be read from a window and has to be read at all.
    quick: Option<usize>,
    /// Where all samples have their data address.
    addr_place: Option<usize>,
    endian: Endianness,
}

impl EventTable {
    /// Builds the table of the events in the order of the attributes.
    pub fn new(attrs: &[EventAttr], endian: Endianness) -> Self {
        let layouts: Vec<SampleLayout> = attrs
            .iter()
            .map(|event| SampleLayout::new(Fields::from(&event.attr), endian))
            .collect();
        let ids = (0..).zip(attrs).flat_map(|(index, event)| {
            let ids = event.ids.iter();
            ids.map(move |&id| (id, index))
        });
        let by_id = Ids::new(ids.collect());
        let addr_place = layouts.first().and_then(SampleLayout::addr_place);
        let id_place = layouts.iter().find_map(SampleLayout::id_place);
        let is_own_order = (endian == Endianness::BigEndian) == cfg!(target_endian = "big");
        Self {
            id_place,
            quick: id_place
                .filter(|&place| is_own_order && layouts.len() > 1 && place < WINDOW_WORDS),
            addr_place: addr_place.filter(|_| {
                layouts
                    .iter()
                    .all(|layout| layout.addr_place() == addr_place)
            }),
            trailers: Trailers::new(attrs),
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
        let Some(place) = self.id_place else {
            return Some(0);
        };
        match self.word(body, place)? {
            0 => Some(0),
            id => self.by_id.get(id).map(|index| index as usize),
        }
    }

    /// The event that has an id, as an index into the attributes.
    pub fn event_with_id(&self, id: u64) -> Option<usize> {
        self.by_id.get(id).map(|index| index as usize)
    }

    /// As [`EventTable::event_of`], for a record that has a window
    /// ([`crate::RawRecord::window`]): that is quicker.
    #[inline(always)]
    pub fn event_in(&self, body: &[u8], window: Option<&Window>) -> Option<usize> {
        if let (Some(quick), Some(window)) = (&self.quick, window) {
            let id = u64::from_ne_bytes(window[quick % WINDOW_WORDS]);
            // The id 0 means something else than what has it in the list.
            if let Ids::Near { first, events } = &self.by_id
                && id != 0
                && body.len() >= 8 * (quick + 1)
                && let Some(&event) = events.get(id.wrapping_sub(*first) as usize)
                && event != NO_EVENT
            {
                return Some(event as usize);
            }
        }
        self.event_of(body)
    }

    /// The data address (AVMA) of a sample without decoding it any further, for
    /// a quick look; 0 when it is not known. Absent when the events have it in
    /// different places, or not at all.
    #[inline]
    pub fn addr_of(&self, body: &[u8]) -> Option<u64> {
        self.word(body, self.addr_place?)
    }

    #[inline]
    fn word(&self, body: &[u8], place: usize) -> Option<u64> {
        let bytes = *body.as_chunks().0.get(place)?;
        Some(match self.endian {
            Endianness::LittleEndian => u64::from_le_bytes(bytes),
            Endianness::BigEndian => u64::from_be_bytes(bytes),
        })
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

    /// The trailer of a record that is not a sample, with `body` behind its header.
    ///
    /// The rule is perf's, as for samples: with the trailer ends the id of the event for
    /// which the kernel wrote the record; perf's own records have the first event's, all
    /// zeros.
    #[inline]
    pub fn trailer_of(&self, body: &[u8]) -> &TrailerLayout {
        match &self.trailers {
            Trailers::Same(trailer) => trailer,
            Trailers::ById { from_end, layouts } => {
                let id = self.word_from_end(body, *from_end);
                let event = id.and_then(|id| self.by_id.get(id));
                let layout = event.and_then(|event| layouts.get(event as usize));
                layout.unwrap_or(&layouts[0])
            }
        }
    }

    fn word_from_end(&self, body: &[u8], words: usize) -> Option<u64> {
        let start = body.len().checked_sub(8 * words)?;
        Cursor::new(&body[start..], self.endian).u64()
    }

    /// The byte order of the records.
    pub fn endian(&self) -> Endianness {
        self.endian
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_find_their_event_near_and_far() {
        let near = Ids::new(vec![(7, 0), (9, 1), (12, 0), (9, 2)]);
        assert!(matches!(near, Ids::Near { .. }));
        let far = Ids::new(vec![(7, 0), (u64::MAX, 1), (12, 0), (u64::MAX, 2)]);
        assert!(matches!(far, Ids::Far(_)));
        for ids in [&near, &far] {
            assert_eq!((ids.get(7), ids.get(12)), (Some(0), Some(0)));
            let unknown = [0, 6, 8, 10, 13, u64::MAX - 1];
            assert!(unknown.iter().all(|&id| ids.get(id).is_none()));
        }
        assert_eq!(near.get(9), Some(1));
        assert_eq!(far.get(u64::MAX), Some(1));
        assert_eq!(Ids::new(Vec::new()).get(0), None);
    }

    /// Two events, of which the second leaves the CPU out, and may have no id to tell.
    fn unlike(id: linux_perf_event_reader::SampleFormat, tracking: usize) -> EventTable {
        use linux_perf_event_reader::SampleFormat as Field;
        let common = Field::TID | Field::TIME | id;
        let event = |index: usize, sample_type: Field| EventAttr {
            attr: Attr {
                sample_type: sample_type.bits(),
                flags: (if index == tracking { 1 << 8 } else { 0 }) | 1 << 18,
                ..Default::default()
            },
            ids: vec![10 + index as u64],
            name: None,
        };
        let events = [event(0, common | Field::CPU), event(1, common)];
        EventTable::new(&events, Endianness::LittleEndian)
    }

    #[test]
    fn each_record_ends_as_its_event_says() {
        use linux_perf_event_reader::SampleFormat as Field;
        let bytes = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let time = |table: &EventTable, words: &[u64]| {
            let body: Vec<u8> = bytes(words);
            let id = table
                .trailer_of(&body)
                .parse(&body, Endianness::LittleEndian);
            (id.time, id.cpu)
        };
        // Something else, thread, time, CPU, id.
        let table = unlike(Field::IDENTIFIER, 1);
        assert_eq!(time(&table, &[99, 7, 1000, 3, 10]), (Some(1000), Some(3)));
        assert_eq!(time(&table, &[99, 7, 1000, 11]), (Some(1000), None));
        // perf's own, and one of an event that is not told.
        assert_eq!(time(&table, &[99, 0, 0, 0, 0]), (Some(0), Some(0)));
        assert_eq!(time(&table, &[99, 7, 1000, 3, 55]), (Some(1000), Some(3)));
        assert_eq!(time(&table, &[]), (None, None));
        // Nothing in the record says whose it is.
        for (tracking, expected) in [(1, Some(1000)), (0, Some(7))] {
            let table = unlike(Field::empty(), tracking);
            assert_eq!(time(&table, &[98, 99, 7, 1000]).0, expected);
        }
    }

    fn table(ids: &[&[u64]]) -> EventTable {
        use linux_perf_event_reader::SampleFormat as Field;
        let sample_type = Field::IP | Field::ID;
        let attr = crate::header::Attr {
            sample_type: sample_type.bits(),
            ..Default::default()
        };
        let events: Vec<EventAttr> = ids
            .iter()
            .map(|ids| EventAttr {
                attr,
                ids: ids.to_vec(),
                name: None,
            })
            .collect();
        EventTable::new(&events, Endianness::LittleEndian)
    }

    proptest::proptest! {
        /// Whether more than the record can be seen makes no difference.
        #[test]
        fn a_window_gives_the_same_event(
            id in 0u64..12,
            length in 0usize..40,
            first in 0u64..4,
            behind in proptest::prelude::any::<[u8; 160]>(),
        ) {
            let table = table(&[&[first, 5, 6], &[7, 9], &[0]]);
            let mut bytes = behind;
            bytes[8..16].copy_from_slice(&id.to_le_bytes());
            let body = &bytes[..length];
            let window = bytes.as_chunks().0.first_chunk();
            proptest::prop_assert_eq!(table.event_in(body, window), table.event_of(body));
        }
    }
}
