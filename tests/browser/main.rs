//! The pictures in a browser: they zoom and search, they are text where names
//! are, and nothing is fetched.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod latency;

use common::{contend, run, shared_captures, skipped};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The browser of this machine. Says so and gives nothing when there is none.
fn browser() -> Option<&'static str> {
    let is_there = |name: &&str| {
        let mut command = Command::new(name);
        command
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = BROWSERS.into_iter().find(is_there);
    if found.is_none() {
        skipped("there is no Chromium");
    }
    found
}

/// What the browser makes of a page, as text, behind its scripts.
fn dom(browser: &str, scratch: &Path, url: &str) -> String {
    let profile = tempfile::tempdir_in(scratch).unwrap();
    let log = scratch.join("net-log.json");
    let mut command = Command::new(browser);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args([
            "--disable-quic",
            "--disable-background-networking",
            "--disable-sync",
        ])
        .args(["--disable-component-update", "--window-size=1200,900"])
        .args(["--virtual-time-budget=3000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--log-net-log={}", log.display()))
        .arg(url)
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    // A browser that still writes into its folder must not fail the test.
    std::thread::sleep(Duration::from_millis(200));
    drop(std::fs::remove_dir_all(profile.path()));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A flamegraph of a recorded program.
fn picture(scratch: &Path) -> Option<PathBuf> {
    let folder = shared_captures()?.join("offcpu-local");
    let svg = scratch.join("cpu.svg");
    let ended = run(contend()
        .arg("oncpu")
        .arg(folder.join("cpp-fp-cpuclock-switch.data"))
        .arg("--symbol-dir")
        .arg(folder.join("bin"))
        .arg("-o")
        .arg(&svg));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    Some(svg)
}

fn address(svg: &Path) -> String {
    format!("file://{}", svg.display())
}

/// The elements of a picture's frames whose title begins with a text.
fn frames<'a>(dom: &'a str, name: &str) -> Vec<&'a str> {
    let groups = dom.split("<g").skip(1);
    let title = format!("<title>{name}");
    groups.filter(|group| group.contains(&title)).collect()
}

#[test]
fn flamegraphs_search_and_zoom() {
    let Some(browser) = browser() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let Some(svg) = picture(scratch.path()) else {
        return;
    };
    let plain = dom(browser, scratch.path(), &address(&svg));
    assert!(plain.contains("id=\"frames\""), "{plain}");
    assert!(!plain.contains(">Matched: "));
    let hog = frames(&plain, "hog_cpu(Stat&amp;)");
    assert!(!hog.is_empty() && !hog.iter().any(|frame| frame.contains("hide")));

    let found = dom(
        browser,
        scratch.path(),
        &format!("{}?s=hog_cpu", address(&svg)),
    );
    assert!(found.contains(">Matched: 9"), "about nine tenths");
    let is_marked = |frame: &&str| frame.contains("rgb(230,0,230)");
    assert!(frames(&found, "hog_cpu(Stat&amp;)").iter().all(is_marked));
    assert!(!frames(&found, "wait_account_lock").iter().any(is_marked));

    // A picture remembers in its address what was clicked.
    let target = frames(&plain, "lw-hog1 ")[0];
    let value = |attribute: &str| {
        let (_, rest) = target.split_once(&format!(" {attribute}=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let zoom = format!("{}?x={}&y={}", address(&svg), value("fg:x"), value("y"));
    let zoomed = dom(browser, scratch.path(), &zoom);
    let is_wide = |frame: &&str| frame.contains("width=\"100.0000%\"");
    assert!(frames(&zoomed, "lw-hog1 ").iter().all(is_wide));
    assert!(frames(&zoomed, "lw-hog2 ")[0].contains("hide"));
}

#[test]
fn names_are_text_and_nothing_is_fetched() {
    let Some(browser) = browser() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let Some(svg) = picture(scratch.path()) else {
        return;
    };
    // A thread with such a name, in a copy of the capture: names of 16 bytes.
    let capture = svg.with_file_name("named.data");
    let folder = shared_captures().unwrap().join("offcpu-local");
    let mut bytes = std::fs::read(folder.join("cpp-fp-cpuclock-switch.data")).unwrap();
    let name = b"lw-hog1\0";
    let places: Vec<usize> = bytes
        .windows(name.len())
        .enumerate()
        .filter(|(_, window)| window == name)
        .map(|(place, _)| place)
        .collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place..place + 8].copy_from_slice(b"<img/a>\0");
    }
    std::fs::write(&capture, bytes).unwrap();
    let ended = run(contend().arg("oncpu").arg(&capture).arg("-o").arg(&svg));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let shown = dom(browser, scratch.path(), &address(&svg));
    assert!(shown.contains("&lt;img/a&gt;") && !shown.contains("<img"));
    // Only names of vocabularies look like addresses.
    let text = std::fs::read_to_string(&svg).unwrap();
    for attribute in [
        "href=",
        "src=",
        "url(http",
        "@import",
        "<image",
        "<foreignObject",
    ] {
        assert!(!text.contains(attribute), "{attribute}");
    }
    // Nor did the browser ask for anything but the file.
    let log = std::fs::read_to_string(scratch.path().join("net-log.json")).unwrap();
    let asked: Vec<&str> = log.split("\"url\":\"").skip(1).collect();
    let asked = asked.iter().map(|rest| rest.split('"').next().unwrap());
    let outside: Vec<&str> = asked
        .filter(|url| url.starts_with("http") || url.starts_with("ws"))
        // The browser's own, whatever it opens.
        .filter(|url| !url.contains("google") && !url.contains("gvt1"))
        .collect();
    assert!(outside.is_empty(), "{outside:?}");
}
