//! The picture of `contend offcpu` as a file: what it says, and how.

use crate::common::{Run, contend, contend_on, off_cpu, run, shared_captures};
use std::path::Path;

/// Draws a capture; its picture.
fn drawn(capture: &Path, args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("off.svg");
    let mut command = contend();
    command.arg("offcpu").args(args).arg("-o").arg(&svg);
    let ended = run(command.arg(capture));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    std::fs::read_to_string(svg).unwrap()
}

/// The text of an element with an id.
fn text_of<'a>(svg: &'a str, id: &str) -> &'a str {
    let (_, rest) = svg.split_once(&format!("<text id=\"{id}\"")).unwrap();
    let (_, rest) = rest.split_once('>').unwrap();
    rest.split("</text>").next().unwrap()
}

/// The classes of the frames whose name begins with a text, and what is said over them.
fn frames<'a>(svg: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let groups = svg.split("<g").skip(1).filter_map(|group| {
        let (attributes, rest) = group.split_once("><title>")?;
        let title = rest.split("</title>").next()?;
        let class = attributes.strip_prefix(" class=\"");
        let class = class.map_or("", |class| class.trim_end_matches('"'));
        title.starts_with(name).then_some((class, title))
    });
    groups.collect()
}

#[test]
fn it_says_what_where_how_long_and_what_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let capture = off_cpu::written(folder.path());
    let svg = drawn(&capture, &[]);
    let document = contend_on(&capture, &["offcpu", "--json"]).json("made");
    let title = text_of(&svg, "title");
    assert!(title.starts_with("Off CPU · "), "{title}");
    assert!(title.contains(document["capture"]["host"].as_str().unwrap()));
    assert!(title.ends_with("· off-cpu.perf.data"), "{title}");
    let subtitle = text_of(&svg, "subtitle");
    let intervals = document["intervals"].as_u64().unwrap();
    assert!(intervals >= 38, "{document}");
    assert!(
        subtitle.contains(&format!(" in {intervals} intervals")),
        "{subtitle}"
    );
    let lost = format!("{} records lost", off_cpu::LOST);
    assert!(subtitle.contains(&lost), "{subtitle}");
    assert!(svg.contains(" µs recorded"), "how long the capture is");
    // The unit of hover texts, and that they add up.
    let (_, all) = frames(&svg, "all (")[0];
    assert!(all.ends_with(" µs, 100%)"), "{all}");
    let number = all.trim_start_matches("all (").split(' ').next().unwrap();
    let number: u64 = number.replace(',', "").parse().unwrap();
    let total = document["total_ns"].as_u64().unwrap();
    assert_eq!(number, (total + 500) / 1000);
}

#[test]
fn states_and_the_kernel_are_told_without_colour() {
    let folder = tempfile::tempdir().unwrap();
    let svg = drawn(&off_cpu::written(folder.path()), &[]);
    let one = |name: &str, class: &str| {
        let found = frames(&svg, name);
        assert!(!found.is_empty(), "{name}: {svg}");
        assert!(found.iter().all(|frame| frame.0 == class), "{found:?}");
    };
    one("B: blocked (", "");
    one("B: &lt;img/a&gt; (", "");
    one("P: preempted (", "p");
    one("P: hog (", "p");
    one("app+0x1332", "p");
    one("app+0x1221", "");
    one("▪", "k");
    for pattern in ["p", "k"] {
        assert!(svg.contains(&format!("<pattern id=\"{pattern}\" ")));
    }
    // The legend tells what is there, and nothing else.
    let (_, legend) = svg.split_once("<g id=\"legend\"").unwrap();
    let (legend, _) = legend.split_once("<svg id=\"frames\"").unwrap();
    for told in ["blocked", "preempted", "▪kernel", "no name"] {
        assert!(legend.contains(&format!(">{told}</text>")), "{legend}");
    }
    assert!(
        !legend.contains("runnable") && !legend.contains("waker"),
        "{legend}"
    );
    assert!(!svg.contains("_[k]") && !svg.contains(" [i]"));
    assert!(!svg.chars().any(|c| c.is_control() && !c.is_whitespace()));
}

#[test]
fn one_state_alone_is_in_the_title() {
    let folder = tempfile::tempdir().unwrap();
    let capture = off_cpu::written(folder.path());
    let svg = drawn(&capture, &["--state", "preempted"]);
    assert!(text_of(&svg, "title").starts_with("Off CPU, preempted · "));
    assert!(frames(&svg, "B: ").is_empty());
    assert!(!frames(&svg, "P: hog").is_empty());
}

/// Asserts that there was nothing to draw, and that no file says otherwise.
fn refused(args: &[&str], capture: &Path, why: &str) {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("none.svg");
    let mut command = contend();
    let ended: Run = run(command
        .arg("offcpu")
        .args(args)
        .arg("-o")
        .arg(&svg)
        .arg(capture));
    let line = ended.refused(why);
    assert!(line.contains(why), "{line}");
    assert!(!svg.exists());
}

#[test]
fn nothing_to_draw_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let capture = off_cpu::written(folder.path());
    refused(
        &["--by", "waker"],
        &capture,
        "no picture: who ended the waits was not recorded: record with -e sched:sched_switch,",
    );
    refused(
        &["--comm", "nobody-has-this-name"],
        &capture,
        "passes the filters",
    );
}

#[test]
fn sums_are_told() {
    let Some(shared) = shared_captures() else {
        return;
    };
    let capture = shared.join("offcpu-local/perf72-offcpu-thresh500.data");
    let document = contend_on(&capture, &["offcpu", "--json"]).json("sums");
    let (intervals, sums) = (&document["intervals"], &document["sums"]["samples"]);
    let svg = drawn(&capture, &[]);
    let subtitle = text_of(&svg, "subtitle");
    let told = format!("in {intervals} interval and {sums} sums of short intervals");
    assert!(subtitle.contains(&told), "{subtitle}");
    // Waits for work are intervals or sums, too, and may be left out.
    let idle = &document["idle"];
    let text = contend_on(&capture, &["offcpu"]).text();
    let told = format!(
        "of it are waits for work (events, time, tasks), in {} interval and {} sums",
        idle["intervals"], idle["sums"]
    );
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(&told), "{text}");
    let svg = drawn(&capture, &["--hide-idle"]);
    assert!(text_of(&svg, "subtitle").contains(" of waits for work left out"));
}

#[test]
fn wakers_stand_upside_down_on_those_they_woke() {
    let Some(shared) = shared_captures() else {
        return;
    };
    let capture = shared.join("offcpu-local/cpp-fp-switch-wakeup-a-fp.data");
    let svg = drawn(&capture, &["--by", "waker"]);
    let title = text_of(&svg, "title");
    assert!(title.starts_with("Off CPU, and who ended it · "), "{title}");
    for (name, class) in [
        ("W: lw-futex (", ""),
        ("P: lw-hog1 (", "p"),
        ("← woken by lw-kick (", "w"),
        ("← woken by interrupt (", "w"),
        ("nobody: preempted (", "p"),
        ("waker not known (", ""),
    ] {
        let found = frames(&svg, name);
        assert!(!found.is_empty(), "{name}");
        assert!(found.iter().all(|frame| frame.0 == class), "{found:?}");
    }
    assert!(svg.contains(">waker's stack</text>") || svg.contains(">waker&apos;s stack</text>"));
}
