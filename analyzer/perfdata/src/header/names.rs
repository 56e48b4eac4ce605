//! Which name belongs to which event.

use std::collections::HashMap;

use super::attr::Attr;
use super::event::{self, EventAttr};
use super::features::Features;
use super::recording::EventDesc;
use super::{Header, foreign};

/// Tables for finding the event of an id and the name of an event, so that a
/// capture with many of both is not searched over and over.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Number of the event that has an id.
    event_of_id: HashMap<u64, usize>,
    /// Number of the EVENT_DESC entry that has an id.
    desc_of_id: HashMap<u64, usize>,
    /// Names by `config` from the table of old files.
    pub(super) by_config: HashMap<u64, String>,
    /// The lines of simpleperf's `event_type_info`: name, type, config.
    event_types: Vec<(String, u32, u64)>,
    /// Place of the first line for a type and config.
    line_of: HashMap<(u32, u64), usize>,
}

impl Names {
    /// Takes note that the event of this number has these ids.
    pub(super) fn add_ids(&mut self, index: usize, ids: &[u64]) {
        self.event_of_id.extend(ids.iter().map(|&id| (id, index)));
    }

    /// The number of the event that has this id.
    pub(super) fn event(&self, id: u64) -> Option<usize> {
        self.event_of_id.get(&id).copied()
    }

    /// Builds the tables of what the features say.
    pub(super) fn index(&mut self, features: &Features) {
        self.desc_of_id.clear();
        for (index, desc) in features.event_desc.iter().enumerate() {
            self.desc_of_id
                .extend(desc.ids.iter().map(|&id| (id, index)));
        }
        let info = features
            .meta_info
            .iter()
            .find(|(key, _)| key == "event_type_info");
        let lines = info.map_or("", |(_, lines)| lines);
        self.event_types.clear();
        self.line_of.clear();
        for (place, (name, kind, config)) in foreign::event_types(lines).enumerate() {
            self.event_types.push((name.to_owned(), kind, config));
            self.line_of.entry((kind, config)).or_insert(place);
        }
    }

    /// The EVENT_DESC entry of an event: by its ids, else the one at its place
    /// if it is for the same thing.
    fn desc<'a>(
        &self,
        index: usize,
        event: &EventAttr,
        all: &'a [EventDesc],
    ) -> Option<&'a EventDesc> {
        let by_id = event.ids.iter().find_map(|id| self.desc_of_id.get(id));
        let at = by_id.copied().unwrap_or(index);
        let same = |desc: &&EventDesc| {
            by_id.is_some()
                || (desc.attr.kind, desc.attr.config) == (event.attr.kind, event.attr.config)
        };
        all.get(at).filter(same)
    }

    /// simpleperf lists one line an event, in order. Where the line at an
    /// event's place is for another, one elsewhere may be for it. simpleperf
    /// sets more of the config after it has listed the event (for cs-etm), so
    /// in the end the place and the type are enough.
    fn event_type(&self, index: usize, event: &EventAttr) -> Option<&str> {
        let Attr { kind, config, .. } = event.attr;
        let at_place = self.event_types.get(index);
        let first = self.line_of.get(&(kind, config));
        let line = at_place
            .filter(|line| (line.1, line.2) == (kind, config))
            .or_else(|| self.event_types.get(*first?))
            .or_else(|| at_place.filter(|line| line.1 == kind))?;
        Some(line.0.as_str()).filter(|name| !name.is_empty())
    }
}

impl Header {
    /// Adds an event and gives it the name that is known by now.
    pub(super) fn add_event(&mut self, event: EventAttr) {
        let index = self.attrs.len();
        self.names.add_ids(index, &event.ids);
        self.attrs.push(event);
        self.name_event(index);
    }

    /// Gives every event without a name the one that is known by now; for
    /// when features arrive behind the events.
    pub(super) fn name_events(&mut self) {
        self.names.index(&self.features);
        for index in 0..self.attrs.len() {
            self.name_event(index);
        }
    }

