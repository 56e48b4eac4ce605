//! What is not sure of an Arm SPE recording: that it is said, and that what can be
//! told is told all the same.

use crate::common::contend_on;
use crate::spe::{altered, of_two_cpus};
use contend_fixtures::{Container, SpeCapture, SpePlan};
use serde_json::{Value, json};
use std::path::Path;

/// The document of `contend c2c` for these bytes, and its warnings as one text.
pub(crate) fn document(bytes: &[u8], folder: &Path) -> (Value, String) {
    let path = folder.join("doubts.perf.data");
    std::fs::write(&path, bytes).unwrap();
    let document = contend_on(&path, &["c2c", "--json", "--show-all"]).json("c2c");
    let warnings = document["quality"]["warnings"].to_string();
    (document, warnings)
}

/// `change` is made to records of one type.
pub(crate) fn with(capture: &SpeCapture, kind: u32, change: impl Fn(&mut [u8])) -> Vec<u8> {
    altered(capture, |found, record| {
        if found == Some(kind) {
            change(record);
        }
    })
}

/// Makes a record one that nobody knows.
fn hide(record: &mut [u8]) {
    record[..4].copy_from_slice(&200u32.to_le_bytes());
}

fn put(record: &mut [u8], at: usize, value: u64) {
    record[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// Without AUXTRACE_INFO there are the chunks, the event and the header's CPU.
#[test]
fn chunks_are_read_without_the_record_that_says_whose_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let capture = of_two_cpus(16);
    let (whole, _) = document(&with(&capture, 70, |_| {}), folder.path());
    let (document, warnings) = document(&with(&capture, 70, hide), folder.path());
    assert_eq!(document["lines"], whole["lines"]);
    assert_eq!(document["quality"]["spe"]["records"], 80);
    assert!(warnings.contains("AUXTRACE_INFO"), "{warnings}");
}

/// What a core cannot tell was not zero times there: few of them tell HITM, and one that
/// nobody knows tells nothing of others.
#[test]
fn ratios_of_what_cores_do_not_tell_are_absent_and_named() {
    let folder = tempfile::tempdir().unwrap();
    // Bits 19 to 23 of the events that can be filtered by: FEAT_SPEv1p4.
    const NEW_EVENTS: u64 = 0x1f << 19;
    const UNKNOWN: u64 = 0x510f_0010;
    const HIP12: u64 = 0x480f_d060;
    let untold = json!(["hitm_per_load", "hitm_per_llc_miss"]);
    let all = json!(["hitm_per_load", "hitm_per_llc_miss", "peer_per_load"]);
    for (midr, filter, expected) in [
        (SpeCapture::MIDR, 0, &untold),
        (SpeCapture::MIDR, NEW_EVENTS, &Value::Null),
        (HIP12, 0, &Value::Null),
        (UNKNOWN, 0, &all),
        (UNKNOWN, NEW_EVENTS, &Value::Null),
    ] {
        let mut capture = SpeCapture::new(2);
        capture.metadata = Some(vec![(midr, filter); 2]);
        let plans: Vec<SpePlan> = (0..20u64)
            .map(|number| SpePlan {
                operation: Some((1, 0)),
                pc: Some((SpeCapture::TEXT, 0)),
                data: Some(SpeCapture::HEAP),
                latencies: [Some(40), None, None],
                timestamp: Some(1_000_000 + number),
                ..SpePlan::default()
            })
            .collect();
        capture.chunk(0, &plans, 64);
        let path = folder.path().join("untold.perf.data");
        std::fs::write(&path, capture.wrapped(Container::File).unwrap()).unwrap();
        let document = contend_on(&path, &["c2c", "--json"]).json("c2c");
        let ratios = &document["ratios"];
        assert_eq!(&ratios["not_told"], expected, "{midr:#x} {filter:#x}");
        let is_told = expected.is_null();
        assert_eq!(ratios["hitm_per_load"].is_null(), !is_told, "{ratios}");
        let has_peers = expected != &all;
        assert_eq!(ratios["peer_per_load"].is_null(), !has_peers, "{ratios}");
        let table = contend_on(&path, &["c2c"]).text();
        let line = table.lines().find(|line| line.starts_with("HITM"));
        let line = line.unwrap_or_default();
        assert_eq!(line.contains("not told"), !is_told, "{table}");
    }
}

/// perf that was killed leaves no features behind: no names of events, no list of PMUs.
#[test]
fn a_capture_of_a_killed_perf_is_one_of_spe() {
    let folder = tempfile::tempdir().unwrap();
    let whole = of_two_cpus(16).wrapped(Container::File).unwrap();
    let mut bare = whole.clone();
    // The bits of the features in the header of the file.
    bare[72..104].fill(0);
    let path = folder.path().join("killed.perf.data");
    let interval_and_can = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let document = contend_on(&path, &["info", "--json"]).json("info");
        let event = document["events"][0]["name"].as_str().unwrap().to_owned();
        let interval = document["quality"]["spe"]["interval"].clone();
        (event, interval, document["can"]["spe"].clone())
    };
    let (_, interval, can) = interval_and_can(&whole);
    let (event, of_bare, can_bare) = interval_and_can(&bare);
    assert!(event.starts_with("arm_spe"), "{event}");
    assert_eq!((&of_bare["period"], can_bare), (&interval["period"], can));
    assert!(interval["period"].is_number(), "{interval}");
}

