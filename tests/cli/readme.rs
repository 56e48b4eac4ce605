//! What the README shows is what the command prints.

use crate::common::{contend, run, workspace};
use std::fs;

const BINARIES: &str = "fixtures/demo";
const CAPTURE: &str = "fixtures/demo/false-sharing.perf.data";

#[test]
fn the_example_is_the_output_of_the_command() {
    let readme = fs::read_to_string(workspace().join("README.md")).expect("README.md");
    let (_, after) = readme.split_once("```text\n").expect("an example");
    let (example, _) = after.split_once("```\n").expect("its end");
    let printed = run(contend()
        .args(["c2c", "--symbol-dir", BINARIES, CAPTURE])
        .current_dir(workspace()));
    assert_eq!(printed.text(), example, "the README shows another output");
    assert!(readme.contains(&format!("-- c2c --symbol-dir {BINARIES} {CAPTURE}\n")));
}
