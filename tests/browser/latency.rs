//! The picture of latencies: everything in it can be read at its own width.

use crate::common::capture::Capture;
use crate::common::{contend, run, shared_captures, unpacked, workspace};
use crate::{address, browser, dom};
use std::path::PathBuf;

/// Which texts go over the edge, and which labels of percentiles, names and marks of axes
/// cover each other.
const LOOK: &str = r#"
const svg = document.querySelector('svg').getBoundingClientRect();
const texts = [...document.querySelectorAll('svg text')].map(element => ({
  text: element.textContent, box: element.getBoundingClientRect(),
  mark: element.classList.contains('mark'), row: element.getAttribute('y'),
  name: element.classList.contains('name') || element.classList.contains('note')}));
const wrong = texts.filter(({box}) =>
  box.left < svg.left || box.right > svg.right || box.bottom > svg.bottom).map(({text}) => 'over: ' + text);
const marks = texts.filter(({mark}) => mark);
const ticks = [...document.querySelectorAll('svg text.tick')].map(element => ({
  text: element.textContent, box: element.getBoundingClientRect(), row: element.getAttribute('y')}));
for (const kind of [marks, texts.filter(({name}) => name), ticks]) {
  kind.forEach((a, i) => kind.slice(i + 1).forEach(b => {
    if (a.row === b.row && a.box.left < b.box.right && b.box.left < a.box.right) {
      wrong.push('covered: ' + a.text + ' / ' + b.text);
    }
  }));
}
const result = document.createElement('p');
result.textContent = 'texts ' + texts.length + ' marks ' + marks.length + ' wrong [' + wrong.join('; ') + ']';
document.body.append(result);
"#;

#[test]
fn nothing_goes_over_the_edge_or_covers_a_label() {
    let Some(browser) = browser() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let mut captures = vec![workspace().join("fixtures/demo/false-sharing.perf.data")];
    if let Some(shared) = shared_captures() {
        let more = [
            "mem/amd-epyc9254-ibs-c2c-ring.perf.data.xz",
            "mem/intel-skx-load-latency-weight-struct.perf.data",
            "mem-realistic/g_rust.perf.data",
            "spe-synthetic/v2-newbits.perf.data.xz",
        ];
        let more = more.map(|name| unpacked(&shared.join(name), scratch.path()));
        captures.extend::<[PathBuf; 4]>(more);
    }
    let far = scratch.path().join("far.perf.data");
    let demo = Capture::new(std::fs::read(&captures[0]).unwrap());
    // From one cycle to more than any processor counts.
    std::fs::write(&far, demo.with_weights(|weight| (weight % 40).pow(6) + 1)).unwrap();
    captures.push(far);
    let asked = ["source", "function", "line", "thread"].map(|by| (by, "log"));
    for capture in captures {
        for (by, scale) in asked.into_iter().chain([("source", "linear")]) {
            let svg = scratch.path().join("latency.svg");
            let mut command = contend();
            let ended = run(command
                .args(["latency", "--by", by, "--scale", scale])
                .arg(&capture)
                .arg("-o")
                .arg(&svg));
            let what = format!("{by} {scale} {}", capture.display());
            assert_eq!(ended.code, Some(0), "{what}: {}", ended.stderr);
            let text = std::fs::read_to_string(&svg).unwrap();
            let (_, drawn) = text.split_once("?>").unwrap();
            let page = scratch.path().join("page.html");
            let page_text = format!(
                "<!DOCTYPE html><meta charset=\"utf-8\"><body style=\"margin:0\">{drawn}<script>{LOOK}</script>"
            );
            std::fs::write(&page, page_text).unwrap();
            let seen = dom(browser, scratch.path(), &address(&page));
            let result = seen.rsplit("<p>").next().unwrap();
            assert!(result.starts_with("texts "), "{what}: {result}");
            assert!(result.contains("wrong []"), "{what}: {result}");
            assert!(!result.contains("marks 0 "), "{what}: {result}");
        }
    }
}