/// Metadata of a perf to come is read as that of today, and the report says so.
#[test]
fn metadata_of_a_newer_version_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut capture = of_two_cpus(16);
    capture.metadata = Some(vec![(SpeCapture::MIDR, 0); 2]);
    // Behind the record's head, the type and padding: the version.
    for (version, is_named) in [(2, false), (3, true)] {
        let bytes = with(&capture, 70, |record| put(record, 16, version));
        let (document, warnings) = document(&bytes, folder.path());
        assert_eq!(document["quality"]["spe"]["cpus"][0]["core"], "Neoverse N1");
        assert_eq!(
            warnings.contains("version 3, from a perf that is newer"),
            is_named,
            "{warnings}"
        );
    }
}

/// A conversion that converts nothing is damage, and no record is odd for it.
#[test]
fn a_conversion_that_cannot_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let capture = of_two_cpus(16);
    for (at, value) in [(16, 0), (8, 64)] {
        let bytes = with(&capture, 79, |record| put(record, at, value));
        let (document, warnings) = document(&bytes, folder.path());
        assert_eq!(document["quality"]["spe"]["without_time"], 80);
        assert!(
            warnings.contains("TIME_CONV record of the capture is damaged"),
            "{warnings}"
        );
        assert!(!warnings.contains("outside the recording"), "{warnings}");
    }
}

/// A damaged place of one chunk costs no other chunk, and gaps are what is between
/// the others.
#[test]
fn a_damaged_offset_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut capture = SpeCapture::new(1);
    (1..4).for_each(|chunk| capture.chunk(0, &stores(100 * chunk, None, 10), 64));
    let bytes = with(&capture, 71, |record| {
        if record[16..24] == (640u64).to_le_bytes() {
            put(record, 16, 1 << 60);
        }
    });
    let (document, _) = document(&bytes, folder.path());
    let spe = &document["quality"]["spe"];
    assert_eq!(
        (&spe["records"], &spe["gap_bytes"]),
        (&json!(30), &json!(640))
    );
}

