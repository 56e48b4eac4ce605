//! `contend latency` as a user meets it.

use crate::common::capture::{Capture, SAMPLE};
use crate::common::{Run, contend, contend_on, run, shared_captures, unpacked, workspace};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn demo() -> PathBuf {
    workspace().join("fixtures/demo/false-sharing.perf.data")
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, bytes).unwrap();
    file
}

fn latency(capture: &Path, args: &[&str]) -> Run {
    contend_on(capture, &[&["latency"], args].concat())
}

#[test]
fn a_capture_without_memory_samples_says_what_to_record() {
    let capture = Capture::new(std::fs::read(demo()).unwrap());
    let scratch = tempfile::tempdir().unwrap();
    let bytes = capture.with_records(|_, kind| kind != SAMPLE);
    let without = written(scratch.path(), "none.perf.data", &bytes);
    for args in [&[][..], &["--json"], &["--by", "line"]] {
        let ended = latency(&without, args);
        let line = ended.refused("no samples");
        for said in ["none.perf.data", "no samples", "perf c2c record"] {
            assert!(line.contains(said), "{line}");
        }
    }
}

#[test]
fn a_capture_without_weights_says_what_it_holds() {
    let capture = Capture::new(std::fs::read(demo()).unwrap());
    let scratch = tempfile::tempdir().unwrap();
    let without = written(
        scratch.path(),
        "weightless.perf.data",
        &capture.with_weights(|_| 0),
    );
    let line = latency(&without, &[]).refused("no weights").to_owned();
    for said in [
        "weightless.perf.data",
        "no memory sample has a weight",
        "samples of cpu/mem-loads,ldlat=30/P",
        "perf mem record",
    ] {
        assert!(line.contains(said), "{line}");
    }
    // The second part is there.
    let other = written(
        scratch.path(),
        "second.perf.data",
        &capture.with_weights(|_| 7 << 32),
    );
    let line = latency(&other, &[]).refused("another part").to_owned();
    assert!(line.contains("but they have ins_lat"), "{line}");
    let third = latency(&other, &["--metric", "retire_lat"])
        .refused("third")
        .to_owned();
    assert!(third.contains("has a retire_lat, but"), "{third}");
    let first = capture.with_weights(|_| 7);
    let first = written(scratch.path(), "first.perf.data", &first);
    let second = latency(&first, &["--metric", "ins_lat"])
        .refused("second")
        .to_owned();
    assert!(second.contains("has an ins_lat, but"), "{second}");
    let document = latency(&other, &["--metric", "ins_lat", "--json"]).json("second part");
    assert_eq!(document["metric"], "ins_lat");
    assert_eq!(document["total"]["max"], 7);
}

#[test]
fn what_the_hardware_does_not_measure_is_refused() {
    let line = latency(&demo(), &["--metric", "issue"])
        .refused("issue")
        .to_owned();
    assert!(line.contains("no issue here"), "{line}");
    assert!(line.contains("weight, ins_lat, retire_lat"), "{line}");
    latency(&demo(), &["--metric", "wieght"]).refused("misspelt metric");
    latency(&demo(), &["--by", "dso"]).refused("unknown key");
    latency(&demo(), &["--line-size", "48", "--by", "line"]).refused("line size");
}

#[test]
fn filters_that_leave_nothing_say_what_there_is() {
    let line = latency(&demo(), &["--pid", "1"]).refused("pid").to_owned();
    assert!(line.contains("processes 2811 ingestd"), "{line}");
    // Stores of this machine have no weight.
    let capture = Capture::new(std::fs::read(demo()).unwrap());
    let scratch = tempfile::tempdir().unwrap();
    let stores = capture.with_sources(|source| source & !0x1f | 0x4);
    let bytes = Capture::new(stores).with_weights(|weight| weight.min(1) * 50);
    let file = written(scratch.path(), "stores.perf.data", &bytes);
    let document = latency(&file, &["--json"]).json("stores");
    let groups = document["groups"].as_array().unwrap();
    assert!(groups.iter().all(|group| group["key"]["op"] == "store"));
}

