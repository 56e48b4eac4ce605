//! What was lost, skipped or missing: a part of every document.

use crate::capture::Capture;
use crate::survey::Survey;
use contend_perfdata::{WalkReport, is_known_record};
use serde::Serialize;
use std::collections::BTreeMap;

/// A binary that names would need.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MissingBinary {
    /// Its path on the recording machine.
    pub path: String,
    /// Its build-id as hex; absent when the capture does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_id: Option<String>,
}

/// The reason in [`Quality::skipped`] for samples that were not asked for.
pub(crate) const FILTERED: &str = "samples that the filters left out";

/// The `quality` object of every document.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Quality {
    /// All samples of the capture.
    pub samples: u64,
    /// Samples of memory accesses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_samples: Option<u64>,
    /// Records that the kernel could not write for want of room.
    pub lost_events: u64,
    /// Samples that the hardware or the kernel dropped, beside
    /// [`Quality::lost_events`].
    pub lost_samples: u64,
    /// How often the kernel throttled an event.
    pub throttled: u64,
    /// Bytes of the capture that could not be read as records, or that are
    /// missing from its end.
    pub truncated_bytes: u64,
    /// What was left out, with how often.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<String, u64>,
    /// Records and losses of Arm SPE; absent without its data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spe: Option<super::SpeQuality>,
    /// Memory samples whose instruction has no mapping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unresolved_ip: Option<u64>,
    /// Memory samples whose data address has no mapping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmapped_addr: Option<u64>,
    /// Binaries that names would need.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_binaries: Vec<MissingBinary>,
    /// What else the reader should know, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Quality {
    /// What a walk found out about the quality of a capture.
    pub fn new(capture: &Capture, survey: &Survey, walk: &WalkReport) -> Self {
        let header = capture.header();
        let have = header.data.end - header.data.start;
        let missing = header.data_declared.saturating_sub(have);
        let kinds = survey.kinds().into_iter();
        let unknown = kinds.filter(|&(kind, _)| !is_known_record(kind));
        let skipped = [
            (
                "records of unknown types",
                unknown.map(|(_, count)| count).sum(),
            ),
            ("samples with an id that no event has", survey.unknown_event),
            (
                "samples whose fields do not fit into their record",
                survey.malformed_samples,
            ),
            ("records whose fields do not fit", survey.malformed_records),
            (
                "samples that a BPF filter of the recording left out",
                survey.filtered_samples,
            ),
            (
                "look-ups among too many nested mappings",
                capture.given_up(),
            ),
        ];
        let mut warnings = capture.notes().to_vec();
        warnings.extend(header.notes.iter().map(ToString::to_string));
        warnings.extend(walk.damage.iter().map(ToString::to_string));
        Self {
            samples: survey.total_samples(),
            lost_events: survey.lost_events,
            lost_samples: survey.lost_samples(),
            throttled: survey.throttled,
            truncated_bytes: missing.saturating_add(walk.lost_bytes()),
            skipped: skipped
                .into_iter()
                .filter(|&(_, count)| count > 0)
                .map(|(reason, count)| (reason.to_owned(), count))
                .collect(),
            warnings,
            ..Self::default()
        }
    }

    /// Notes that something was left out; nothing when the count is 0.
    pub fn skip(&mut self, reason: &str, count: u64) {
        if count > 0 {
            *self.skipped.entry(reason.to_owned()).or_default() += count;
        }
    }
}
