//! Help, version, colour, pipes.

use crate::common::{contend, contend_on, contend_reading, run, workspace};
use std::path::{Path, PathBuf};
use std::process::Stdio;

fn demo() -> PathBuf {
    workspace().join("fixtures/demo/false-sharing.perf.data")
}

#[test]
fn help_names_every_command_and_fits_a_screen() {
    let short = run(contend().arg("-h"));
    assert_eq!(short.code, Some(0));
    assert!(short.stderr.is_empty());
    assert!(short.text().lines().count() <= 40, "{}", short.text());
    for command in ["info", "c2c"] {
        assert!(short.text().contains(command), "{}", short.text());
        let help = run(contend().args([command, "--help"]));
        assert_eq!(help.code, Some(0), "{}", help.stderr);
        for option in ["--json", "--threads"] {
            assert!(help.text().contains(option), "{command}: {}", help.text());
        }
        let help = run(contend().args([command, "-h"]));
        assert!(
            help.text().lines().count() <= 50,
            "{command}: {}",
            help.text()
        );
    }
    let long = run(contend().arg("--help"));
    assert!(
        long.text().contains("contend c2c"),
        "long help has an example: {}",
        long.text()
    );
}

#[test]
fn help_of_c2c_has_the_options_of_the_contract_and_not_the_hidden_one() {
    let help = run(contend().args(["c2c", "--help"])).text();
    for option in [
        "--sort",
        "--coalesce",
        "--show-all",
        "--line-size",
        "--perf-compat",
        "--top",
        "--rows",
        "--color",
    ] {
        assert!(help.contains(option), "{option}: {help}");
    }
    assert!(!help.contains("--chunk-size"), "{help}");
}

#[test]
fn version() {
    let ended = run(contend().arg("--version"));
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.text(),
        format!("contend {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn without_a_command_it_says_how_it_is_used() {
    let ended = run(&mut contend());
    assert_eq!(ended.code, Some(2));
    assert!(ended.stdout.is_empty());
    assert!(ended.stderr.contains("Usage"), "{}", ended.stderr);
}

#[test]
fn plain_text_when_piped() {
    for command in ["info", "c2c"] {
        let ended = contend_on(&demo(), &[command]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(!ended.text().is_empty());
        assert!(
            !ended.text().contains('\x1b'),
            "{command}: {}",
            ended.text()
        );
        assert!(
            !ended.stderr.contains('\x1b'),
            "{command}: {}",
            ended.stderr
        );
        assert!(!ended.text().contains('\r'), "{command}");
    }
}

#[test]
fn colour_only_when_asked_for() {
    let colours = |args: &[&str], environment: &[(&str, &str)]| {
        let mut command = contend();
        command
            .envs(environment.iter().copied())
            .arg("c2c")
            .args(args)
            .arg(demo());
        let ended = run(&mut command);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.text().contains("\x1b[")
    };
    assert!(colours(&["--color", "always"], &[]));
    assert!(!colours(&["--color", "never"], &[]));
    assert!(!colours(&["--color", "auto"], &[]));
    assert!(!colours(&[], &[("NO_COLOR", "1")]));
    assert!(!colours(&[], &[("TERM", "dumb")]));
    assert!(!colours(&["--json"], &[]), "JSON has no colours");
}

#[test]
fn a_closed_pipe_is_no_error() {
    for args in [
        &["info"][..],
        &["c2c"],
        &["c2c", "--json", "--show-all"],
        &["c2c", "--perf-compat"],
    ] {
        let mut command = contend();
        command
            .args(args)
            .arg(demo())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Closed before the command has anything to write.
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {stderr}");
        assert!(
            !stderr.contains("panicked") && !stderr.contains("pipe"),
            "{args:?}: {stderr}"
        );
    }
}

#[test]
fn standard_input_gives_what_the_file_gives() {
    let bytes = std::fs::read(demo()).unwrap();
    let piped = contend_reading(&bytes, &["c2c", "--json", "--show-all"]).json("stdin");
    let named = contend_on(&demo(), &["c2c", "--json", "--show-all"]).json("file");
    for field in ["perf_counters", "classes", "ratios", "lines"] {
        assert_eq!(piped[field], named[field], "{field}");
    }
}

#[test]
fn an_output_file_is_written_whole_or_not_at_all() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("c2c.json");
    let ended = run(contend()
        .args(["c2c", "--json", "-o"])
        .arg(&out)
        .arg(demo()));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(
        written,
        contend_on(&demo(), &["c2c", "--json"]).json("demo")
    );

    let out = scratch.path().join("no-such-folder/c2c.json");
    let ended = run(contend()
        .args(["c2c", "--json", "-o"])
        .arg(&out)
        .arg(demo()));
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);

    let out = scratch.path().join("of-nothing.json");
    let ended = run(contend()
        .args(["c2c", "--json", "-o"])
        .arg(&out)
        .arg(scratch.path().join("absent")));
    assert_eq!(ended.code, Some(2));
    let left: Vec<_> = std::fs::read_dir(scratch.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["c2c.json"], "nothing half-written is left");
}