#[test]
fn filters_take_a_part_of_the_accesses() {
    let all = latency(&demo(), &["--json", "--by", "thread"]).json("all");
    let mut sums = 0;
    for group in all["groups"].as_array().unwrap() {
        let tid = group["key"]["tid"].to_string();
        let one = latency(&demo(), &["--json", "--tid", &tid]).json(&tid);
        assert_eq!(one["total"]["sum"], group["sum"]);
        assert_eq!(one["total"]["count"], group["count"]);
        // What an access costs that waits for nothing is that of the capture.
        assert_eq!(one["baseline"], all["baseline"]);
        sums += one["total"]["sum"].as_u64().unwrap();
    }
    assert_eq!(all["total"]["sum"], sums);
    let scratch = tempfile::tempdir().unwrap();
    let picture = scratch.path().join("half.svg");
    let args = [
        "--json",
        "--time",
        "0%..50%",
        "-o",
        picture.to_str().unwrap(),
    ];
    let half = latency(&demo(), &args).json("half");
    let left_out = half["quality"]["skipped"]["samples that the filters left out"]
        .as_u64()
        .unwrap();
    let svg = std::fs::read_to_string(&picture).unwrap();
    let said = format!(", {left_out} left out by filters");
    assert!(svg.contains(&said), "{said}: {svg}");
    let (half, whole) = (
        half["total"]["count"].as_u64(),
        all["total"]["count"].as_u64(),
    );
    assert!(half > Some(0) && half < whole, "{half:?} of {whole:?}");
}

#[test]
fn a_picture_goes_to_its_file_and_the_table_to_the_screen() {
    let scratch = tempfile::tempdir().unwrap();
    let picture = scratch.path().join("latency.svg");
    let args = [
        "--by",
        "function",
        "--top",
        "3",
        "-o",
        picture.to_str().unwrap(),
    ];
    let ended = latency(&demo(), &args);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.text().contains("who answered") || ended.text().contains("function"));
    let svg = std::fs::read_to_string(&picture).unwrap();
    assert!(svg.starts_with("<?xml") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("fixture-host") && svg.contains("latency in cycles, log scale"));
    assert_eq!(
        svg.matches("class=\"name\"").count(),
        4,
        "all accesses and three groups"
    );
    assert!(!svg.contains("<script") && !svg.contains("href"));

    let nowhere = scratch.path().join("absent/latency.svg");
    let ended = latency(&demo(), &["-o", nowhere.to_str().unwrap()]);
    let line = ended.refused("no such folder");
    assert!(line.contains("absent/latency.svg"), "{line}");
    let ended = latency(&demo(), &["--json", "-o", "/proc/latency.svg"]);
    ended.refused("a folder that cannot be written");
}

