//! The pictures in a browser: they zoom and search, they are text where names
//! are, and nothing is fetched.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod latency;

use common::{contend, off_cpu, run, shared_captures, skipped};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
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

/// What the browser makes of a page, as text, behind its scripts. One that shows nothing
/// or hangs is started again: it consists of many processes, and of these one may die.
fn dom(browser: &str, scratch: &Path, url: &str) -> String {
    let mut said = String::new();
    for _ in 0..3 {
        let output = shown(browser, scratch, url);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.contains('<') {
            return text;
        }
        said = format!(
            "{}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    panic!("{browser} shows nothing of {url}: {said}");
}

fn shown(browser: &str, scratch: &Path, url: &str) -> Output {
    let profile = tempfile::tempdir_in(scratch).unwrap();
    let log = scratch.join("net-log.json");
    // Five minutes are for a hanging one.
    let mut command = Command::new("timeout");
    command
        .args(["-k", "10", "300", browser])
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
        // Containers have little shared memory.
        .arg("--disable-dev-shm-usage")
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
    output
}

/// A flamegraph of time on the CPU of a recorded program.
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

/// A flamegraph of time off the CPU, of a capture that is made here.
fn off_cpu_picture(scratch: &Path) -> PathBuf {
    let svg = scratch.join("off.svg");
    let capture = off_cpu::written(scratch);
    let ended = run(contend().arg("offcpu").arg(capture).arg("-o").arg(&svg));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    svg
}

/// The address of a picture that is zoomed into one of its frames.
fn zoomed(svg: &Path, frame: &str) -> String {
    // A picture remembers in its address what was clicked.
    let value = |attribute: &str| {
        let (_, rest) = frame.split_once(&format!(" {attribute}=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    format!("{}?x={}&y={}", address(svg), value("fg:x"), value("y"))
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

    let zoom = zoomed(&svg, frames(&plain, "lw-hog1 ")[0]);
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
    nothing_is_fetched(scratch.path(), &svg);
}

/// Asserts that a picture has no address of anything, and that the browser, which
/// showed it last, asked for nothing.
fn nothing_is_fetched(scratch: &Path, svg: &Path) {
    // Only names of vocabularies look like addresses.
    let text = std::fs::read_to_string(svg).unwrap();
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
    let log = std::fs::read_to_string(scratch.join("net-log.json")).unwrap();
    let asked: Vec<&str> = log.split("\"url\":\"").skip(1).collect();
    let asked = asked.iter().map(|rest| rest.split('"').next().unwrap());
    let outside: Vec<&str> = asked
        .filter(|url| url.starts_with("http") || url.starts_with("ws"))
        // The browser's own, whatever it opens.
        .filter(|url| !url.contains("google") && !url.contains("gvt1"))
        .collect();
    assert!(outside.is_empty(), "{outside:?}");
}

/// Columns of pixels that the legend and the lines above it may take: a narrow
/// window's.
const NARROW: f64 = 1000.0;

#[test]
fn time_off_the_cpu_searches_and_zooms() {
    let Some(browser) = browser() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let svg = off_cpu_picture(scratch.path());
    let plain = dom(browser, scratch.path(), &address(&svg));
    nothing_is_fetched(scratch.path(), &svg);

    // Names are text, also those that look like markup.
    assert!(plain.contains("B: &lt;img/a&gt;") && !plain.contains("<img"));
    // The patterns are there, and are what the frames are painted with.
    let is_hatched = |frame: &&str| frame.starts_with(" class=\"p");
    assert!(frames(&plain, "P: hog").iter().all(is_hatched));
    assert!(frames(&plain, "▪")[0].starts_with(" class=\"k"));
    for part in [
        "id=\"legend\"",
        ">preempted<",
        ">▪kernel<",
        "<pattern id=\"p\"",
    ] {
        assert!(plain.contains(part), "{part}: {plain}");
    }
    // All of the subtitle is there, in lines that fit.
    assert!(plain.contains(" records lost") && plain.contains(" recorded<"));

    // What is found has the colour of what is found, and keeps its hatching.
    let found = dom(
        browser,
        scratch.path(),
        &format!("{}?s=P%3A", address(&svg)),
    );
    assert!(found.contains(">Matched: "));
    let is_marked = |frame: &&str| frame.contains("rgb(230,0,230)");
    let hog = frames(&found, "P: hog");
    assert!(hog.iter().all(is_marked) && hog.iter().all(is_hatched));
    assert!(!frames(&found, "B: ").iter().any(is_marked));

    // So does what is zoomed into; the rest is gone.
    let hog = frames(&plain, "P: hog")[0];
    let zoom = dom(browser, scratch.path(), &zoomed(&svg, hog));
    let hog = frames(&zoom, "P: hog");
    assert!(hog[0].contains("width=\"100.0000%\"") && is_hatched(&hog[0]));
    assert!(frames(&zoom, "app+0x1332").iter().all(is_hatched));
    assert!(frames(&zoom, "B: blocked")[0].contains("hide"));
    assert!(zoom.contains("id=\"legend\""), "the legend stays");
    nothing_is_fetched(scratch.path(), &svg);
}

#[test]
fn what_stands_above_the_frames_fits_a_narrow_window() {
    let Some(browser) = browser() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let svg = off_cpu_picture(scratch.path());
    // The browser measures, and writes it down where it can be read.
    let measured = scratch.path().join("measured.svg");
    let script = "<script>window.addEventListener('load', function() { \
                  var widest = 0; \
                  document.querySelectorAll('#title, #subtitle, .subtitle, #legend')\
                  .forEach(function(e) { widest = Math.max(widest, e.getBBox().width); }); \
                  document.getElementById('details').firstChild.nodeValue = 'widest ' + widest + '.'; \
                  });</script></svg>";
    let text = std::fs::read_to_string(&svg).unwrap();
    let body = text.strip_suffix("</svg>").unwrap();
    std::fs::write(&measured, format!("{body}{script}")).unwrap();
    let dom = dom(browser, scratch.path(), &address(&measured));
    let (_, rest) = dom.split_once(">widest ").unwrap();
    let widest: f64 = rest.split(".<").next().unwrap().parse().unwrap();
    assert!(widest > 300.0 && widest < NARROW - 20.0, "{widest}");
}

/// A page that draws a picture as an image, as tickets do, and writes down how much
/// the brightness differs within each of some rectangles (x, y, width, height), in
/// steps of 255.
fn brightness_page(svg: &str, rectangles: &[[f64; 4]]) -> String {
    let text = serde_json::to_string(svg).unwrap().replace("</", "<\\/");
    let rectangles = serde_json::to_string(rectangles).unwrap();
    format!(
        "<body><p id=\"out\">nothing</p><script>
        var image = new Image();
        image.onload = function() {{
            var canvas = document.createElement('canvas');
            canvas.width = image.width;
            canvas.height = image.height;
            var context = canvas.getContext('2d');
            context.drawImage(image, 0, 0);
            var spans = {rectangles}.map(function(r) {{
                var data = context.getImageData(r[0], r[1], r[2], r[3]).data;
                var low = 255, high = 0;
                for (var i = 0; i < data.length; i += 4) {{
                    var grey = 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
                    low = Math.min(low, grey);
                    high = Math.max(high, grey);
                }}
                return Math.round(high - low);
            }});
            document.getElementById('out').textContent = 'spans ' + spans.join(' ') + '.';
        }};
        image.src = 'data:image/svg+xml,' + encodeURIComponent({text});
        </script></body>"
    )
}

#[test]
fn frames_are_told_apart_in_grey_and_as_an_image() {
    let Some(browser) = browser() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let svg = std::fs::read_to_string(off_cpu_picture(scratch.path())).unwrap();
    let number = |element: &str, attribute: &str| -> f64 {
        let (_, rest) = element.split_once(&format!(" {attribute}=\"")).unwrap();
        let value = rest.split('"').next().unwrap();
        value.trim_end_matches('%').parse().unwrap()
    };
    let (_, container) = svg.split_once("<svg id=\"frames\"").unwrap();
    let (left, top) = (number(container, "x"), number(container, "y"));
    let whole = number(container, "width");
    // The last pixels of a frame, where no text is, and of these the upper or the
    // lower part.
    let end = |name: &str, upper: bool| {
        let frame = frames(&svg, name)[0];
        let (_, rect) = frame.split_once("<rect").unwrap();
        let right = (number(rect, "x") + number(rect, "width")) * whole / 100.0;
        let y = top + number(rect, "y");
        let (y, height) = if upper { (y, 6.0) } else { (y + 5.0, 9.0) };
        [(left + right - 18.0).floor(), y, 14.0, height]
    };
    let plain = end("B: &lt;img/a&gt;", false);
    let hatched = end("P: hog", false);
    let hatched_code = end("app+0x1332", false);
    let bar = end("▪", true);
    let below_bar = end("▪", false);
    // As wide as a frame that shows no text.
    let narrow = [hatched_code[0], hatched_code[1], 3.0, hatched_code[3]];
    let page = scratch.path().join("page.html");
    let rectangles = [plain, hatched, hatched_code, narrow, bar, below_bar];
    std::fs::write(&page, brightness_page(&svg, &rectangles)).unwrap();
    let dom = dom(browser, scratch.path(), &address(&page));
    let (_, rest) = dom.split_once(">spans ").unwrap_or_else(|| panic!("{dom}"));
    let spans = rest.split(".<").next().unwrap().split(' ');
    let spans: Vec<u32> = spans.map(|span| span.parse().unwrap()).collect();
    let [plain, hatched, hatched_code, narrow, bar, below_bar] = spans[..] else {
        panic!("{spans:?}");
    };
    assert!(plain < 4 && below_bar < 4, "{spans:?}");
    for seen in [hatched, hatched_code, narrow, bar] {
        assert!(seen > 40, "{spans:?}");
    }
}
