//! Arm SPE through the command: perf's counters of whole captures and of their
//! contended lines, against what was planted, and what `info` says of them.

use crate::common::spe_synthetic::SpeSynthetic;
use crate::common::{contend_on, shared_captures};
use contend_fixtures::{Container, SpeCapture, SpePlan};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const CAPTURES: [(&str, &str); 8] = [
    ("n1-v1meta", "peer"),
    ("v1-contexts", "peer"),
    ("v1-bare", "peer"),
    ("v2-newbits", "tot"),
    ("n3-unknown-mixed-ops", "tot"),
    ("ampereone", "peer"),
    ("hip12", "tot"),
    ("biglittle-no-contexts", "peer"),
];

/// Counters of the truth that are not those of the document.
fn differences(what: &str, ours: &Value, truth: &Value) -> Vec<String> {
    let truth = truth.as_object().unwrap().iter();
    let wrong = truth.filter(|(name, count)| ours[*name] != **count);
    wrong
        .map(|(name, count)| format!("{what}: {name} {}, truth {count}", ours[name]))
        .collect()
}

fn sum(into: &mut BTreeMap<String, u64>, counters: &Value) {
    for (name, count) in counters.as_object().unwrap() {
        *into.entry(name.clone()).or_default() += count.as_u64().unwrap();
    }
}