/// Without `ts_enable` records of Arm SPE have no times; the picture says why it is short.
#[test]
fn a_picture_without_times_says_so() {
    use contend_fixtures::{Container, SpeCapture, SpePlan};
    let scratch = tempfile::tempdir().unwrap();
    let drawn = |timestamp: Option<u64>| {
        let plan = SpePlan {
            operation: Some((1, 0)),
            events: Some(0x2),
            pc: Some((SpeCapture::TEXT, 0)),
            data: Some(SpeCapture::HEAP),
            latencies: [Some(40), None, None],
            timestamp,
            ..SpePlan::default()
        };
        let mut capture = SpeCapture::new(1);
        capture.chunk(0, &[plan], 64);
        let bytes = capture.wrapped(Container::File).unwrap();
        let file = written(scratch.path(), "times.perf.data", &bytes);
        let picture = scratch.path().join("times.svg");
        let ended = latency(&file, &["-o", picture.to_str().unwrap()]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let svg = std::fs::read_to_string(&picture).unwrap();
        let said = svg.contains("not drawn: latencies over time");
        (svg.contains("All accesses over time"), said)
    };
    assert_eq!(drawn(Some(1000)), (true, false));
    assert_eq!(drawn(None), (false, true));
}

/// Everything from a capture is text, wherever it is shown.
#[test]
fn names_of_captures_are_text_in_pictures() {
    let bytes = std::fs::read(demo()).unwrap();
    let mut evil = bytes.clone();
    let name = b"ingestd-";
    let places: Vec<usize> = (0..bytes.len() - name.len())
        .filter(|&at| &bytes[at..at + name.len()] == name)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        evil[at..at + 8].copy_from_slice(b"<b>\x1b[2J&");
    }
    let scratch = tempfile::tempdir().unwrap();
    let file = written(scratch.path(), "evil.perf.data", &evil);
    let picture = scratch.path().join("evil.svg");
    let args = ["--by", "thread", "-o", picture.to_str().unwrap()];
    let ended = latency(&file, &args);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let svg = std::fs::read_to_string(&picture).unwrap();
    assert!(svg.contains("&lt;b&gt;"), "the name is there");
    assert!(!svg.contains("<b>") && !svg.contains('\u{1b}') && !ended.text().contains('\u{1b}'));
}

/// A thousand groups are shown, and the rest is counted.
#[test]
fn very_many_groups_are_summed_up() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("many.perf.data");
    let big = contend_fixtures::Big {
        samples: 60_000,
        lines: 20_000,
        rows_per_line: 1,
        cpus: 16,
    };
    let mut out = std::io::BufWriter::new(std::fs::File::create(&file).unwrap());
    big.write(&mut out).unwrap();
    drop(out);
    let document = latency(&file, &["--json", "--by", "line"]).json("many lines");
    let groups = document["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 1000);
    let sum = |field: &str| -> u64 {
        let shown = groups.iter().map(|group| group[field].as_u64().unwrap());
        shown.sum::<u64>() + document["rest"][field].as_u64().unwrap()
    };
    for field in ["count", "without", "sum"] {
        assert_eq!(document["total"][field], sum(field), "{field}");
    }
    for group in groups {
        let buckets = group["buckets"].as_array().unwrap().iter();
        let counts: u64 = buckets
            .map(|bucket| bucket["count"].as_u64().unwrap())
            .sum();
        assert_eq!(group["count"], counts);
    }
    let table = latency(&file, &["--by", "line"]).text();
    assert!(table.contains("groups more lost"), "{table}");
}

/// Groups of which the hardware told no latency have no row, and are counted.
#[test]
fn groups_without_a_latency_take_no_rows() {
    let document = latency(&demo(), &["--json"]).json("demo");
    let groups = document["groups"].as_array().unwrap();
    let without = groups.iter().filter(|group| group["count"] == 0).count();
    assert!(without > 0 && without < groups.len());
    let text = latency(&demo(), &[]).text();
    let said = format!("{without} groups of accesses without a latency (--json has them)");
    assert!(text.contains(&said), "{text}");
    assert!(!text.contains("store:"), "{text}");
}

/// The rows of a linear histogram are equally wide and hold every access.
#[test]
fn a_linear_scale_has_equal_steps() {
    let scratch = tempfile::tempdir().unwrap();
    let picture = scratch.path().join("latency.svg");
    let args = ["--scale", "linear", "-o", picture.to_str().unwrap()];
    let text = latency(&demo(), &args).text();
    let rows: Vec<(u64, u64, u64)> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (low, high) = words.next()?.split_once('-')?;
            let number = |text: &str| text.replace(',', "").parse().ok();
            Some((number(low)?, number(high)?, number(words.next()?)?))
        })
        .collect();
    assert!((8..=25).contains(&rows.len()), "{rows:?}");
    let width = rows[0].1 - rows[0].0;
    assert!(rows.iter().all(|row| row.1 - row.0 == width), "{rows:?}");
    let whole = latency(&demo(), &["--json"]).json("demo");
    let counted: u64 = rows.iter().map(|row| row.2).sum();
    assert_eq!(whole["total"]["count"], counted);
    let svg = std::fs::read_to_string(&picture).unwrap();
    assert!(svg.contains("latency in cycles, linear scale"));
    assert!(!svg.contains("log scale"));
    latency(&demo(), &["--scale", "square"]).refused("no such scale");
}