#[test]
fn documents_name_their_schema() {
    assert_eq!(
        contend_on(&demo(), &["info", "--json"]).json("info")["schema"],
        "contend.info/1"
    );
    let document = contend_on(&demo(), &["c2c", "--json"]).json("c2c");
    assert_eq!(document["schema"], "contend.c2c/1");
    for field in [
        "capture",
        "quality",
        "perf_counters",
        "classes",
        "ratios",
        "lines",
    ] {
        assert!(!document[field].is_null(), "{field}");
    }
    let classes: u64 = document["classes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|class| class["count"].as_u64())
        .sum();
    assert_eq!(
        Some(classes),
        document["quality"]["memory_samples"].as_u64()
    );
    for ratio in [
        "hitm_per_load",
        "hitm_per_llc_miss",
        "remote_per_hitm",
        "peer_per_load",
    ] {
        let ratio = &document["ratios"][ratio];
        let [value, low, high] = ["value", "low", "high"].map(|field| ratio[field].as_f64());
        if ratio["denominator"].as_u64() == Some(0) {
            assert_eq!(value, None, "no ratio of nothing: {ratio}");
        } else {
            assert!(low <= value && value <= high, "{ratio}");
        }
    }
}

#[test]
fn output_goes_through_links_and_into_devices() {
    let folder = tempfile::tempdir().expect("a folder");
    let (link, file) = (folder.path().join("link"), folder.path().join("file"));
    std::fs::write(&file, "old").expect("a file");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    for target in [link.as_path(), Path::new("/dev/null")] {
        let target = target.to_str().expect("UTF-8");
        let run = contend_on(&demo(), &["c2c", "--json", "-o", target]);
        assert_eq!(run.code, Some(0), "{target}: {}", run.stderr);
    }
    assert!(link.is_symlink(), "the link was replaced");
    let text = std::fs::read_to_string(&file).expect("the file");
    assert!(text.contains("contend.c2c/1"), "{text}");
    assert!(!Path::new("/dev/null").is_file(), "the device was replaced");
}

/// What `contend c2c` says that writes its output to a path.
fn written_to(capture: &Path, output: &Path) -> crate::common::Run {
    run(contend().args(["c2c", "-o"]).arg(output).arg(capture))
}

#[test]
fn output_never_replaces_the_capture() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("perf.data");
    std::fs::copy(demo(), &capture).unwrap();
    let hard = folder.path().join("hard");
    std::fs::hard_link(&capture, &hard).unwrap();
    let soft = folder.path().join("soft");
    std::os::unix::fs::symlink(&capture, &soft).unwrap();
    for output in [&capture, &hard, &soft] {
        let ended = written_to(&capture, output);
        let line = ended.refused("-o CAPTURE");
        assert!(line.contains("it is the capture"), "{line}");
    }
    let ended = run(contend()
        .args(["info", "-o"])
        .arg(&capture)
        .arg("-")
        .stdin(std::fs::File::open(&capture).unwrap()));
    ended.refused("-o the capture on standard input");
    for command in ["info", "c2c", "latency", "offcpu", "oncpu", "symbols"] {
        let ended = run(contend().args([command, "-o"]).args([&capture, &capture]));
        let line = ended.refused("-o CAPTURE");
        assert!(line.contains("it is the capture"), "{command}: {line}");
    }
    assert!(std::fs::read(&capture).unwrap() == std::fs::read(demo()).unwrap());
}

/// A table in a file of that name would be taken for a broken picture.
#[test]
fn commands_without_a_picture_write_no_svg() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("x.SVG");
    for command in ["info", "c2c", "symbols"] {
        let ended = run(contend().args([command, "-o"]).arg(&picture).arg(demo()));
        let line = ended.refused("a picture");
        assert!(
            line.contains(&format!("{command} draws no picture")),
            "{line}"
        );
    }
    assert!(!picture.exists());
}

#[test]
fn output_says_what_is_wrong_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let ended = written_to(&demo(), folder.path());
    let line = ended.refused("-o DIR");
    assert!(line.contains("it is a directory"), "{line}");

    let ended = written_to(&demo(), &folder.path().join("absent/c2c.txt"));
    let line = ended.refused("-o into no folder");
    assert!(line.ends_with("there is no such folder"), "{line}");
    assert!(!line.contains(".contend-"), "{line}");

    let dash = written_to(&demo(), Path::new("-"));
    assert_eq!(dash.text(), contend_on(&demo(), &["c2c"]).text());
    assert!(!Path::new("-").exists());
}

#[test]
fn output_has_the_usual_permissions_or_those_of_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c2c.txt");
    let mode = || file.metadata().unwrap().permissions().mode() & 0o777;
    let script = "umask 027; exec \"$0\" c2c -o \"$1\" \"$2\"";
    let ended = run(std::process::Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_contend")])
        .arg(&file)
        .arg(demo()));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(mode(), 0o640, "{:o}", mode());

    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(written_to(&demo(), &file).code, Some(0));
    assert_eq!(mode(), 0o600, "{:o}", mode());

    std::fs::write(&file, "precious").unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o444)).unwrap();
    let may_all = std::fs::File::options().write(true).open(&file).is_ok();
    let ended = written_to(&demo(), &file);
    if !may_all {
        ended.refused("-o into a file that is not writable");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    }
}
