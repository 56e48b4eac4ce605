//! The result of `contend info`.

use super::{CaptureFacts, Quality};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// The `contend.info/1` document.
#[derive(Clone, Debug, Serialize)]
pub struct Info {
    /// `contend.info/1`.
    pub schema: &'static str,
    /// The capture.
    pub capture: CaptureFacts,
    /// What was lost or skipped.
    pub quality: Quality,
    /// The events in the order of the capture.
    pub events: Vec<EventFacts>,
    /// How many records there are, by the name of their type.
    pub records: BTreeMap<String, u64>,
    /// Which questions the capture can answer.
    pub can: BTreeMap<&'static str, Can>,
    /// The other captures of the bundle, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_captures: Vec<OtherCapture>,
}

/// A capture of a bundle behind the first.
#[derive(Clone, Debug, Serialize)]
pub struct OtherCapture {
    /// Its name in the bundle.
    pub member: String,
    /// Its kind, as the manifest has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The capture.
    pub capture: CaptureFacts,
    /// What was lost or skipped of it. Warnings that are those of the first are not repeated.
    pub quality: Quality,
    /// Its events, in its order.
    pub events: Vec<EventFacts>,
    /// How many records there are, by the name of their type.
    pub records: BTreeMap<String, u64>,
}

/// An event.
#[derive(Clone, Debug, Serialize)]
pub struct EventFacts {
    /// Its name as perf writes it.
    pub name: String,
    /// What it measures: `memory`, `sched_switch`, `cpu` and so on.
    pub kind: &'static str,
    /// Its samples.
    pub samples: u64,
}

/// Whether a question can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Can {
    /// It can.
    Yes,
    /// It cannot, for this reason.
    No(String),
}

impl Serialize for Can {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Yes => serializer.serialize_bool(true),
            Self::No(reason) => serializer.serialize_str(reason),
        }
    }
}
