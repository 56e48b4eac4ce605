//! What a bundle says of itself: the member `manifest.json`.

use crate::error::Error;
use serde::{Deserialize, Serialize};

/// The newest format version, and the one that is written.
pub const VERSION: u32 = 1;

/// The first member of a bundle. Every field but the version may be absent.
///
/// A field may be added without a new version, and fields that a reader does
/// not know are passed over; the version changes when an older reader would
/// misread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the bundle's format.
    pub version: u32,
    /// When packing began, in nanoseconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_ns: Option<u64>,
    /// The machine.
    #[serde(default, skip_serializing_if = "HostFacts::is_empty")]
    pub host: HostFacts,
    /// What was asked for: the recorder's command line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Readings of several clocks at one moment, so that captures with
    /// different clocks can be laid over each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<ClockReading>,
    /// The programs that made the bundle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// The captures in it, the main one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captures: Vec<CaptureFacts>,
    /// What could not be captured or packed, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The machine that was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Kernel release, as `uname -r`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Architecture, as `uname -m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// CPU model, as `/proc/cpuinfo` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// CPUs in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus_online: Option<u32>,
}

impl HostFacts {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Clocks read at one moment, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReading {
    /// `CLOCK_REALTIME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realtime_ns: Option<u64>,
    /// `CLOCK_MONOTONIC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monotonic_ns: Option<u64>,
    /// `CLOCK_MONOTONIC_RAW`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monotonic_raw_ns: Option<u64>,
    /// `CLOCK_BOOTTIME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boottime_ns: Option<u64>,
}

/// A program that took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Its name, such as `perf`.
    pub name: String,
    /// Its version, in its own words.
    pub version: String,
}

/// A capture in the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureFacts {
    /// The member.
    pub member: String,
    /// What was recorded: `c2c`, `spe`, `offcpu`, `cpu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Command line of what recorded it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            version: VERSION,
            created_ns: None,
            host: HostFacts::default(),
            command: Vec::new(),
            clocks: Vec::new(),
            tools: Vec::new(),
            captures: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// All that is read before it is known that the rest can be understood.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl Manifest {
    /// Reads a manifest of any version up to [`VERSION`].
    ///
    /// # Errors
    /// [`Error::Newer`] for a version that this crate does not know, and
    /// [`Error::Manifest`] for what is no manifest.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let manifest = |source| Error::Manifest { source };
        let Version { version } = serde_json::from_slice(json).map_err(manifest)?;
        if version > VERSION {
            return Err(Error::Newer {
                found: version,
                known: VERSION,
            });
        }
        serde_json::from_slice(json).map_err(manifest)
    }

    /// The bytes of the member.
    ///
    /// # Errors
    /// None that a manifest can have; the JSON writer's type has some.
    pub fn build(&self) -> Result<Vec<u8>, Error> {
        let mut json =
            serde_json::to_vec_pretty(self).map_err(|source| Error::Manifest { source })?;
        json.push(b'\n');
        Ok(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_as_it_was_written() {
        let manifest = Manifest {
            created_ns: Some(1_795_000_000_123_456_789),
            host: HostFacts {
                name: Some("db7".into()),
                cpus_online: Some(384),
                ..HostFacts::default()
            },
            command: vec!["contend-record".into(), "c2c".into(), "-a".into()],
            clocks: vec![ClockReading {
                realtime_ns: Some(5),
                monotonic_ns: Some(3),
                ..ClockReading::default()
            }],
            tools: vec![Tool {
                name: "perf".into(),
                version: "6.12".into(),
            }],
            captures: vec![CaptureFacts {
                member: "c2c.perf.data".into(),
                kind: Some("c2c".into()),
                command: Vec::new(),
            }],
            notes: vec!["/proc/kallsyms shows no addresses".into()],
            ..Manifest::default()
        };
        let json = manifest.build().unwrap();
        assert_eq!(Manifest::parse(&json).unwrap(), manifest);
    }

    #[test]
    fn everything_but_the_version_may_be_absent_and_more_may_be_there() {
        let manifest = Manifest::parse(br#"{"version": 1, "later": {"x": 1}}"#).unwrap();
        assert_eq!(manifest, Manifest::default());
    }

    #[test]
    fn a_newer_version_is_named_even_if_its_fields_are_unknown() {
        let error = Manifest::parse(br#"{"version": 2, "host": []}"#).unwrap_err();
        assert!(matches!(error, Error::Newer { found: 2, known: 1 }));
        for json in [
            "",
            "[]",
            "{}",
            r#"{"version": -1}"#,
            r#"{"version": 1, "host": 3}"#,
        ] {
            let error = Manifest::parse(json.as_bytes()).unwrap_err();
            assert!(matches!(error, Error::Manifest { .. }), "{json}: {error}");
        }
    }
}
