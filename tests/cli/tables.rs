//! The tables: what fits a line, what is chosen, how it is worded.

use crate::common::{contend_on, run, shared_captures, unpacked, workspace};
use std::path::{Path, PathBuf};

fn demo() -> PathBuf {
    workspace().join("fixtures/demo/false-sharing.perf.data")
}

fn assert_fits(capture: &Path, args: &[&str]) {
    let ended = contend_on(capture, args);
    if ended.code == Some(2) {
        let line = ended.refused("a table");
        let room = 300 + "contend: ".len();
        assert!(line.chars().count() <= room, "{args:?}: {line}");
        return;
    }
    for line in ended.text().lines() {
        let what = format!("{args:?} {}: {line:?}", capture.display());
        assert!(line.chars().count() <= 100, "too long: {what}");
        assert_eq!(line, line.trim_end(), "ends with blanks: {what}");
    }
}

#[test]
fn tables_fit_100_columns() {
    let scratch = tempfile::tempdir().unwrap();
    let mut captures: Vec<PathBuf> = vec![demo()];
    for capture in contend_fixtures::captures() {
        let path = scratch.path().join(format!("{}.data", capture.name));
        std::fs::write(&path, capture.bytes).unwrap();
        captures.push(path);
    }
    if let Some(shared) = shared_captures() {
        for folder in ["mem", "mem-realistic", "odd", "spe-synthetic"] {
            let files = std::fs::read_dir(shared.join(folder)).into_iter().flatten();
            let files = files.map(|file| file.unwrap().path()).filter(|path| {
                let name = path.to_string_lossy();
                name.ends_with(".data") || name.ends_with(".data.xz")
            });
            captures.extend(files.map(|path| unpacked(&path, scratch.path())));
        }
    }
    for capture in captures {
        for args in [
            &["info"][..],
            &["c2c"],
            &["c2c", "--show-all"],
            &["c2c", "--sort", "peer", "--show-all"],
            &["c2c", "--sort", "rmt"],
            &["c2c", "--coalesce", "pid"],
            &["c2c", "--coalesce", "iaddr,tid", "--rows", "40"],
            &["c2c", "--coalesce", "dso,pid,tid"],
        ] {
            assert_fits(&capture, args);
        }
    }
}

#[test]
fn rows_with_most_hitm_are_chosen() {
    let text = contend_on(&demo(), &["c2c", "--rows", "1", "--top", "1"]).text();
    let busiest = "0x8     ingestd+0x1118                           36";
    assert!(text.contains(busiest), "{text}");
    assert!(
        text.contains("15 more rows (--rows; --json has all)"),
        "{text}"
    );
}

#[test]
fn rows_say_the_thread_that_they_are_told_apart_by() {
    let of = |fields| contend_on(&demo(), &["c2c", "--coalesce", fields]).text();
    assert!(of("tid").contains(" ingestd-9 tid 2820 "), "{}", of("tid"));
    assert!(of("pid").contains(" ingestd pid 2811 "), "{}", of("pid"));
}

#[test]
fn shares_are_of_what_orders_the_lines() {
    for (sort, said) in [
        ("tot", "of all HITM"),
        ("rmt", "of all remote HITM"),
        ("lcl", "of all local HITM"),
        ("peer", "of all peer snoops"),
    ] {
        let text = contend_on(&demo(), &["c2c", "--sort", sort]).text();
        let lines = text.lines().filter(|line| line.starts_with('#'));
        let wrong: Vec<_> = lines.filter(|line| !line.contains(said)).collect();
        assert!(wrong.is_empty(), "{sort}: {wrong:?}");
    }
}

#[test]
fn the_table_begins_with_what_it_comes_to() {
    let text = contend_on(&demo(), &["c2c"]).text();
    let said = "\n2 lines hold 100 % of all HITM: 57 % false sharing, 43 % true sharing\n";
    assert!(text.contains(said), "{text}");
}

#[test]
fn top_limits_the_document_too() {
    let document = contend_on(&demo(), &["c2c", "--json", "--top", "1"]).json("--top 1");
    assert_eq!(document["lines"].as_array().unwrap().len(), 1);
    assert_eq!(document["lines"][0]["rows"][0]["code_offset"], "0x1118");
}

#[test]
fn filters_that_match_nothing_say_what_there_is() {
    for (args, said) in [
        (["--pid", "5"], "processes 2811 ingestd"),
        (["--tid", "5"], "threads 2811 ingestd, "),
        (["--comm", "absent"], "names ingestd, "),
        (["--cpu", "99"], "CPUs 0-1,"),
        (["--time", "50.."], "times 0."),
    ] {
        let ended = contend_on(&demo(), &["c2c", args[0], args[1]]);
        if args[0] == "--time" && ended.code == Some(2) && ended.stderr.contains("before it") {
            continue;
        }
        let line = ended.refused("a filter");
        assert!(line.contains(said), "{args:?}: {line}");
    }
}

#[test]
fn captures_that_are_cut_off_say_so() {
    let bytes = std::fs::read(demo()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cut.perf.data");
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let text = contend_on(&file, &["c2c"]).text();
    assert!(
        text.contains("\nThe capture is cut off or damaged, "),
        "{text}"
    );
    // Nothing but the events and a few records is left.
    let records = crate::common::capture::Capture::new(bytes.clone()).records();
    std::fs::write(&file, &bytes[..records[1].1.end]).unwrap();
    let ended = run(crate::common::contend().arg("c2c").arg(&file));
    let line = ended.refused("a capture without samples");
    assert!(line.contains("the capture is cut off ("), "{line}");
}