/// Chunks that neither the kernel's records nor the recorder's tell of are missed.
#[test]
fn a_hole_that_nothing_announces_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut capture = SpeCapture::new(1);
    (1..4).for_each(|chunk| capture.chunk(0, &stores(100 * chunk, None, 10), 64));
    let bytes = altered(&capture, |kind, record| {
        // The last chunk, and what announces it, are 64 bytes further on.
        let at = match kind {
            Some(71) => 16,
            Some(11) => 8,
            _ => return,
        };
        if record[at..at + 8] == (1280u64).to_le_bytes() {
            put(record, at, 1344);
        }
    });
    let (document, warnings) = document(&bytes, folder.path());
    assert_eq!(document["quality"]["spe"]["gap_bytes"], 64);
    assert!(
        warnings.contains("64 bytes between chunks of SPE data are in no chunk"),
        "{warnings}"
    );
}

/// `perf record -S`: what a snapshot repeats counts once, and it says that it is one.
#[test]
fn snapshots_are_told_and_what_they_repeat_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = |from: u64| {
        let mut bytes = Vec::new();
        (from..from + 10).for_each(|number| store(100 + number, None).write(&mut bytes, 64));
        bytes
    };
    let mut capture = SpeCapture::new(1);
    // Three snapshots of a buffer of ten records: the second has six of the first, the
    // third none, and all stand at places in the buffer.
    for from in [0, 4, 20] {
        capture.raw_chunk(0, bytes(from), 2, true);
    }
    let bytes = with(&capture, 71, |record| {
        let offset = u64::from_le_bytes(record[16..24].try_into().unwrap());
        put(record, 16, [0, 256, 0][(offset / 640) as usize]);
    });
    let (document, warnings) = document(&bytes, folder.path());
    let spe = &document["quality"]["spe"];
    assert_eq!(spe["records"], 24);
    assert_eq!((&spe["overwritten"], &spe["gaps"]), (&json!(3), &json!(0)));
    assert!(
        warnings.contains("snapshots (perf record -S)"),
        "{warnings}"
    );
}

/// A store at a count of the timer, which may name its thread.
pub(crate) fn store(timestamp: u64, thread: Option<u32>) -> SpePlan {
    SpePlan {
        operation: Some((1, 1)),
        pc: Some((SpeCapture::TEXT, 0)),
        data: Some(SpeCapture::HEAP),
        context: thread.map(|thread| (1, thread)),
        timestamp: Some(timestamp),
        ..SpePlan::default()
    }
}

pub(crate) fn stores(first: u64, thread: Option<u32>, number: u64) -> Vec<SpePlan> {
    let times = first..first + number;
    times.map(|time| store(time, thread)).collect()
}

/// A core that the capture does not tell is none that a table of the user would help.
#[test]
fn a_core_that_is_not_told_is_not_called_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let mut capture = of_two_cpus(16);
    capture.metadata = Some(vec![(0, 0); 2]);
    let (_, warnings) = document(&with(&capture, 0, |_| {}), folder.path());
    assert!(
        warnings.contains("does not tell on which core"),
        "{warnings}"
    );
    assert!(!warnings.contains("--spe-tables"), "{warnings}");
}

/// The hardware counts operations in 256s, whatever was asked for.
#[test]
fn the_interval_is_the_one_that_was_in_effect() {
    let folder = tempfile::tempdir().unwrap();
    let mut capture = of_two_cpus(16);
    capture.metadata = Some(vec![(SpeCapture::MIDR, 0); 2]);
    for (period, effective, said) in [
        (
            1_500,
            json!(1_280),
            "one in 1,280 operations (1,500 asked for)",
        ),
        (
            1_000,
            Value::Null,
            "one in 1,000 operations asked for, 1,024 is the least of the core",
        ),
    ] {
        let bytes = altered(&capture, |kind, attr| {
            if kind.is_none() {
                put(attr, 16, period);
            }
        });
        let (document, _) = document(&bytes, folder.path());
        let interval = &document["quality"]["spe"]["interval"];
        assert_eq!(interval["period"], period);
        assert_eq!(interval["effective"], effective);
        let path = folder.path().join("doubts.perf.data");
        let info = contend_on(&path, &["info"]).text();
        let info = info.split_whitespace().collect::<Vec<&str>>().join(" ");
        assert!(info.contains(said), "{info}");
        // What a sample stands for.
        let latency = contend_on(&path, &["latency", "--json"]).json("latency");
        let estimated = 80 * effective.as_u64().unwrap_or(period);
        assert_eq!(latency["total"]["accesses_estimated"], estimated);
    }
}