    fn name_event(&mut self, index: usize) {
        let Some(event) = self.attrs.get_mut(index) else {
            return;
        };
        if let Some(desc) = self.names.desc(index, event, &self.features.event_desc) {
            if event.ids.is_empty() && !desc.ids.is_empty() {
                event.ids.clone_from(&desc.ids);
                self.names.add_ids(index, &desc.ids);
            }
            if event.name.is_none() && !desc.name.is_empty() {
                event.name = Some(desc.name.clone());
            }
        }
        if event.name.is_none() {
            event.name = self.names.event_type(index, event).map(str::to_owned);
        }
        // That table has no `type`, so it can only be believed where the
        // config alone means something.
        if event.name.is_none() && !event::is_generic(&event.attr) {
            event.name = self.names.by_config.get(&event.attr.config).cloned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attr, Endianness, Format};

    fn event(kind: u32, config: u64, ids: &[u64]) -> EventAttr {
        EventAttr {
            attr: Attr {
                kind,
                config,
                ..Attr::default()
            },
            ids: ids.to_vec(),
            name: None,
        }
    }

    fn desc(name: &str, kind: u32, config: u64, ids: &[u64]) -> EventDesc {
        let EventAttr { attr, ids, .. } = event(kind, config, ids);
        EventDesc {
            attr,
            name: name.into(),
            ids,
        }
    }

    fn header() -> Header {
        Header::new(Format::Pipe, Endianness::LittleEndian)
    }

    fn names(header: &Header) -> Vec<Option<&str>> {
        header
            .attrs
            .iter()
            .map(|event| event.name.as_deref())
            .collect()
    }

    #[test]
    fn ids_decide_before_places() {
        let mut header = header();
        header.add_event(event(0, 0, &[5, 6]));
        header.add_event(event(0, 1, &[7]));
        header.features.event_desc = vec![desc("second", 0, 1, &[7]), desc("first", 0, 0, &[6])];
        header.name_events();
        assert_eq!(names(&header), [Some("first"), Some("second")]);
        header.add_event(event(1, 9, &[]));
        assert_eq!(names(&header)[2], None);
    }

    #[test]
    fn places_decide_without_ids_and_bring_them() {
        let mut header = header();
        header.features.event_desc = vec![desc("a", 0, 0, &[1]), desc("b", 0, 1, &[2])];
        header.name_events();
        header.add_event(event(0, 0, &[]));
        header.add_event(event(0, 7, &[]));
        assert_eq!(names(&header), [Some("a"), None]);
        assert_eq!(header.attrs[0].ids, [1]);
        assert_eq!(header.names.event(1), Some(0));
    }

    #[test]
    fn simpleperf_lines_by_place_then_anywhere() {
        let mut header = header();
        let lines = "cpu-cycles:u,0,0\ncpu-cycles,0,0\nsched:sched_switch,2,45\ncs-etm,8,0";
        header.features.meta_info = vec![("event_type_info".into(), lines.into())];
        header.add_event(event(2, 45, &[]));
        header.add_event(event(0, 0, &[]));
        header.add_event(event(0, 9, &[]));
        header.add_event(event(8, 0x4000, &[]));
        header.name_events();
        let [first, second, third, fourth] = names(&header)[..] else {
            panic!("four events");
        };
        assert_eq!(
            (first, second),
            (Some("sched:sched_switch"), Some("cpu-cycles"))
        );
        assert_eq!((third, fourth), (None, Some("cs-etm")));
    }

    #[test]
    fn the_old_table_names_only_what_has_no_name_of_its_own() {
        let mut header = header();
        header.names.by_config.insert(0, "cycles".into());
        header
            .names
            .by_config
            .insert(45, "sched:sched_switch".into());
        header.add_event(event(1, 0, &[]));
        header.add_event(event(2, 45, &[]));
        assert_eq!(names(&header), [None, Some("sched:sched_switch")]);
    }
}