#[test]
fn counters_of_captures_and_lines_are_those_of_perf() {
    let Some(captures) = SpeSynthetic::open() else {
        return;
    };
    let mut found = Vec::new();
    for (name, sort) in CAPTURES {
        let (path, truth) = (captures.file(name), captures.truth(name));
        let document = contend_on(&path, &["c2c", "--json", "--show-all", "--no-symbols"]);
        let document = document.json(name);
        assert_eq!(document["sort"], sort, "{name}");
        let counters = &document["perf_counters"];
        found.extend(differences(name, counters, &truth["perf72_c2c_counters"]));
        let spe = &document["quality"]["spe"];
        assert_eq!(spe["records"], truth["records"], "{name}");
        // What perf takes for memory and is no access has no class.
        let classes = document["classes"].as_array().unwrap().iter();
        let classes: u64 = classes.map(|class| class["count"].as_u64().unwrap()).sum();
        let accesses = ["loads", "stores"].map(|what| truth[what].as_u64().unwrap());
        assert_eq!(classes, accesses.iter().sum::<u64>(), "{name}");
        // A line that two processes map has two addresses, and may be two lines.
        for hot in truth["hot_lines"].as_array().unwrap() {
            let addresses = hot["address"].as_array().unwrap();
            let lines = document["lines"].as_array().unwrap().iter();
            let mut ours = BTreeMap::new();
            lines
                .filter(|line| addresses.contains(&line["address"]))
                .for_each(|line| sum(&mut ours, &line["perf_counters"]));
            let what = format!("{name} {}", hot["address"]);
            found.extend(differences(&what, &json!(ours), &hot["perf72"]));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A machine of Arm tells numbers; people know cores by name.
#[test]
fn info_tells_names_and_numbers_of_cores() {
    let processor = |capture: &SpeCapture| {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("cores.perf.data");
        std::fs::write(&file, capture.wrapped(Container::File).unwrap()).unwrap();
        let table = contend_on(&file, &["info"]).text();
        let line = table.lines().find(|line| line.starts_with("cpu "));
        line.unwrap().split_once(' ').unwrap().1.trim().to_owned()
    };
    let mut capture = SpeCapture::new(4);
    let plan = SpePlan {
        operation: Some((1, 0)),
        ..SpePlan::default()
    };
    for cpu in 0..4 {
        capture.chunk(cpu, &[plan], 64);
    }
    assert_eq!(processor(&capture), "Neoverse N1 (0x413fd0c1)");
    let (x4, a720) = (0x410f_d821, 0x410f_d811);
    capture.metadata = Some([x4, x4, a720, x4].map(|midr| (midr, 0)).to_vec());
    assert_eq!(
        processor(&capture),
        "Cortex-X4 (0x410fd821), Cortex-A720 (0x410fd811)"
    );
}

/// Codes mean the same on all revisions of a core: they are one group of answers.
#[test]
fn revisions_of_a_core_are_one_core() {
    let scratch = tempfile::tempdir().unwrap();
    let sources = |second: u64| {
        let mut capture = of_two_cpus(16);
        capture.metadata = Some(vec![(0x411f_d401, 0), (second, 0)]);
        // Both CPUs load.
        let plan = SpePlan {
            operation: Some((1, 0)),
            source: Some(9),
            pc: Some((SpeCapture::TEXT, 0)),
            data: Some(SpeCapture::HEAP),
            latencies: [Some(200), None, None],
            timestamp: Some(50_000),
            ..SpePlan::default()
        };
        capture.chunk(0, &[plan; 8], 64);
        let path = written(&capture, Container::File, scratch.path());
        let document = contend_on(&path, &["latency", "--by", "source", "--json"]).json("latency");
        let groups = document["groups"].as_array().unwrap().clone();
        let loads = groups.iter().filter(|group| group["key"]["code"] == "0x9");
        loads.count()
    };
    // V1 r1p1 and r1p2; N1.
    assert_eq!((sources(0x411f_d402), sources(0x413f_d0c1)), (1, 2));
}

/// The header's number has a name where there is no SPE as well.
#[test]
fn info_tells_the_name_of_an_arm_machine() {
    let Some(captures) = shared_captures() else {
        return;
    };
    let capture = captures.join("odd/graviton3-jit-injected-perf61.perf.data");
    let table = contend_on(&capture, &["info"]).text();
    let cpu = "cpu        Neoverse V1 (0x00000000410fd400)";
    assert!(table.contains(cpu), "{table}");
}

#[test]
fn damage_is_in_the_report_of_every_command() {
    let Some(captures) = SpeSynthetic::open() else {
        return;
    };
    for name in ["damaged", "damaged-cut"] {
        let (path, truth) = (captures.file(name), captures.truth(name));
        let info = contend_on(&path, &["info", "--json"]).json(name);
        let c2c = contend_on(&path, &["c2c", "--json", "--no-symbols"]).json(name);
        assert_eq!(info["quality"]["spe"], c2c["quality"]["spe"], "{name}");
        assert_eq!(
            (&info["can"]["spe"], &info["can"]["latency"]),
            (&json!(true), &json!(true))
        );
        let spe = &c2c["quality"]["spe"];
        for field in [
            "damaged_records",
            "skipped_bytes",
            "cut_records",
            "missing_chunks",
        ] {
            assert!(spe[field].as_u64().unwrap() > 0, "{name}: {field}");
        }
        if name == "damaged" {
            let container = &truth["container"];
            for (field, planted) in [
                ("truncated", &container["truncated"]),
                ("partial", &container["partial"]),
                ("collisions", &container["collision"]),
                (
                    "missing_chunks",
                    &truth["losses"]["chunks_announced_but_absent"],
                ),
            ] {
                assert_eq!(&spe[field], planted, "{field}");
            }
        } else {
            assert!(spe["truncated_chunk_bytes"].as_u64().unwrap() > 0);
            for command in ["c2c", "latency"] {
                let table = contend_on(&path, &[command]).text();
                let said = "The capture is cut off or damaged, 30,565 bytes";
                assert!(table.lines().nth(1).unwrap().starts_with(said), "{table}");
            }
        }
    }
}

/// A capture of one line that two threads use and that is slow, and a quick one.
fn slow_line(midr: u64, code: u16) -> SpeCapture {
    let mut capture = SpeCapture::new(2);
    capture.metadata = Some(vec![(midr, 0); 2]);
    for cpu in 0..2u32 {
        let plans: Vec<SpePlan> = (0..200u64)
            .map(|number| {
                let is_slow = number % 4 == 0;
                let line = if is_slow { 0 } else { 64 * (1 + number) };
                let is_store = number % 8 == 0;
                SpePlan {
                    operation: Some((1, u8::from(is_store))),
                    events: Some(0x16),
                    source: (!is_store).then_some(if is_slow { code } else { 0 }),
                    pc: Some((SpeCapture::TEXT + 4 * number, 0)),
                    data: Some(SpeCapture::HEAP + line + 8 * u64::from(cpu)),
                    context: Some((1, SpeCapture::PID + cpu)),
                    latencies: [Some(if is_slow { 900 } else { 40 }), Some(5), None],
                    timestamp: Some(1_000_000 + 100 * number),
                    ..SpePlan::default()
                }
            })
            .collect();
        capture.chunk(cpu, &plans, 64);
    }
    capture
}

pub(crate) fn written(capture: &SpeCapture, container: Container, folder: &Path) -> PathBuf {
    let path = folder.join("capture.perf.data");
    std::fs::write(&path, capture.wrapped(container).unwrap()).unwrap();
    path
}

/// No table, no new event bits: latency is all that there is.
#[test]
fn lines_are_ordered_by_latency_where_nothing_else_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&slow_line(0x510f_0010, 7), Container::File, folder.path());
    let document = contend_on(&path, &["c2c", "--json"]).json("c2c");
    assert_eq!(document["sort"], "latency");
    assert_eq!(document["baseline_latency"], 40);
    let lines = document["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 1, "the others take what is usual");
    let slow = &lines[0];
    assert_eq!(slow["address"], json!(format!("{:#x}", SpeCapture::HEAP)));
    // 25 slow loads of each thread.
    assert_eq!(slow["excess_latency"], 50 * (900 - 40));
    assert_eq!(slow["share"], 1.0);
    assert_eq!(slow["verdict"], "unknown");
    let table = contend_on(&path, &["c2c"]).text();
    assert!(table.contains("ordered by excess latency"), "{table}");
    assert!(
        table.contains("unknown core (implementer 0x51, part 0x1)"),
        "{table}"
    );
    // The same whatever container it comes in, and however many threads work.
    for (container, threads) in [(Container::Pipe, "1"), (Container::FileZstd, "3")] {
        let path = written(&slow_line(0x510f_0010, 7), container, folder.path());
        let args = ["c2c", "--json", "--threads", threads];
        let other = contend_on(&path, &args).json("other container");
        assert_eq!(other["lines"], document["lines"], "{container:?}");
        assert_eq!(other["classes"], document["classes"], "{container:?}");
    }
}

/// A table of the user tells what the numbers of an unknown core mean.
#[test]
fn a_table_of_the_user_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&slow_line(0x510f_0010, 7), Container::File, folder.path());
    let tables = folder.path().join("mine.table");
    std::fs::write(
        &tables,
        "table mine\ncore 0x51 0x001 ours Oryon\ncode 0 l1 none\ncode 7 l2 peer\n",
    )
    .unwrap();
    let tables = tables.to_str().unwrap();
    let args = ["c2c", "--json", "--spe-tables", tables];
    let document = contend_on(&path, &args).json("c2c");
    assert_eq!(document["sort"], "peer");
    assert_eq!(document["perf_counters"]["lcl_peer"], 50);
    assert_eq!(document["lines"][0]["verdict"], "false_sharing");
    assert_eq!(document["quality"]["spe"]["cpus"][0]["core"], "Oryon");
    std::fs::write(tables, "core 1\n").unwrap();
    let refused = contend_on(&path, &args);
    let line = refused.refused("a wrong table");
    assert!(
        line.contains("mine.table") && line.contains("line 1"),
        "{line}"
    );
}