/// Where SPE data has nothing to show, it is said why.
#[test]
fn spe_data_without_a_record_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing.perf.data");
    for (bytes, is_there, said) in [
        (
            vec![0; 640],
            false,
            "all 640 bytes of SPE data that the kernel announced are missing",
        ),
        (vec![0; 640], true, "its 640 bytes of SPE data hold nothing"),
        (
            vec![0xff; 640],
            true,
            "its 640 bytes of SPE data hold no whole record",
        ),
    ] {
        let mut capture = SpeCapture::new(1);
        capture.raw_chunk(0, bytes, 0, is_there);
        std::fs::write(&path, capture.wrapped(Container::File).unwrap()).unwrap();
        for command in ["c2c", "latency"] {
            let run = contend_on(&path, &[command]);
            let error = run.refused(command);
            assert!(error.contains(said), "{error}");
            assert!(error.contains("record again"), "{error}");
        }
    }
}

/// Of machines with several kinds of cores some may have no SPE, or one with an event
/// of its own: what ran there was not sampled.
#[test]
fn cpus_that_could_not_be_sampled_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut capture = of_two_cpus(16);
    capture.cpus = 4;
    capture.metadata = Some(vec![(SpeCapture::MIDR, 0); 4]);
    // A block of seven words for each CPU; the fifth word is the type of its PMU.
    let pmu = |cpu: usize| 48 + 56 * cpu + 32;
    for (types, said) in [
        ([None, None, None, None], None),
        (
            [None, None, Some(u64::MAX), Some(12)],
            Some("not recorded: 2-3"),
        ),
        ([None, Some(u64::MAX), None, None], None),
    ] {
        let bytes = with(&capture, 70, |record| {
            for (cpu, kind) in types.iter().enumerate() {
                if let Some(kind) = kind {
                    put(record, pmu(cpu), *kind);
                }
            }
        });
        let (_, warnings) = document(&bytes, folder.path());
        match said {
            Some(said) => assert!(warnings.contains(said), "{warnings}"),
            None => assert!(!warnings.contains("CPUs without a sample"), "{warnings}"),
        }
    }
    // Its event may have been given another name.
    let mut bytes = with(&capture, 70, |_| {});
    let places = 0..bytes.len() - 9;
    for place in places {
        if bytes[place..].starts_with(b"arm_spe_0") {
            bytes[place..place + 9].copy_from_slice(b"my_events");
        }
    }
    let (document, warnings) = document(&bytes, folder.path());
    assert_eq!(document["quality"]["spe"]["records"], 80);
    assert!(!warnings.contains("CPUs without a sample"), "{warnings}");
}

/// What the kernel lost is told with the CPU where it lost most.
#[test]
fn losses_are_told_with_the_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let said = |flags: &[(u32, u64)]| {
        let mut capture = SpeCapture::new(3);
        for (number, &(cpu, flags)) in (1..).zip(flags) {
            let mut bytes = Vec::new();
            store(100 * number, None).write(&mut bytes, 64);
            capture.raw_chunk(cpu, bytes, flags, true);
        }
        let bytes = capture.wrapped(Container::File).unwrap();
        document(&bytes, folder.path()).1
    };
    let warnings = said(&[(0, 1), (1, 1), (1, 1), (2, 8), (0, 0)]);
    for part in [
        "the SPE buffer was full 3 of 5 times (most, 2, on CPU 1): ",
        "samples collided 1 of 5 times (on CPU 2 alone): ",
    ] {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
    let warnings = said(&[(0, 4)]);
    assert!(warnings.contains("has gaps 1 of 1 times: "), "{warnings}");
}