/// Of groups of stores what is lost is above what stores cost, and there the picture has
/// its line.
#[test]
fn stores_have_their_own_baseline_in_the_picture() {
    let capture = Capture::new(std::fs::read(demo()).unwrap());
    let scratch = tempfile::tempdir().unwrap();
    let stores = written(
        scratch.path(),
        "stores.perf.data",
        &capture.with_weights(|weight| if weight == 0 { 200 } else { weight }),
    );
    let picture = scratch.path().join("stores.svg");
    let drawn = |by: &str| {
        let args = ["--by", by, "--top", "64", "-o", picture.to_str().unwrap()];
        assert_eq!(latency(&stores, &args).code, Some(0));
        let svg = std::fs::read_to_string(&picture).unwrap();
        let lines = svg.lines().filter(|line| line.contains("class=\"base\""));
        let places: std::collections::BTreeSet<String> = lines
            .map(|line| line.split('"').nth(1).unwrap().to_owned())
            .collect();
        (places.len(), svg.contains("dashed: 34 (200 of stores)"))
    };
    assert_eq!(drawn("source"), (2, true));
    assert_eq!(drawn("thread"), (1, false));
}

#[test]
fn thresholds_and_baselines_are_said() {
    let document = latency(&demo(), &["--json"]).json("demo");
    assert_eq!(document["threshold"], 30);
    assert_eq!(document["unit"], "cycles");
    let baseline = document["baseline"]["load"].as_u64().unwrap();
    assert!((30..=40).contains(&baseline), "{baseline}");
    let text = latency(&demo(), &[]).text();
    for said in [
        "below 30 cycles were not sampled (ldlat)",
        "load to use",
        "lost: cycles above",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    // Stores with a latency, as of Sapphire Rapids, have no threshold.
    let capture = Capture::new(std::fs::read(demo()).unwrap());
    let scratch = tempfile::tempdir().unwrap();
    let stores = written(
        scratch.path(),
        "stores.perf.data",
        &capture.with_weights(|weight| weight.max(9)),
    );
    let text = latency(&stores, &[]).text().replace("\n  ", " ");
    let said = "30 of cpu/mem-loads,ldlat=30/P, none of cpu/mem-stores/P; distributions are mixed";
    assert!(text.contains(said), "{text}");
    let picture = scratch.path().join("stores.svg");
    latency(&stores, &["-o", picture.to_str().unwrap()]);
    let svg = std::fs::read_to_string(&picture).unwrap();
    assert!(
        !svg.contains("class=\"hidden\""),
        "stores were sampled there"
    );
    let Some(shared) = shared_captures() else {
        return;
    };
    let amd = shared.join("mem/amd-epyc9254-ibs-c2c-ring.perf.data.xz");
    let amd = unpacked(&amd, scratch.path());
    let document = latency(&amd, &["--json"]).json("amd");
    assert_eq!(document["threshold"], Value::Null);
    assert_eq!(document["events"][0]["has_threshold"], false);
    assert!(document["meaning"].as_str().unwrap().contains("L1 miss"));
    let text = latency(&amd, &[]).text();
    assert!(text.contains("no threshold (ldlat)"), "{text}");
    let ended = run(contend()
        .args(["latency", "--metric", "retire_lat"])
        .arg(&amd));
    assert!(ended.refused("amd").contains("measures weight, ins_lat"));
}