/// Two CPUs use one line, one writes offset 0 and the other reads what it is told to.
pub(crate) fn of_two_cpus(read: u64) -> SpeCapture {
    let mut capture = SpeCapture::new(2);
    for cpu in 0..2u32 {
        let plans: Vec<SpePlan> = (0..40u64)
            .map(|number| SpePlan {
                operation: Some((1, u8::from(cpu == 0))),
                source: (cpu == 1).then_some(9),
                pc: Some((SpeCapture::TEXT + 4 * u64::from(cpu), 0)),
                data: Some(SpeCapture::HEAP + u64::from(cpu) * read),
                latencies: [Some(200), None, None],
                timestamp: Some(1_000 * (number + 1)),
                ..SpePlan::default()
            })
            .collect();
        capture.chunk(cpu, &plans, 64);
    }
    capture
}

/// Nothing tells threads: CPUs stand for them, and the report says so.
#[test]
fn cpus_stand_for_threads_that_are_not_told() {
    let folder = tempfile::tempdir().unwrap();
    for (read, verdict) in [(16, "false_sharing"), (0, "true_sharing")] {
        let path = written(&of_two_cpus(read), Container::File, folder.path());
        let document = contend_on(&path, &["c2c", "--json"]).json("c2c");
        let line = &document["lines"][0];
        assert_eq!(line["verdict"], verdict, "{line}");
        assert_eq!(line["judged_by"], "cpu");
        let who = |list: &str| (line[list][0]["tid"].clone(), line[list][0]["cpu"].clone());
        assert_eq!(who("writers"), (json!(-1), json!(0)));
        assert_eq!(who("readers"), (json!(-1), json!(1)));
        let table = contend_on(&path, &["c2c"]).text();
        for part in [
            &format!("{} by CPU", verdict.replace('_', " ")),
            "CPUs stand for threads",
            "1 CPU wrote 1 offset, 1 CPU read 1 offset",
            "writers: CPU 0 40× at 0x0",
        ] {
            assert!(table.contains(part), "{part}: {table}");
        }
    }
}

/// Changes the words of a capture: `change` is given each attribute and each record.
pub(crate) fn altered(
    capture: &SpeCapture,
    mut change: impl FnMut(Option<u32>, &mut [u8]),
) -> Vec<u8> {
    let mut bytes = capture.wrapped(Container::File).unwrap();
    let word = |bytes: &[u8], at: usize| {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
    };
    let [size, attrs, len] = [16, 24, 32].map(|at| word(&bytes, at));
    for at in (attrs..attrs + len).step_by(size) {
        change(None, &mut bytes[at..at + size]);
    }
    let (mut at, data) = (word(&bytes, 40), word(&bytes, 48));
    let end = at + data;
    while at < end {
        let kind = word(&bytes, at) as u32;
        let size = word(&bytes, at) >> 48;
        let next = at + size;
        // The payload of PERF_RECORD_AUXTRACE is behind it.
        let payload = if kind == 71 { word(&bytes, at + 8) } else { 0 };
        change(Some(kind), &mut bytes[at..next]);
        at = next + payload;
    }
    bytes
}

/// Warnings of a capture, and how its times look.
fn warnings(bytes: &[u8], folder: &Path) -> (String, Value) {
    let path = folder.join("times.perf.data");
    std::fs::write(&path, bytes).unwrap();
    let document = contend_on(&path, &["c2c", "--json"]).json("c2c");
    let text = document["quality"]["warnings"].to_string();
    (text, document["quality"]["spe"]["without_time"].clone())
}

/// Which clock a record's time is of depends on what perf recorded beside it.
#[test]
fn clocks_that_do_not_fit_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let capture = of_two_cpus(0);
    let (text, without) = warnings(&altered(&capture, |_, _| {}), folder.path());
    assert_eq!(without, 0);
    for part in ["TIME_CONV", "two clocks", "no time"] {
        assert!(!text.contains(part), "{part}: {text}");
    }
    // A record that nobody knows in place of TIME_CONV.
    let bare = altered(&capture, |kind, record| {
        if kind == Some(79) {
            record[..4].copy_from_slice(&200u32.to_le_bytes());
        }
    });
    let (text, without) = warnings(&bare, folder.path());
    assert_eq!(without, 80);
    assert!(
        text.contains("no TIME_CONV record") && !text.contains("ts_enable"),
        "{text}"
    );
    // `perf record -k CLOCK_MONOTONIC`: flag 25, and the number of the clock.
    let own_clock = altered(&capture, |kind, attr| {
        if kind.is_none() {
            attr[43] |= 2;
            attr[92..96].copy_from_slice(&1i32.to_le_bytes());
        }
    });
    let (text, without) = warnings(&own_clock, folder.path());
    assert_eq!(without, 0);
    assert!(
        text.contains("two clocks") && text.contains("CLOCK_MONOTONIC"),
        "{text}"
    );
}

/// Numbers of the processor and of sources are in words.
#[test]
fn cores_and_sources_are_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut capture = SpeCapture::new(1);
    let plans: Vec<SpePlan> = [0u16, 0xb]
        .iter()
        .flat_map(|&code| (0..20u64).map(move |number| (code, number)))
        .map(|(code, number)| SpePlan {
            operation: Some((1, 0)),
            source: Some(code),
            pc: Some((SpeCapture::TEXT, 0)),
            data: Some(SpeCapture::HEAP),
            latencies: [Some(100), None, None],
            timestamp: Some(1_000 + number),
            ..SpePlan::default()
        })
        .collect();
    capture.chunk(0, &plans, 64);
    let path = written(&capture, Container::File, folder.path());
    for args in [&["c2c"][..], &["latency"]] {
        let text = contend_on(&path, args).text();
        let head = text.lines().next().unwrap();
        assert!(
            head.contains("Neoverse N1") && !head.contains("0x"),
            "{head}"
        );
        assert!(text.contains("L3 or system cache"), "{text}");
        assert!(!text.contains("clean elsewhere"), "{text}");
    }
}
